/*
 * head.c - status line and headers of answers.
 *
 * What is told of a model request stands in one table: fields of the gateway's end, and the
 * headers that they become. The end is walked once.
 */
#include "head.h"
#include "session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define VALUE_BYTES 200 /* of one value that comes from elsewhere */

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void write_origin(const struct conn *c, struct aiex_http1_writer *w)
{
    aiex_http1_w_header(w, "access-control-allow-origin", c->origin);
    aiex_http1_w_header(w, "access-control-expose-headers",
                        "x-request-id, request-id, x-aiex-provider, x-aiex-model, x-aiex-cached, "
                        "x-aiex-offline, x-aiex-attempts, x-aiex-warning, x-aiex-session, "
                        "x-aiex-session-recorded, retry-after, "
                        "retry-after-ms");
    aiex_http1_w_header(w, "vary", "origin");
}

/* What every head begins with. */
static void write_start(struct conn *c, struct aiex_http1_writer *w, int status, const char *type)
{
    char id[17];

    if (!c->trace)
        c->trace = c->server->next_trace++;
    aiex_hex64(id, c->trace);
    aiex_http1_w_status(w, status);
    aiex_http1_w_date(w, &c->server->date, wall_ms());
    if (type)
        aiex_http1_w_header(w, "content-type", type);
    aiex_http1_w_header(w, "x-request-id", id);
    if (c->dialect == AIEX_ANTHROPIC_MESSAGES)
        aiex_http1_w_header(w, "request-id", id);
    session_head(c, w);
    if (c->origin)
        write_origin(c, w);
    if (c->server->draining)
        c->keep_alive = 0;
    if (!c->keep_alive)
        aiex_http1_w_header(w, "connection", "close");
    else if (c->http10)
        aiex_http1_w_header(w, "connection", "keep-alive");
}

/* The browser names the headers that the page wants to send: those of every vendor's library. */
static void write_preflight(const struct conn *c, struct aiex_http1_writer *w, const char *allow)
{
    const char *asked = aiex_http1_get(aiex_http1_head(c->parser),
                                       "access-control-request-headers");

    aiex_http1_w_header(w, "access-control-allow-methods", allow);
    aiex_http1_w_header(w, "access-control-allow-headers",
                        asked && *asked && strlen(asked) <= 1024 ? asked : "*, authorization");
    aiex_http1_w_header(w, "access-control-max-age", "600");
}

static void write_retry(struct aiex_http1_writer *w, uint32_t ms)
{
    aiex_http1_w_number(w, "retry-after", ((uint64_t)ms + 999) / 1000);
    aiex_http1_w_number(w, "retry-after-ms", ms);
}

/* ---- What the end of a model request says ---- */

/* Text of others; what may not be in a header becomes '?'. */
static void write_text(struct aiex_http1_writer *w, const char *name, struct aiex_slice text)
{
    char value[VALUE_BYTES];
    size_t n = text.len < sizeof(value) ? text.len : sizeof(value);

    for (size_t i = 0; i < n; i++)
        value[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? '?' : (char)text.data[i];
    if (n)
        aiex_http1_w_headern(w, name, value, n);
}

static void write_field(struct aiex_http1_writer *w, const char *name, const struct aiex_value *v)
{
    if (v->type == AIEX_T_STR)
        write_text(w, name, v->bytes);
    else if (v->type == AIEX_T_INT && v->i >= 0)
        aiex_http1_w_number(w, name, (uint64_t)v->i);
    else if (v->type == AIEX_T_BOOL && v->i)
        aiex_http1_w_header(w, name, "true");
}

static void write_each(struct aiex_http1_writer *w, const char *name, struct aiex_value list)
{
    struct aiex_value v;

    for (uint32_t i = 0; i < list.count && i < 4 && aiex_r_value(&list.bytes, &v) == 0; i++)
        write_field(w, name, &v);
}

static const char *header_of(struct aiex_slice field)
{
#define TOLD(field, header)                                                                        \
    {                                                                                              \
        field, sizeof(field) - 1, header                                                           \
    }
    static const struct {
        const char *field;
        size_t len;
        const char *header;
    } told[] = {
        TOLD("provider", "x-aiex-provider"),
        TOLD("model", "x-aiex-model"),
        TOLD("cached", "x-aiex-cached"),
        TOLD("offline", "x-aiex-offline"),
        TOLD("attempts", "x-aiex-attempts"),
        TOLD("warnings", "x-aiex-warning"),
        TOLD("left_requests", "x-ratelimit-remaining-requests"),
        TOLD("left_tokens", "x-ratelimit-remaining-tokens"),
        TOLD("reset_ms", "x-ratelimit-reset-ms"),
    };
#undef TOLD

    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (field.len == told[i].len && field.data[0] == (uint8_t)*told[i].field &&
            memcmp(field.data, told[i].field, told[i].len) == 0)
            return told[i].header;
    }
    return NULL;
}

static void write_end(struct aiex_http1_writer *w, struct aiex_slice end)
{
    struct aiex_slice key, whole;
    struct aiex_value map, v;

    if (!end.len || aiex_r_value(&end, &map) != 0 || map.type != AIEX_T_MAP)
        return;
    for (uint32_t i = 0; i < map.count; i++) {
        const char *header;

        if (aiex_r_pair(&end, &key, &whole) != 0)
            return;
        header = header_of(key);
        if (!header || aiex_r_value(&whole, &v) != 0)
            continue;
        if (v.type == AIEX_T_ARRAY)
            write_each(w, header, v);
        else
            write_field(w, header, &v);
    }
}

/* ---- Headers of other plugins' answers ---- */

/* Not theirs: they frame the answer, or are written above. */
static int is_ours(const char *name)
{
    static const char *const ours[] = {"content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "keep-alive",
                                       "upgrade",
                                       "trailer",
                                       "te",
                                       "date",
                                       "content-type",
                                       "x-request-id",
                                       "content-encoding"};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcasecmp(name, ours[i]) == 0)
            return 1;
    }
    return 0;
}

static void write_extra(struct aiex_http1_writer *w, struct aiex_slice map)
{
    struct aiex_value head, key, v;
    char name[64];

    if (!map.len || aiex_r_value(&map, &head) != 0 || head.type != AIEX_T_MAP)
        return;
    for (uint32_t i = 0; i < head.count; i++) {
        if (aiex_r_value(&map, &key) != 0 || aiex_r_value(&map, &v) != 0 ||
            key.type != AIEX_T_STR || v.type != AIEX_T_STR)
            return;
        snprintf(name, sizeof(name), "%.*s", (int)key.bytes.len, (const char *)key.bytes.data);
        if (key.bytes.len < sizeof(name) && !is_ours(name))
            aiex_http1_w_headern(w, name, v.bytes.data, v.bytes.len);
    }
}

/* ---- Heads ---- */

int head_has_body(int status)
{
    return status != 204 && status != 304;
}

void head_write(struct conn *c, struct aiex_http1_writer *w, const struct reply *r, size_t length)
{
    int has_body = head_has_body(r->status);

    write_start(c, w, r->status, !has_body ? NULL : r->type ? r->type : "application/json");
    if (has_body)
        aiex_http1_w_number(w, "content-length", length);
    if (r->encoding) {
        aiex_http1_w_header(w, "content-encoding", r->encoding);
        aiex_http1_w_header(w, "vary", "accept-encoding");
    }
    if (r->allow)
        aiex_http1_w_header(w, "allow", r->allow);
    if (r->preflight && c->origin)
        write_preflight(c, w, r->allow);
    if (r->status == 401)
        aiex_http1_w_header(w, "www-authenticate", "Bearer");
    if (r->status == 415)
        aiex_http1_w_header(w, "accept-encoding", "gzip, deflate");
    if (r->retry_after_ms)
        write_retry(w, r->retry_after_ms);
    write_end(w, r->end);
    write_extra(w, r->extra);
    aiex_http1_w_end(w);
}

void head_write_stream(struct conn *c, struct aiex_http1_writer *w, const char *type)
{
    write_start(c, w, 200, type);
    aiex_http1_w_header(w, "cache-control", "no-cache");
    aiex_http1_w_header(w, "x-accel-buffering", "no"); /* a proxy must not hold it back */
    if (!c->http10)
        aiex_http1_w_header(w, "transfer-encoding", "chunked");
    aiex_http1_w_end(w);
}
