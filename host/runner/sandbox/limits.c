#include "runner/sandbox/limits.h"

#include "base/err.h"
#include "runner/sandbox/profile.h"
#include "runner/sandbox/report.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024 * 1024)

/* The same in every cell. The stack is not counted by RLIMIT_DATA. */
static const struct {
    int what;
    const char *word;
    rlim_t at_most;
} fixed_limits[] = {
    {RLIMIT_CORE, "core", 0},
    {RLIMIT_STACK, "stack", 8 * MIB},
    {RLIMIT_MEMLOCK, "memlock", 1 * MIB}, /* pages with keys */
    {RLIMIT_MSGQUEUE, "msgqueue", 0},
    {RLIMIT_NICE, "nice", 0},
    {RLIMIT_RTPRIO, "rtprio", 0},
};

/* Lowers soft and hard limit; never raises the hard one. */
static int lower(int what, const char *word, rlim_t at_most, struct aiex_error *err)
{
    struct rlimit lim;
    int rc;

    if (getrlimit(what, &lim) == 0) {
        lim.rlim_max = lim.rlim_max < at_most ? lim.rlim_max : at_most;
        lim.rlim_cur = lim.rlim_max;
        if (setrlimit(what, &lim) == 0)
            return 0;
    }
    rc = -errno;
    return fail(err, rc, "sandbox: limit '%s' can not be set to %llu: %s", word,
                (unsigned long long)at_most, strerror(-rc));
}

static int64_t largest(const struct sandbox_spec *spec,
                       int64_t (*value)(const struct sandbox_spec *))
{
    int64_t most = 0;

    for (const struct sandbox_spec *s = spec; s; s = s->next)
        most = value(s) > most ? value(s) : most;
    return most;
}

static int64_t memory_of(const struct sandbox_spec *s)
{
    return s->limit_memory_bytes > 0 ? s->limit_memory_bytes : INT64_MAX;
}

static int64_t files_of(const struct sandbox_spec *s)
{
    if (s->limit_files > 0)
        return s->limit_files;
    return s->off ? INT64_MAX : profile_of(s->kind)->files;
}

/*
 * RLIMIT_DATA, not RLIMIT_AS: it counts private writable memory, so neither the twice mapped rings
 * nor reserved address space count. A sanitizer's shadow is such memory, terabytes of it.
 */
static int limit_memory(const struct sandbox_spec *spec, struct sandbox_report *report,
                        struct aiex_error *err)
{
    int64_t bytes = largest(spec, memory_of);

    if (bytes == INT64_MAX) {
        report_layer(report, 1, "memory: no limit configured");
        return 0;
    }
    if (SANDBOX_SANITIZER) {
        report_layer(report, 0, "memory: not limited in a sanitizer build");
        return 0;
    }
    report_layer(report, 1, "memory: at most %lld MiB", (long long)(bytes / MIB));
    return lower(RLIMIT_DATA, "memory", (rlim_t)bytes, err);
}

/* RLIMIT_NPROC counts all tasks of the user and never binds root: no measure for one cell. */
static void report_threads(uint32_t sets, struct sandbox_report *report)
{
    if (!(sets & SET_THREADS))
        report_layer(report, 1, "threads: none");
    else
        report_layer(report, 0, "threads: not limited (a pids cgroup can)");
}

/*
 * Without a folder of its own nothing is written but streams. When standard error is a file the
 * limit would cut the log, so the limit is left out: there is no other file to write.
 */
static int limit_file_size(uint32_t sets, struct aiex_error *err)
{
    struct stat st;

    if (sets & SET_DATA)
        return 0;
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    signal(SIGXFSZ, SIG_IGN);
    return lower(RLIMIT_FSIZE, "file size", 0, err);
}

int limits_apply(const struct sandbox_spec *spec, uint32_t sets, struct sandbox_report *report,
                 struct aiex_error *err)
{
    int64_t files = largest(spec, files_of);
    int rc = limit_memory(spec, report, err);

    if (!rc && files != INT64_MAX)
        rc = lower(RLIMIT_NOFILE, "files", (rlim_t)files, err);
    if (rc || spec->off)
        return rc;
    for (size_t i = 0; !rc && i < sizeof fixed_limits / sizeof *fixed_limits; i++)
        rc = lower(fixed_limits[i].what, fixed_limits[i].word, fixed_limits[i].at_most, err);
    if (!rc)
        rc = limit_file_size(sets, err);
    report_threads(sets, report);
    return rc;
}
