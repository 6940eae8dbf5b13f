/* other_major.c - built for a plugin interface of another age. */
#include <aiex/aiex_plugin.h>

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(plugin),
    .abi_major = AIEX_ABI_MAJOR + 1,
    .abi_minor = 0,
    .option_size = sizeof(struct aiex_option),
    .name = "service_other_major",
    .version = "1.0.0",
    .kind = "service/1",
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    return &plugin;
}
