/*
 * context_test.c - the context service on the real store: what was put is found again after host,
 * store or service were killed at any moment.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Killed often: that is no reason to give up. */
#define RESTARTS "max_restarts = 63\nperiod = 10s\n"
#define INI                                                                                        \
    "[host]\nnode = test\n[store_bdb]\nmin_free = 1M\nballast = 0\n" RESTARTS                      \
    "[service_context]\nstore_wait = 15s\n" RESTARTS

static struct aiex_slice put_body(int n, const char *text)
{
    static uint8_t mem[65536];
    struct aiex_writer w;
    char id[32];

    snprintf(id, sizeof(id), "entry%d", n);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "kind", "analysis");
    aiex_w_key_str(&w, "project", n % 2 ? "odd" : "even");
    aiex_w_key_str(&w, "content", text);
    return aiex_written(&w);
}

static int put(struct rig *rig, int n, const char *text)
{
    struct answer a = rig_ask(rig, "context", "context.put", put_body(n, text), RIG_WAIT_MS);

    if (!a.got || a.code[0])
        printf("\n  put %d: %s %s\n", n, a.code, a.text);
    return a.got && !a.code[0];
}

static struct answer search(struct rig *rig, const char *query, int limit)
{
    uint8_t mem[256];
    struct aiex_writer w;
    struct answer a;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "query", query);
    aiex_w_key_bool(&w, "all", 1);
    aiex_w_key_int(&w, "limit", limit);
    a = rig_ask(rig, "context", "context.search", aiex_written(&w), RIG_WAIT_MS);
    if (!a.got || a.code[0])
        printf("\n  search '%s': %s %s\n", query, a.code, a.text);
    return a;
}

static int64_t found(struct rig *rig, const char *query)
{
    struct answer a = search(rig, query, 1);

    return answer_int(&a, "found");
}

static int is_up(struct rig *rig)
{
    return rig_until_state(rig, "store_bdb", "up") && rig_until_state(rig, "service_context", "up");
}

static struct rig *begin(void)
{
    struct rig *rig = rig_start_raw(INI, AIEX_BUILD_DIR "/plugins");

    CU_ASSERT_FATAL(is_up(rig));
    return rig;
}

static void put_kill_search(void)
{
    struct rig *rig = begin();
    char text[20000], query[64];
    size_t n = 0;

    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof(text), "void parseHeader%d(struct request *r) { get_user_name(r); }",
                 i);
        CU_ASSERT_FATAL(put(rig, i, text));
    }
    for (int i = 0; i < 1500; i++) /* more than one transaction holds */
        n += (size_t)snprintf(text + n, sizeof(text) - n, "long%d ", i);
    CU_ASSERT_FATAL(put(rig, 30, text));
    CU_ASSERT_EQUAL(found(rig, "getUserName"), 30);
    CU_ASSERT_EQUAL(found(rig, "parseHeader7"), 1);
    CU_ASSERT_EQUAL(found(rig, "pars*"), 30);
    rig_kill(rig);
    rig_again(rig);
    CU_ASSERT_FATAL(is_up(rig));
    CU_ASSERT_EQUAL(found(rig, "getUserName"), 30);
    CU_ASSERT_EQUAL(found(rig, "parseHeader7"), 1);
    CU_ASSERT_EQUAL(found(rig, "long0 long1499"), 1);
    CU_ASSERT_FATAL(put(rig, 7, "another content"));
    CU_ASSERT_FATAL(put(rig, 30, "short now"));
    rig_kill(rig);
    rig_again(rig);
    CU_ASSERT_FATAL(is_up(rig));
    CU_ASSERT_EQUAL(found(rig, "parseHeader7"), 0);
    CU_ASSERT_EQUAL(found(rig, "getUserName"), 29);
    CU_ASSERT_EQUAL(found(rig, "another content"), 1);
    CU_ASSERT_EQUAL(found(rig, "long*"), 0);
    snprintf(query, sizeof(query), "short now");
    CU_ASSERT_EQUAL(found(rig, query), 1);
    rig_end(rig);
}

/* One cell is killed while puts are under way: what was acknowledged is found, all is answered. */
static void cells_are_killed(void)
{
    struct rig *rig = begin();
    int done[400], n_done = 0, n = 0;
    static char text[20000];

    for (int round = 0; round < 10; round++) {
        struct plugin p = rig_plugin(rig, round % 2 ? "store_bdb" : "service_context");
        int64_t first = 0, id = 0;
        struct frame f;

        CU_ASSERT_FATAL(p.found && p.pid > 0);
        for (int i = 0; i < 40; i++) {
            size_t len = (size_t)snprintf(text, sizeof(text), "unique%d common", n + i);

            for (int k = 0; k < 1200; k++) /* in stages, so that there are many moments */
                len += (size_t)snprintf(text + len, sizeof(text) - len, " w%d", k);
            id = client_call(rig->client, "context", "context.put", put_body(n + i, text), 20000);
            first = first ? first : id;
        }
        client_send(rig->client);
        for (int i = 0; i < 40; i++) {
            /* the kill comes at once, or a moment later, or after some answers */
            int wait_ms = i || round >= 8 ? RIG_WAIT_MS * 2 : round / 2 * 4;
            int got = client_next(rig->client, &f, wait_ms);

            if (i == (round < 8 ? 0 : round))
                kill(p.pid, SIGKILL);
            if (got == 0)
                got = client_next(rig->client, &f, RIG_WAIT_MS * 2);
            CU_ASSERT_FATAL(got == 1);
            if (!f.code[0])
                done[n_done++] = n + (int)(f.id - first);
        }
        n += 40;
        CU_ASSERT_FATAL(rig_until_back(rig, p.name, 1, p.pid));
        CU_ASSERT_FATAL(is_up(rig));
    }
    CU_ASSERT_TRUE(n_done > 50);
    for (int i = 0; i < n_done; i++) {
        snprintf(text, sizeof(text), "unique%d", done[i]);
        CU_ASSERT_EQUAL(found(rig, text), 1);
    }
    CU_ASSERT_TRUE(found(rig, "common") >= n_done);
    printf("\n  %d of 400 acknowledged, %d found\n", n_done, (int)found(rig, "common"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"put_kill_search", put_kill_search},
    {"cells_are_killed", cells_are_killed},
    {0},
};
