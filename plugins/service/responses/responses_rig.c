/* responses_rig.c - see responses_rig.h. */
#include "responses_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
char dir[64];
int64_t now;
int in_store;
struct table_store *rows;

int64_t wall_ms(void)
{
    return now;
}

void reload_it(const struct aiex_fake_pair *pairs)
{
    struct aiex_fake_pair all[8] = {{"store", in_store ? "store" : ""}, {NULL, NULL}};
    struct aiex_error err = {""};

    for (size_t i = 0; pairs && pairs[i].name; i++)
        all[i + 1] = pairs[i];
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, all, &err), 0);
}

void open_it(const struct aiex_fake_pair *pairs)
{
    struct aiex_fake_pair all[8] = {{"store", in_store ? "store" : ""}, {NULL, NULL}};
    struct aiex_error err = {""};

    for (size_t i = 0; pairs && pairs[i].name; i++)
        all[i + 1] = pairs[i];
    h = aiex_fake_host_new("service_responses");
    aiex_fake_data_dir(h, dir);
    if (in_store)
        aiex_fake_on_call(h, table_store_call, rows);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, all, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void close_it(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void begin(const struct aiex_fake_pair *pairs)
{
    strcpy(dir, "/tmp/aiex_responses_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    now = 1795262400000ll;
    rows = table_store_new();
    open_it(pairs);
}

const char *path(const char *name)
{
    static char out[400];

    snprintf(out, sizeof(out), "%s/%s", dir, name);
    return out;
}

unsigned files(int remove_them)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            n++;
            if (remove_them)
                unlink(path(e->d_name));
        }
    closedir(d);
    return n;
}

void finish(void)
{
    close_it();
    table_store_free(rows);
    files(1);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

unsigned kept(void)
{
    return in_store ? table_store_rows(rows, "responses") : files(0);
}

void in_both(void (*test)(void))
{
    for (in_store = 0; in_store < 2; in_store++)
        test();
    in_store = 0;
}

uint64_t put_as(const char *key, const char *id, const char *previous, const char *input,
                const char *response)
{
    size_t size = strlen(input) + strlen(response) + 1024;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;
    uint64_t call;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "id", id);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "user", "u");
    aiex_w_key_str(&w, "key", key);
    aiex_w_key_str(&w, "previous", previous);
    aiex_w_key_bin(&w, "input", input, strlen(input));
    aiex_w_key_bin(&w, "response", response, strlen(response));
    call = aiex_fake_request(h, p, self, "responses.put", aiex_written(&w), 0);
    free(mem);
    return call;
}

const char *put(const char *id, const char *previous, const char *input, const char *response)
{
    return code(put_as("k1", id, previous, input, response));
}

uint64_t ask_as(const char *key, const char *method, const char *id)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", id);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "key", key);
    return aiex_fake_request(h, p, self, method, aiex_written(&w), 0);
}

const char *code(uint64_t call)
{
    const struct aiex_fake_record *end = aiex_fake_answer(h, call);

    return end ? end->code : "open";
}

const char *bytes(uint64_t call, const char *key)
{
    static char out[4][65536];
    static unsigned turn;
    char *mem = out[turn++ % 4];
    struct aiex_slice s = {NULL, 0};

    if (code(call)[0])
        return code(call);
    aiex_get_bytes(aiex_fake_answer(h, call)->body, key, &s);
    snprintf(mem, 65536, "%.*s", (int)s.len, s.data ? (const char *)s.data : "");
    return mem;
}

const char *history(const char *id)
{
    return bytes(ask_as("k1", "responses.history", id), "items");
}

int64_t status(const char *key)
{
    uint64_t call = aiex_fake_request(h, p, self, "responses.status", (struct aiex_slice){0}, 0);
    int64_t v = -1;

    aiex_get_int(aiex_fake_answer(h, call)->body, key, &v);
    return v;
}
