/* fake_load.c - plugins that stand beside the one that is tested. */
#include "fake.h"

#include <dlfcn.h>

const struct aiex_plugin *aiex_fake_load(const char *path, struct aiex_error *err)
{
    const struct aiex_plugin *(*entry)(uint32_t major, uint32_t minor) = NULL;
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (so)
        *(void **)&entry = dlsym(so, "aiex_plugin_entry");
    if (entry)
        return entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (err)
        snprintf(err->text, sizeof(err->text), "plugin '%.200s': %.200s", path, dlerror());
    return NULL;
}
