/*
 * option_values.c - the struct that create() gets.
 *
 * One block of memory: head, the struct of the table's owner, the strings. So it is
 * freed, and wiped, as one. The texts that hold are found first (given, else the
 * default), their lengths added, then the block is made and filled.
 */
#include "base/auto.h"
#include "base/err.h"
#include "config/option.h"
#include "config/value.h"

#include <stdalign.h>
#include <string.h>

struct option_values {
    size_t bytes; /* of the whole block */
    alignas(max_align_t) unsigned char config[];
};

struct texts {
    char **owned;      /* expanded defaults, by index; or NULL */
    const char **text; /* what holds, by index; NULL = unset */
    size_t n;
    size_t bytes; /* of all strings */
};

struct first_error {
    struct aiex_error *err;
    int seen;
};

static void keep_first(void *arg, size_t index, const char *text)
{
    struct first_error *first = arg;

    if (!first->seen && first->err)
        (void)snprintf(first->err->text, sizeof(first->err->text), "%s", text);
    first->seen = 1;
}

static void texts_done(struct texts *t)
{
    for (size_t i = 0; t->owned && i < t->n; i++) {
        if (t->owned[i])
            explicit_bzero(t->owned[i], strlen(t->owned[i]));
        free(t->owned[i]);
    }
    free(t->owned);
    free(t->text);
}

/* A variable or file that is not there leaves the option unset; anything else is an error. */
static int expand_default(const struct aiex_option *o, char **ret, struct aiex_error *err)
{
    int r = value_expand(o->def, &(struct value_source){0}, ret, err);

    if (r != 0)
        return r == -ENOENT ? 0 : r;
    if (**ret == 0) {
        free(*ret);
        *ret = NULL;
    }
    return 0;
}

static int find_texts(const struct aiex_option *table, size_t stride,
                      const struct option_text *given, size_t n_given, struct texts *t,
                      struct aiex_error *err)
{
    struct aiex_option o;
    int r;

    while (option_at(table, stride, t->n).name)
        t->n++;
    t->owned = calloc(t->n + 1, sizeof(*t->owned));
    t->text = calloc(t->n + 1, sizeof(*t->text));
    if (!t->owned || !t->text)
        return fail(err, -ENOMEM, "out of memory for %zu options", t->n);
    for (size_t i = 0; i < t->n; i++) {
        o = option_at(table, stride, i);
        for (size_t g = 0; g < n_given; g++)
            if (strcmp(given[g].name, o.name) == 0)
                t->text[i] = given[g].text;
        if (!t->text[i] && o.def && value_is_reference(o.def)) {
            r = expand_default(&o, &t->owned[i], err);
            if (r != 0)
                return r;
            t->text[i] = t->owned[i];
        } else if (!t->text[i]) {
            t->text[i] = o.def;
        }
        if (t->text[i])
            t->bytes += strlen(t->text[i]) + 1;
    }
    return 0;
}

void option_write(const struct aiex_option *option, void *config, const struct option_value *value)
{
    void *at = (char *)config + option->offset;

    if (option->type == AIEX_OPT_STRING || option->type == AIEX_OPT_SECRET) {
        const char *text = value->text ? value->text : "";

        memcpy(at, &text, sizeof(text));
    } else if (option->type == AIEX_OPT_REAL) {
        memcpy(at, &value->real, sizeof(value->real));
    } else {
        memcpy(at, &value->whole, sizeof(value->whole));
    }
}

static int fill(struct option_values *values, const struct aiex_option *table, size_t stride,
                size_t config_size, const struct texts *t, struct aiex_error *err)
{
    char *store = (char *)values->config + config_size;

    for (size_t i = 0; i < t->n; i++) {
        struct aiex_option o = option_at(table, stride, i);
        struct option_value v = {0};

        if (t->text[i] && option_parse(&o, t->text[i], &v, err) != 0)
            return -EINVAL;
        if (v.text) {
            size_t n = strlen(v.text) + 1;

            v.text = memcpy(store, v.text, n);
            store += n;
        }
        option_write(&o, values->config, &v);
    }
    return 0;
}

int option_values_new(const struct aiex_option *table, size_t stride, size_t config_size,
                      const struct option_text *given, size_t n_given, struct option_values **ret,
                      struct aiex_error *err)
{
    struct first_error first = {.err = err};
    struct option_values *values = NULL;
    struct texts t = {0};
    int r;

    r = option_table_check(table, stride, config_size, err);
    if (r != 0)
        return r;
    if (option_check(table, stride, given, n_given, NULL, keep_first, &first) != 0)
        return -EINVAL;
    r = find_texts(table, stride, given, n_given, &t, err);
    if (r != 0)
        goto out;
    values = calloc(1, sizeof(*values) + config_size + t.bytes);
    if (!values) {
        r = fail(err, -ENOMEM, "out of memory for a config of %zu bytes", config_size + t.bytes);
        goto out;
    }
    values->bytes = sizeof(*values) + config_size + t.bytes;
    r = fill(values, table, stride, config_size, &t, err);
    if (r == 0)
        *ret = take(values);
out:
    option_values_free(values);
    texts_done(&t);
    return r;
}

const void *option_values_data(const struct option_values *values)
{
    return values->config;
}

struct option_value option_read(const struct aiex_option *option, const void *config)
{
    const void *at = (const char *)config + option->offset;
    struct option_value v = {0};

    if (option->type == AIEX_OPT_STRING || option->type == AIEX_OPT_SECRET)
        memcpy(&v.text, at, sizeof(v.text));
    else if (option->type == AIEX_OPT_REAL)
        memcpy(&v.real, at, sizeof(v.real));
    else
        memcpy(&v.whole, at, sizeof(v.whole));
    return v;
}

void option_values_free(struct option_values *values)
{
    if (!values)
        return;
    explicit_bzero(values, values->bytes);
    free(values);
}
