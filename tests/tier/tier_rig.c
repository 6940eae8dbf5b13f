/* tier_rig.c - see tier_rig.h. */
#include "tier_rig.h"

#include "rig_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
char tier_dir[64];

void tier_open(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new(p->name);
    if (tier_dir[0])
        aiex_fake_data_dir(h, tier_dir);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

void tier_close(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    h = NULL;
}

void tier_folder(void)
{
    strcpy(tier_dir, "/tmp/aiex_tier_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(tier_dir));
}

void tier_folder_gone(void)
{
    CU_ASSERT_EQUAL(rig_folder_remove(tier_dir), 0);
    tier_dir[0] = 0;
}

const char *tier_path(const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", tier_dir, name);
    return path;
}

static size_t length(const void *bytes, size_t len)
{
    return len || !bytes ? len : strlen(bytes);
}

uint64_t tier_put_begin(const struct tier_put *put)
{
    size_t key = length(put->key, put->key_len), value = length(put->value, put->value_len);
    size_t size = key + value + 512 + (put->meta ? strlen(put->meta) : 0);
    uint8_t *mem = malloc(size);
    struct aiex_writer w;
    uint64_t id;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 2u + (put->ttl_ms != 0) + (put->uses != 0) + (put->meta != NULL) +
                       (put->if_absent != 0));
    aiex_w_key_bin(&w, "key", put->key, key);
    aiex_w_key_bin(&w, "value", put->value, value);
    if (put->ttl_ms)
        aiex_w_key_int(&w, "ttl_ms", put->ttl_ms);
    if (put->uses)
        aiex_w_key_int(&w, "uses", put->uses);
    if (put->if_absent)
        aiex_w_key_bool(&w, "if_absent", 1);
    if (put->meta) {
        aiex_w_str(&w, "meta");
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "m", put->meta);
    }
    id = tier_ask_begin("tier.put", aiex_written(&w));
    free(mem);
    return id;
}

uint64_t tier_ask_begin(const char *method, struct aiex_slice body)
{
    return aiex_fake_request(h, p, self, method, body, 0);
}

static int is_answered(void *arg)
{
    return aiex_fake_answer(h, *(const uint64_t *)arg) != NULL;
}

const char *tier_wait(uint64_t id)
{
    const struct aiex_fake_record *r;

    if (aiex_fake_poll_until(h, is_answered, &id, 60000) != 0)
        CU_FAIL_FATAL("no answer");
    r = aiex_fake_answer(h, id);
    return r->kind == AIEX_FAKE_FAIL ? r->code : "";
}

struct aiex_slice tier_answer(uint64_t id)
{
    tier_wait(id);
    return aiex_fake_answer(h, id)->body;
}

const char *tier_put(const struct tier_put *put)
{
    return tier_wait(tier_put_begin(put));
}

const char *tier_put_text(const char *key, const char *value)
{
    return tier_put(&(struct tier_put){.key = key, .value = value});
}

struct aiex_slice tier_get_whole(const void *key, size_t key_len, int touch)
{
    uint8_t mem[1200];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bin(&w, "key", key, length(key, key_len));
    aiex_w_key_bool(&w, "touch", touch);
    return tier_answer(tier_ask_begin("tier.get", aiex_written(&w)));
}

const char *tier_get(const char *key)
{
    static char out[4096];
    uint8_t mem[1200];
    struct aiex_writer w;
    struct aiex_slice body, value;
    const char *code;
    uint64_t id;
    int found = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, "key", key, strlen(key));
    id = tier_ask_begin("tier.get", aiex_written(&w));
    code = tier_wait(id);
    if (*code) {
        snprintf(out, sizeof(out), "!%s", code);
        return out;
    }
    body = tier_answer(id);
    if (aiex_get_bool(body, "found", &found) != 1 || !found ||
        aiex_get_bytes(body, "value", &value) != 1)
        return found ? "!no value" : "-";
    snprintf(out, sizeof(out), "%.*s", (int)value.len, (const char *)value.data);
    return out;
}

int tier_delete(const char *key)
{
    uint8_t mem[1200];
    struct aiex_writer w;
    int found = -1;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, "key", key, strlen(key));
    aiex_get_bool(tier_answer(tier_ask_begin("tier.delete", aiex_written(&w))), "found", &found);
    return found;
}

int64_t tier_number(struct aiex_slice map, const char *key)
{
    int64_t v = -1;

    aiex_get_int(map, key, &v);
    return v;
}

int64_t tier_stat(const char *name)
{
    return tier_number(tier_answer(tier_ask_begin("tier.stats", (struct aiex_slice){NULL, 0})),
                       name);
}

const char *tier_candidates(const char *direction, int limit)
{
    static char out[4096];
    uint8_t mem[64];
    struct aiex_writer w;
    struct aiex_value list, item;
    struct aiex_slice body, key;
    size_t n = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "direction", direction);
    aiex_w_key_int(&w, "limit", limit);
    body = tier_answer(tier_ask_begin("tier.candidates", aiex_written(&w)));
    out[0] = 0;
    if (aiex_get(body, "entries", &list) != 1)
        return "!";
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice at = list.bytes;

        aiex_r_skip(&list.bytes);
        at.len -= list.bytes.len;
        if (aiex_get(at, "key", &item) == 1 && aiex_get_bytes(at, "key", &key) == 1)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s ", (int)key.len, key.data);
    }
    return out;
}
