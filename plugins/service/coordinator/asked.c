/*
 * asked.c - what a request asks for: read and checked in one walk, copied, and packed for providers
 * once. What differs between attempts stands at the end of the packed request (leg.c).
 */
#include "asked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_BYTES  256u
#define MAX_DIALECT 32u
#define MAX_HEADERS 9216u /* 8 of 1 KiB and their names */

void asked_find(struct aiex_slice at, struct wanted *q)
{
    static const struct { /* in the order in which they come, mostly */
        struct aiex_key key;
        size_t offset;
    } rows[] = {
        {AIEX_KEY("body"), offsetof(struct wanted, body)},
        {AIEX_KEY("dialect"), offsetof(struct wanted, dialect)},
        {AIEX_KEY("model"), offsetof(struct wanted, model)},
        {AIEX_KEY("stream"), offsetof(struct wanted, stream)},
        {AIEX_KEY("interface"), offsetof(struct wanted, interface)},
        {AIEX_KEY("session"), offsetof(struct wanted, session)},
        {AIEX_KEY("priority"), offsetof(struct wanted, priority)},
        {AIEX_KEY("cache"), offsetof(struct wanted, cache)},
        {AIEX_KEY("tags"), offsetof(struct wanted, tags)},
        {AIEX_KEY("headers"), offsetof(struct wanted, headers)},
        {AIEX_KEY("principal"), offsetof(struct wanted, principal)},
        {AIEX_KEY("ticket"), offsetof(struct wanted, ticket)},
        {AIEX_KEY("settle"), offsetof(struct wanted, settle)},
    };
    const size_t n = sizeof(rows) / sizeof(rows[0]);
    struct aiex_slice key, value;
    struct aiex_value v;
    size_t row, next = 0;

    if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_MAP)
        return;
    for (uint32_t left = v.count; left > 0; left--) {
        if (aiex_r_pair(&at, &key, &value) != 0)
            return;
        row = aiex_row_of(rows, sizeof(rows[0]), n, next, key);
        if (row == n)
            continue;
        *(struct aiex_slice *)((uint8_t *)q + rows[row].offset) = value;
        next = row + 1;
    }
}

static int is_type(struct aiex_slice whole, uint32_t type, struct aiex_value *v)
{
    return whole.len && aiex_r_value(&whole, v) == 0 && v->type == type;
}

static struct aiex_slice text_of(struct aiex_slice whole)
{
    struct aiex_value v;

    return is_type(whole, AIEX_T_STR, &v) ? v.bytes : (struct aiex_slice){NULL, 0};
}

static int64_t int_of(struct aiex_slice whole)
{
    struct aiex_value v;

    return is_type(whole, AIEX_T_INT, &v) ? v.i : 0;
}

/* Checks what must be right; NULL, or a sentence for the client. */
const char *asked_check(const struct wanted *q)
{
    struct aiex_slice dialect = text_of(q->dialect), model = text_of(q->model);
    struct aiex_value v;

    if (dialect.len == 0 || dialect.len > MAX_DIALECT)
        return "field 'dialect' (str, at most 32 bytes) is missing or wrong";
    if (model.len == 0 || model.len > MAX_MODEL || memchr(model.data, 0, model.len))
        return "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    if (!is_type(q->body, AIEX_T_BIN, &v) && !is_type(q->body, AIEX_T_STR, &v))
        return "field 'body' (bin) is missing";
    if (q->stream.len && !is_type(q->stream, AIEX_T_BOOL, &v))
        return "field 'stream' is not a bool";
    if (q->principal.len && !is_type(q->principal, AIEX_T_MAP, &v))
        return "field 'principal' is not a map";
    if (q->tags.len && !is_type(q->tags, AIEX_T_MAP, &v))
        return "field 'tags' is not a map";
    if (q->headers.len && (!is_type(q->headers, AIEX_T_MAP, &v) || q->headers.len > MAX_HEADERS))
        return "field 'headers' is not a map of at most 9216 bytes";
    return NULL;
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct aiex_slice write_account(struct route *r, const struct wanted *q, uint8_t *mem,
                                       size_t size)
{
    struct account a = {.id = r->trace,
                        .serial = r->serial,
                        .cell = r->c->cell,
                        .time_ms = wall_ms(),
                        .ticket = int_of(q->ticket),
                        .settle = r->lead.settle,
                        .operation = operation_names[r->op],
                        .asked = r->asked,
                        .alias = r->alias_name,
                        .strategy = strategy_names[r->strategy],
                        .principal = q->principal,
                        .tags = q->tags,
                        .interface = q->interface,
                        .dialect = q->dialect,
                        .stream = r->stream,
                        .prompt = route_prompt(r, 0)};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    account_write(&w, &a);
    return aiex_written(&w);
}

/* What lies inside a slice of the old memory, in the copy of it. */
static struct aiex_slice moved(struct aiex_slice s, const uint8_t *from, const uint8_t *to)
{
    return (struct aiex_slice){to + (s.data - from), s.len};
}

/* The pair with that map as it came; where the map stands now. */
static struct aiex_slice write_map(struct aiex_writer *w, const char *key, struct aiex_slice map)
{
    if (!map.len)
        return map;
    aiex_w_str(w, key);
    aiex_w_raw(w, map.data, map.len);
    return (struct aiex_slice){w->data + w->len - map.len, map.len};
}

static int pack(struct route *r, const struct wanted *q)
{
    size_t cap = r->body.len + r->dialect.len + q->tags.len + q->headers.len + HEAD_BYTES +
                 ACCOUNT_MAX + TAIL_BYTES;
    uint8_t mem[ACCOUNT_MAX + 512];
    struct aiex_slice account = write_account(r, q, mem, sizeof(mem));
    struct aiex_writer w;

    r->packed = malloc(cap);
    if (!r->packed)
        return -ENOMEM;
    aiex_writer_init(&w, r->packed, cap);
    aiex_w_be(&w, 0xde, 0, 2); /* the number of pairs: leg.c */
    aiex_w_key_strn(&w, "dialect", (const char *)r->dialect.data, r->dialect.len);
    r->dialect.data = r->packed + w.len - r->dialect.len;
    aiex_w_key_bool(&w, "stream", r->stream);
    aiex_w_key_str(&w, "settle", "coordinator");
    aiex_w_key_bin(&w, "account", account.data, account.len);
    r->lead.account = (struct aiex_slice){r->packed + w.len - account.len, account.len};
    r->tags = write_map(&w, "tags", q->tags);
    r->headers = write_map(&w, "headers", q->headers);
    r->account_end = w.len;
    aiex_w_key_bin(&w, "body", r->body.data, r->body.len);
    r->body = moved(r->body, r->body.data, r->packed + w.len - r->body.len);
    r->packed_len = w.len;
    return w.failed ? -ENOMEM : 0;
}

int route_rebody(struct route *r, struct aiex_slice body)
{
    size_t cap = r->account_end + body.len + HEAD_BYTES + TAIL_BYTES;
    uint8_t *packed = malloc(cap), *old = r->packed;
    struct aiex_writer w;

    if (!packed)
        return -ENOMEM;
    aiex_writer_init(&w, packed, cap);
    aiex_w_raw(&w, old, r->account_end);
    aiex_w_key_bin(&w, "body", body.data, body.len);
    r->dialect = moved(r->dialect, old, packed);
    r->lead.account = moved(r->lead.account, old, packed);
    if (r->tags.len)
        r->tags = moved(r->tags, old, packed);
    if (r->headers.len)
        r->headers = moved(r->headers, old, packed);
    r->body = (struct aiex_slice){packed + w.len - body.len, body.len};
    r->packed = packed;
    r->packed_len = w.len;
    free(old);
    return 0;
}

static uint64_t flow_of(struct route *r, struct aiex_slice principal)
{
    struct aiex_slice key = {NULL, 0};
    struct siphash h;

    aiex_get_str(principal, "key", &key);
    siphash_init(&h, r->c->secret);
    siphash_field(&h, key.data, key.len);
    return siphash_end(&h).a | 1;
}

static uint64_t conversation_of(struct route *r, struct aiex_slice session)
{
    struct siphash h;

    if (session.len == 0)
        return 0; /* pick.c finds it in the body when it is wanted */
    siphash_init(&h, r->c->secret);
    siphash_field(&h, &r->flow, sizeof(r->flow));
    siphash_field(&h, session.data, session.len);
    return siphash_end(&h).a | 1;
}

static int cache_mode(const struct route *r, const struct wanted *q)
{
    struct aiex_slice word = text_of(q->cache);

    if (r->op == OP_COUNT)
        return CACHE_OFF;
    if (aiex_slice_is(word, "off"))
        return CACHE_OFF;
    if (aiex_slice_is(word, "on"))
        return CACHE_ON;
    if (aiex_slice_is(word, "only"))
        return CACHE_ONLY;
    return route_setting(r->alias ? r->alias->settings.cache : -1, r->c->config->cache) ? CACHE_ON
                                                                                        : CACHE_OFF;
}

/* Copies what outlives the message. */
int asked_fill(struct route *r, const struct aiex_message *m, const struct wanted *q)
{
    struct aiex_slice model = text_of(q->model), settle = text_of(q->settle);
    struct aiex_value v;
    int64_t priority = int_of(q->priority);
    const char *standard = r->c->config->auto_model;

    memcpy(r->asked, model.data, model.len);
    r->dialect = text_of(q->dialect);
    r->stream = is_type(q->stream, AIEX_T_BOOL, &v) && v.i;
    if (!is_type(q->body, AIEX_T_BIN, &v))
        is_type(q->body, AIEX_T_STR, &v);
    r->body = v.bytes;
    r->deadline_ms = m->timeout_ms ? r->begun_ms + m->timeout_ms : UINT64_MAX;
    r->offline_allowed = 1;
    r->prompt = -1;
    r->queued.priority = priority == QUEUE_HIGH || priority == QUEUE_LOW ? (int)priority
                                                                         : QUEUE_NORMAL;
    if (settle.len <= AIEX_MAX_NAME && settle.len)
        memcpy(r->lead.settle, settle.data, settle.len);
    route_set_alias(r, strcmp(r->asked, "auto") == 0 && standard[0] ? standard : r->asked);
    r->flow = r->queued.flow = flow_of(r, q->principal);
    r->conversation = conversation_of(r, text_of(q->session));
    r->cached_mode = cache_mode(r, q);
    if (r->cached_mode != CACHE_OFF)
        hits_owner(r, q->principal);
    r->validate = (int)route_setting(r->alias ? r->alias->settings.validate : -1,
                                     r->c->config->validate);
    if (r->stream || (r->op != OP_CHAT && r->op != OP_COMPLETE))
        r->validate = VALIDATE_OFF;
    return pack(r, q);
}
