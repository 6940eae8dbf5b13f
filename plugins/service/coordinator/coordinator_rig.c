#include "coordinator_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
struct world world;

#define MAX_CALLS 4096u

static uint8_t mem[65536];
static const struct aiex_fake_record *calls[MAX_CALLS];
static size_t n_calls, n_looked_at;

struct aiex_slice plugins_answer(void)
{
    struct aiex_writer w;
    uint32_t n = 0;

    while (n < 4 && world.providers[n].name)
        n++;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "plugins");
    aiex_w_array(&w, n + 1);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "name", "interface_http");
    aiex_w_key_str(&w, "kind", "interface/1");
    for (uint32_t i = 0; i < n; i++) {
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "name", world.providers[i].name);
        aiex_w_key_str(&w, "plugin", world.providers[i].plugin);
        aiex_w_key_str(&w, "kind", "provider/1");
    }
    return aiex_written(&w);
}

static struct aiex_slice health_answer(int i)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", world.providers[i].healthy);
    aiex_w_key_str(&w, "reason", "as the table says");
    return aiex_written(&w);
}

static struct aiex_slice models_answer(int i)
{
    struct aiex_writer w;
    uint32_t n = 0;

    while (n < 4 && world.providers[i].models[n])
        n++;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "complete", n != 0);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, n);
    for (uint32_t k = 0; k < n; k++) {
        aiex_w_map(&w, 5);
        aiex_w_key_str(&w, "id", world.providers[i].models[k]);
        aiex_w_key_int(&w, "created", 7);
        aiex_w_key_int(&w, "context", world.models[i].context);
        aiex_w_key_bool(&w, "loaded", world.models[i].loaded);
        aiex_w_str(&w, "capabilities");
        aiex_w_array(&w, world.models[i].can ? 1 : 0);
        if (world.models[i].can)
            aiex_w_str(&w, world.models[i].can);
    }
    return aiex_written(&w);
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    int i = 0;

    if (world.other && world.other(r, &i))
        return i;
    world.calls++;
    if (world.silent)
        return 0;
    if (strcmp(r->name, "host.plugins") == 0)
        return aiex_fake_answer_ok(host, r->id, plugins_answer());
    while (i < 4 && world.providers[i].name && strcmp(world.providers[i].name, r->service) != 0)
        i++;
    if (i == 4 || !world.providers[i].name)
        return aiex_fake_answer_error(host, r->id, "unavailable", "no such service", 0, NOTHING);
    if (strcmp(r->name, "provider.health") == 0)
        return aiex_fake_answer_ok(host, r->id, health_answer(i));
    if (strcmp(r->name, "provider.models") == 0)
        return aiex_fake_answer_ok(host, r->id, models_answer(i));
    if (world.providers[i].chat && strcmp(world.providers[i].chat, "refused") == 0)
        return -EBUSY;
    if (world.providers[i].chat)
        return aiex_fake_answer_error(host, r->id, world.providers[i].chat, "at once", 0, NOTHING);
    return 0;
}

void begin(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    n_calls = n_looked_at = 0;
    h = aiex_fake_host_new("service_coordinator");
    aiex_fake_on_call(h, on_call, NULL);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void finish(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    memset(&world, 0, sizeof(world));
}

/* Two real ones and the offline one. */
void two_and_offline(void)
{
    world = (struct world){
        .providers = {{"provider_openai:a", "provider_openai", 1, {"m1", "both"}, NULL},
                      {"provider_openai:b", "provider_openai", 1, {"m2", "both"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin(NULL);
}

uint64_t ask(const struct ask *q)
{
    const char *body = q->body ? q->body : "{\"x\":1}";
    struct aiex_message m = {.method = q->method ? q->method : "coordinator.chat",
                             .timeout_ms = q->timeout_ms};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 11 + (q->beta != NULL));
    aiex_w_key_str(&w, "dialect", q->dialect ? q->dialect : "openai.chat");
    aiex_w_key_str(&w, "model", q->model);
    aiex_w_key_bool(&w, "stream", !q->unary);
    aiex_w_key_str(&w, "session", q->session ? q->session : "s");
    aiex_w_key_str(&w, "cache", q->cache ? q->cache : "");
    aiex_w_key_int(&w, "priority", q->priority);
    aiex_w_key_int(&w, "ticket", q->ticket);
    aiex_w_key_str(&w, "settle", "gateway");
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "key", q->key ? q->key : "local");
    aiex_w_str(&w, "tags");
    aiex_w_map(&w, q->tag ? 1 : 0);
    if (q->tag)
        aiex_w_key_str(&w, "tier", q->tag);
    if (q->beta) {
        aiex_w_str(&w, "headers");
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "anthropic-beta", q->beta);
    }
    aiex_w_key_bin(&w, "body", body, strlen(body));
    m.body = aiex_written(&w);
    return aiex_fake_deliver(h, p, self, &m);
}

uint64_t chat(const char *model)
{
    return ask(&(struct ask){.model = model});
}

static int is_made(const struct aiex_fake_record *r)
{
    static const char *const methods[] = {"provider.chat", "provider.complete", "provider.embed",
                                          "provider.count"};

    for (size_t k = 0; k < 4; k++)
        if (strcmp(r->name, methods[k]) == 0)
            return 1;
    return 0;
}

/* Records stay where they are: those found before are not looked for again. */
const struct aiex_fake_record *made(size_t n)
{
    const struct aiex_fake_record *r;

    while (n_calls <= n && n_calls < MAX_CALLS &&
           (r = aiex_fake_nth(h, AIEX_FAKE_CALL, n_looked_at)) != NULL) {
        n_looked_at++;
        if (is_made(r))
            calls[n_calls++] = r;
    }
    return n < n_calls ? calls[n] : NULL;
}

int is(const struct aiex_fake_record *r, const char *key, const char *text)
{
    struct aiex_slice s = NOTHING;

    return aiex_get_bytes(r->body, key, &s) == 1 && aiex_slice_is(s, text);
}

int lacks(const struct aiex_fake_record *r, const char *key)
{
    struct aiex_value v;

    return aiex_get(r->body, key, &v) == 0;
}

int64_t number(struct aiex_slice body, const char *key)
{
    int64_t v = -999;

    aiex_get_int(body, key, &v);
    return v;
}

/* The n-th call went there with that model and attempt number. */
void went_to(size_t n, const char *provider, const char *model)
{
    const struct aiex_fake_record *r = made(n);
    int stream = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, provider);
    CU_ASSERT(is(r, "model", model));
    CU_ASSERT(is(r, "dialect", "openai.chat"));
    CU_ASSERT(is(r, "body", "{\"x\":1}"));
    CU_ASSERT_EQUAL(aiex_get_bool(r->body, "stream", &stream), 1);
    CU_ASSERT_EQUAL(stream, 1);
    CU_ASSERT(r->flags & AIEX_CALL_SPLICE);
    CU_ASSERT(aiex_is_map(r->body));
    CU_ASSERT_PTR_NULL(made(n + 1));
}

void answer_fault(size_t n, const struct fault *f)
{
    struct aiex_writer w;
    uint8_t body[256];

    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "http_status", f->http_status ? f->http_status : 499);
    aiex_w_key_str(&w, "provider", made(n)->service);
    aiex_w_key_str(&w, "reason", f->reason ? f->reason : "");
    aiex_w_key_bool(&w, "started", f->started);
    CU_ASSERT_EQUAL(aiex_fake_answer_error(h, made(n)->id, f->code,
                                           f->text ? f->text : "the reason", f->retry_after_ms,
                                           f->by_host ? NOTHING : aiex_written(&w)),
                    0);
}

void answer_error(size_t n, const char *code, const char *provider)
{
    answer_fault(n, &(struct fault){.code = code, .by_host = !provider});
}

size_t exhaust(size_t n, const struct fault *f)
{
    for (;; n++) {
        answer_fault(n, f);
        aiex_fake_advance(h, 3000);
        if (!made(n + 1))
            return n;
    }
}

void answer_part(size_t n, const char *part)
{
    aiex_fake_answer_part(h, made(n)->id, (struct aiex_slice){(const uint8_t *)part, strlen(part)});
}

void answer_end(size_t n, int64_t input, int64_t output)
{
    struct aiex_writer w;
    uint8_t body[256];

    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 6);
    aiex_w_key_int(&w, "input_tokens", input);
    aiex_w_key_int(&w, "output_tokens", output);
    aiex_w_key_str(&w, "finish", "stop");
    aiex_w_key_str(&w, "model", "vendor-model");
    aiex_w_key_str(&w, "provider", made(n)->service);
    aiex_w_key_int(&w, "first_ms", 5);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, made(n)->id, aiex_written(&w)), 0);
}

void answer_ok(size_t n)
{
    answer_part(n, "part");
    answer_end(n, 10, 3);
}

void ended_well(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_REPLY);
}

void failed(uint64_t id, const char *code)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_FAIL);
    CU_ASSERT_STRING_EQUAL(r->code, code);
}

/* One field of one provider in coordinator.status; -999 = no such field. */
int64_t status(const char *provider, const char *key)
{
    uint64_t id = aiex_fake_request(h, p, self, "coordinator.status", NOTHING, 0);
    struct aiex_value list;
    struct aiex_slice at, name;
    int flag;

    CU_ASSERT_EQUAL_FATAL(aiex_get(aiex_fake_answer(h, id)->body, "providers", &list), 1);
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = at;

        aiex_r_skip(&at);
        entry.len -= at.len;
        if (aiex_get_str(entry, "name", &name) != 1 || !aiex_slice_is(name, provider))
            continue;
        return aiex_get_bool(entry, key, &flag) == 1 ? flag : number(entry, key);
    }
    return -1000;
}

const struct aiex_fake_record *record_of(size_t n)
{
    return aiex_fake_find(h, AIEX_FAKE_CAST, "gateway.settle", n);
}

size_t parts_of(uint64_t id, const char *text)
{
    struct aiex_slice s = aiex_fake_parts(h, id);

    return aiex_slice_is(s, text);
}

void bill(size_t n, int64_t input, int64_t output)
{
    const struct aiex_fake_record *call = made(n);
    struct aiex_slice account = NOTHING;
    struct aiex_writer w;
    uint8_t body[4096];

    CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "account", &account), 1);
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 6);
    aiex_w_key_bin(&w, "account", account.data, account.len);
    aiex_w_key_str(&w, "provider", call->service);
    aiex_w_key_str(&w, "model", "vendor-model");
    aiex_w_key_str(&w, "code", "cancelled");
    aiex_w_key_int(&w, "input_tokens", input);
    aiex_w_key_int(&w, "output_tokens", output);
    CU_ASSERT_EQUAL(aiex_fake_cast(h, p, self, "coordinator.settle", aiex_written(&w)), 0);
}
