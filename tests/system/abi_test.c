/*
 * abi_test.c - plugins of other minors run on this host, others are refused with their
 * sentence, and what plugins may not ask of the host is denied.
 */
#include "rig.h"

#include "test.h"

#include <stdio.h>

/* Built for aiex-check's tests; they answer service.health and unknown methods correctly. */
#define OTHERS AIEX_BUILD_DIR "/tests/faulty_sdk"

static void other_minors(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n"
                                "[service_old_minor]\nplugin = " OTHERS "/service_old_minor.so\n"
                                "[service_new_minor]\nplugin = " OTHERS "/service_new_minor.so\n"
                                "[service_faulty]\n");
    static const char *const names[] = {"service_old_minor", "service_new_minor"};

    for (int i = 0; i < 2; i++) {
        struct answer a = rig_call(rig, names[i], "service.health", 0, NULL);
        int healthy = 0;

        CU_ASSERT(a.got);
        CU_ASSERT_STRING_EQUAL(a.code, "");
        CU_ASSERT_EQUAL(aiex_get_bool(a.body, "healthy", &healthy), 1);
        a = rig_call(rig, names[i], "no.such_method", 0, NULL);
        CU_ASSERT_STRING_EQUAL(a.code, "not_found");
        CU_ASSERT_STRING_EQUAL(rig_plugin(rig, names[i]).state, "up");
    }
    rig_end(rig);
}

static void refused(void)
{
    static const struct {
        const char *plugin, *says;
    } wrong[] = {
        {"wrong_major", "built for plugin ABI"},
        {"wrong_magic", "not"},
        {"no_entry", "does not export aiex_plugin_entry"},
        {"dies_loading", "ends the process with signal"},
    };
    char ini[256], out[4096];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(ini, sizeof(ini), "[x]\nplugin = %s/service_%s.so\n", OTHERS, wrong[i].plugin);
        CU_ASSERT_EQUAL(rig_check(ini, NULL, out, sizeof(out)), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, wrong[i].says));
        if (!strstr(out, wrong[i].says))
            printf("\n%s: %s", wrong[i].plugin, out);
    }
}

/* A plugin reads the host's status; it does not stop it, by whatever name it calls it. */
static void plugins_may_only_read(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\n");
    static const char *const services[] = {"host", "host.control"};

    for (int i = 0; i < 2; i++) {
        uint8_t mem[128];
        struct aiex_writer w;
        struct answer a;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "text", services[i]);
        aiex_w_key_str(&w, "method", "host.stop");
        a = rig_ask(rig, "service_faulty", "relay", aiex_written(&w), 5000);
        CU_ASSERT(a.got);
        CU_ASSERT_STRING_EQUAL(a.code, "denied");
    }
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"other minors", other_minors},
    {"refused", refused},
    {"plugins may only read", plugins_may_only_read},
    {0},
};
