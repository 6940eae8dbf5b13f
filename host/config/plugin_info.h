/*
 * plugin_info.h - what the host knows of a plugin without mapping it.
 *
 * A probe (a throw-away process of the runner) loads the shared object, checks its
 * descriptor, packs it and ends. The host unpacks an owned copy. Those bytes come
 * from a process that ran foreign code: every length, number and text is checked
 * here, and what passes is safe to print.
 *
 * Wire form: one msgpack map of at most PLUGIN_INFO_MAX_BYTES with the keys name,
 * version, summary, kind (str), major, minor, needs, config_size (int), reload,
 * drain (bool), options (array of maps: name, def, help, type, flags, min, max,
 * choices (array of str), offset; def, help and choices may be missing).
 *
 * Thread rule: loop thread (the count of references is not atomic).
 */
#ifndef AIEX_CONFIG_PLUGIN_INFO_H
#define AIEX_CONFIG_PLUGIN_INFO_H

#include <aiex/aiex_pack.h>
#include <aiex/aiex_plugin.h>

#define PLUGIN_INFO_MAX_BYTES (256u * 1024u)

struct plugin_info {
    unsigned refs;
    const char *name; /* kind_name, 1..63 bytes */
    const char *version;
    const char *summary;
    const char *kind; /* "provider/1" */
    uint32_t needs;   /* AIEX_NEED_* */
    uint16_t abi_major, abi_minor;
    int has_reload, has_drain;
    size_t config_size;
    size_t n_options;
    struct aiex_option *options; /* n_options and a NULL name; stride sizeof(struct aiex_option) */
    char *store;                 /* all texts */
};

/* Runner side: 0 when the descriptor is sound (magic, major, sizes, names, option table), else
 * -EINVAL or -EPROTONOSUPPORT (another major) and a sentence without the file's name:
 * "built for plugin ABI 2.0, this host speaks 1.0; rebuild it against the installed SDK". */
int plugin_info_check(const struct aiex_plugin *plugin, struct aiex_error *err);

/* Runner side: writes a descriptor that passed plugin_info_check(). w->failed when it did not
 * fit; w->len then says how much is needed. */
void plugin_info_pack(const struct aiex_plugin *plugin, struct aiex_writer *w);

/* Host side: 0 and a new object with one reference, -EINVAL, -EPROTONOSUPPORT, -ENOMEM. */
int plugin_info_unpack(struct aiex_slice body, struct plugin_info **ret, struct aiex_error *err);

/* 1 if it can be a plugin's name: letters, digits, _ and -. It is a file's name and the first half
 * of instance names, hence no dot, slash or colon. */
int plugin_info_is_name(const char *name);
/* 1 if it is the absolute path of a shared object, which `plugin =` takes as well. */
int plugin_info_is_path(const char *name);

struct plugin_info *plugin_info_ref(struct plugin_info *info);
/* Frees with the last reference; NULL is fine. */
void plugin_info_unref(struct plugin_info *info);

#endif
