/*
 * question_test.c - cli.ask on a host where not everything runs that it needs: what the host itself
 * says of a name that nobody serves reaches the operator as a sentence to act on.
 */
#include "rig.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static struct answer ask(struct rig *rig, const char *prompt)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "prompt", prompt);
    return rig_ask(rig, "cli", "cli.ask", aiex_written(&w), RIG_WAIT_MS);
}

static int says(const struct answer *a, const char *code, const char *part)
{
    if (a->got && strcmp(a->code, code) == 0 && strstr(a->text, part))
        return 1;
    printf("\n'%s': %s\n", a->code, a->text);
    return 0;
}

static void without_a_gateway(void)
{
    struct rig *rig = rig_start_raw("[host]\nnode = test\n[interface_cli]\n",
                                    AIEX_BUILD_DIR "/plugins");
    struct answer a;

    CU_ASSERT_FATAL(rig_until_state(rig, "interface_cli", "up"));
    a = ask(rig, "hello");
    CU_ASSERT(says(&a, "unavailable", "nobody serves 'gateway'; every question goes through"));
    rig_end(rig);
}

/* The gateway says itself what is missing behind it. */
static void without_a_coordinator(void)
{
    struct rig *rig = rig_start_raw(
        "[host]\nnode = test\n[interface_cli]\n[service_gateway]\nledger = none\n",
        AIEX_BUILD_DIR "/plugins");
    struct answer a;

    CU_ASSERT_FATAL(rig_until_state(rig, "interface_cli", "up"));
    CU_ASSERT_FATAL(rig_until_state(rig, "service_gateway", "up"));
    a = ask(rig, "hello");
    CU_ASSERT(says(&a, "unavailable", ""));
    CU_ASSERT_PTR_NULL(strstr(a.text, "service_gateway"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"without_a_gateway", without_a_gateway},
    {"without_a_coordinator", without_a_coordinator},
    {0},
};
