#include "supervise/supervise.h"
#include "test.h"

#include <signal.h>
#include <string.h>

static const struct {
    struct supervise_exit end;
    enum supervise_class class;
    const char *text;
} rows[] = {
    {{.code = 0}, SUPERVISE_EXIT_DONE, "finished (exit 0)"},
    {{.code = 78}, SUPERVISE_EXIT_CONFIG, "configuration refused (exit 78)"},
    {{.code = 3}, SUPERVISE_EXIT_CRASH, "exited with code 3"},
    {{.signal = SIGSEGV}, SUPERVISE_EXIT_CRASH, "ended by signal 11 (segmentation fault)"},
    {{.signal = SIGSYS},
     SUPERVISE_EXIT_CRASH,
     "ended by signal 31 (system call refused by the sandbox)"},
    {{.signal = 40}, SUPERVISE_EXIT_CRASH, "ended by signal 40 (no usual end)"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_HANG, .limit_ms = 500},
     SUPERVISE_EXIT_HANG,
     "killed: no progress for 500 ms"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_START_DEADLINE, .limit_ms = 3000},
     SUPERVISE_EXIT_HANG,
     "killed: not ready within 3000 ms"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_DRAIN_DEADLINE, .limit_ms = 2000},
     SUPERVISE_EXIT_ASKED,
     "killed: did not finish its work within 2000 ms"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_PROTOCOL, .detail = "record longer than ring"},
     SUPERVISE_EXIT_PROTOCOL,
     "protocol violation: record longer than ring"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_PROTOCOL},
     SUPERVISE_EXIT_PROTOCOL,
     "protocol violation: bad record"},
    {{.signal = SIGKILL, .killed_for = SUPERVISE_WHY_ASKED},
     SUPERVISE_EXIT_ASKED,
     "killed: asked to"},
    {{.signal = SIGKILL, .limit_memory_bytes = 256u << 20},
     SUPERVISE_EXIT_OOM,
     "out of memory suspected (SIGKILL not sent by the host, limit_memory 256M)"},
    {{.signal = SIGKILL, .limit_memory_bytes = 1000},
     SUPERVISE_EXIT_OOM,
     "out of memory suspected (SIGKILL not sent by the host, limit_memory 1000)"},
    {{.signal = SIGKILL},
     SUPERVISE_EXIT_OOM,
     "out of memory suspected (SIGKILL not sent by the host)"},
    /* It crashed by itself just before the host's KILL came: that is what it did. */
    {{.signal = SIGSEGV, .killed_for = SUPERVISE_WHY_HANG, .limit_ms = 500},
     SUPERVISE_EXIT_CRASH,
     "ended by signal 11 (segmentation fault)"},
    {{.code = 78, .killed_for = SUPERVISE_WHY_START_DEADLINE},
     SUPERVISE_EXIT_CONFIG,
     "configuration refused (exit 78)"},
};

static void ends_in_words(void)
{
    char text[256];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_STRING_EQUAL(supervise_describe(&rows[i].end, text, sizeof text), rows[i].text);
        CU_ASSERT_EQUAL(supervise_classify(&rows[i].end), rows[i].class);
    }
}

static void short_buffer_is_cut(void)
{
    char text[10];
    struct supervise_exit end = {.signal = SIGSEGV};

    CU_ASSERT_STRING_EQUAL(supervise_describe(&end, text, sizeof text), "ended by ");
}

static void every_reason_and_state_has_words(void)
{
    for (int i = 1; i < SUPERVISE_N_WHYS; i++)
        CU_ASSERT(strlen(supervise_why_text(i)) > 3);
    CU_ASSERT_STRING_EQUAL(supervise_why_text(SUPERVISE_N_WHYS), "unknown reason");
    for (int i = 0; i < SUPERVISE_N_STATES; i++)
        CU_ASSERT(strlen(supervise_state_text(i)) > 1);
    CU_ASSERT_STRING_EQUAL(supervise_state_text(SUPERVISE_N_STATES), "unknown state");
}

const struct test_case tests[] = {
    {"ends_in_words", ends_in_words},
    {"short_buffer_is_cut", short_buffer_is_cut},
    {"every_reason_and_state_has_words", every_reason_and_state_has_words},
    {0},
};
