/* gateway_rig.c - see gateway_rig.h. */
#include "gateway_rig.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
struct rig_world world;
int64_t wall_ms;
char folder[64];

static char filler[8000];

static int64_t clock_of_test(void)
{
    return wall_ms;
}

/* ---- The world ---- */

static int answer_spent(const struct aiex_fake_record *r)
{
    uint8_t mem[128];

    if (world.ledger_silent)
        return 0;
    if (world.ledger_away)
        return aiex_fake_answer_error(h, r->id, "unavailable", "nobody serves ledger", 0, NOTHING);
    if (world.spent.len)
        return aiex_fake_answer_ok(h, r->id, world.spent);
    return aiex_fake_answer_ok(h, r->id,
                               pack(mem, sizeof(mem), "day", "s", "2026-11-21", "month", "s",
                                    "2026-11", "spent", "r",
                                    (struct aiex_slice){(const uint8_t *)"\x90", 1}, NULL));
}

static int answer_price(const struct aiex_fake_record *r)
{
    int64_t each = world.price ? world.price : 2;
    uint8_t mem[128];

    if (world.price_silent)
        return 0;
    if (world.price_away)
        return aiex_fake_answer_error(h, r->id, "not_found", "no such method", 0, NOTHING);
    if (world.price_rates && !world.price_unknown)
        return aiex_fake_answer_ok(
            h, r->id,
            pack(mem, sizeof(mem), "known", "b", 1, "cost", "I",
                 each * (number(r->body, "input_tokens") + number(r->body, "output_tokens")),
                 "input_price", "I", each * 1000000, "output_price", "I", each * 1000000, NULL));
    return aiex_fake_answer_ok(
        h, r->id,
        pack(mem, sizeof(mem), "known", "b", !world.price_unknown, "cost", "I",
             each * (number(r->body, "input_tokens") + number(r->body, "output_tokens")), NULL));
}

static int answer_chat(const struct aiex_fake_record *r)
{
    uint8_t mem[256];
    struct aiex_slice end = pack(mem, sizeof(mem), "input_tokens", "i", 3, "output_tokens", "i", 4,
                                 NULL);

    switch (world.chat) {
    case CHAT_OK:
    case CHAT_SETTLE_OK:
        aiex_fake_answer_part(h, r->id, (struct aiex_slice){(const uint8_t *)"hello", 5});
        if (world.chat == CHAT_SETTLE_OK) {
            uint8_t record[128];

            cast("gateway.settle",
                 pack(record, sizeof(record), "ticket", "I", number(r->body, "ticket"), "cost", "i",
                      14, "input_tokens", "i", 3, "output_tokens", "i", 4, NULL));
        }
        return aiex_fake_answer_ok(h, r->id, end);
    case CHAT_ERROR:
        return aiex_fake_answer_error(
            h, r->id, "upstream", "cut", 7,
            pack(mem, sizeof(mem), "http_status", "i", 502, "attempts", "i", 1, NULL));
    case CHAT_ABSENT:
        return aiex_fake_answer_error(h, r->id, "unavailable", "nobody serves coordinator", 0,
                                      NOTHING);
    case CHAT_REFUSED:
        return -EBUSY;
    default:
        return 0;
    }
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    if (world.store && strncmp(r->name, "store.", 6) == 0)
        return memory_store_call(world.store, host, r);
    if (strcmp(r->name, "ledger.spent") == 0)
        return answer_spent(r);
    if (strcmp(r->name, "coordinator.price") == 0)
        return answer_price(r);
    if (strcmp(r->name, "coordinator.chat") == 0)
        return answer_chat(r);
    return 0;
}

/* ---- Life ---- */

int try_restart(const struct aiex_fake_pair *pairs, struct aiex_error *err)
{
    int r;

    h = aiex_fake_host_new("service_gateway");
    aiex_fake_data_dir(h, folder);
    aiex_fake_on_call(h, on_call, NULL);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    self = NULL;
    r = aiex_fake_start(h, p, pairs, &self, err);
    if (r == 0)
        gw()->calendar.clock = clock_of_test;
    return r;
}

void restart(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    if (try_restart(pairs, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void begin(const struct aiex_fake_pair *pairs)
{
    snprintf(folder, sizeof(folder), "/tmp/aiex-gateway-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    wall_ms = NOON;
    restart(pairs);
}

void stop(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void finish(void)
{
    static const char *const files[] = {"pepper", "keys", "keys.new", "pepper.new"};
    char path[128];

    stop();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    memset(&world, 0, sizeof(world));
}

/* ---- Messages ---- */

static uint32_t write_pairs(struct aiex_writer *w, va_list ap)
{
    const char *key;
    uint32_t n = 0;

    for (; (key = va_arg(ap, const char *)) != NULL; n++) {
        const char *type = va_arg(ap, const char *);
        struct aiex_slice s;

        aiex_w_str(w, key);
        switch (*type) {
        case 's':
            aiex_w_str(w, va_arg(ap, const char *));
            break;
        case 'i':
            aiex_w_int(w, va_arg(ap, int));
            break;
        case 'I':
            aiex_w_int(w, va_arg(ap, int64_t));
            break;
        case 'b':
            aiex_w_bool(w, va_arg(ap, int));
            break;
        default:
            s = va_arg(ap, struct aiex_slice);
            if (*type == 'x')
                aiex_w_bin(w, s.data, s.len);
            else
                aiex_w_raw(w, s.data, s.len);
        }
    }
    return n;
}

static struct aiex_slice pack_list(void *mem, size_t size, va_list ap)
{
    struct aiex_writer w, count;
    va_list again;

    aiex_writer_init(&count, NULL, 0);
    va_copy(again, ap);
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, write_pairs(&count, again));
    va_end(again);
    write_pairs(&w, ap);
    CU_ASSERT_FALSE_FATAL(w.failed);
    return aiex_written(&w);
}

struct aiex_slice pack(void *mem, size_t size, ...)
{
    struct aiex_slice s;
    va_list ap;

    va_start(ap, size);
    s = pack_list(mem, size, ap);
    va_end(ap);
    return s;
}

uint64_t ask(const char *method, ...)
{
    uint8_t mem[16384];
    struct aiex_slice body;
    va_list ap;

    va_start(ap, method);
    body = pack_list(mem, sizeof(mem), ap);
    va_end(ap);
    return aiex_fake_request(h, p, self, method, body, 0);
}

uint64_t ask_as(const char *caller, const char *method, ...)
{
    struct aiex_message m = {.method = method, .caller = caller};
    uint8_t mem[16384];
    va_list ap;

    va_start(ap, method);
    m.body = pack_list(mem, sizeof(mem), ap);
    va_end(ap);
    return aiex_fake_deliver(h, p, self, &m);
}

int cast(const char *method, struct aiex_slice body)
{
    return aiex_fake_cast(h, p, self, method, body);
}

/* ---- Answers ---- */

int is_open(uint64_t id)
{
    return aiex_fake_answer(h, id) == NULL;
}

struct aiex_slice ok(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    if (r->kind != AIEX_FAKE_REPLY)
        CU_FAIL_FATAL(r->text);
    CU_ASSERT(aiex_is_map(r->body));
    return r->body;
}

struct aiex_slice failed(uint64_t id, const char *code)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL_FATAL(r->kind, AIEX_FAKE_FAIL);
    CU_ASSERT_STRING_EQUAL(r->code, code);
    CU_ASSERT(aiex_is_map(r->body));
    return r->body;
}

uint32_t retry_after(uint64_t id)
{
    return aiex_fake_answer(h, id)->retry_after_ms;
}

int64_t number(struct aiex_slice body, const char *key)
{
    int64_t v = -999;
    int flag;

    if (aiex_get_int(body, key, &v) < 0 && aiex_get_bool(body, key, &flag) == 1)
        return flag;
    return v;
}

const char *text(struct aiex_slice body, const char *key)
{
    static char kept[8][1024];
    static unsigned at;
    char *out = kept[at++ % 8];

    out[0] = 0;
    aiex_get_text(body, key, out, sizeof(kept[0]));
    return out;
}

/* ---- Keys and chats ---- */

const char *make_key(const struct limits *limits, const char *user, char ret_id[16])
{
    static const struct limits none;
    const struct limits *l = limits ? limits : &none;
    struct aiex_slice end = ok(ask("gateway.key_create", "local", "b", 1, "name", "s", "test",
                                   "user", "s", user ? user : "", "rpm", "I", l->rpm, "tpm", "I",
                                   l->tpm, "concurrency", "I", l->concurrency, "budget_day", "I",
                                   l->budget_day, "budget_month", "I", l->budget_month,
                                   "soft_percent", "I", l->soft_percent, NULL));
    if (ret_id)
        snprintf(ret_id, 16, "%s", text(end, "id"));
    return text(end, "key");
}

/* A request of one message that is long enough to be estimated at `input` tokens. */
static size_t write_prompt(char *out, size_t size, int input, int output)
{
    int n, letters = 0;
    int64_t tokens;

    do {
        n = snprintf(out, size,
                     "{\"max_tokens\":%d,\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]}",
                     output, letters, filler);
        tokens = aiex_chat_prompt_tokens(AIEX_OPENAI_CHAT,
                                         (struct aiex_slice){(uint8_t *)out, (size_t)n});
        letters += (int)(input - tokens) > 1 ? 3 * (int)(input - tokens) - 2 : 1;
    } while (tokens < input);
    CU_ASSERT_EQUAL_FATAL(tokens, input);
    return (size_t)n;
}

uint64_t chat(const char *key, int input, int output)
{
    char body[8192];
    size_t n;

    memset(filler, 'a', sizeof(filler) - 1);
    n = write_prompt(body, sizeof(body), input, output);
    return ask("gateway.chat", "credential", "s", key ? key : "", "dialect", "s", "openai.chat",
               "model", "s", "m", "stream", "b", 1, "body", "x",
               (struct aiex_slice){(uint8_t *)body, n}, NULL);
}

const struct aiex_fake_record *made(size_t n)
{
    return aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.chat", n);
}

int64_t ticket_of(size_t n)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(n));
    return number(made(n)->body, "ticket");
}

void settle(size_t n, int64_t cost, int64_t input, int64_t output)
{
    uint8_t mem[256];

    cast("gateway.settle", pack(mem, sizeof(mem), "id", "s", "00000000000000ff", "time", "I",
                                wall_ms, "ticket", "I", ticket_of(n), "cost", "I", cost,
                                "input_tokens", "I", input, "output_tokens", "I", output, NULL));
}

void answer_ok(size_t n)
{
    uint8_t mem[128];

    aiex_fake_answer_part(h, made(n)->id, (struct aiex_slice){(const uint8_t *)"part", 4});
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, made(n)->id,
                                        pack(mem, sizeof(mem), "input_tokens", "i", 3,
                                             "output_tokens", "i", 4, NULL)),
                    0);
}

int64_t status(const char *key)
{
    return number(ok(ask("gateway.status", NULL)), key);
}

int64_t refused_by(const char *reason)
{
    struct aiex_slice refused = NOTHING;

    aiex_get_whole(ok(ask("gateway.status", NULL)), "refused", &refused);
    return number(refused, reason);
}
