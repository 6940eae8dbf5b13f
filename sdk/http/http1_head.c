/*
 * http1_head.c - the bytes of a head become method, target and fields.
 *
 * Two readers look at every byte. The line discipline here comes first: a head is
 * lines that end with CR LF, without NUL, without a lone CR or LF and without folded
 * lines, and it ends with the empty line; so the end of the head is found without
 * trusting anything else. llhttp then takes the same bytes apart and refuses what is
 * not in the grammar. It sees heads only: bodies are framed by http1_body.c.
 *
 * Strings are copied into the arena (names in lower case); while it may still move,
 * fields hold offsets, and pointers are made once the head is complete.
 */
#include "http1_parser.h"

#define ARENA_FIRST  2048u
#define FIELDS_FIRST 16u

static const char no_memory[] = "no memory for the message head";

/* Room for n more bytes and a 0 at the end of the arena. */
static int arena_room(struct aiex_http1 *p, size_t n)
{
    size_t cap = p->cap ? p->cap : ARENA_FIRST;
    char *mem;

    if (p->cap - p->used > n) /* so it is but for long heads */
        return 0;
    while (cap - p->used < n + 1)
        cap *= 2;
    if (cap == p->cap)
        return 0;
    mem = realloc(p->arena, cap);
    if (!mem)
        return http1_refuse(p, -ENOMEM, 500, no_memory);
    p->arena = mem;
    p->cap = cap;
    return 0;
}

static int arena_add(struct aiex_http1 *p, const char *bytes, size_t n)
{
    if (arena_room(p, n) != 0)
        return -ENOMEM;
    memcpy(p->arena + p->used, bytes, n);
    p->used += n;
    p->arena[p->used] = 0;
    return 0;
}

static int field_open(struct aiex_http1 *p)
{
    size_t cap = p->cap_fields ? p->cap_fields * 2 : FIELDS_FIRST;
    void *fields, *headers;

    if (p->n_fields == p->limits.n_headers)
        return http1_refuse(p, -EMSGSIZE, 431, "too many header fields");
    if (p->n_fields == p->cap_fields) {
        fields = realloc(p->fields, cap * sizeof(*p->fields));
        if (fields)
            p->fields = fields;
        headers = fields ? realloc(p->headers, cap * sizeof(*p->headers)) : NULL;
        if (headers)
            p->headers = headers;
        if (!fields || !headers)
            return http1_refuse(p, -ENOMEM, 500, no_memory);
        p->cap_fields = cap;
    }
    p->fields[p->n_fields].name = (uint32_t)p->used;
    p->fields[p->n_fields].value = 0; /* the name is still coming in */
    p->n_fields++;
    return 0;
}

/* ---- llhttp's callbacks: -1 ends its run, the reason is in the parser already ---- */

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
    struct aiex_http1 *p = ll->data;

    if (n > p->limits.target_bytes - p->n_target) {
        http1_refuse(p, -EMSGSIZE, 414, "the request target is too long");
        return -1;
    }
    if (p->n_target == 0)
        p->target_at = p->used;
    p->n_target += n;
    return arena_add(p, at, n) != 0 ? -1 : 0;
}

/* Path and query get copies of their own behind the target. */
static int on_url_complete(llhttp_t *ll)
{
    struct aiex_http1 *p = ll->data;
    const char *t, *path, *scheme;
    size_t skip, n_path, n_query;

    p->used++; /* keeps the 0 behind the target */
    if (arena_room(p, p->n_target + 3) != 0)
        return -1;
    t = path = p->arena + p->target_at;
    scheme = *t == '/' ? NULL : strstr(t, "://");
    if (scheme)
        path = scheme + 3 + strcspn(scheme + 3, "/?");
    skip = (size_t)(path - t);
    n_path = strcspn(path, "?");
    n_query = p->n_target - skip - n_path;
    p->path_at = p->used;
    if (scheme && n_path == 0 && arena_add(p, "/", 1) != 0)
        return -1;
    if (arena_add(p, p->arena + p->target_at + skip, n_path) != 0)
        return -1;
    p->used++;
    p->query_at = p->used;
    if (n_query > 1)
        memcpy(p->arena + p->used, p->arena + p->target_at + skip + n_path + 1, n_query - 1);
    p->used += n_query > 1 ? n_query - 1 : 0;
    p->arena[p->used++] = 0;
    return 0;
}

#define ALL(byte) (UINT64_MAX / 255 * (byte))

/* Letters A to Z, eight at a time: 7 bits of each byte are carried over a limit into the 8th. */
static void lower(char *at, size_t n)
{
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t v, low, upper;

        memcpy(&v, at, sizeof(v));
        low = v & ALL(0x7f);
        upper = (low + ALL(0x80 - 'A')) ^ (low + ALL(0x7f - 'Z'));
        v |= (upper & ~v & ALL(0x80)) >> 2;
        memcpy(at, &v, sizeof(v));
    }
    for (; n; at++, n--)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    struct aiex_http1 *p = ll->data;
    size_t from;

    if ((p->n_fields == 0 || p->fields[p->n_fields - 1].value != 0) && field_open(p) != 0)
        return -1;
    from = p->used;
    if (arena_add(p, at, n) != 0)
        return -1;
    lower(p->arena + from, n);
    return 0;
}

static int on_field_complete(llhttp_t *ll)
{
    struct aiex_http1 *p = ll->data;

    if (p->n_fields == 0 || p->fields[p->n_fields - 1].value != 0 ||
        p->fields[p->n_fields - 1].name == p->used) {
        http1_refuse(p, -EPROTO, 400, "a header without a name");
        return -1;
    }
    if (arena_room(p, 1) != 0)
        return -1;
    p->used++; /* the 0 behind the name */
    p->arena[p->used] = 0;
    p->fields[p->n_fields - 1].value = (uint32_t)p->used;
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    return arena_add(ll->data, at, n) != 0 ? -1 : 0;
}

static int on_value_complete(llhttp_t *ll)
{
    struct aiex_http1 *p = ll->data;
    size_t from = p->fields[p->n_fields - 1].value;

    while (p->used > from && (p->arena[p->used - 1] == ' ' || p->arena[p->used - 1] == '\t'))
        p->used--;
    if (arena_room(p, 1) != 0)
        return -1;
    p->arena[p->used++] = 0;
    return 0;
}

/* The body is not llhttp's: 1 = "no body follows". */
static int on_headers_complete(llhttp_t *ll)
{
    struct aiex_http1 *p = ll->data;

    ll->upgrade = 0;
    p->has_head = 1;
    return 1;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
};

/* ---- Life ---- */

void http1_head_reset(struct aiex_http1 *p)
{
    llhttp_init(&p->ll, p->kind == AIEX_HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    p->ll.data = p;
    p->line_seen = p->n_first = 0;
    p->in_start_line = 1;
    p->cr = 0;
    p->used = 0;
    p->n_fields = 0;
    p->target_at = p->n_target = 0;
    p->has_head = 0;
    memset(&p->head, 0, sizeof(p->head));
}

void http1_head_done(struct aiex_http1 *p)
{
    free(p->arena);
    free(p->fields);
    free(p->headers);
}

/* ---- Line discipline ---- */

/* Empty lines before a request line are skipped (RFC 9112 2.2). Returns how many bytes. */
static int skip_empty_lines(struct aiex_http1 *p, const char *bytes, size_t n, size_t *ret_skipped)
{
    size_t i = 0;

    for (; i < n; i++) {
        if (p->cr ? bytes[i] != '\n' : bytes[i] != '\r')
            break;
        p->cr = !p->cr;
    }
    *ret_skipped = i;
    if (i < n && p->cr)
        return http1_refuse(p, -EPROTO, 400, "a CR without LF before the request line");
    return 0;
}

/* One piece of a line, without its LF. */
static int check_piece(struct aiex_http1 *p, const char *piece, size_t n, int ends)
{
    const char *cr;
    size_t keep;

    if (n && p->cr)
        return http1_refuse(p, -EPROTO, 400, "a CR without LF in the message head");
    if (n && p->line_seen == 0 && !p->in_start_line && (*piece == ' ' || *piece == '\t'))
        return http1_refuse(p, -EPROTO, 400, "a folded header line");
    if (memchr(piece, 0, n))
        return http1_refuse(p, -EPROTO, 400, "a NUL byte in the message head");
    cr = memchr(piece, '\r', n);
    if (cr && cr != piece + n - 1)
        return http1_refuse(p, -EPROTO, 400, "a CR without LF in the message head");
    if (cr)
        p->cr = 1;
    if (ends && !p->cr)
        return http1_refuse(p, -EPROTO, 400, "a LF without CR in the message head");
    if (p->in_start_line && p->n_first < sizeof(p->first)) {
        keep = sizeof(p->first) - p->n_first;
        memcpy(p->first + p->n_first, piece, n < keep ? n : keep);
        p->n_first += n < keep ? n : keep;
    }
    p->line_seen += n;
    return 0;
}

/* How many of the bytes belong to this head; *ret_end = the empty line was among them. */
static int scan_lines(struct aiex_http1 *p, const char *bytes, size_t n, size_t *ret_len,
                      int *ret_end)
{
    const char *lf;
    size_t i = 0, piece;
    int r;

    *ret_end = 0;
    while (i < n && !*ret_end) {
        lf = memchr(bytes + i, '\n', n - i);
        piece = lf ? (size_t)(lf - (bytes + i)) : n - i;
        if ((r = check_piece(p, bytes + i, piece, lf != NULL)) != 0)
            return r;
        i += piece + (lf ? 1 : 0);
        if (lf && p->in_start_line && p->line_seen == 1)
            return http1_refuse(p, -EPROTO, 400, "an empty line before the message");
        if (lf) {
            *ret_end = p->line_seen == 1 && !p->in_start_line;
            p->in_start_line = 0;
            p->line_seen = 0;
            p->cr = 0;
        }
    }
    *ret_len = i;
    return 0;
}

/* ---- From llhttp's verdict to a status ---- */

/* Is what stands before the first space a well-formed method name? */
static int starts_with_word(const struct aiex_http1 *p)
{
    size_t i = 0;

    while (i < p->n_first && p->first[i] >= 'A' && p->first[i] <= 'Z')
        i++;
    return i > 0 && (i == p->n_first || p->first[i] == ' ' || p->first[i] == '-');
}

static int refuse_as(struct aiex_http1 *p, llhttp_errno_t e)
{
    if (p->phase == PHASE_DEAD)
        return p->status == 431 || p->status == 414 ? -EMSGSIZE
               : p->status == 500                   ? -ENOMEM
                                                    : -EPROTO;
    if (p->kind == AIEX_HTTP1_REQUEST && p->n_first >= 4 && memcmp(p->first, "PRI ", 4) == 0)
        return http1_refuse(p, -EPROTO, 505, "HTTP/2 is not spoken here");
    if (p->kind == AIEX_HTTP1_REQUEST && e == HPE_INVALID_METHOD && starts_with_word(p))
        return http1_refuse(p, -EPROTO, 501, "unknown request method");
    switch (e) {
    case HPE_INVALID_VERSION:
        return http1_refuse(p, -EPROTO, 505, "not HTTP/1.0 or HTTP/1.1");
    case HPE_INVALID_HEADER_TOKEN:
        return http1_refuse(p, -EPROTO, 400, "a byte that may not be in a header");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return http1_refuse(p, -EPROTO, 400, "a wrong or contradicted Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return http1_refuse(p, -EPROTO, 400, "a wrong Transfer-Encoding");
    default:
        return http1_refuse(p, -EPROTO, 400, "not a valid HTTP/1.1 message head");
    }
}

/* The arena moves no more: pointers. */
static void point(struct aiex_http1 *p)
{
    for (size_t i = 0; i < p->n_fields; i++) {
        p->headers[i].name = p->arena + p->fields[i].name;
        p->headers[i].value = p->arena + p->fields[i].value;
    }
    p->head.headers = p->headers;
    p->head.n_headers = p->n_fields;
    p->head.method = p->head.target = p->head.path = p->head.query = "";
    if (p->n_target) {
        p->head.target = p->arena + p->target_at;
        p->head.path = p->arena + p->path_at;
        p->head.query = p->arena + p->query_at;
    }
}

static int head_complete(struct aiex_http1 *p)
{
    int r;

    if (!p->has_head)
        return refuse_as(p, HPE_INVALID_HEADER_TOKEN);
    point(p);
    p->head.minor = p->ll.http_minor;
    if (p->kind == AIEX_HTTP1_RESPONSE)
        p->head.status = p->ll.status_code;
    r = http1_rules(p);
    if (r != 0) {
        p->has_head = 0;
        return r;
    }
    if (p->kind == AIEX_HTTP1_RESPONSE && p->head.status < 200) {
        p->phase = PHASE_HEAD;
        http1_head_reset(p); /* head_seen stays: endless interim answers hit the limit */
        return 1;
    }
    if (p->events.head && p->events.head(p->arg, &p->head) != 0)
        return AIEX_HTTP1_STOP;
    return 1;
}

int http1_head_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took)
{
    size_t skipped = 0, len = 0;
    llhttp_errno_t e;
    int r, end;

    *took = 0;
    if (p->kind == AIEX_HTTP1_REQUEST && p->n_first == 0 &&
        (r = skip_empty_lines(p, bytes, n, &skipped)) != 0)
        return r;
    if (n > p->limits.head_bytes - p->head_seen)
        n = p->limits.head_bytes - p->head_seen + 1; /* one too many shows that it is too long */
    r = scan_lines(p, bytes + skipped, n > skipped ? n - skipped : 0, &len, &end);
    if (r != 0)
        return r;
    *took = skipped + len;
    p->head_seen += skipped + len;
    if (len) {
        e = llhttp_execute(&p->ll, bytes + skipped, len);
        if (e != HPE_OK)
            return refuse_as(p, e);
    }
    if (p->head_seen > p->limits.head_bytes)
        return http1_refuse(p, -EMSGSIZE, 431, "the message head is too long");
    return end ? head_complete(p) : 0;
}
