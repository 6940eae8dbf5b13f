/*
 * memory_test.c - memory gets short, as the files say that the host reads: real tiers give back to
 * a real cold one in their order, nothing is lost, everybody sees it, and it is over again.
 */
#include "rig.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N     240
#define VALUE 3500 /* with its head as much as the rig keeps of an answer */

static char dir[64];

static void write_file(const char *name, const char *text)
{
    char path[128], fresh[136];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    f = fopen(fresh, "w");
    CU_ASSERT_FATAL(f != NULL);
    fputs(text, f);
    fclose(f);
    CU_ASSERT_EQUAL(rename(fresh, path), 0); /* never half of it */
}

static void stalls(const char *percent)
{
    char text[128];

    snprintf(text, sizeof(text), "some avg10=%s avg60=0.00 avg300=0.00 total=0\n", percent);
    write_file("stall", text);
}

static struct rig *begin(void)
{
    char ini[1200];
    struct rig *rig;

    snprintf(dir, sizeof(dir), "/tmp/aiex-memory-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    stalls("0.00");
    write_file("info", "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n");
    snprintf(ini, sizeof(ini),
             "[host]\nnode = test\nmemory_interval = 50ms\nmemory_calm = 200ms\n"
             "memory_stall_file = %s/stall\nmemory_info_file = %s/info\nmemory_group =\n"
             "[tier_hot]\nmax_bytes = 1M\n[tier_warm]\nmax_bytes = 1M\ncompress_above = 0\n"
             "[tier_cold]\nmax_bytes = 64M\n",
             dir, dir);
    rig = rig_start_raw(ini, AIEX_BUILD_DIR "/plugins");
    CU_ASSERT_FATAL(rig_until_state(rig, "tier_hot", "up") &&
                    rig_until_state(rig, "tier_warm", "up") &&
                    rig_until_state(rig, "tier_cold", "up"));
    return rig;
}

static void end(struct rig *rig)
{
    char path[128];

    rig_end(rig);
    snprintf(path, sizeof(path), "%s/stall", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/info", dir);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* ---- Tiers ---- */

static struct answer ask_key(struct rig *rig, const char *tier, const char *method, const char *key,
                             size_t value_len)
{
    static uint8_t mem[VALUE + 256], value[VALUE];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1 + (value_len != 0));
    aiex_w_key_str(&w, "key", key);
    for (size_t i = 0; i < value_len; i++)
        value[i] = (uint8_t)(i * 7 + (size_t)key[1] * 31); /* hard to compress, known */
    if (value_len)
        aiex_w_key_bin(&w, "value", value, value_len);
    return rig_ask(rig, tier, method, aiex_written(&w), RIG_WAIT_MS);
}

static void fill(struct rig *rig, const char *tier, char letter)
{
    char key[16];

    for (int i = 0; i < N; i++) {
        struct answer a;

        snprintf(key, sizeof(key), "%c%d", letter, i);
        a = ask_key(rig, tier, "tier.put", key, VALUE);
        CU_ASSERT_FATAL(a.got && !a.code[0]);
    }
}

static int is_in(struct rig *rig, const char *tier, const char *key)
{
    struct answer a = ask_key(rig, tier, "tier.get", key, 0);
    int found = 0;

    aiex_get_bool(a.body, "found", &found);
    return found;
}

static int64_t stat_of(struct rig *rig, const char *tier, const char *name)
{
    struct answer a = rig_ask(rig, tier, "tier.stats", (struct aiex_slice){NULL, 0}, RIG_WAIT_MS);

    return answer_int(&a, name);
}

/* Everything that was put is there, in one of the two. */
static int lost(struct rig *rig, const char *tier, char letter)
{
    char key[16];
    int n = 0;

    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "%c%d", letter, i);
        n += !is_in(rig, tier, key) && !is_in(rig, "tier_cold", key);
    }
    return n;
}

/* ---- What the host says ---- */

struct wanted {
    const char *level;
    int64_t step;
};

static struct answer memory(struct rig *rig)
{
    return rig_ask(rig, "host", "host.memory", (struct aiex_slice){NULL, 0}, RIG_WAIT_MS);
}

static int is_so(struct rig *rig, void *arg)
{
    const struct wanted *w = arg;
    struct answer a = memory(rig);
    char level[16] = "";

    aiex_get_text(a.body, "level", level, sizeof(level));
    return strcmp(level, w->level) == 0 && answer_int(&a, "step") == w->step;
}

struct smaller {
    const char *tier;
    int64_t bytes;
};

static int is_smaller(struct rig *rig, void *arg)
{
    const struct smaller *s = arg;

    return stat_of(rig, s->tier, "bytes") <= s->bytes &&
           stat_of(rig, s->tier, "max_bytes") <= s->bytes;
}

static int has_its_limit(struct rig *rig, void *arg)
{
    return stat_of(rig, arg, "max_bytes") == 1 << 20;
}

/* A field of a part that gives back, as host.memory shows it; -1 = it is not listed. */
static int64_t user(struct rig *rig, const char *instance, const char *field)
{
    struct answer a = memory(rig);
    struct aiex_value list;
    int64_t n = -1;

    if (aiex_get(a.body, "users", &list) != 1 || list.type != AIEX_T_ARRAY)
        return -1;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice item = list.bytes;
        char name[64] = "";

        if (aiex_r_skip(&list.bytes) != 0)
            return -1;
        item.len -= list.bytes.len;
        aiex_get_text(item, "instance", name, sizeof(name));
        if (strcmp(name, instance) == 0)
            aiex_get_int(item, field, &n);
    }
    return n;
}

/* ---- Cases ---- */

static void tiers_give_back_in_order(void)
{
    struct rig *rig = begin();
    char *log;

    fill(rig, "tier_warm", 'w');
    fill(rig, "tier_hot", 'h');
    CU_ASSERT_EQUAL(user(rig, "tier_hot", "order"), 3);
    CU_ASSERT_EQUAL(user(rig, "tier_warm", "order"), 1);
    stalls("12.00"); /* elevated: up to step 3, one each second */
    CU_ASSERT_FATAL(rig_until(rig, is_so, &(struct wanted){"elevated", 1}));
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_warm", 1 << 19}));
    CU_ASSERT_EQUAL(stat_of(rig, "tier_hot", "entries"), N);
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_hot", 1 << 19}));
    CU_ASSERT_TRUE(is_so(rig, &(struct wanted){"elevated", 3}));
    stalls("60.00"); /* critical: to the floor at once */
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_warm", (1 << 20) / 10}));
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_hot", (1 << 20) / 10}));
    CU_ASSERT_EQUAL(lost(rig, "tier_hot", 'h'), 0);
    CU_ASSERT_EQUAL(lost(rig, "tier_warm", 'w'), 0);
    CU_ASSERT_EQUAL(stat_of(rig, "tier_hot", "demotions_lost"), 0);
    CU_ASSERT_TRUE(stat_of(rig, "tier_hot", "demotions") > N / 2);
    CU_ASSERT_TRUE(user(rig, "tier_hot", "given") > 700000);
    CU_ASSERT_EQUAL(user(rig, "tier_hot", "percent"), 10);
    stalls("0.00");
    CU_ASSERT_FATAL(rig_until(rig, is_so, &(struct wanted){"ok", 0}));
    CU_ASSERT_FATAL(rig_until(rig, has_its_limit, (void *)(uintptr_t) "tier_hot"));
    CU_ASSERT_FATAL(rig_until(rig, has_its_limit, (void *)(uintptr_t) "tier_warm"));
    fill(rig, "tier_hot", 'n');
    CU_ASSERT_TRUE(stat_of(rig, "tier_hot", "bytes") > 900000);
    log = rig_log(rig);
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "memory: critical"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "memory: ok again"));
    free(log);
    end(rig);
}

/* The machine's own figure; who dies is not listed any more, who comes back is told. */
static void cells_come_and_go(void)
{
    struct rig *rig = begin();
    struct plugin before;

    fill(rig, "tier_hot", 'h');
    write_file("info", "MemTotal: 1000000 kB\nMemAvailable: 10000 kB\n");
    CU_ASSERT_FATAL(rig_until(rig, is_so, &(struct wanted){"critical", 9}));
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_hot", (1 << 20) / 10}));
    before = rig_plugin(rig, "tier_hot");
    CU_ASSERT_FATAL(rig_host(rig, "host.reload", "name", "tier_hot", NULL));
    CU_ASSERT_FATAL(rig_until_back(rig, "tier_hot", 0, before.pid));
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_hot", (1 << 20) / 10}));
    CU_ASSERT_EQUAL(user(rig, "tier_hot", "percent"), 10);
    CU_ASSERT_TRUE(rig_upgrade(rig)); /* the host forgets who takes part, and asks again */
    CU_ASSERT_FATAL(rig_until(rig, is_so, &(struct wanted){"critical", 9}));
    CU_ASSERT_FATAL(rig_until(rig, is_smaller, &(struct smaller){"tier_hot", (1 << 20) / 10}));
    write_file("info", "garbage\n"); /* nobody says: nothing is held back */
    CU_ASSERT_FATAL(rig_until(rig, is_so, &(struct wanted){"ok", 0}));
    CU_ASSERT_FATAL(rig_until(rig, has_its_limit, (void *)(uintptr_t) "tier_hot"));
    end(rig);
}

const struct test_case tests[] = {
    {"tiers_give_back_in_order", tiers_give_back_in_order},
    {"cells_come_and_go", cells_come_and_go},
    {0},
};
