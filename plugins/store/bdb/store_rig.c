/* store_rig.c - see store_rig.h. */
#include "store_rig.h"

#include <aiex/aiex_message.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT (8u << 20)

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

void rig_remove(const char *path)
{
    struct dirent *e;
    DIR *d = opendir(path);
    char inside[600];

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, e->d_name);
        if (unlink(inside) != 0)
            rig_remove(inside);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void rig_end(void)
{
    rig_remove(dir);
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
    static char *json;
    static uint8_t *mem;
    struct aiex_error err = {""};
    struct aiex_slice text;
    struct aiex_writer w;

    if (!json) {
        json = malloc(TEXT);
        mem = malloc(TEXT);
    }
    text.data = (uint8_t *)json;
    text.len = (size_t)vsnprintf(json, TEXT, format, args);
    for (size_t i = 0; i < text.len; i++)
        json[i] = json[i] == '\'' ? '"' : json[i];
    aiex_writer_init(&w, mem, TEXT);
    if (aiex_message_from_json(NULL, text, &w, &err) != 0 || w.failed)
        CU_FAIL_FATAL(err.text);
    return aiex_fake_deliver(
        h, p, self,
        &(struct aiex_message){.method = method, .body = aiex_written(&w), .caller = rig_caller});
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

static size_t to_json(struct aiex_slice body, char *out, size_t size)
{
    long n = body.len ? aiex_message_to_json(body, out, size) : 0;

    if (n <= 0 || (size_t)n >= size)
        n = snprintf(out, size, n == 0 ? "{}" : "broken");
    for (long i = 0; i < n; i++)
        out[i] = out[i] == '"' ? '\'' : out[i];
    return (size_t)n;
}

const char *end_of(uint64_t id)
{
    static char *out[4];
    static unsigned turn;
    char **mem = &out[turn++ % 4];
    const struct aiex_fake_record *r;
    size_t n = 0;

    if (!*mem)
        *mem = malloc(TEXT);
    aiex_fake_poll_until(h, is_answered, &id, RIG_WAIT_MS);
    r = aiex_fake_answer(h, id);
    if (!r)
        return "open";
    if (r->kind == AIEX_FAKE_FAIL)
        n = (size_t)snprintf(*mem, TEXT, "%s: %s ", r->code, r->text);
    to_json(r->body, *mem + n, TEXT - n);
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
            n += to_json(r->body, out + n, size - n);
    return n;
}

const char *parts_of(uint64_t id)
{
    static char *mem;

    if (!mem)
        mem = malloc(TEXT);
    put_parts(id, mem, TEXT);
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
        mem = malloc(2 * TEXT);
    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    end = end_of(id);
    n = put_parts(id, mem, TEXT);
    snprintf(mem + n, TEXT, " %s", end);
    return mem;
}

int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n  wanted: %s\n  in:     %.2000s\n", part, text);
    return 0;
}

int is(const char *text, const char *wanted)
{
    if (strcmp(text, wanted) == 0)
        return 1;
    printf("\n  wanted: %s\n  got:    %.2000s\n", wanted, text);
    return 0;
}

long long number(const char *json, const char *key)
{
    char wanted[80];
    const char *at;

    snprintf(wanted, sizeof(wanted), "'%s':", key);
    at = strstr(json, wanted);
    return at ? strtoll(at + strlen(wanted), NULL, 10) : -1;
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
    return has(answer, part);
}
