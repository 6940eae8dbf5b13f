/*
 * show.c - the values that hold, for people (ini) and for programs (msgpack).
 *
 * Both walk the same option tables; secrets are masked in one place, value_text().
 * In the ini form a default is marked, and what could not stand in a line is shown
 * as `?`, so it is for reading, not for feeding back.
 */
#include "config/config.h"

#include "config/keys.h"
#include "config/sections.h"
#include "config/utf8.h"

#include <errno.h>
#include <string.h>

#define STRIDE     sizeof(struct aiex_option)
#define TEXT_BYTES (VALUE_MAX_BYTES + 64u)

/* Puts the text in, with bytes that are no text replaced. */
static int add_clean(const char *text, struct buf *out)
{
    size_t n = strlen(text), from = out->len;
    int r = buf_add(out, text, n);

    if (r != 0 || !utf8_fault(text, n))
        return r;
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] < 0x20 || out->data[i] >= 0x7f)
            out->data[i] = '?';
    return 0;
}

/* The canonical text of a value, safe to show; `text` is what holds. */
static int value_text(const struct aiex_option *o, const char *text, struct buf *out)
{
    struct option_value v;

    if (o->type == AIEX_OPT_STRING)
        return add_clean(text, out);
    if (option_parse(o, text, &v, NULL) != 0)
        return buf_addf(out, "?"); /* a configuration with errors may be shown too */
    return option_format(o, &v, out);
}

static int field_text(const struct aiex_option *o, const void *fields, struct buf *out)
{
    struct option_value v = option_read(o, fields);

    return o->type == AIEX_OPT_STRING ? add_clean(v.text ? v.text : "", out)
                                      : option_format(o, &v, out);
}

/* ---- ini ---- */

/* `text` holds the value; its pair says where it comes from, NULL = a default. */
static int show_line(const char *key, const struct buf *text, const char *origin, struct buf *out)
{
    if (text->len == 0)
        return buf_addf(out, "; %s =\n", key);
    return buf_addf(out, "%s = %s%s%s\n", key, (const char *)text->data, *origin ? " ; " : "",
                    origin);
}

static int show_fields(const struct aiex_option *keys, const struct config_section *section,
                       const void *fields, struct buf *out)
{
    struct buf text;
    int r = 0;

    buf_init(&text, TEXT_BYTES);
    for (; r == 0 && keys->name; keys++) {
        text.len = 0;
        r = field_text(keys, fields, &text);
        if (r == 0)
            r = show_line(keys->name, &text,
                          section && section_get(section, keys->name) ? "" : "default", out);
    }
    buf_done(&text);
    return r;
}

/* Where the effective value of an option comes from. */
static const char *origin_of(const struct config_instance *in, const char *option)
{
    for (size_t i = 0; i < in->n_options; i++)
        if (strcmp(in->options[i].name, option) == 0)
            return in->options[i].at.file ? "" : "default, from the environment";
    return "default";
}

/* The text of one key of a family, masked like any other. */
static int member_text(const struct aiex_option *o, struct aiex_slice value, struct buf *out)
{
    char one[VALUE_MAX_BYTES + 1];
    size_t n = value.len < sizeof(one) ? value.len : sizeof(one) - 1;
    int r;

    memcpy(one, value.data, n);
    one[n] = 0;
    r = value_text(o, one, out);
    explicit_bzero(one, n);
    return r;
}

/* A family is shown as the keys that it was made of. */
static int show_family(const struct aiex_option *o, const char *lines, struct buf *out)
{
    int stem = (int)strlen(o->name) - 1, r = 0;
    struct aiex_slice rest, value;
    struct buf text;

    buf_init(&text, TEXT_BYTES);
    while (r == 0 && option_line(&lines, &rest, &value)) {
        text.len = 0;
        r = member_text(o, value, &text);
        r = r ? r
              : buf_addf(out, "%.*s%.*s = %s\n", stem, o->name, (int)rest.len,
                         (const char *)rest.data, (const char *)text.data);
    }
    buf_done(&text);
    return r;
}

static int show_options(const struct config_instance *in, struct buf *out)
{
    struct buf text;
    int r = 0;

    buf_init(&text, TEXT_BYTES);
    for (size_t i = 0; r == 0 && in->info && i < in->info->n_options; i++) {
        const struct aiex_option *o = &in->info->options[i];
        const char *holds = config_effective(in, o->name);

        if (holds && option_is_family(o)) {
            r = show_family(o, holds, out);
            continue;
        }
        text.len = 0;
        r = holds ? value_text(o, holds, &text) : 0;
        if (r == 0)
            r = show_line(o->name, &text, origin_of(in, o->name), out);
    }
    buf_done(&text);
    return r;
}

static int is_plugins(const struct config_instance *in, const char *key)
{
    return in->info && option_find(in->info->options, STRIDE, key) >= 0;
}

/* Host keys without those that the plugin took. */
static int show_keys(const struct config_instance *in, struct buf *out)
{
    int r = 0;

    for (const struct aiex_option *k = instance_keys; r == 0 && k->name; k++) {
        struct aiex_option one[2] = {*k, {0}};

        if (!is_plugins(in, k->name))
            r = show_fields(one, in->section, &in->keys, out);
    }
    return r;
}

static int show_instance(const struct config_instance *in, struct buf *out)
{
    int r = buf_addf(out, "\n[%s]\n", in->name);

    r = r ? r : show_keys(in, out);
    return r ? r : show_options(in, out);
}

static const struct config_section *section_named(const struct config *c, const char *kind,
                                                  const char *name)
{
    size_t n = strlen(kind);

    for (size_t i = 0; i < c->sections->n; i++) {
        const char *head = c->sections->list[i].name;

        if (strncmp(head, kind, n) == 0 &&
            (name ? head[n] == ':' && strcmp(head + n + 1, name) == 0 : head[n] == 0))
            return &c->sections->list[i];
    }
    return NULL;
}

static int show_settings(const struct config *c, struct buf *out)
{
    int r = c->n_settings ? buf_addf(out, "\n[settings]\n") : 0;
    struct buf text;

    buf_init(&text, TEXT_BYTES);
    for (size_t i = 0; r == 0 && i < c->n_settings; i++) {
        text.len = 0;
        r = add_clean(c->settings[i].text, &text);
        r = r ? r : show_line(c->settings[i].name, &text, "", out);
    }
    buf_done(&text);
    return r;
}

static int show_all(const struct config *c, struct buf *out)
{
    int r = buf_addf(out, "[host]\n");

    r = r ? r : show_fields(host_keys, section_named(c, "host", NULL), &c->host, out);
    r = r ? r : show_settings(c, out);
    for (size_t i = 0; r == 0 && i < c->n_groups; i++) {
        r = buf_addf(out, "\n[group:%s]\n", c->groups[i].name);
        r = r ? r
              : show_fields(group_keys, section_named(c, "group", c->groups[i].name), &c->groups[i],
                            out);
    }
    for (size_t i = 0; r == 0 && i < c->n_jobs; i++) {
        r = buf_addf(out, "\n[job:%s]\n", c->jobs[i].name);
        r = r ? r
              : show_fields(job_keys, section_named(c, "job", c->jobs[i].name), &c->jobs[i], out);
    }
    for (size_t i = 0; r == 0 && i < c->n_instances; i++)
        r = show_instance(&c->instances[i], out);
    return r;
}

int config_show(const struct config *config, const char *instance, struct buf *out)
{
    const struct config_instance *in;

    if (!instance)
        return show_all(config, out);
    in = config_find(config, instance);
    return in ? show_instance(in, out) : -ENOENT;
}

/* ---- msgpack ---- */

static void pack_fields(const struct aiex_option *keys, const void *fields, struct aiex_writer *w)
{
    struct buf text;
    uint32_t n = 0;

    while (keys[n].name)
        n++;
    aiex_w_map(w, n);
    buf_init(&text, TEXT_BYTES);
    for (; keys->name; keys++) {
        text.len = 0;
        if (field_text(keys, fields, &text) != 0)
            w->failed = 1;
        aiex_w_key_strn(w, keys->name, text.len ? (const char *)text.data : "", text.len);
    }
    buf_done(&text);
}

/* Entries of the map of options: one for each option, for a family one for each key. */
static uint32_t count_options(const struct config_instance *in)
{
    struct aiex_slice rest, value;
    uint32_t n = 0;

    for (size_t i = 0; in->info && i < in->info->n_options; i++) {
        const struct aiex_option *o = &in->info->options[i];
        const char *lines = option_is_family(o) ? config_effective(in, o->name) : NULL;

        n += !option_is_family(o);
        while (lines && option_line(&lines, &rest, &value))
            n++;
    }
    return n;
}

static void pack_family(const struct aiex_option *o, const char *lines, struct buf *text,
                        struct aiex_writer *w)
{
    int stem = (int)strlen(o->name) - 1;
    struct aiex_slice rest, value;
    char key[2 * AIEX_MAX_NAME];

    while (lines && option_line(&lines, &rest, &value)) {
        text->len = 0;
        if (member_text(o, value, text) != 0)
            w->failed = 1;
        (void)snprintf(key, sizeof(key), "%.*s%.*s", stem, o->name, (int)rest.len,
                       (const char *)rest.data);
        aiex_w_key_strn(w, key, text->len ? (const char *)text->data : "", text->len);
    }
}

static void pack_options(const struct config_instance *in, struct aiex_writer *w)
{
    struct buf text;
    size_t n = in->info ? in->info->n_options : 0;

    buf_init(&text, TEXT_BYTES);
    aiex_w_map(w, count_options(in));
    for (size_t i = 0; i < n; i++) {
        const struct aiex_option *o = &in->info->options[i];
        const char *holds = config_effective(in, o->name);

        if (option_is_family(o)) {
            pack_family(o, holds, &text, w);
            continue;
        }
        text.len = 0;
        if (holds && value_text(o, holds, &text) != 0)
            w->failed = 1;
        aiex_w_key_strn(w, o->name, text.len ? (const char *)text.data : "", text.len);
    }
    buf_done(&text);
}

static void pack_cells(const struct config *c, struct aiex_writer *w)
{
    aiex_w_str(w, "cells");
    aiex_w_map(w, (uint32_t)c->n_cells);
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct config_cell *cell = &c->cells[i];
        struct config_keys keys = {.sandbox = cell->sandbox,
                                   .limit_memory_bytes = cell->limit_memory_bytes,
                                   .limit_files = cell->limit_files,
                                   .limit_threads = cell->limit_threads,
                                   .priority = cell->priority,
                                   .hang_ms = cell->hang_ms};

        aiex_w_str(w, cell->name);
        pack_fields(cell_keys, &keys, w);
    }
}

static void pack_settings(const struct config *c, struct aiex_writer *w)
{
    struct buf text;

    buf_init(&text, TEXT_BYTES);
    aiex_w_str(w, "settings");
    aiex_w_map(w, (uint32_t)c->n_settings);
    for (size_t i = 0; i < c->n_settings; i++) {
        text.len = 0;
        if (add_clean(c->settings[i].text, &text) != 0)
            w->failed = 1;
        aiex_w_key_strn(w, c->settings[i].name, text.len ? (const char *)text.data : "", text.len);
    }
    buf_done(&text);
}

void config_pack(const struct config *config, struct aiex_writer *w)
{
    aiex_w_map(w, 6);
    aiex_w_str(w, "host");
    pack_fields(host_keys, &config->host, w);
    pack_settings(config, w);
    aiex_w_str(w, "groups");
    aiex_w_map(w, (uint32_t)config->n_groups);
    for (size_t i = 0; i < config->n_groups; i++) {
        aiex_w_str(w, config->groups[i].name);
        pack_fields(group_keys, &config->groups[i], w);
    }
    pack_cells(config, w);
    aiex_w_str(w, "jobs");
    aiex_w_map(w, (uint32_t)config->n_jobs);
    for (size_t i = 0; i < config->n_jobs; i++) {
        aiex_w_str(w, config->jobs[i].name);
        pack_fields(job_keys, &config->jobs[i], w);
    }
    aiex_w_str(w, "instances");
    aiex_w_map(w, (uint32_t)config->n_instances);
    for (size_t i = 0; i < config->n_instances; i++) {
        const struct config_instance *in = &config->instances[i];

        aiex_w_str(w, in->name);
        aiex_w_map(w, 2);
        aiex_w_str(w, "keys");
        pack_fields(instance_keys, &in->keys, w);
        aiex_w_str(w, "options");
        pack_options(in, w);
    }
}
