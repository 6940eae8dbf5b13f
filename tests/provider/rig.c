#include "rig.h"

struct rig rig;

void rig_begin(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    fake_http_reset();
    rig.plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    rig.host = aiex_fake_host_new(rig.plugin->name);
    aiex_fake_extension(rig.host, AIEX_HTTP_ID, &fake_http_table);
    if (aiex_fake_start(rig.host, rig.plugin, pairs, &rig.self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void rig_finish(void)
{
    aiex_fake_stop(rig.host, rig.plugin, rig.self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(rig.host), 0);
    fake_http_reset();
}

static const char *method_of(const char *dialect)
{
    if (strstr(dialect, "embed"))
        return "provider.embed";
    if (strstr(dialect, "completions") || strstr(dialect, "generate"))
        return "provider.complete";
    return "provider.chat";
}

static void put_text(struct aiex_writer *w, const char *key, const char *text)
{
    if (text)
        aiex_w_key_str(w, key, text);
}

static void put_number(struct aiex_writer *w, const char *key, int64_t n)
{
    if (n)
        aiex_w_key_int(w, key, n);
}

uint64_t rig_call(const struct rig_call *c)
{
    static uint8_t mem[3000000];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1u + !!c->dialect + !!c->model + !!c->body + !!c->account + !!c->settle +
                       !!c->attempt + !!c->first_token_ms + !!c->idle_ms + !!c->total_ms +
                       !!c->header);
    aiex_w_key_bool(&w, "stream", c->stream);
    put_text(&w, "dialect", c->dialect);
    put_text(&w, "model", c->model);
    if (c->body)
        aiex_w_key_bin(&w, "body", c->body, strlen(c->body));
    if (c->account)
        aiex_w_key_bin(&w, "account", c->account, strlen(c->account));
    put_text(&w, "settle", c->settle);
    put_number(&w, "attempt", c->attempt);
    put_number(&w, "first_token_ms", c->first_token_ms);
    put_number(&w, "idle_ms", c->idle_ms);
    put_number(&w, "total_ms", c->total_ms);
    if (c->header) {
        aiex_w_str(&w, "headers");
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, c->header, c->value);
    }
    CU_ASSERT_FATAL(!w.failed);
    return aiex_fake_request(rig.host, rig.plugin, rig.self,
                             c->method ? c->method : method_of(c->dialect), aiex_written(&w), 0);
}

uint64_t rig_ask(const char *method)
{
    return aiex_fake_request(rig.host, rig.plugin, rig.self, method, (struct aiex_slice){NULL, 0},
                             0);
}

int64_t rig_number(const struct aiex_fake_record *r, const char *key)
{
    int64_t v = -999;

    aiex_get_int(r->body, key, &v);
    return v;
}

int rig_truth(const struct aiex_fake_record *r, const char *key)
{
    int v = -1;

    aiex_get_bool(r->body, key, &v);
    return v;
}

int rig_is(const struct aiex_fake_record *r, const char *key, const char *text)
{
    struct aiex_slice s = {NULL, 0};

    return aiex_get_bytes(r->body, key, &s) == 1 && aiex_slice_is(s, text);
}

static int has(struct aiex_slice s, const char *part)
{
    return s.len && memmem(s.data, s.len, part, strlen(part)) != NULL;
}

int rig_has(const struct aiex_fake_record *r, const char *key, const char *part)
{
    struct aiex_slice s = {NULL, 0};

    return aiex_get_bytes(r->body, key, &s) == 1 && has(s, part);
}

int rig_parts_have(uint64_t id, const char *part)
{
    return has(aiex_fake_parts(rig.host, id), part);
}

void rig_parts_are(uint64_t id, const char *text)
{
    struct aiex_slice s = aiex_fake_parts(rig.host, id);

    CU_ASSERT_EQUAL(s.len, strlen(text));
    if (s.len != strlen(text))
        fprintf(stderr, "parts are: %.*s\n", (int)s.len, (const char *)s.data);
    if (s.len == strlen(text))
        CU_ASSERT_NSTRING_EQUAL(s.data, text, s.len);
}

const struct aiex_fake_record *rig_failed(uint64_t id, const char *code, int http_status)
{
    const struct aiex_fake_record *r = aiex_fake_answer(rig.host, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_FAIL);
    CU_ASSERT_STRING_EQUAL(r->code, code);
    CU_ASSERT_EQUAL(rig_number(r, "http_status"), http_status);
    return r;
}

const struct aiex_fake_record *rig_good(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(rig.host, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    if (r->kind == AIEX_FAKE_FAIL)
        fprintf(stderr, "call failed: %s: %s\n", r->code, r->text);
    CU_ASSERT_EQUAL(r->kind, AIEX_FAKE_REPLY);
    return r;
}

int rig_healthy(void)
{
    return rig_truth(aiex_fake_answer(rig.host, rig_ask("provider.health")), "healthy");
}

const char *rig_event(size_t n)
{
    const struct aiex_fake_record *r = aiex_fake_nth(rig.host, AIEX_FAKE_PUBLISH, n);

    return r ? r->type : "none";
}

size_t rig_n_models(const struct aiex_fake_record *r)
{
    struct aiex_value v;

    return aiex_get(r->body, "models", &v) == 1 ? v.count : 999;
}

struct aiex_slice rig_model(const struct aiex_fake_record *r, size_t n)
{
    struct aiex_slice at, start;
    struct aiex_value v;

    if (aiex_get(r->body, "models", &v) != 1 || n >= v.count)
        return (struct aiex_slice){NULL, 0};
    at = v.bytes;
    while (n--)
        aiex_r_skip(&at);
    start = at;
    aiex_r_skip(&at);
    return (struct aiex_slice){start.data, start.len - at.len};
}
