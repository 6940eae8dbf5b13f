/* load.c - from path to descriptor, trusting nothing on the way. */
#include "load.h"

#include "elf.h"

#include <dlfcn.h>
#include <string.h>

/* Everything behind create() is optional, so a shorter table than ours is an older minor. */
#define LEAST_SIZE (offsetof(struct aiex_plugin, create) + sizeof(void *))

static int map_plugin(const char *path, plugin_entry_fn *ret_entry, struct aiex_error *err)
{
    char with_dir[4096];
    void *dl;

    /* without a slash dlopen() would search the library path */
    snprintf(with_dir, sizeof(with_dir), "%s%s", strchr(path, '/') ? "" : "./", path);
    dl = dlopen(with_dir, RTLD_NOW | RTLD_LOCAL);
    if (!dl)
        return load_error(err, -ENOEXEC, "%s: can not be loaded: %s", path, dlerror());
    *(void **)ret_entry = dlsym(dl, "aiex_plugin_entry");
    if (!*ret_entry)
        return load_error(err, -ENOENT,
                          "%s: is not an Aiex plugin: it does not export aiex_plugin_entry", path);
    return 0;
}

int load_plugin(const char *path, const struct aiex_plugin **ret_plugin, plugin_entry_fn *ret_entry,
                struct aiex_error *err)
{
    const struct aiex_plugin *p;
    plugin_entry_fn entry;
    int result = elf_look(path, err);

    if (result == 0)
        result = map_plugin(path, &entry, err);
    if (result < 0)
        return result;
    p = entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (!p)
        return load_error(
            err, -EPROTO,
            "%s: its entry gives no descriptor for plugin ABI %u.%u; install a version "
            "for this host",
            path, AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (p->magic != AIEX_ABI_MAGIC)
        return load_error(err, -EPROTO,
                          "%s: its descriptor begins with 0x%08x, expected 0x%08x; set .magic to "
                          "AIEX_ABI_MAGIC",
                          path, p->magic, AIEX_ABI_MAGIC);
    if (p->abi_major != AIEX_ABI_MAJOR)
        return load_error(
            err, -EPROTO,
            "%s: built for plugin ABI %u.%u, this host speaks %u.%u; rebuild it against "
            "the installed SDK",
            path, p->abi_major, p->abi_minor, AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (p->struct_size < LEAST_SIZE)
        return load_error(
            err, -EPROTO,
            "%s: its descriptor says %u bytes, ABI %u has %zu at least; set .struct_size "
            "to sizeof(struct aiex_plugin)",
            path, p->struct_size, AIEX_ABI_MAJOR, (size_t)LEAST_SIZE);
    *ret_plugin = p;
    *ret_entry = entry;
    return 0;
}
