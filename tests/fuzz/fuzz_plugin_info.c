/* link: aiex_config aiex_base */
/*
 * fuzz_plugin_info.c - a probe's answer from foreign bytes. Promised: no crash; what passes has a
 * table that can be used, and texts that can be shown.
 */
#include "config/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct option_values *values = NULL;
    struct plugin_info *info = NULL;
    struct aiex_error err;
    FILE *out;

    if (plugin_info_unpack((struct aiex_slice){data, size}, &info, &err) != 0)
        return 0;
    if (!plugin_info_is_name(info->name) ||
        option_table_check(info->options, sizeof(struct aiex_option), info->config_size, &err) != 0)
        abort();
    if (option_values_new(info->options, sizeof(struct aiex_option), info->config_size, NULL, 0,
                          &values, &err) == 0)
        option_values_free(values);
    out = fopen("/dev/null", "w");
    if (out) {
        config_reference(&info, 1, out);
        fclose(out);
    }
    plugin_info_unref(info);
    return 0;
}
