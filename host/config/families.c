/* families.c - many keys of an instance's section become the one text of their family. */
#include "config/families.h"

#include "config/sections.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define STRIDE sizeof(struct aiex_option)

/* Index of the family that takes a key, or -ENOENT. */
static int family_of(const struct config_instance *in, const char *key)
{
    int at = option_match(in->info->options, STRIDE, key);

    return at >= 0 && option_is_family(&in->info->options[at]) ? at : -ENOENT;
}

/* All keys of one family, the first of which is `first`. */
static int gather(struct config *config, struct config_instance *in, size_t first, int family,
                  struct config_option *ret, struct report *report)
{
    const struct aiex_option *option = &in->info->options[family];
    struct aiex_error err;
    struct buf text;
    size_t n = 0;
    int r;

    buf_init(&text, OPTION_FAMILY_BYTES + 1);
    r = buf_add(&text, "", 0);
    for (size_t i = first; r == 0 && i < in->n_options; i++) {
        const struct config_option *o = &in->options[i];

        if (family_of(in, o->name) != family || o->pair->is_broken)
            continue;
        r = option_gather(option, &(struct option_text){o->name, o->text}, n, &text, &err);
        n += r == 0;
        if (r == -EINVAL) {
            report_error(report, o->at, in->name, "%s", err.text);
            r = 0;
        }
    }
    *ret = in->options[first];
    ret->name = option->name;
    if (r == 0) {
        ret->text = arena_copy(&config->sections->arena, (const char *)text.data, text.len);
        r = ret->text ? 0 : -ENOMEM;
        explicit_bzero(text.data, text.len);
    }
    buf_done(&text);
    return r;
}

int families_gather(struct config *config, struct config_instance *in, struct report *report)
{
    struct config_option *kept = arena_take(&config->sections->arena,
                                            (in->n_options + 1) * sizeof(*kept));
    uint8_t is_made[OPTION_MAX_COUNT] = {0};
    size_t n = 0;
    int r = kept ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < in->n_options; i++) {
        int family = family_of(in, in->options[i].name);

        if (family < 0)
            kept[n++] = in->options[i];
        else if (!is_made[family]++)
            r = gather(config, in, i, family, &kept[n++], report);
    }
    if (r == 0) {
        in->options = kept;
        in->n_options = n;
    }
    return r;
}
