/* option_table.c - tables of options: reading, judging, and checking what was given against them.
 */
#include "base/err.h"
#include "base/text.h"
#include "config/option.h"
#include "config/value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct aiex_option option_at(const struct aiex_option *table, size_t stride, size_t i)
{
    struct aiex_option o = {0};

    if (table)
        memcpy(&o, (const char *)table + i * stride, stride < sizeof(o) ? stride : sizeof(o));
    return o;
}

int option_find(const struct aiex_option *table, size_t stride, const char *name)
{
    struct aiex_option o;

    for (int i = 0; (o = option_at(table, stride, (size_t)i)).name; i++)
        if (strcmp(o.name, name) == 0)
            return i;
    return -ENOENT;
}

/* Keys of an ini file: what a shell variable may be, and dots and dashes; at the end of a family .*
 */
static int is_option_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.");

    if (n > 1 && name[n] == '*' && name[n - 1] == '.')
        n++;
    return n > 0 && n <= AIEX_MAX_NAME && name[n] == 0 && islower((unsigned char)name[0]);
}

static int check_choices(const struct aiex_option *o, struct aiex_error *err)
{
    int n = 0;

    if (!o->choices || !o->choices[0])
        return fail(err, -EINVAL, "option '%s' is a choice without choices", o->name);
    while (n <= OPTION_MAX_CHOICES && o->choices[n])
        n++;
    if (n > OPTION_MAX_CHOICES)
        return fail(err, -EINVAL, "option '%s' has more than %d choices", o->name,
                    OPTION_MAX_CHOICES);
    return 0;
}

static int check_default(const struct aiex_option *o, struct aiex_error *err)
{
    struct option_value v;
    struct aiex_error why;

    if (o->def && value_is_secret(o->def))
        return fail(err, -EINVAL, "default of option '%s' names a secret; only a configuration may", o->name);
    if (!o->def || value_is_reference(o->def))
        return 0;
    if (o->flags & AIEX_OPT_REQUIRED)
        return fail(err, -EINVAL, "option '%s' is required and has a default", o->name);
    if (option_parse(o, o->def, &v, &why) != 0)
        return fail(err, -EINVAL, "default of option %.400s", why.text);
    return 0;
}

static int check_one(const struct aiex_option *o, size_t config_size, struct aiex_error *err)
{
    if (!is_option_name(o->name))
        return fail(err, -EINVAL,
                    "option name '%.63s' is not 1 to 63 of a-z 0-9 _ - . from a letter", o->name);
    if (o->type < AIEX_OPT_STRING || o->type > AIEX_OPT_REAL)
        return fail(err, -EINVAL, "option '%s' has type %u, which this host does not know", o->name,
                    o->type);
    /* every type takes 8 bytes on a 64-bit machine, at most that elsewhere */
    if (o->offset % sizeof(void *) != 0 || config_size < sizeof(int64_t) ||
        o->offset > config_size - sizeof(int64_t))
        return fail(err, -EINVAL,
                    "option '%s' at offset %zu does not fit a config struct of %zu bytes", o->name,
                    o->offset, config_size);
    if (o->min > o->max)
        return fail(err, -EINVAL, "option '%s' has min %lld above max %lld", o->name,
                    (long long)o->min, (long long)o->max);
    if (o->type == AIEX_OPT_CHOICE && check_choices(o, err) != 0)
        return -EINVAL;
    if (option_family_check(o, err) != 0)
        return -EINVAL;
    return check_default(o, err);
}

int option_table_check(const struct aiex_option *table, size_t stride, size_t config_size,
                       struct aiex_error *err)
{
    struct aiex_option o;

    if (config_size > OPTION_MAX_CONFIG)
        return fail(err, -EINVAL, "config struct of %zu bytes is larger than %u", config_size,
                    OPTION_MAX_CONFIG);
    if (!table)
        return 0;
    /* all of 1.0 has this length; later minors append */
    if (stride < offsetof(struct aiex_option, offset) + sizeof(o.offset) || stride > 4096 ||
        stride % sizeof(void *) != 0)
        return fail(err, -EINVAL, "option_size %zu is not the size of an option", stride);
    for (size_t i = 0; (o = option_at(table, stride, i)).name; i++) {
        if (i == OPTION_MAX_COUNT)
            return fail(err, -EINVAL, "more than %d options", OPTION_MAX_COUNT);
        if (check_one(&o, config_size, err) != 0)
            return -EINVAL;
        if (option_find(table, stride, o.name) != (int)i)
            return fail(err, -EINVAL, "option '%s' is in the table twice", o.name);
    }
    return 0;
}

/* The names of the table and of `also` in one NULL-terminated list (free() it), or NULL. */
static const char **all_names(const struct aiex_option *table, size_t stride,
                              const char *const *also)
{
    size_t n = 0, n_also = 0;
    const char **names;

    while (option_at(table, stride, n).name)
        n++;
    while (also && also[n_also])
        n_also++;
    names = calloc(n + n_also + 1, sizeof(*names));
    for (size_t i = 0; names && i < n; i++)
        names[i] = option_at(table, stride, i).name;
    for (size_t i = 0; names && i < n_also; i++)
        names[n + i] = also[i];
    return names;
}

void option_unknown(const char *name, const struct aiex_option *table, size_t stride,
                    const char *const *also, struct aiex_error *err)
{
    const char **names = all_names(table, stride, also);
    const char *near = names ? text_nearest(name, names) : NULL;
    char member[AIEX_MAX_NAME + 1];
    struct aiex_option o;
    struct buf b;

    if (option_nearest_family(name, table, stride, member) == 0)
        near = member;

    buf_init(&b, sizeof(err->text) - 100);
    (void)buf_addf(&b, "unknown option '%.63s'", name);
    if (near)
        (void)buf_addf(&b, "; did you mean '%s'?", near);
    for (size_t i = 0; (o = option_at(table, stride, i)).name; i++)
        if (buf_addf(&b, "%s%s", i ? ", " : " (options: ", o.name) != 0) {
            (void)fail(err, 0, "%s, ...)", b.data ? (const char *)b.data : name);
            goto out;
        }
    (void)fail(err, 0, "%s%s", b.data ? (const char *)b.data : name,
               option_at(table, stride, 0).name ? ")" : "");
out:
    buf_done(&b);
    free(names);
}

/* A required option counts as given when one of that name is there, right or wrong. */
static int is_given(const char *name, const struct option_text *given, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(given[i].name, name) == 0)
            return 1;
    return 0;
}

static int check_given(const struct aiex_option *table, size_t stride,
                       const struct option_text *given, size_t i, const char *const *also,
                       struct aiex_error *err)
{
    int at = option_match(table, stride, given[i].name);
    struct aiex_option o;
    struct option_value v;

    if (at < 0) {
        option_unknown(given[i].name, table, stride, also, err);
        return -EINVAL;
    }
    if (is_given(given[i].name, given, i))
        return fail(err, -EINVAL, "option '%s' is given twice", given[i].name);
    o = option_at(table, stride, (size_t)at);
    return option_parse(&o, given[i].text, &v, err);
}

size_t option_check(const struct aiex_option *table, size_t stride, const struct option_text *given,
                    size_t n_given, const char *const *also, option_error_fn fn, void *arg)
{
    struct aiex_option o;
    struct aiex_error err;
    size_t errors = 0;

    for (size_t i = 0; i < n_given; i++)
        if (check_given(table, stride, given, i, also, &err) != 0) {
            errors++;
            if (fn)
                fn(arg, i, err.text);
        }
    for (size_t i = 0; (o = option_at(table, stride, i)).name; i++)
        if ((o.flags & AIEX_OPT_REQUIRED) && !is_given(o.name, given, n_given)) {
            errors++;
            (void)snprintf(err.text, sizeof(err.text), "%s is required and has no default", o.name);
            if (fn)
                fn(arg, SIZE_MAX, err.text);
        }
    return errors;
}
