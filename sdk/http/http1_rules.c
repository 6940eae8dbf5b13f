/*
 * http1_rules.c - what the fields of a complete head mean, and what is refused.
 *
 * Everything here serves one promise: no other parser on the way could have seen
 * another message end than we do (RFC 9112 6.3, 11.2). Lengths that are told twice,
 * in two ways or not in plain digits, and codings other than one "chunked", are
 * errors, not guesses.
 */
#include "http1_parser.h"

/* What one pass over the fields collects. */
struct facts {
    const char *length;
    const char *coding;
    const char *host;
    int n_length, n_coding, n_host;
    int close, keep_alive, upgrade, upgrade_named, expect, expect_unknown;
};

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static int same_word(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] | 0x20) : a[i];
        char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] | 0x20) : b[i];

        if (x != y)
            return 0;
    }
    return 1;
}

static int is_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    return strlen(text) == n && same_word(text, word, n);
}

/* Is the parameter text, from ';' on, a quality of 0? */
static int is_refused(const char *at, const char *end)
{
    while (at < end && (*at == ';' || is_space(*at)))
        at++;
    if (end - at < 3 || (*at | 0x20) != 'q' || at[1] != '=' || at[2] != '0')
        return 0;
    for (at += 3; at < end && !is_space(*at); at++) {
        if (*at >= '1' && *at <= '9')
            return 0;
    }
    return 1;
}

static int list_has(const char *list, const char *token)
{
    size_t n = strlen(token), len;
    const char *at = list, *end, *stop;

    while (*at) {
        while (*at == ',' || is_space(*at))
            at++;
        end = at + strcspn(at, ",");
        stop = at + strcspn(at, ";,");
        len = (size_t)(stop - at);
        while (len && is_space(at[len - 1]))
            len--;
        if (len == n && same_word(at, token, n) && !is_refused(stop, end))
            return 1;
        at = end;
    }
    return 0;
}

int aiex_http1_has(const struct aiex_http1_head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *have = head->headers[i].name;

        if (*have == *name && strcmp(have, name) == 0 && list_has(head->headers[i].value, token))
            return 1;
    }
    return 0;
}

static void collect(const struct aiex_http1_head *head, struct facts *f)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *name = head->headers[i].name, *value = head->headers[i].value;

        switch (*name) {
        case 'c':
            if (strcmp(name, "content-length") == 0) {
                f->length = value;
                f->n_length++;
            } else if (strcmp(name, "connection") == 0) {
                f->close |= list_has(value, "close");
                f->keep_alive |= list_has(value, "keep-alive");
                f->upgrade |= list_has(value, "upgrade");
            }
            break;
        case 't':
            if (strcmp(name, "transfer-encoding") == 0) {
                f->coding = value;
                f->n_coding++;
            }
            break;
        case 'h':
            if (strcmp(name, "host") == 0) {
                f->host = value;
                f->n_host++;
            }
            break;
        case 'u':
            f->upgrade_named |= strcmp(name, "upgrade") == 0;
            break;
        case 'e':
            if (strcmp(name, "expect") == 0) {
                f->expect = is_word(value, "100-continue");
                f->expect_unknown = !f->expect;
            }
            break;
        default:
            break;
        }
    }
}

/* Digits only, 18 at most: neither signs nor lists nor an overflow. */
static int parse_length(const char *text, int64_t *ret_length)
{
    int64_t v = 0;
    size_t n = strlen(text);

    if (n == 0 || n > 18)
        return -EPROTO;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EPROTO;
        v = v * 10 + (*text - '0');
    }
    *ret_length = v;
    return 0;
}

/* ---- The request line ---- */

static int method_known(const char *first, size_t n, const char **ret_method)
{
    static const char *const methods[] = {"GET",    "POST",    "HEAD", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        size_t len = strlen(methods[i]);

        if (n > len && memcmp(first, methods[i], len) == 0 && first[len] == ' ') {
            *ret_method = methods[i];
            return 1;
        }
    }
    return 0;
}

static int is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Printable ASCII, whole percent triplets, no %00, no fragment. */
static int target_is_clean(const char *t)
{
    for (; *t; t++) {
        if (*t <= ' ' || *t >= 0x7f || *t == '#' || *t == '\\')
            return 0;
        if (*t != '%')
            continue;
        if (!is_hex(t[1]) || !is_hex(t[2]) || (t[1] == '0' && t[2] == '0'))
            return 0;
        t += 2;
    }
    return 1;
}

static int check_target(struct aiex_http1 *p)
{
    const char *t = p->head.target;
    int absolute = same_word(t, "http://", 7) || same_word(t, "https://", 8);
    int asterisk = strcmp(t, "*") == 0 && strcmp(p->head.method, "OPTIONS") == 0;

    if (!target_is_clean(t) || !(*t == '/' || absolute || asterisk))
        return http1_refuse(p, -EPROTO, 400, "a malformed request target");
    return 0;
}

/* One name, or none before HTTP/1.1; no byte that would end it early for somebody. */
static int check_host(struct aiex_http1 *p, const struct facts *f)
{
    if (f->n_host > 1)
        return http1_refuse(p, -EPROTO, 400, "more than one Host");
    if (f->n_host == 0 && p->head.minor >= 1)
        return http1_refuse(p, -EPROTO, 400, "no Host");
    if (f->host && f->host[strcspn(f->host, " \t,/?#@\\\"<>")])
        return http1_refuse(p, -EPROTO, 400, "a malformed Host");
    return 0;
}

static int check_request(struct aiex_http1 *p, const struct facts *f)
{
    int r;

    if (!method_known(p->first, p->n_first, &p->head.method))
        return http1_refuse(p, -EPROTO, 501, "unknown request method");
    if (p->first[strlen(p->head.method) + 1] == ' ')
        return http1_refuse(p, -EPROTO, 400, "a malformed request line");
    if ((r = check_target(p)) != 0 || (r = check_host(p, f)) != 0)
        return r;
    if (f->expect_unknown)
        return http1_refuse(p, -EPROTO, 417, "an expectation other than 100-continue");
    return 0;
}

/* ---- Framing (RFC 9112 6.3) ---- */

/* Is "chunked" the last coding of the list? */
static int ends_chunked(const char *list)
{
    const char *last = strrchr(list, ',');

    for (last = last ? last + 1 : list; is_space(*last);)
        last++;
    return is_word(last, "chunked");
}

static int check_lengths(struct aiex_http1 *p, const struct facts *f)
{
    if (f->n_length > 1)
        return http1_refuse(p, -EPROTO, 400, "more than one Content-Length");
    if (f->n_length && f->n_coding)
        return http1_refuse(p, -EPROTO, 400, "both Content-Length and Transfer-Encoding");
    if (f->n_length && parse_length(f->length, &p->head.content_length) != 0)
        return http1_refuse(p, -EPROTO, 400, "a malformed Content-Length");
    if (f->n_coding > 1)
        return http1_refuse(p, -EPROTO, 400, "more than one Transfer-Encoding");
    if (f->n_coding && p->head.minor == 0)
        return http1_refuse(p, -EPROTO, 400, "Transfer-Encoding in HTTP/1.0");
    if (f->n_coding && !ends_chunked(f->coding))
        return http1_refuse(p, -EPROTO, 400, "a Transfer-Encoding that does not end the body");
    if (f->n_coding && !is_word(f->coding, "chunked"))
        return http1_refuse(p, -EPROTO, 501, "a Transfer-Encoding other than chunked");
    return 0;
}

static int never_has_body(const struct aiex_http1 *p)
{
    return p->kind == AIEX_HTTP1_RESPONSE && (p->head_request || p->head.status < 200 ||
                                              p->head.status == 204 || p->head.status == 304);
}

static int choose_framing(struct aiex_http1 *p, const struct facts *f)
{
    struct aiex_http1_head *h = &p->head;

    p->phase = PHASE_DONE;
    if (never_has_body(p))
        return 0;
    if (f->n_coding) {
        p->phase = PHASE_CHUNKS;
        h->flags |= AIEX_HTTP1_CHUNKED | AIEX_HTTP1_HAS_BODY;
    } else if (h->content_length > 0) {
        if ((uint64_t)h->content_length > p->limits.body_bytes)
            return http1_refuse(p, -EMSGSIZE, 413, "the body is too large");
        p->phase = PHASE_LENGTH;
        p->left = (uint64_t)h->content_length;
        h->flags |= AIEX_HTTP1_HAS_BODY;
    } else if (h->content_length < 0 && p->kind == AIEX_HTTP1_RESPONSE) {
        p->phase = PHASE_UNTIL_EOF;
        h->flags |= AIEX_HTTP1_UNTIL_EOF | AIEX_HTTP1_HAS_BODY;
    }
    return 0;
}

static void choose_connection(struct aiex_http1 *p, const struct facts *f)
{
    struct aiex_http1_head *h = &p->head;

    if (!f->close && (h->minor >= 1 || f->keep_alive) && p->phase != PHASE_UNTIL_EOF)
        h->flags |= AIEX_HTTP1_KEEP_ALIVE;
    if (p->kind != AIEX_HTTP1_REQUEST)
        return;
    if (f->expect && h->minor >= 1 && (h->flags & AIEX_HTTP1_HAS_BODY))
        h->flags |= AIEX_HTTP1_CONTINUE;
    if (f->upgrade && f->upgrade_named)
        h->flags |= AIEX_HTTP1_UPGRADE;
}

int http1_rules(struct aiex_http1 *p)
{
    struct facts f;
    int r;

    memset(&f, 0, sizeof(f));
    p->head.content_length = -1;
    if (p->ll.http_major != 1 || p->ll.http_minor > 1)
        return http1_refuse(p, -EPROTO, 505, "not HTTP/1.0 or HTTP/1.1");
    collect(&p->head, &f);
    if (p->kind == AIEX_HTTP1_REQUEST && (r = check_request(p, &f)) != 0)
        return r;
    if (p->kind == AIEX_HTTP1_RESPONSE && p->head.status == 101)
        return http1_refuse(p, -EPROTO, 400, "the peer switched protocols unasked");
    if (p->kind == AIEX_HTTP1_RESPONSE && (p->head.status < 100 || p->head.status > 999))
        return http1_refuse(p, -EPROTO, 400, "a malformed status code");
    if ((r = check_lengths(p, &f)) != 0 || (r = choose_framing(p, &f)) != 0)
        return r;
    choose_connection(p, &f);
    return 0;
}
