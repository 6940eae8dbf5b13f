/*
 * count.c - provider.count: the vendor's own number where it has a way to ask, else an estimate on
 * the safe side. Nothing but a body that is no JSON is refused.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_TOTAL_MS 10000u
#define MAX_ANSWER     4096u

struct count {
    struct count *next;
    struct aiex_provider *p;
    uint64_t id, http;
    int64_t estimate;
    int status;
    struct collect body;
};

static void count_free(struct count *c)
{
    struct count **at = &c->p->counts;

    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    collect_done(&c->body);
    c->p->host->release(c->p->host, c);
}

static void reply(struct aiex_provider *p, uint64_t id, int64_t tokens, int exact)
{
    struct aiex_writer w;
    uint8_t mem[64];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "input_tokens", tokens);
    aiex_w_key_bool(&w, "exact", exact);
    p->host->reply(p->host, id, aiex_written(&w));
}

/* ---- The vendor's answer ---- */

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct count *c = arg;

    c->status = status;
    return 0;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct count *c = arg;

    return collect_add(&c->body, bytes.data, bytes.len);
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct count *c = arg;
    struct aiex_json_field f = {.key = "input_tokens"};
    int64_t n = -1;

    c->http = 0;
    if (result == AIEX_HTTP_OK && c->status >= 200 && c->status <= 299 &&
        aiex_json_scan(collect_slice(&c->body), 0, &f, 1, NULL) == AIEX_JSON_OBJECT &&
        aiex_json_int(&f.value, &n) == 0 && n >= 0)
        reply(c->p, c->id, n, 1);
    else
        reply(c->p, c->id, c->estimate, 0);
    count_free(c);
}

/* ---- The question to the vendor ---- */

static int is_wanted(const struct aiex_json_span *key, const char *const *keys)
{
    while (*keys && !aiex_json_is(key, *keys))
        keys++;
    return *keys != NULL;
}

/* The members of `object` that are wanted; `mem` has as many bytes as the object. */
static struct aiex_slice only_wanted(struct aiex_slice object, const char *const *keys, char *mem)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, (const char *)object.data, object.len};
    struct aiex_json_span key, value;
    struct aiex_json_out w;
    size_t at = 0, n = 0;

    aiex_jw_init(&w, mem, object.len);
    aiex_jw_raw(&w, "{");
    while (aiex_json_next(&whole, &at, &key, &value)) {
        if (!is_wanted(&key, keys))
            continue;
        aiex_jw_raw(&w, n++ ? "," : "");
        aiex_jw_rawn(&w, key.data, key.len);
        aiex_jw_raw(&w, ":");
        aiex_jw_rawn(&w, value.data, value.len);
    }
    aiex_jw_raw(&w, "}");
    return (struct aiex_slice){(const uint8_t *)mem, w.failed ? 0 : w.len};
}

static int ask(struct count *c, struct aiex_slice body, struct aiex_slice headers)
{
    static const struct aiex_http_handler handler = {sizeof(handler), 0, on_head, on_body, on_end};
    struct aiex_provider *p = c->p;
    struct outgoing out = {.path = p->vendor->count_path,
                           .accept = "application/json",
                           .first_byte_ms = COUNT_TOTAL_MS,
                           .total_ms = COUNT_TOTAL_MS,
                           .max_body_bytes = MAX_ANSWER,
                           .client_headers = headers};
    char *mem = malloc(body.len + 1);
    struct aiex_error err;
    int r = -ENOMEM;

    if (mem) {
        out.body = only_wanted(body, p->vendor->count_keys, mem);
        r = out.body.len ? provider_send(p, &out, &handler, c, &c->http, &err) : -EINVAL;
    }
    free(mem);
    return r;
}

/* The chat as the vendor would be asked it. */
static struct aiex_chat *translate(struct aiex_provider *p, int dialect, const char *model,
                                   struct aiex_slice body)
{
    struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                    .client = dialect,
                                    .vendor = p->vendor->dialects[0].dialect,
                                    .model = {(const uint8_t *)model, strlen(model)},
                                    .now_s = (uint64_t)time(NULL),
                                    .random = provider_random(p)};
    struct aiex_chat *chat = NULL;
    struct aiex_error err;

    if (!aiex_dialect_bridges(dialect, setup.vendor) ||
        aiex_chat_new(&setup, body, &chat, &err) != 0)
        return NULL;
    return chat;
}

static int ask_vendor(struct aiex_provider *p, const struct aiex_message *m, int dialect,
                      const char *model, struct aiex_slice body, int64_t estimate)
{
    struct aiex_slice headers = {NULL, 0};
    struct aiex_chat *chat;
    struct count *c;
    int r;

    if (!p->vendor->count_path || provider_blocked(p) || p->health.state == PROVIDER_DOWN)
        return -ENOTSUP;
    chat = translate(p, dialect, model, body);
    c = chat ? p->host->alloc(p->host, sizeof(*c)) : NULL;
    if (!c) {
        aiex_chat_free(chat);
        return -ENOMEM;
    }
    *c = (struct count){.next = p->counts, .p = p, .id = m->id, .estimate = estimate};
    c->body.max = MAX_ANSWER;
    p->counts = c;
    if (dialect == p->vendor->dialects[0].dialect)
        (void)aiex_get_whole(m->body, "headers", &headers);
    r = ask(c, aiex_chat_request(chat), headers);
    aiex_chat_free(chat);
    if (r != 0)
        count_free(c);
    return r;
}

/* ---- The request ---- */

static int refuse(struct aiex_provider *p, uint64_t id, const char *text)
{
    return report_refusal(
        p, id, &(struct trouble){.code = AIEX_E_INVALID, .http_status = 400, .reason = "request"},
        text);
}

int count_begin(struct aiex_provider *p, const struct aiex_message *m)
{
    struct aiex_slice name = {NULL, 0}, body = {NULL, 0};
    char model[AIEX_PROVIDER_MAX_MODEL + 1] = "";
    int64_t estimate;
    int dialect;

    if (aiex_get_str(m->body, "dialect", &name) != 1)
        return refuse(p, m->id, "field 'dialect' (str) is missing");
    dialect = aiex_dialect_of(name);
    if (aiex_dialect_op(dialect) != AIEX_OP_CHAT)
        return refuse(p, m->id, "the dialect is unknown, or not one of a chat");
    if (aiex_get_text(m->body, "model", model, sizeof(model)) != 1 || !model[0])
        return refuse(p, m->id, "field 'model' (str, 1 to 256 bytes) is missing or wrong");
    if (aiex_get_bytes(m->body, "body", &body) != 1)
        return refuse(p, m->id, "field 'body' (bin) is missing");
    estimate = aiex_chat_prompt_tokens(dialect, body);
    if (estimate < 0)
        return refuse(p, m->id, "the body is not a JSON object");
    if (ask_vendor(p, m, dialect, provider_bare_model(p, model), body, estimate) != 0)
        reply(p, m->id, estimate, 0);
    return 0;
}

void count_cancel(struct aiex_provider *p, uint64_t id)
{
    struct count *c = p->counts;

    while (c && c->id != id)
        c = c->next;
    if (!c)
        return;
    if (c->http)
        p->http->cancel(p->host, c->http);
    count_free(c);
}

void count_free_all(struct aiex_provider *p)
{
    while (p->counts)
        count_cancel(p, p->counts->id);
}
