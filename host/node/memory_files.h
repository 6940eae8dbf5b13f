/*
 * memory_files.h - what the system says about memory: files of the kernel, read and judged.
 *
 * Three sources, each of which may be missing: how long tasks waited for memory (pressure stall
 * information, Documentation/accounting/psi.rst), the limits of the control groups that this
 * process is in (cgroup-v2.rst; version 1 as well), and what the machine has left (MemAvailable of
 * proc(5)). Files that others keep in memory for speed alone are not in use: what a group holds of
 * inactive files is taken off, as MemAvailable does.
 *
 * Costs some ten microseconds for each file; nothing is kept open. Never longer than a page.
 */
#ifndef AIEX_NODE_MEMORY_FILES_H
#define AIEX_NODE_MEMORY_FILES_H

#include <stdint.h>

struct memory_paths {
    const char *stall; /* /proc/pressure/memory */
    const char *info;  /* /proc/meminfo */
    const char *group; /* folder of the control group; "auto" = where /proc/self/cgroup says */
};

struct memory_reading {
    int used_percent;                /* of what limits first; -1 = nobody says */
    int stall_percent;               /* `some` of the last 10 s; -1 = nobody says */
    int64_t used_bytes, limit_bytes; /* of what limits first; 0 = not known */
    int64_t available_bytes;         /* of the machine; 0 = not known */
    const char *limited_by;          /* "machine", "group" or "" */
};

void memory_read(const struct memory_paths *paths, struct memory_reading *ret);

/* Memory of a process, shared pages counted by their share (PSS); when the kernel keeps that
 * secret, or `quick`, what is its own alone (RssAnon and RssShmem). 0 = it is gone. */
int64_t memory_of_process(int pid, int quick);

#endif
