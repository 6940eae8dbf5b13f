/* sessions_rig.c - see sessions_rig.h. */
#include "sessions_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT (8u << 20)

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
struct memory_store *store;

static int64_t wall = 1700000000000;

int64_t wall_ms(void);
int64_t wall_ms(void)
{
    return wall;
}

void rig_wall(int64_t ms)
{
    wall += ms;
}

void rig_pass(int64_t ms)
{
    while (ms > 0) {
        int64_t step = ms < 100 ? ms : 100;

        wall += step;
        aiex_fake_advance(h, (uint64_t)step);
        aiex_fake_run_posts(h);
        ms -= step;
    }
}

void rig_open_cold(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("service_sessions");
    aiex_fake_on_call(h, memory_store_call, store);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void rig_open(const struct aiex_fake_pair *pairs)
{
    rig_open_cold(pairs);
    aiex_fake_run_posts(h);
}

void rig_close(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void rig_begin(const struct aiex_fake_pair *pairs)
{
    store = memory_store_new();
    rig_open(pairs);
}

void rig_end(void)
{
    rig_close();
    memory_store_free(store);
}

static uint64_t begin_va(const char *method, const char *format, va_list args)
{
    struct aiex_slice body = rig_text_read(format, args);
    uint64_t id = aiex_fake_request(h, p, self, method, body, 0);

    rig_text_free(body);
    return id;
}

uint64_t begin(const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    return id;
}

const char *end_of(uint64_t id)
{
    static char out[4][256 << 10];
    static unsigned turn;
    char *mem = out[turn++ % 4];
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);
    size_t n = 0, size = sizeof(out[0]);

    if (!r)
        return "open";
    if (r->kind == AIEX_FAKE_FAIL)
        n = (size_t)snprintf(mem, size, "%s: %s ", r->code, r->text);
    rig_text_write(r->body, mem + n, size - n);
    return mem;
}

const char *ask(const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    return end_of(id);
}

static const char *value_of(const char *json, const char *key)
{
    char wanted[80];
    const char *at;

    snprintf(wanted, sizeof(wanted), "'%s':", key);
    at = strstr(json, wanted);
    return at ? at + strlen(wanted) : NULL;
}

const char *word(const char *json, const char *key)
{
    static char out[4][200];
    static unsigned turn;
    char *mem = out[turn++ % 4];
    const char *at = value_of(json, key);

    mem[0] = 0;
    if (at && *at == '\'')
        snprintf(mem, sizeof(out[0]), "%.*s", (int)strcspn(at + 1, "'"), at + 1);
    return mem;
}
