/* service_sessions with 100,000 idle sessions: what one costs, with short and with the longest
 * texts, measured through the allocator; and that all of them are found. */
#include "sessions_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS 100000
#define TARGET   512 /* bytes of an idle session, everything included */
#define BLOCK    16  /* what an allocator may add to each block */

static void put_row(int i, const char *user, const char *project, const char *title)
{
    uint8_t mem[1024];
    struct aiex_writer w;
    char id[32], order[80];

    snprintf(id, sizeof(id), "session-%016d", i);
    snprintf(order, sizeof(order), "live/%016x/%s", i + 1, id);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 12);
    aiex_w_key_str(&w, "order", order);
    aiex_w_key_str(&w, "state", "open");
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "origin", id);
    aiex_w_key_str(&w, "user", user);
    aiex_w_key_str(&w, "project", project);
    aiex_w_key_str(&w, "title", title);
    aiex_w_key_int(&w, "version", 7);
    aiex_w_key_int(&w, "messages", 5);
    aiex_w_key_int(&w, "updated", 1700000000000);
    aiex_w_key_int(&w, "rank", i + 1);
    aiex_w_key_int(&w, "ttl", -1);
    memory_store_add(store, "session", id, aiex_written(&w));
}

static void measure(const char *user, const char *project, const char *title)
{
    struct aiex_fake_live before, after;
    size_t each;

    store = memory_store_new();
    rig_open(NULL);
    aiex_fake_live(h, &before);
    rig_close();
    for (int i = 0; i < SESSIONS; i++)
        put_row(i, user, project, title);
    rig_open(NULL);
    aiex_fake_live(h, &after);
    each = (after.alloc_bytes - before.alloc_bytes + BLOCK * (after.allocs - before.allocs)) /
           SESSIONS;
    printf("[%zu bytes of texts: %zu bytes a session] ",
           strlen(user) + strlen(project) + strlen(title) + 48, each);
    CU_ASSERT_TRUE(each <= TARGET);
    HAS(ask("sessions.status", "{}"), "'live':100000");
    HAS(ask("sessions.get", "{'session':'session-0000000000000000'}"), "'version':7");
    HAS(ask("sessions.list", "{'limit':1}"), "'session-0000000000099999'");
    HAS(ask("sessions.find", "{'title':'no such'}"), "'sessions':[]");
    HAS(ask("sessions.close", "{'session':'session-0000000000050000'}"), "conflict: ");
    rig_end();
}

static void an_idle_session_is_small(void)
{
    measure("ann", "compiler", "Why does the linker not find the symbol?");
}

static void also_with_the_longest_texts(void)
{
    char text[161];

    memset(text, 'x', sizeof(text));
    text[160] = 0;
    measure(text + 96, text + 96, text);
}

const struct test_case tests[] = {
    {"an_idle_session_is_small", an_idle_session_is_small},
    {"also_with_the_longest_texts", also_with_the_longest_texts},
    {0},
};
