/*
 * probe.h - reads a plugin's descriptor without mapping it: a throw-away, sealed
 * runner process loads it, because even a library constructor can crash.
 */
#ifndef AIEX_CELL_PROBE_H
#define AIEX_CELL_PROBE_H

#include "config/plugin_info.h"

#define PROBE_DEADLINE_MS 5000

struct probe; /* one plugin being looked at */

/* Starts the runner's probe of the shared object at `path`. NULL and err on failure. */
struct probe *probe_start(const char *runner, const char *path, struct aiex_error *err);
/* Waits for it, at most PROBE_DEADLINE_MS from its start, and frees it. 0 and *ret (a reference of
 * the caller's), or -EINVAL and a sentence that begins with the path: not a plugin, another ABI,
 * it crashed in its constructor, it hangs ... */
int probe_finish(struct probe *p, struct plugin_info **ret, struct aiex_error *err);

#endif
