/*
 * aiex_settings.h - extension "aiex.settings/1": hot values, read by pointer.
 *
 * The host publishes the keys of its [settings] sections in a page that every cell
 * maps read-only. find() is done once; afterwards a read is one atomic load.
 *
 * Thread rule: find() and text() [any]; reading a found value [any].
 */
#ifndef AIEX_SETTINGS_H
#define AIEX_SETTINGS_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_SETTINGS_ID "aiex.settings/1"

struct aiex_settings {
    uint32_t struct_size;
    uint32_t reserved;
    /* Address of a whole-number setting, valid for the life of the process, or NULL. Numbers,
     * sizes, durations (ms) and booleans are stored as int64_t; read with an atomic relaxed load. */
    const int64_t *(*find)(const struct aiex_host *, const char *name);
    /* Copies the text of any setting; bytes without the final 0, or -ENOENT, -ENOSPC. */
    int (*text)(const struct aiex_host *, const char *name, char *out, size_t size);
    /* Counts every change of the page; compare to see that something moved. */
    uint64_t (*version)(const struct aiex_host *);
};

#ifdef __cplusplus
}
#endif

#endif /* AIEX_SETTINGS_H */
