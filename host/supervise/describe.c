/* describe.c - ends, reasons and states in words: pure functions of their arguments. */
#include "supervise/supervise.h"

#include <aiex/aiex_plugin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int signal;
    const char *words;
} signals[] = {
    {SIGSEGV, "segmentation fault"},
    {SIGABRT, "aborted: an assertion, or a damaged heap"},
    {SIGBUS, "bus error"},
    {SIGFPE, "arithmetic error"},
    {SIGILL, "illegal instruction"},
    {SIGSYS, "system call refused by the sandbox"},
    {SIGXCPU, "processor time limit"},
    {SIGXFSZ, "file size limit"},
    {SIGTERM, "asked to end by someone else"},
    {SIGKILL, "killed by someone else"},
    {SIGPIPE, "wrote to a closed pipe"},
    {SIGTRAP, "trap"},
};

static const char *signal_words(int signal)
{
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (signals[i].signal == signal)
            return signals[i].words;
    return "no usual end";
}

enum supervise_class supervise_classify(const struct supervise_exit *e)
{
    if (e->signal == 0 && e->code == AIEX_EXIT_DONE)
        return SUPERVISE_EXIT_DONE;
    if (e->signal == 0 && e->code == AIEX_EXIT_CONFIG)
        return SUPERVISE_EXIT_CONFIG;
    if (e->signal != SIGKILL)
        return SUPERVISE_EXIT_CRASH;
    switch (e->killed_for) {
    case SUPERVISE_WHY_NONE:
        return SUPERVISE_EXIT_OOM;
    case SUPERVISE_WHY_HANG:
    case SUPERVISE_WHY_START_DEADLINE:
        return SUPERVISE_EXIT_HANG;
    case SUPERVISE_WHY_PROTOCOL:
        return SUPERVISE_EXIT_PROTOCOL;
    default:
        return SUPERVISE_EXIT_ASKED;
    }
}

static void describe_kill(const struct supervise_exit *e, char *text, size_t size)
{
    switch (e->killed_for) {
    case SUPERVISE_WHY_HANG:
        snprintf(text, size, "killed: no progress for %u ms", e->limit_ms);
        break;
    case SUPERVISE_WHY_START_DEADLINE:
        snprintf(text, size, "killed: not ready within %u ms", e->limit_ms);
        break;
    case SUPERVISE_WHY_DRAIN_DEADLINE:
        snprintf(text, size, "killed: did not finish its work within %u ms", e->limit_ms);
        break;
    case SUPERVISE_WHY_PROTOCOL:
        snprintf(text, size, "protocol violation: %s", e->detail ? e->detail : "bad record");
        break;
    default:
        snprintf(text, size, "killed: %s", supervise_why_text(e->killed_for));
    }
}

static void describe_oom(const struct supervise_exit *e, char *text, size_t size)
{
    static const char units[] = "\0KMGT";
    uint64_t limit = e->limit_memory_bytes;
    unsigned unit = 0;

    if (limit == 0) {
        snprintf(text, size, "out of memory suspected (SIGKILL not sent by the host)");
        return;
    }
    while (unit < 4 && limit % 1024 == 0) {
        limit /= 1024;
        unit++;
    }
    snprintf(text, size,
             "out of memory suspected (SIGKILL not sent by the host, limit_memory %llu%.1s)",
             (unsigned long long)limit, units + unit);
}

const char *supervise_describe(const struct supervise_exit *e, char *text, size_t size)
{
    if (e->signal == SIGKILL && e->killed_for)
        describe_kill(e, text, size);
    else if (e->signal == SIGKILL)
        describe_oom(e, text, size);
    else if (e->signal)
        snprintf(text, size, "ended by signal %d (%s)", e->signal, signal_words(e->signal));
    else if (e->code == AIEX_EXIT_DONE)
        snprintf(text, size, "finished (exit 0)");
    else if (e->code == AIEX_EXIT_CONFIG)
        snprintf(text, size, "configuration refused (exit %d)", AIEX_EXIT_CONFIG);
    else
        snprintf(text, size, "exited with code %d", e->code);
    return text;
}

const char *supervise_why_text(enum supervise_why why)
{
    static const char *const words[SUPERVISE_N_WHYS] = {
        [SUPERVISE_WHY_NONE] = "",
        [SUPERVISE_WHY_ASKED] = "asked to",
        [SUPERVISE_WHY_DONE] = "finished",
        [SUPERVISE_WHY_CONFIG] = "configuration refused",
        [SUPERVISE_WHY_CRASH] = "crashed",
        [SUPERVISE_WHY_HANG] = "no progress",
        [SUPERVISE_WHY_PROTOCOL] = "protocol violation",
        [SUPERVISE_WHY_OOM] = "out of memory suspected",
        [SUPERVISE_WHY_SPAWN] = "process could not be started",
        [SUPERVISE_WHY_START_DEADLINE] = "not ready in time",
        [SUPERVISE_WHY_DRAIN_DEADLINE] = "did not finish its work in time",
        [SUPERVISE_WHY_INTENSITY] = "too many restarts",
        [SUPERVISE_WHY_GROUP] = "another member of its group failed",
        [SUPERVISE_WHY_REPLACED] = "replaced by a newer one",
        [SUPERVISE_WHY_REPLACEMENT_FAILED] = "replacement failed, the old one goes on",
        [SUPERVISE_WHY_SPARE_FAILED] = "spare failed",
        [SUPERVISE_WHY_SPARE] = "spare took over",
        [SUPERVISE_WHY_RETRY] = "tried again",
        [SUPERVISE_WHY_SHUTDOWN] = "time for the shutdown is up",
    };

    return (unsigned)why < SUPERVISE_N_WHYS ? words[why] : "unknown reason";
}

const char *supervise_state_text(enum supervise_state state)
{
    static const char *const words[SUPERVISE_N_STATES] = {
        [SUPERVISE_DOWN] = "down",       [SUPERVISE_STARTING] = "starting",
        [SUPERVISE_UP] = "up",           [SUPERVISE_BACKOFF] = "backoff",
        [SUPERVISE_FAILED] = "failed",   [SUPERVISE_STOPPING] = "stopping",
        [SUPERVISE_STOPPED] = "stopped",
    };

    return (unsigned)state < SUPERVISE_N_STATES ? words[state] : "unknown state";
}
