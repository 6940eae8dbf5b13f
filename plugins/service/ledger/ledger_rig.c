/* ledger_rig.c - see ledger_rig.h. */
#include "ledger_rig.h"

#include "rig_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
char dir[64];
int64_t now = NOON;
void (*rig_prepare)(void);

int64_t wall_ms(void)
{
    return now;
}

void rig_open(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("service_ledger");
    aiex_fake_data_dir(h, dir);
    if (rig_prepare)
        rig_prepare();
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void rig_close(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void rig_begin(const struct aiex_fake_pair *pairs)
{
    strcpy(dir, "/tmp/aiex_ledger_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    now = NOON;
    rig_open(pairs);
}

void rig_end(void)
{
    CU_ASSERT_EQUAL(rig_folder_remove(dir), 0);
}

const char *rig_path(const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

struct aiex_slice usage_map(const struct usage *u)
{
    static uint8_t mem[1 << 21];
    const char *const pairs[] = {"id",        u->id,  "model", u->model, "provider",
                                 u->provider, "code", u->code, "price",  u->price};
    const char *const who[] = {"key",  u->key,  "user",    u->user,
                               "team", u->team, "project", u->project};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5 + 5 + 3 + (u->cost >= 0));
    for (int i = 0; i < 10; i += 2)
        aiex_w_key_str(&w, pairs[i], pairs[i + 1] ? pairs[i + 1] : "");
    aiex_w_key_int(&w, "ticket", u->ticket);
    aiex_w_key_int(&w, "time", u->time);
    aiex_w_key_int(&w, "input_tokens", u->input);
    aiex_w_key_int(&w, "output_tokens", u->output);
    aiex_w_key_bool(&w, "estimated", 0);
    if (u->cost >= 0)
        aiex_w_key_int(&w, "cost", u->cost);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 4);
    for (int i = 0; i < 8; i += 2)
        aiex_w_key_str(&w, who[i], who[i + 1] ? who[i + 1] : "");
    aiex_w_str(&w, "tags");
    aiex_w_map(&w, u->tag ? 2 : 1);
    if (u->tag)
        aiex_w_key_str(&w, "job", u->tag);
    aiex_w_key_str(&w, "app", "ide");
    aiex_w_str(&w, "why");
    aiex_w_str_head(&w, u->padding);
    for (size_t i = 0; i < u->padding; i++)
        aiex_w_byte(&w, 'y');
    return aiex_written(&w);
}

int record(const struct usage *u)
{
    return aiex_fake_cast(h, p, self, "ledger.record", usage_map(u));
}

uint64_t ask(const char *method, const char *const *pairs)
{
    uint8_t mem[4096];
    struct aiex_writer w;
    uint32_t n = 0;
    uint64_t id;

    while (pairs[n])
        n++;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, n / 2);
    for (uint32_t i = 0; i < n; i += 2) {
        aiex_w_str(&w, pairs[i]);
        if (pairs[i + 1][0] == '#')
            aiex_w_int(&w, atoll(pairs[i + 1] + 1));
        else if (strcmp(pairs[i + 1], "true") == 0)
            aiex_w_bool(&w, 1);
        else
            aiex_w_str(&w, pairs[i + 1]);
    }
    id = aiex_fake_request(h, p, self, method, aiex_written(&w), 0);
    aiex_fake_run_posts(h);
    return id;
}

struct aiex_slice answer_of(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    return r ? r->body : (struct aiex_slice){NULL, 0};
}

const char *code_of(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    return r ? r->code : "open";
}

int64_t number(struct aiex_slice map, const char *key)
{
    int64_t v = -1;

    aiex_get_int(map, key, &v);
    return v;
}

const char *text(struct aiex_slice map, const char *key)
{
    static char out[4][256];
    static unsigned turn;
    char *mem = out[turn++ % 4];

    strcpy(mem, "?");
    aiex_get_text(map, key, mem, 256);
    return mem;
}

uint32_t items(struct aiex_slice map, const char *key)
{
    struct aiex_value v = {0};

    return aiex_get(map, key, &v) == 1 && v.type == AIEX_T_ARRAY ? v.count : 0;
}

struct aiex_slice item(struct aiex_slice map, const char *key, uint32_t n)
{
    struct aiex_slice none = {NULL, 0}, at;
    struct aiex_value v;

    if (n >= items(map, key) || aiex_get(map, key, &v) != 1)
        return none;
    while (n--)
        aiex_r_skip(&v.bytes);
    at = v.bytes;
    aiex_r_skip(&v.bytes);
    at.len -= v.bytes.len;
    return at;
}

static const struct aiex_fake_record *part_record(uint64_t id, size_t n)
{
    for (size_t i = 0;; i++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i);

        if (!r || (r->id == id && n-- == 0))
            return r;
    }
}

struct aiex_slice part(uint64_t id, size_t n)
{
    const struct aiex_fake_record *r = part_record(id, n);

    return r ? r->body : (struct aiex_slice){NULL, 0};
}

size_t parts(uint64_t id)
{
    size_t n = 0;

    while (part_record(id, n))
        n++;
    return n;
}
