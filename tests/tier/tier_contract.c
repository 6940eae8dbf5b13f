/* tier_contract.c - what kind tier/1 asks of every tier (sdk/kinds/tier.md). */
#include "tier_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void contract_keeps(void)
{
    struct aiex_slice a, meta = {NULL, 0};
    char text[8];
    int found = 1;

    CU_ASSERT_STRING_EQUAL(tier_get("a"), "-");
    CU_ASSERT_STRING_EQUAL(tier_put_text("a", "one"), "");
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "one");
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){
            .key = "a", .value = "two", .ttl_ms = 5000, .uses = 40, .meta = "data"}),
        "");
    aiex_fake_advance(h, 1000);
    a = tier_get_whole("a", 0, 1);
    CU_ASSERT_EQUAL(tier_number(a, "uses"), 41);
    CU_ASSERT_EQUAL(tier_number(a, "age_ms"), 1000);
    CU_ASSERT_EQUAL(tier_number(a, "ttl_ms"), 4000);
    CU_ASSERT_EQUAL(aiex_get_whole(a, "meta", &meta), 1);
    CU_ASSERT_EQUAL(aiex_get_text(meta, "m", text, sizeof(text)), 1);
    CU_ASSERT_STRING_EQUAL(text, "data");
    a = tier_get_whole("a", 0, 0);
    CU_ASSERT_EQUAL(tier_number(a, "uses"), 41);
    CU_ASSERT_STRING_EQUAL(tier_put(&(struct tier_put){.key = "a", .value = "x", .if_absent = 1}),
                           "conflict");
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "two");
    CU_ASSERT_STRING_EQUAL(tier_put(&(struct tier_put){.key = "b", .value = "x", .if_absent = 1}),
                           "");
    CU_ASSERT_EQUAL(tier_stat("entries"), 2);
    CU_ASSERT_EQUAL(tier_delete("a"), 1);
    CU_ASSERT_EQUAL(tier_delete("a"), 0);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "-");
    a = tier_get_whole("b", 0, 1);
    CU_ASSERT_EQUAL(tier_number(a, "ttl_ms"), -1);
    CU_ASSERT_EQUAL(aiex_get_whole(a, "meta", &meta), 0);
    CU_ASSERT_STRING_EQUAL(tier_put(&(struct tier_put){.key = "empty"}), "");
    a = tier_get_whole("empty", 0, 1);
    CU_ASSERT_EQUAL(aiex_get_bool(a, "found", &found), 1);
    CU_ASSERT_EQUAL(found, 1);
    CU_ASSERT_EQUAL(aiex_get_bytes(a, "value", &meta), 1);
    CU_ASSERT_EQUAL(meta.len, 0);
    CU_ASSERT_EQUAL(tier_stat("entries"), 2);
}

void contract_ends_in_time(void)
{
    tier_put(&(struct tier_put){.key = "a", .value = "v", .ttl_ms = 100});
    tier_put(&(struct tier_put){.key = "b", .value = "v", .ttl_ms = INT64_MAX});
    aiex_fake_advance(h, 99);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "v");
    CU_ASSERT_EQUAL(tier_number(tier_get_whole("a", 0, 1), "ttl_ms"), 1);
    aiex_fake_advance(h, 1);
    CU_ASSERT_STRING_EQUAL(tier_get("a"), "-");
    CU_ASSERT_STRING_EQUAL(tier_get("b"), "v");
    tier_put(&(struct tier_put){.key = "c", .value = "v", .ttl_ms = 100});
    aiex_fake_advance(h, 300000); /* swept by now */
    CU_ASSERT_EQUAL(tier_stat("entries"), 1);
    CU_ASSERT_EQUAL(tier_stat("expired"), 2);
    CU_ASSERT_STRING_EQUAL(tier_put(&(struct tier_put){.key = "c", .value = "w", .if_absent = 1}),
                           "");
    CU_ASSERT_STRING_EQUAL(tier_get("c"), "w");
}

/* ---- Hostile requests ---- */

static void refused(const char *method, const char *bytes, size_t len)
{
    uint64_t id = tier_ask_begin(method, (struct aiex_slice){(const uint8_t *)bytes, len});

    CU_ASSERT_STRING_EQUAL(tier_wait(id), "invalid");
}

#define REFUSED(method, bytes) refused(method, bytes, sizeof(bytes) - 1)

static void long_fields(void)
{
    static char key[1025], meta[4200];
    struct tier_put put = {.key = key, .key_len = 1025, .value = "v"};

    memset(key, 'k', sizeof(key));
    memset(meta, 'm', sizeof(meta) - 1);
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "invalid");
    put.key_len = 1024;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "");
    put.meta = meta;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "invalid");
    put.meta = meta + 150;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "");
    put.meta = NULL;
    put.ttl_ms = -1;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "invalid");
    put.ttl_ms = 0;
    put.uses = INT64_MAX;
    CU_ASSERT_STRING_EQUAL(tier_put(&put), "");
    CU_ASSERT_EQUAL(tier_number(tier_get_whole(key, 1024, 1), "uses"), UINT32_MAX);
}

void contract_refuses(void)
{
    static const char *const methods[] = {"tier.get", "tier.put", "tier.delete", "tier.candidates",
                                          "tier.shrink"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        REFUSED(methods[i], "");
        REFUSED(methods[i], "\x80");
        REFUSED(methods[i], "\xc1");
        REFUSED(methods[i], "\x81\xa3key");
        REFUSED(methods[i], "\x81\xa3key\xc6\xff\xff\xff\xff");
        REFUSED(methods[i], "\x81\xa3key\xc4\x00");
        REFUSED(methods[i], "\xdf\xff\xff\xff\xff");
        REFUSED(methods[i], "\x91\xa3key");
    }
    REFUSED("tier.put", "\x81\xa3key\xa1k");
    REFUSED("tier.put", "\x82\xa3key\xa1k\xa5value\x05");
    REFUSED("tier.put", "\x83\xa3key\xa1k\xa5value\xa1v\xa4meta\x01");
    REFUSED("tier.put", "\x83\xa3key\xa1k\xa5value\xa1v\xa9if_absent\x01");
    REFUSED("tier.get", "\x82\xa3key\xa1k\xa5touch\x01");
    REFUSED("tier.candidates", "\x81\xa9"
                               "direction\xa4side");
    REFUSED("tier.candidates", "\x82\xa9"
                               "direction\xa2up\xa5limit\xff");
    REFUSED("tier.shrink", "\x81\xa5"
                           "bytes\xff");
    CU_ASSERT_EQUAL(tier_stat("entries"), 0);
    CU_ASSERT_STRING_EQUAL(tier_wait(tier_ask_begin("tier.nothing", (struct aiex_slice){NULL, 0})),
                           "not_found");
    long_fields();
    CU_ASSERT_EQUAL(aiex_fake_cast(h, p, self, "tier.get", (struct aiex_slice){NULL, 0}), 0);
    CU_ASSERT_STRING_EQUAL(tier_put_text("still", "works"), "");
    CU_ASSERT_STRING_EQUAL(tier_get("still"), "works");
}

void contract_candidates(void)
{
    char key[8];

    CU_ASSERT_STRING_EQUAL(tier_candidates("up", 10), "");
    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        tier_put_text(key, "v");
        for (int n = 0; n < i * i; n++)
            tier_get(key);
    }
    CU_ASSERT_STRING_EQUAL(tier_candidates("up", 100), "k5 k4 k3 k2 k1 k0 ");
    CU_ASSERT_STRING_EQUAL(tier_candidates("up", 2), "k5 k4 ");
    CU_ASSERT_STRING_EQUAL(tier_candidates("down", 2), "k0 k1 ");
    CU_ASSERT_STRING_EQUAL(tier_candidates("down", 0), "");
}

void contract_metrics(const char *level)
{
    static const char *const names[] = {"aiex_tier_gets_total", "aiex_tier_puts_total",
                                        "aiex_tier_evictions_total", "aiex_tier_bytes"};
    struct aiex_slice text = {NULL, 0}, stats;
    char page[16384], line[200], said[16];

    tier_put_text("a", "v");
    tier_get("a");
    tier_get("a");
    tier_get("b");
    stats = tier_answer(tier_ask_begin("tier.stats", (struct aiex_slice){NULL, 0}));
    CU_ASSERT_EQUAL(aiex_get_text(stats, "level", said, sizeof(said)), 1);
    CU_ASSERT_STRING_EQUAL(said, level);
    CU_ASSERT_EQUAL(tier_number(stats, "hits"), 2);
    CU_ASSERT_EQUAL(tier_number(stats, "misses"), 1);
    CU_ASSERT_EQUAL(tier_number(stats, "puts"), 1);
    CU_ASSERT_TRUE(tier_number(stats, "bytes") > 0);
    CU_ASSERT_EQUAL(
        aiex_get_str(tier_answer(tier_ask_begin("tier.metrics", (struct aiex_slice){NULL, 0})),
                     "text", &text),
        1);
    snprintf(page, sizeof(page), "%.*s", (int)text.len, (const char *)text.data);
    snprintf(line, sizeof(line), "%s{plugin=\"%s\",level=\"%s\",result=\"hit\"} 2\n", names[0],
             p->name, level);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, line));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(line, sizeof(line), "# TYPE %s ", names[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(page, line));
    }
    CU_ASSERT_STRING_EQUAL(tier_wait(tier_ask_begin("tier.health", (struct aiex_slice){NULL, 0})),
                           "");
    CU_ASSERT_STRING_EQUAL(aiex_fake_nth(h, AIEX_FAKE_JOIN, 0)->name, "tier");
}

/* ---- The model ---- */

#define KEYS 60u

static struct model {
    int there;
    uint8_t fill;
    size_t len;
    uint64_t over; /* on the test's clock; 0 = never */
} model[KEYS];

static uint64_t chance = 88172645463325252ull;

static uint32_t any(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance >> 20) % n;
}

static void key_text(uint32_t k, char *out)
{
    sprintf(out, "key-%u", k);
}

static void model_put(uint32_t k, uint64_t now)
{
    static uint8_t value[70000];
    struct model m = {.there = 1,
                      .fill = (uint8_t)any(256),
                      .len = any(10) ? 1 + any(3000) : 1 + any(sizeof(value) - 1),
                      .over = any(3) ? 0 : now + 1 + any(500)};
    char key[16];

    key_text(k, key);
    memset(value, m.fill, m.len);
    for (size_t i = 0; i < m.len; i += 97) /* not all too easy to compress */
        value[i] = (uint8_t)(m.fill + i);
    CU_ASSERT_STRING_EQUAL(
        tier_put(&(struct tier_put){.key = key,
                                    .value = value,
                                    .value_len = m.len,
                                    .ttl_ms = m.over ? (int64_t)(m.over - now) : 0}),
        "");
    model[k] = m;
}

static void model_get(uint32_t k, uint64_t now, int exact)
{
    const struct model *m = &model[k];
    int live = m->there && (!m->over || m->over > now), found = 0;
    struct aiex_slice a, value = {NULL, 0};
    size_t right = 0;
    char key[16];

    key_text(k, key);
    a = tier_get_whole(key, 0, (int)any(2));
    CU_ASSERT_EQUAL(aiex_get_bool(a, "found", &found), 1);
    if (!live || exact)
        CU_ASSERT_EQUAL(found, live);
    if (!found)
        return;
    aiex_get_bytes(a, "value", &value);
    CU_ASSERT_EQUAL(value.len, m->len);
    while (right < value.len && value.data[right] == (uint8_t)(m->fill + (right % 97 ? 0 : right)))
        right++;
    CU_ASSERT_EQUAL(right, value.len);
}

void contract_model(unsigned rounds, int exact)
{
    uint64_t now = 0;
    char key[16];

    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t k = any(KEYS), what = any(10);

        if (what < 4) {
            model_put(k, now);
        } else if (what < 8) {
            model_get(k, now, exact);
        } else if (what < 9) {
            key_text(k, key);
            tier_delete(key);
            model[k].there = 0;
        } else {
            uint32_t ms = any(60);

            aiex_fake_advance(h, ms);
            now += ms;
        }
        aiex_fake_forget(h);
    }
    for (uint32_t k = 0; k < KEYS; k++)
        model_get(k, now, exact);
}
