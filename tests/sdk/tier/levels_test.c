/* sdk/tier: a cache in three levels over two tiers that the test plays. */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <aiex_levels.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TTL 60000

static struct aiex_fake_host *h;
static struct aiex_levels *l;

/* ---- The tiers: one entry each, as it was put ---- */

static struct tier {
    const char *name;
    uint8_t key[600], value[256];
    size_t key_len, value_len;
    int64_t ttl, uses;
    int64_t meta_until, meta_ttl; /* 0 = no meta */
    const char *fails;            /* with that code */
    int silent, refuses, gets, puts, deletes;
    uint64_t open; /* the last get of a silent one */
} tiers[2];

static struct tier *tier_of(const char *name)
{
    return strcmp(name, "warm") == 0 ? &tiers[0] : strcmp(name, "cold") == 0 ? &tiers[1] : NULL;
}

static struct aiex_slice found(const struct tier *t, uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 3u + (t->ttl != 0) + (t->meta_until != 0));
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_bin(&w, "value", t->value, t->value_len);
    aiex_w_key_int(&w, "uses", t->uses);
    if (t->ttl)
        aiex_w_key_int(&w, "ttl_ms", t->ttl);
    if (t->meta_until) {
        aiex_w_str(&w, "meta");
        aiex_w_map(&w, 2);
        aiex_w_key_int(&w, "until", t->meta_until);
        aiex_w_key_int(&w, "ttl", t->meta_ttl);
    }
    return aiex_written(&w);
}

static void take_put(struct tier *t, struct aiex_slice body)
{
    struct aiex_slice key, value, meta;

    CU_ASSERT_FATAL(aiex_get_bytes(body, "key", &key) == 1 && key.len <= sizeof(t->key));
    CU_ASSERT_FATAL(aiex_get_bytes(body, "value", &value) == 1 && value.len <= sizeof(t->value));
    memcpy(t->key, key.data, key.len);
    t->key_len = key.len;
    memcpy(t->value, value.data, value.len);
    t->value_len = value.len;
    t->ttl = t->uses = t->meta_until = t->meta_ttl = 0;
    aiex_get_int(body, "ttl_ms", &t->ttl);
    aiex_get_int(body, "uses", &t->uses);
    if (aiex_get_whole(body, "meta", &meta) == 1) {
        aiex_get_int(meta, "until", &t->meta_until);
        aiex_get_int(meta, "ttl", &t->meta_ttl);
    }
    t->puts++;
}

static int answer_get(struct tier *t, const struct aiex_fake_record *r)
{
    static uint8_t no[] = "\x81\xa5"
                          "found\xc2";
    uint8_t mem[1024];
    struct aiex_slice key;

    t->gets++;
    if (t->refuses)
        return -EBUSY;
    if (t->silent)
        return t->open = r->id, 0;
    if (t->fails)
        return aiex_fake_answer_error(h, r->id, t->fails, "it said so", 0,
                                      (struct aiex_slice){NULL, 0});
    CU_ASSERT_FATAL(aiex_get_bytes(r->body, "key", &key) == 1);
    if (t->key_len == key.len && memcmp(t->key, key.data, key.len) == 0)
        return aiex_fake_answer_ok(h, r->id, found(t, mem, sizeof(mem)));
    return aiex_fake_answer_ok(h, r->id, (struct aiex_slice){no, sizeof(no) - 1});
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    struct tier *t = tier_of(r->service);

    (void)arg;
    (void)host;
    if (!t)
        return 0;
    if (strcmp(r->name, "tier.get") == 0)
        return answer_get(t, r);
    if (strcmp(r->name, "tier.put") == 0)
        take_put(t, r->body);
    else if (strcmp(r->name, "tier.delete") == 0)
        t->deletes++, t->key_len = 0;
    return 0;
}

/* Casts do not pass on_call(): they are taken from the records. */
static void deliver_casts(void)
{
    static size_t seen;

    for (;; seen++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CAST, seen);

        if (!r)
            break;
        on_call(NULL, h, r);
    }
    aiex_fake_forget(h);
    seen = 0;
}

static const struct aiex_levels_options *options(void)
{
    static struct aiex_levels_options o;

    o = (struct aiex_levels_options){.host = aiex_fake_host_table(h),
                                     .name = "test",
                                     .tiers = {"warm", "cold"},
                                     .max_bytes = 1 << 20,
                                     .wait_ms = 5,
                                     .order = 2};
    return &o;
}

static void begin(void)
{
    memset(tiers, 0, sizeof(tiers));
    h = aiex_fake_host_new("service_test");
    aiex_fake_on_call(h, on_call, NULL);
    aiex_fake_set_now(h, 1000);
    l = aiex_levels_new(options());
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    deliver_casts();
}

static void end(void)
{
    aiex_levels_free(l);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

/* Another incarnation: the process level is empty. */
static void restart(void)
{
    deliver_casts();
    aiex_levels_free(l);
    l = aiex_levels_new(options());
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    deliver_casts();
}

static struct aiex_slice text(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Who asks ---- */

struct asker {
    struct aiex_levels_seat *seat;
    int ends, makes, result;
    enum aiex_level level;
    uint64_t ttl, age;
    char value[64];
    struct aiex_levels_seat **leaves; /* within its callback */
};

static void on_end(void *arg, int result, const struct aiex_levels_value *v)
{
    struct asker *a = arg;

    if (result == AIEX_LEVELS_MAKE) {
        a->makes++;
        return;
    }
    a->ends++;
    a->seat = NULL;
    a->result = result;
    a->value[0] = 0;
    if (v) {
        a->level = v->level;
        a->ttl = v->ttl_ms;
        a->age = v->age_ms;
        CU_ASSERT_FATAL(v->value.len < sizeof(a->value));
        memcpy(a->value, v->value.data, v->value.len);
        a->value[v->value.len] = 0;
    }
    if (a->leaves)
        aiex_levels_leave(l, *a->leaves);
}

static struct asker get(const char *key)
{
    struct asker a = {.seat = NULL};

    CU_ASSERT_EQUAL(aiex_levels_get(l, text(key), 30000, on_end, &a, &a.seat), 0);
    return a; /* only for those that end at once */
}

static int64_t count(size_t offset)
{
    struct aiex_levels_stats s;

    aiex_levels_stats(l, &s);
    return (int64_t) * (uint64_t *)((uint8_t *)&s + offset);
}

#define COUNT(field) count(offsetof(struct aiex_levels_stats, field))

/* ---- Cases ---- */

static void found_on_each_level(void)
{
    struct asker a;

    begin();
    aiex_levels_put(l, text("k"), text("value"), TTL);
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].puts + tiers[1].puts, 2);
    CU_ASSERT_EQUAL(tiers[0].ttl, TTL);
    CU_ASSERT(tiers[0].key_len == 6 && memcmp(tiers[0].key, "test/k", 6) == 0);
    a = get("k");
    CU_ASSERT(a.ends == 1 && a.level == AIEX_LEVEL_PROCESS && strcmp(a.value, "value") == 0);
    restart();
    a = get("k");
    CU_ASSERT(a.ends == 1 && a.level == AIEX_LEVEL_NODE && strcmp(a.value, "value") == 0);
    CU_ASSERT_EQUAL(tiers[1].gets, 0);
    a = get("k"); /* it was put to the process */
    CU_ASSERT_EQUAL(a.level, AIEX_LEVEL_PROCESS);
    tiers[0].key_len = 0; /* as after a restart of the host */
    restart();
    tiers[1].uses = 1;
    a = get("k");
    CU_ASSERT(a.ends == 1 && a.level == AIEX_LEVEL_DISK && strcmp(a.value, "value") == 0);
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].puts, 1);
    restart();
    tiers[1].uses = 2; /* used again: to the node's level */
    a = get("k");
    CU_ASSERT_EQUAL(a.level, AIEX_LEVEL_DISK);
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].puts, 2);
    CU_ASSERT_EQUAL(tiers[0].uses, 2);
    CU_ASSERT_EQUAL(COUNT(promotions), 1);
    aiex_levels_delete(l, text("k"));
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].deletes + tiers[1].deletes, 2);
    end();
}

static void time_to_live_is_exact(void)
{
    struct asker a;

    begin();
    aiex_levels_put(l, text("k"), text("v"), 1000);
    deliver_casts();
    aiex_fake_advance(h, 999);
    a = get("k");
    CU_ASSERT(a.ends == 1 && a.ttl == 1 && a.age == 999);
    aiex_fake_advance(h, 1);
    tiers[0].key_len = tiers[1].key_len = 0; /* tiers count for themselves */
    a = get("k");
    CU_ASSERT(a.ends == 0 && a.makes == 1);
    aiex_levels_leave(l, a.seat);
    /* What comes from a tier brings what is left, by both clocks. */
    aiex_levels_put(l, text("t"), text("v"), TTL);
    restart();
    tiers[0].ttl = 100;
    a = get("t");
    CU_ASSERT(a.level == AIEX_LEVEL_NODE && a.ttl == 100 && a.age == TTL - 100);
    aiex_fake_advance(h, 100);
    tiers[0].key_len = tiers[1].key_len = 0;
    a = get("t");
    CU_ASSERT(a.ends == 0 && a.makes == 1);
    aiex_levels_leave(l, a.seat);
    aiex_levels_put(l, text("u"), text("v"), TTL);
    restart();
    tiers[0].meta_until = wall_ms() - 1; /* the wall clock says it is over */
    tiers[1].meta_until = wall_ms() + 50;
    a = get("u");
    CU_ASSERT(a.level == AIEX_LEVEL_DISK && a.ttl <= 50 && a.ttl > 0);
    end();
}

static void without_an_end(void)
{
    struct asker a;

    begin();
    aiex_levels_put(l, text("k"), text("v"), 0);
    restart();
    a = get("k");
    CU_ASSERT(a.level == AIEX_LEVEL_NODE && a.ttl == 0 && a.age == 0);
    aiex_fake_advance(h, 1u << 30);
    a = get("k");
    CU_ASSERT(a.level == AIEX_LEVEL_PROCESS && a.ttl == 0);
    end();
}

static void one_makes_it_and_all_get_it(void)
{
    struct asker a[4] = {{.seat = NULL}};

    begin();
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(aiex_levels_get(l, text("k"), 30000, on_end, &a[i], &a[i].seat), 0);
    CU_ASSERT(a[0].makes == 1 && a[1].makes + a[2].makes + a[3].makes == 0);
    CU_ASSERT_EQUAL(COUNT(joins), 3);
    CU_ASSERT_EQUAL(tiers[0].gets, 1);
    aiex_levels_leave(l, a[2].seat);
    aiex_levels_leave(l, a[0].seat); /* the maker gives up: the next one makes it */
    CU_ASSERT_EQUAL(a[1].makes, 1);
    aiex_levels_land(l, a[1].seat, 0, text("made"), TTL);
    CU_ASSERT(a[3].ends == 1 && strcmp(a[3].value, "made") == 0);
    CU_ASSERT_EQUAL(a[0].ends + a[1].ends + a[2].ends, 0);
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].puts, 1);
    CU_ASSERT_EQUAL(tiers[1].puts, 1);
    end();
}

static void an_error_is_told_to_all_and_kept_nowhere(void)
{
    struct asker a[2] = {{.seat = NULL}};

    begin();
    for (int i = 0; i < 2; i++)
        aiex_levels_get(l, text("k"), 30000, on_end, &a[i], &a[i].seat);
    aiex_levels_land(l, a[0].seat, -EIO, (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT(a[1].ends == 1 && a[1].result == -EIO);
    deliver_casts();
    CU_ASSERT_EQUAL(tiers[0].puts, 0);
    end();
}

/* While one looks, the others wait for the tier as well. */
static void single_flight_over_the_tiers(void)
{
    struct asker a[3] = {{.seat = NULL}};
    uint8_t mem[256];

    begin();
    tiers[0].silent = 1;
    for (int i = 0; i < 3; i++)
        aiex_levels_get(l, text("k"), 30000, on_end, &a[i], &a[i].seat);
    CU_ASSERT_EQUAL(tiers[0].gets, 1);
    a[1].leaves = &a[0].seat; /* pulls the chair from under who looked */
    tiers[0].value_len = 1;
    tiers[0].value[0] = 'x';
    aiex_fake_answer_ok(h, tiers[0].open, found(&tiers[0], mem, sizeof(mem)));
    CU_ASSERT(a[1].ends == 1 && a[2].ends == 1 && strcmp(a[2].value, "x") == 0);
    CU_ASSERT_EQUAL(a[0].ends, 0);
    end();
}

/* One who asks and goes on without it: the host ends the call after its time. */
static void time_is_over(void)
{
    struct asker a = {.seat = NULL};

    CU_ASSERT_EQUAL(aiex_levels_get(l, text("k"), 30000, on_end, &a, &a.seat), 0);
    CU_ASSERT_EQUAL(a.makes, 0);
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_CALL)->timeout_ms, 5);
    aiex_fake_advance(h, 5);
    aiex_fake_answer_error(h, tiers[0].open, "timeout", "no answer", 0,
                           (struct aiex_slice){NULL, 0});
    CU_ASSERT_EQUAL(a.makes, 1);
    aiex_levels_leave(l, a.seat);
}

/* One who asks and misses at once; how often the node's tier was asked in all. */
static int misses(void)
{
    struct asker a = {.seat = NULL};

    CU_ASSERT_EQUAL(aiex_levels_get(l, text("k"), 30000, on_end, &a, &a.seat), 0);
    CU_ASSERT_EQUAL(a.makes, 1);
    aiex_levels_leave(l, a.seat);
    return tiers[0].gets;
}

/* It costs the deadline three times; then it is passed over until its rest is over, and costs it
 * once. */
static void a_tier_that_is_away(void)
{
    begin();
    tiers[0].silent = 1;
    for (int i = 0; i < 3; i++)
        time_is_over();
    CU_ASSERT_EQUAL(tiers[1].gets, 0); /* all of the time was spent */
    CU_ASSERT_EQUAL(misses(), 3);
    CU_ASSERT_EQUAL(tiers[1].gets, 1);
    aiex_levels_put(l, text("p"), text("v"), TTL); /* and is not put to */
    deliver_casts();
    CU_ASSERT(tiers[0].puts == 0 && tiers[1].puts == 1);
    CU_ASSERT_EQUAL(COUNT(skipped), 2);
    aiex_fake_advance(h, AIEX_LEVELS_REST_MS);
    time_is_over();
    CU_ASSERT_EQUAL(misses(), 4);
    aiex_fake_advance(h, AIEX_LEVELS_REST_MS);
    tiers[0].silent = 0;
    CU_ASSERT_EQUAL(misses(), 5);
    tiers[0].silent = 1; /* slow once is forgiven */
    time_is_over();
    tiers[0].silent = 0;
    CU_ASSERT_EQUAL(misses(), 7);
    end();
}

static void tiers_that_fail_are_a_miss(void)
{
    static const char *const codes[] = {"unavailable", "busy", "denied", "internal"};

    for (unsigned i = 0; i < 5; i++) {
        struct asker a;

        begin();
        tiers[0].fails = tiers[1].fails = i < 4 ? codes[i] : NULL;
        tiers[0].refuses = tiers[1].refuses = i == 4;
        a = get("k");
        CU_ASSERT_EQUAL(a.makes, 1);
        CU_ASSERT_EQUAL(COUNT(failures), 2);
        CU_ASSERT_EQUAL(COUNT(misses), 1);
        CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_LOG), 2);
        aiex_levels_leave(l, a.seat);
        end();
    }
}

/* Bytes that are no answer of a tier. */
static void odd_answers(void)
{
    static const char *const odd[] = {
        "",
        "\xc0",
        "\x81\xa5"
        "found\x01",
        "\x81\xa5"
        "found\xc3",
        "\x82\xa5"
        "found\xc3\xa5"
        "value\x07",
        "\xdf\xff\xff\xff\xff",
    };

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct asker a = {.seat = NULL};

        begin();
        tiers[0].silent = 1;
        aiex_levels_get(l, text("k"), 30000, on_end, &a, &a.seat);
        aiex_fake_answer_ok(h, tiers[0].open, text(odd[i]));
        CU_ASSERT(a.makes == 1 && a.ends == 0);
        aiex_levels_leave(l, a.seat);
        end();
    }
}

static void who_waits_too_long(void)
{
    struct asker a[2] = {{.seat = NULL}};

    begin();
    aiex_levels_get(l, text("k"), 60000, on_end, &a[0], &a[0].seat);
    aiex_levels_get(l, text("k"), 300, on_end, &a[1], &a[1].seat);
    aiex_fake_advance(h, 1000);
    CU_ASSERT(a[1].ends == 1 && a[1].result == -ETIMEDOUT && a[0].ends == 0);
    aiex_fake_advance(h, 60000); /* the maker as well */
    CU_ASSERT(a[0].ends == 1 && a[0].result == -ETIMEDOUT);
    aiex_fake_advance(h, 1000);
    end(); /* the timer went with the last one */
}

static void what_is_open_goes_with_it(void)
{
    struct asker a[3] = {{.seat = NULL}};

    begin();
    tiers[0].silent = 1;
    for (int i = 0; i < 3; i++)
        aiex_levels_get(l, text(i ? "k" : "other"), 30000, on_end, &a[i], &a[i].seat);
    end();
    CU_ASSERT_EQUAL(a[0].ends + a[1].ends + a[2].ends, 0);
}

struct looked {
    int calls, found;
};

static void on_look(void *arg, const struct aiex_levels_value *v)
{
    struct looked *k = arg;

    k->calls++;
    k->found = v != NULL;
}

static void the_tiers_alone(void)
{
    struct aiex_levels_options o;
    struct aiex_levels_look *look = NULL;
    struct looked k = {0, 0};

    begin();
    aiex_levels_free(l);
    o = *options();
    o.max_bytes = 0;
    l = aiex_levels_new(&o);
    aiex_levels_put(l, text("k"), text("v"), TTL);
    deliver_casts();
    CU_ASSERT_EQUAL(aiex_levels_look(l, text("k"), on_look, &k, &look), 0);
    CU_ASSERT(k.calls == 1 && k.found && look == NULL);
    tiers[0].silent = 1;
    CU_ASSERT_EQUAL(aiex_levels_look(l, text("k"), on_look, &k, &look), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(look);
    aiex_levels_stop(look);
    CU_ASSERT_EQUAL(k.calls, 1);
    aiex_levels_stop(NULL);
    CU_ASSERT_EQUAL(aiex_levels_look(l, text(""), on_look, &k, &look), -EINVAL);
    o.tiers[0] = ""; /* a level that is not there any more */
    aiex_levels_reload(l, &o);
    CU_ASSERT_EQUAL(aiex_levels_look(l, text("k"), on_look, &k, &look), 0);
    CU_ASSERT(k.calls == 2 && k.found && tiers[1].gets == 1);
    o.name = "";
    CU_ASSERT_PTR_NULL(aiex_levels_new(&o));
    end();
}

static void memory_is_given_back(void)
{
    uint8_t mem[128];
    char key[16], value[200];
    struct aiex_writer w;
    struct aiex_message m = {
        .struct_size = sizeof(m), .kind = AIEX_MSG_EVENT, .method = "host.memory"};

    begin();
    memset(value, 'v', sizeof(value));
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        aiex_levels_put(l, text(key), (struct aiex_slice){(uint8_t *)value, sizeof(value)}, TTL);
    }
    CU_ASSERT(COUNT(bytes) > 900000 && COUNT(bytes) <= 1 << 20);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "level", "critical");
    aiex_w_key_int(&w, "step", 9);
    m.body = aiex_written(&w);
    CU_ASSERT_EQUAL(aiex_levels_event(l, &m), 1);
    CU_ASSERT(COUNT(bytes) <= (1 << 20) / 10);
    m.method = "other";
    CU_ASSERT_EQUAL(aiex_levels_event(l, &m), 0);
    end();
}

static void numbers(void)
{
    struct aiex_metrics m;

    begin();
    aiex_levels_put(l, text("k"), text("v"), TTL);
    get("k");
    aiex_metrics_begin(&m, aiex_fake_host_table(h));
    aiex_levels_metrics(l, &m);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "aiex_levels_hits_total{plugin=\"service_test\",cache="
                                          "\"test\",level=\"process\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(m.text, "aiex_levels_entries{plugin=\"service_test\",cache=\"test\"} 1\n"));
    aiex_metrics_done(&m);
    end();
}

const struct test_case tests[] = {
    {"found_on_each_level", found_on_each_level},
    {"time_to_live_is_exact", time_to_live_is_exact},
    {"without_an_end", without_an_end},
    {"one_makes_it_and_all_get_it", one_makes_it_and_all_get_it},
    {"an_error_is_told_to_all_and_kept_nowhere", an_error_is_told_to_all_and_kept_nowhere},
    {"single_flight_over_the_tiers", single_flight_over_the_tiers},
    {"a_tier_that_is_away", a_tier_that_is_away},
    {"tiers_that_fail_are_a_miss", tiers_that_fail_are_a_miss},
    {"odd_answers", odd_answers},
    {"who_waits_too_long", who_waits_too_long},
    {"what_is_open_goes_with_it", what_is_open_goes_with_it},
    {"the_tiers_alone", the_tiers_alone},
    {"memory_is_given_back", memory_is_given_back},
    {"numbers", numbers},
    {0},
};
