/*
 * option_family.c - options that take every key with a prefix: `alias.*`.
 *
 * In files a family is many keys; in the plugin's struct it is one text, a line
 * `rest-of-key TAB value` for each. The text is made once, where the files are checked
 * (option_gather), and everything behind that - start message, reload, diff, struct -
 * sees an ordinary option whose name ends in ".*".
 */
#include "base/err.h"
#include "base/text.h"
#include "config/option.h"

#include <string.h>

#define STAR ".*"

/* Bytes of the prefix with its dot, 0 when the option is no family. */
static size_t stem_of(const struct aiex_option *o)
{
    size_t n = strlen(o->name);

    return n > strlen(STAR) && strcmp(o->name + n - strlen(STAR), STAR) == 0 ? n - 1 : 0;
}

int option_is_family(const struct aiex_option *option)
{
    return stem_of(option) != 0;
}

int option_match(const struct aiex_option *table, size_t stride, const char *name)
{
    int found = option_find(table, stride, name);
    struct aiex_option o;
    size_t longest = 0;

    if (found >= 0)
        return found;
    for (int i = 0; (o = option_at(table, stride, (size_t)i)).name; i++) {
        size_t stem = stem_of(&o);

        if (stem > longest && strncmp(name, o.name, stem) == 0 && name[stem]) {
            longest = stem;
            found = i;
        }
    }
    return found;
}

/* A key that begins like a family's, but not quite: "alais.fast" -> "alias.fast". */
int option_nearest_family(const char *name, const struct aiex_option *table, size_t stride,
                          char ret[AIEX_MAX_NAME + 1])
{
    size_t head = strcspn(name, ".");
    const char *pair[2] = {NULL, NULL};
    char word[AIEX_MAX_NAME + 1], stem[AIEX_MAX_NAME + 1];
    struct aiex_option o;

    if (!name[head] || !name[head + 1] || head >= sizeof(word))
        return -ENOENT;
    (void)snprintf(word, sizeof(word), "%.*s", (int)head, name);
    for (size_t i = 0; (o = option_at(table, stride, i)).name; i++) {
        size_t n = stem_of(&o);

        if (n == 0 || n > sizeof(stem))
            continue;
        (void)snprintf(stem, sizeof(stem), "%.*s", (int)n - 1, o.name);
        pair[0] = stem;
        if (text_nearest(word, pair)) {
            (void)snprintf(ret, AIEX_MAX_NAME + 1, "%s%s", stem, name + head);
            return 0;
        }
    }
    return -ENOENT;
}

int option_gather(const struct aiex_option *family, const struct option_text *key, size_t n_before,
                  struct buf *out, struct aiex_error *err)
{
    const char *rest = key->name + stem_of(family);
    int r;

    if (n_before >= OPTION_FAMILY_KEYS)
        return fail(err, -EINVAL, "%s: more than %d keys of %s; remove some", key->name,
                    OPTION_FAMILY_KEYS, family->name);
    if (strpbrk(rest, "\t\r\n"))
        return fail(err, -EINVAL, "a key of %s has a tab or a line break in its name",
                    family->name);
    if (strpbrk(key->text, "\r\n"))
        return fail(err, -EINVAL, "%s: a line break in the value; a value of %s is one line",
                    key->name, family->name);
    if (out->len + strlen(rest) + strlen(key->text) + strlen("\t\n") > OPTION_FAMILY_BYTES)
        return fail(err, -EINVAL, "%s: the keys and values of %s are longer than %u bytes together",
                    key->name, family->name, OPTION_FAMILY_BYTES);
    r = buf_addf(out, "%s\t%s\n", rest, key->text);
    return r ? fail(err, -ENOMEM, "out of memory for %s", family->name) : 0;
}

int option_line(const char **at, struct aiex_slice *ret_rest, struct aiex_slice *ret_value)
{
    const char *tab = strchr(*at, '\t'), *end = tab ? strchr(tab, '\n') : NULL;

    if (!end)
        return 0;
    *ret_rest = (struct aiex_slice){(const uint8_t *)*at, (size_t)(tab - *at)};
    *ret_value = (struct aiex_slice){(const uint8_t *)tab + 1, (size_t)(end - tab - 1)};
    *at = end + 1;
    return 1;
}

int option_family_check(const struct aiex_option *option, struct aiex_error *err)
{
    if (!stem_of(option))
        return 0;
    if (option->type != AIEX_OPT_STRING && option->type != AIEX_OPT_SECRET)
        return fail(err, -EINVAL,
                    "option '%s' takes every key with its prefix, so it must be a "
                    "string or a secret",
                    option->name);
    if (option->def || (option->flags & AIEX_OPT_REQUIRED))
        return fail(err, -EINVAL,
                    "option '%s' takes every key with its prefix, so it can not be "
                    "required nor have a default",
                    option->name);
    return 0;
}
