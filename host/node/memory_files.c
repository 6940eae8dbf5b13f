#include "node/memory_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES 8192
#define MAX_GROUPS 16 /* a group and those around it */

/* The beginning of a file as text. 0, or -1. */
static int read_text(const char *path, char text[TEXT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = 0, got = 0;

    if (fd < 0)
        return -1;
    while (got < TEXT_BYTES - 1 &&
           (n = read(fd, text + got, (size_t)(TEXT_BYTES - 1 - got))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        got += n;
    }
    close(fd);
    text[got] = 0;
    return n < 0 || !got ? -1 : 0;
}

/* The number behind a word that begins a line, or -1. */
static int64_t number_of(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == ':')) {
            char *end;
            long long value = strtoll(p + n + 1, &end, 10);

            return end > p + n + 1 && value >= 0 ? value : -1;
        }
    }
    return -1;
}

/* A file that is one number; "max" and what is no number are none: -1. */
static int64_t number_in(const char *folder, const char *name)
{
    char text[TEXT_BYTES], path[600], *end;
    long long value;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (read_text(path, text) < 0)
        return -1;
    errno = 0;
    value = strtoll(text, &end, 10);
    return end > text && errno == 0 && value >= 0 ? value : -1;
}

static int percent(int64_t part, int64_t whole)
{
    return part <= 0 ? 0 : (int)((double)part * 100 / (double)whole);
}

/* What is nearer to its limit stands. */
static void take(struct memory_reading *r, int64_t used, int64_t limit, const char *by)
{
    if (used < 0 || limit <= 0 || percent(used, limit) <= r->used_percent)
        return;
    r->used_percent = percent(used, limit);
    r->used_bytes = used;
    r->limit_bytes = limit;
    r->limited_by = by;
}

/* ---- The machine ---- */

static void read_machine(const char *path, struct memory_reading *r)
{
    char text[TEXT_BYTES];
    int64_t total, available;

    if (read_text(path, text) < 0)
        return;
    total = number_of(text, "MemTotal");
    available = number_of(text, "MemAvailable");
    if (total <= 0 || available < 0)
        return;
    r->available_bytes = available * 1024;
    take(r, (total - available) * 1024, total * 1024, "machine");
}

static void read_stall(const char *path, struct memory_reading *r)
{
    char text[TEXT_BYTES], *end;
    const char *at;
    double share;

    if (read_text(path, text) < 0 || strncmp(text, "some ", 5) != 0)
        return;
    at = strstr(text, "avg10=");
    if (!at)
        return;
    share = strtod(at + 6, &end);
    if (end > at + 6 && share >= 0 && share <= 100)
        r->stall_percent = (int)share;
}

/* ---- Control groups ---- */

static const struct version {
    const char *current, *limits[2], *inactive;
} versions[] = {
    {"memory.current", {"memory.max", "memory.high"}, "inactive_file"},
    {"memory.usage_in_bytes", {"memory.limit_in_bytes", NULL}, "total_inactive_file"},
};

static void read_group(const char *folder, struct memory_reading *r)
{
    char text[TEXT_BYTES], path[600];

    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        const struct version *v = &versions[i];
        int64_t used = number_in(folder, v->current), idle;

        if (used < 0)
            continue;
        snprintf(path, sizeof(path), "%s/memory.stat", folder);
        idle = read_text(path, text) == 0 ? number_of(text, v->inactive) : -1;
        used -= idle > 0 && idle < used ? idle : 0;
        for (size_t k = 0; k < 2 && v->limits[k]; k++)
            take(r, used, number_in(folder, v->limits[k]), "group");
    }
}

/* The path behind `tag` (as in "0::" or ":memory:") of this process. 1 when there is one. */
static int own_group(const char *text, const char *tag, const char *root, char out[512])
{
    const char *at = strstr(text, tag);
    int n;

    if (!at)
        return 0;
    at += strlen(tag);
    n = snprintf(out, 512, "%s%.*s", root, (int)strcspn(at, "\n"), at);
    return n > 0 && n < 512;
}

/* A group and all around it, up to `root`: the limit of each holds. */
static void read_groups(char path[512], const char *root, struct memory_reading *r)
{
    for (int i = 0; i < MAX_GROUPS; i++) {
        char *slash;

        read_group(path, r);
        slash = strrchr(path, '/');
        if (!slash || strlen(path) <= strlen(root))
            return;
        *slash = 0;
    }
}

static void read_own_groups(struct memory_reading *r)
{
    static const struct {
        const char *tag, *root;
    } places[] = {{"0::", "/sys/fs/cgroup"}, {":memory:", "/sys/fs/cgroup/memory"}};
    char text[TEXT_BYTES], path[512];

    if (read_text("/proc/self/cgroup", text) < 0)
        return;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (own_group(text, places[i].tag, places[i].root, path))
            read_groups(path, places[i].root, r);
}

void memory_read(const struct memory_paths *paths, struct memory_reading *ret)
{
    *ret = (struct memory_reading){.used_percent = -1, .stall_percent = -1, .limited_by = ""};
    read_machine(paths->info, ret);
    read_stall(paths->stall, ret);
    if (strcmp(paths->group, "auto") == 0)
        read_own_groups(ret);
    else if (*paths->group)
        read_group(paths->group, ret);
}

/* ---- Processes ---- */

int64_t memory_of_process(int pid, int quick)
{
    char text[TEXT_BYTES], path[64];
    int64_t kib = -1, shared;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    if (!quick && read_text(path, text) == 0)
        kib = number_of(text, "Pss");
    if (kib >= 0)
        return kib * 1024;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (read_text(path, text) < 0)
        return 0;
    kib = number_of(text, "RssAnon");
    shared = number_of(text, "RssShmem");
    return kib < 0 ? 0 : (kib + (shared > 0 ? shared : 0)) * 1024;
}
