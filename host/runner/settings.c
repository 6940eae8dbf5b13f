/* settings.c - extension "aiex.settings/1": the host's hot values, mapped read-only. */
#include "runner/runner_private.h"

#include "wire/settings_page.h"

#include <errno.h>

void settings_map(struct runner *runner)
{
    runner->settings = settings_page_map(runner->fds[START_FD_SETTINGS]);
}

void settings_unmap(struct runner *runner)
{
    settings_page_unmap(runner->settings);
}

static const int64_t *settings_find(const struct aiex_host *host, const char *name)
{
    const struct setting_slot *slot = settings_page_find(instance_of(host)->runner->settings, name);

    return slot ? &slot->whole : NULL;
}

static int settings_text(const struct aiex_host *host, const char *name, char *out, size_t size)
{
    const struct setting_slot *slot = settings_page_find(instance_of(host)->runner->settings, name);

    return slot ? settings_page_text(slot, out, size) : -ENOENT;
}

static uint64_t settings_version(const struct aiex_host *host)
{
    const struct settings_page *page = instance_of(host)->runner->settings;

    return atomic_load_explicit(&page->version, memory_order_acquire);
}

const struct aiex_settings runner_settings = {
    .struct_size = sizeof(runner_settings),
    .find = settings_find,
    .text = settings_text,
    .version = settings_version,
};
