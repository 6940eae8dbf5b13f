/*
 * names_test.c - host names through resolver_system in its real, sandboxed cell: getaddrinfo() on a
 * thread that the filter watches, with the system's own hosts file and no network.
 */
#include "rig.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static const char ini[] = "[host]\nnode = test\n[resolver_system]\nsandbox = on\nttl = 0s\n";

static struct rig *start(void)
{
    struct rig *rig = rig_start_raw(ini, AIEX_BUILD_DIR "/plugins");

    CU_ASSERT_FATAL(rig_until_state(rig, "resolver_system", "up"));
    return rig;
}

static struct answer look_up(struct rig *rig, const char *host)
{
    uint8_t mem[600];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "host", host);
    return rig_ask(rig, "resolver", "resolver.resolve", aiex_written(&w), RIG_WAIT_MS);
}

static int is_loopback(struct aiex_slice text)
{
    return (text.len > 4 && memcmp(text.data, "127.", 4) == 0) ||
           (text.len == 3 && memcmp(text.data, "::1", 3) == 0);
}

/* How many addresses, all of this machine itself; -1 otherwise. */
static int own_addresses(const struct answer *a)
{
    struct aiex_slice at;
    struct aiex_value list, v;

    if (a->code[0])
        fprintf(stderr, "\n%s: %s\n", a->code, a->text);
    if (!a->got || a->code[0] || aiex_get_whole(a->body, "addresses", &at) != 1 ||
        aiex_r_value(&at, &list) != 0 || list.type != AIEX_T_ARRAY)
        return -1;
    for (uint32_t i = 0; i < list.count; i++)
        if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_STR || !is_loopback(v.bytes))
            return -1;
    return (int)list.count;
}

/* One thread after the other: what the first look-up opens, the later ones find open. */
static void a_name_of_the_hosts_file(void)
{
    struct rig *rig = start();
    struct plugin before = rig_plugin(rig, "resolver_system"), after;

    for (int i = 0; i < 8; i++) {
        struct answer a = look_up(rig, "localhost");

        CU_ASSERT(own_addresses(&a) > 0);
    }
    after = rig_plugin(rig, "resolver_system");
    CU_ASSERT_STRING_EQUAL(after.last_exit, "");
    CU_ASSERT_EQUAL(after.restarts, 0);
    CU_ASSERT_EQUAL(after.pid, before.pid);
    rig_end(rig);
}

const struct test_case tests[] = {
    {"a_name_of_the_hosts_file", a_name_of_the_hosts_file},
    {0},
};
