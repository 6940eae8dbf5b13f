/* log_test.c - form and level: what the command line says holds, the configuration fills the rest.
 */
#include "base/log.h"

#include "test.h"

#include <aiex/aiex_plugin.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char written[8192];

/* What one line of a level becomes, "" = it is not written. */
static const char *line(int fd, uint32_t level, const struct log_origin *origin, const char *text)
{
    ssize_t n;

    log_write(level, origin, text);
    n = read(fd, written, sizeof(written) - 1);
    written[n > 0 ? n : 0] = 0;
    return written;
}

static void open_log(int fds[2])
{
    CU_ASSERT_FATAL(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
}

static void close_log(int fds[2])
{
    log_init(2, LOG_AUTO, LOG_LEVEL_CONFIGURED);
    close(fds[0]);
    close(fds[1]);
}

static void configuration_fills(void)
{
    int fds[2];

    open_log(fds);
    log_init(fds[1], LOG_AUTO, LOG_LEVEL_CONFIGURED);
    CU_ASSERT(line(fds[0], AIEX_LOG_INFO, NULL, "a")[0] == '{');
    CU_ASSERT_STRING_EQUAL(line(fds[0], AIEX_LOG_DEBUG, NULL, "a"), "");
    log_configured(LOG_TEXT, AIEX_LOG_WARN);
    CU_ASSERT_STRING_EQUAL(line(fds[0], AIEX_LOG_NOTICE, NULL, "a"), "");
    CU_ASSERT(strstr(line(fds[0], AIEX_LOG_WARN, NULL, "a"), " warn   host: a\n") != NULL);
    log_configured(LOG_JSON, AIEX_LOG_DEBUG);
    CU_ASSERT(strstr(line(fds[0], AIEX_LOG_DEBUG, NULL, "a"), "\"level\":\"debug\"") != NULL);
    close_log(fds);
}

static void command_line_holds(void)
{
    int fds[2];

    open_log(fds);
    log_init(fds[1], LOG_JSON, AIEX_LOG_NOTICE);
    log_configured(LOG_TEXT, AIEX_LOG_DEBUG);
    CU_ASSERT_STRING_EQUAL(line(fds[0], AIEX_LOG_INFO, NULL, "a"), "");
    CU_ASSERT(line(fds[0], AIEX_LOG_NOTICE, NULL, "a")[0] == '{');
    log_init(fds[1], LOG_TEXT, LOG_LEVEL_CONFIGURED);
    log_configured(LOG_JSON, AIEX_LOG_ERROR);
    CU_ASSERT_STRING_EQUAL(line(fds[0], AIEX_LOG_WARN, NULL, "a"), "");
    CU_ASSERT(strstr(line(fds[0], AIEX_LOG_ERROR, NULL, "a"), "error  host: a\n") != NULL);
    close_log(fds);
}

static void fields(void)
{
    struct log_origin origin = {.plugin = "p:x", .cell = "c", .pid = 7, .trace = 0xabcdef};
    int fds[2];

    open_log(fds);
    log_init(fds[1], LOG_JSON, AIEX_LOG_DEBUG);
    CU_ASSERT(
        strstr(line(fds[0], AIEX_LOG_INFO, &origin, "say \"x\"\n\001"),
               "\"level\":\"info\",\"plugin\":\"p:x\",\"cell\":\"c\",\"pid\":7,"
               "\"correlation\":\"0000000000abcdef\",\"msg\":\"say \\\"x\\\"\\n\\u0001\"}\n") !=
        NULL);
    close_log(fds);
}

static void levels(void)
{
    static const char *const words[] = {"debug", "info", "notice", "warn", "error"};

    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(log_level_of(words[i]), i);
    CU_ASSERT_EQUAL(log_level_of("warning"), -1);
    CU_ASSERT_EQUAL(log_level_of(""), -1);
}

const struct test_case tests[] = {
    {"the configuration fills what is open", configuration_fills},
    {"the command line holds", command_line_holds},
    {"fields of a line", fields},
    {"names of levels", levels},
    {0},
};
