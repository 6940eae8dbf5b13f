/* store_rig.c - see store_rig.h. */
#include "store_rig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
char dir[64];
const char *rig_caller;

int rig_try(const struct aiex_fake_pair *pairs, struct aiex_error *err)
{
    h = aiex_fake_host_new("store_bdb");
    aiex_fake_data_dir(h, dir);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    return aiex_fake_start(h, p, pairs, &self, err);
}

void rig_open(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    if (rig_try(pairs, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static int is_drained(void *arg)
{
    return aiex_fake_drained(arg);
}

void rig_close(void)
{
    aiex_fake_drain(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_drained, h, RIG_WAIT_MS), 0);
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void rig_begin_in(const char *parent, const struct aiex_fake_pair *pairs)
{
    snprintf(dir, sizeof(dir), "%s/aiex_store_XXXXXX", parent);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    rig_open(pairs);
}

void rig_begin(const struct aiex_fake_pair *pairs)
{
    rig_begin_in("/tmp", pairs);
}

void rig_end(void)
{
    rig_folder_remove(dir);
}

const char *rig_path(const char *name)
{
    static char path[4][400];
    static unsigned turn;
    char *out = path[turn++ % 4];

    snprintf(out, 400, "%s/%s", dir, name);
    return out;
}

static uint64_t begin_va(const char *method, const char *format, va_list args)
{
    const struct aiex_message m = {
        .method = method, .body = rig_text_read(format, args), .caller = rig_caller};

    uint64_t id = aiex_fake_deliver(h, p, self, &m);

    rig_text_free(m.body);
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

static int is_answered(void *arg)
{
    return aiex_fake_answer(h, *(uint64_t *)arg) != NULL;
}

const char *end_of(uint64_t id)
{
    static char *out[4];
    static unsigned turn;
    char **mem = &out[turn++ % 4];
    const struct aiex_fake_record *r;
    size_t n = 0;

    if (!*mem)
        *mem = malloc(RIG_TEXT);
    aiex_fake_poll_until(h, is_answered, &id, RIG_WAIT_MS);
    r = aiex_fake_answer(h, id);
    if (!r)
        return "open";
    if (r->kind == AIEX_FAKE_FAIL)
        n = (size_t)snprintf(*mem, RIG_TEXT, "%s: %s ", r->code, r->text);
    rig_text_write(r->body, *mem + n, RIG_TEXT - n);
    return *mem;
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

static size_t put_parts(uint64_t id, char *out, size_t size)
{
    const struct aiex_fake_record *r;
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; (r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i)) != NULL; i++)
        if (r->id == id)
            n += rig_text_write(r->body, out + n, size - n);
    return n;
}

const char *parts_of(uint64_t id)
{
    static char *mem;

    if (!mem)
        mem = malloc(RIG_TEXT);
    put_parts(id, mem, RIG_TEXT);
    return mem;
}

const char *ask_all(const char *method, const char *format, ...)
{
    static char *mem;
    va_list args;
    uint64_t id;
    const char *end;
    size_t n;

    if (!mem)
        mem = malloc(2 * RIG_TEXT);
    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    end = end_of(id);
    n = put_parts(id, mem, RIG_TEXT);
    snprintf(mem + n, RIG_TEXT, " %s", end);
    return mem;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int comes(const char *method, const char *part)
{
    int64_t end = now_ms() + RIG_WAIT_MS;
    const char *answer;

    do {
        answer = ask(method, "{}");
        if (strstr(answer, part))
            return 1;
        aiex_fake_poll(h, 5);
    } while (now_ms() < end);
    return rig_text_has(answer, part);
}
