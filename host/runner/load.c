#include "runner/load.h"

#include "base/auto.h"
#include "base/err.h"
#include "config/plugin_info.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "ARM aarch64";
    case EM_386:
        return "x86, 32 bits";
    case EM_ARM:
        return "ARM, 32 bits";
    case EM_RISCV:
        return "RISC-V";
    default:
        return "another";
    }
}

/* What dlopen() would say in words of the linker, said in words of an operator. */
static int check_file(const char *path, struct aiex_error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr head;
    ssize_t n;

    if (fd < 0)
        return fail(err, -EINVAL, "can not be read: %s", strerror(errno));
    memset(&head, 0, sizeof(head));
    n = read(fd, &head, sizeof(head));
    if (n < 0)
        return fail(err, -EINVAL, "can not be read: %s", strerror(errno));
    if (n < SELFMAG || memcmp(head.e_ident, ELFMAG, SELFMAG))
        return fail(err, -EINVAL, "not an ELF file, so not a shared object");
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || (OWN_MACHINE != EM_NONE && head.e_machine != OWN_MACHINE))
        return fail(err, -EINVAL, "built for another processor (%s), this host is %s",
                    machine_name(head.e_machine), machine_name(OWN_MACHINE));
    if (head.e_type != ET_DYN)
        return fail(err, -EINVAL, "an ELF file, but not a shared object");
    return 0;
}

int load_plugin(const char *path, const struct aiex_plugin **ret, struct aiex_error *err)
{
    const struct aiex_plugin *(*entry)(uint32_t, uint32_t);
    const struct aiex_plugin *plugin;
    struct aiex_plugin *own;
    void *handle, *symbol;
    int r;

    r = check_file(path, err);
    if (r < 0)
        return r;
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        size_t n = strlen(path);

        if (why && !strncmp(why, path, n) && why[n] == ':')
            why += n + 2; /* the caller says the path */
        return fail(err, -EINVAL, "can not be loaded: %s", why ? why : "unknown error");
    }
    symbol = dlsym(handle, "aiex_plugin_entry");
    if (!symbol)
        return fail(err, -EINVAL, "not an Aiex plugin: it does not export aiex_plugin_entry");
    memcpy(&entry, &symbol, sizeof(entry));
    plugin = entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (!plugin)
        return fail(err, -EINVAL, "its entry function has no table for plugin ABI %u.%u", AIEX_ABI_MAJOR,
                    AIEX_ABI_MINOR);
    r = plugin_info_check(plugin, err);
    if (r < 0)
        return -EINVAL;
    own = calloc(1, sizeof(*own));
    if (!own)
        return fail(err, -ENOMEM, "no memory");
    memcpy(own, plugin, plugin->struct_size < sizeof(*own) ? plugin->struct_size : sizeof(*own));
    own->struct_size = sizeof(*own);
    *ret = own;
    return 0;
}
