/*
 * fake_config.c - a plugin's config struct from name and text, by its option table.
 *
 * The rules are those of aiex_plugin.h "Options": the types, suffixes of sizes and
 * durations, choices, limits, families ("alias.*"), and "${NAME}" and "${NAME:-text}" in
 * values.
 */
#include "fake.h"

#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdalign.h>
#include <strings.h>

#define MAX_OPTIONS      512 /* a table without an end is broken, not long */
#define MAX_FAMILY_KEYS  1024
#define MAX_FAMILY_BYTES (64u * 1024u)

struct suffix {
    const char *text;
    int64_t times;
};

static const struct suffix sizes[] = {
    {"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}, {NULL, 0}};
static const struct suffix durations[] = {{"ms", 1},      {"s", 1000},         {"m", 60000},
                                          {"h", 3600000}, {"d", 24 * 3600000}, {NULL, 0}};
static const struct suffix plain[] = {{"", 1}, {NULL, 0}};

/* Config structs are handed out behind this, so that free needs the pointer only. */
struct block {
    char *strings[MAX_OPTIONS];
    size_t n_strings;
    alignas(max_align_t) unsigned char config[];
};

__attribute__((format(printf, 2, 3))) static int bad(struct aiex_error *err, const char *format,
                                                     ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return -EINVAL;
}

/* ---- Values ---- */

static int parse_scaled(const struct aiex_option *o, const char *text, const struct suffix *s,
                        int64_t *ret, struct aiex_error *err)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || errno)
        return bad(err, "%s = '%s': expected a whole number", o->name, text);
    while (s->text && strcasecmp(s->text, end) != 0)
        s++;
    if (!s->text || __builtin_mul_overflow((int64_t)n, s->times, ret))
        return bad(err, "%s = '%s': '%s' is not a unit here", o->name, text, end);
    if ((o->min || o->max) && (*ret < o->min || *ret > o->max))
        return bad(err, "%s = '%s': expected from %lld to %lld", o->name, text, (long long)o->min,
                   (long long)o->max);
    return 0;
}

static int parse_bool(const struct aiex_option *o, const char *text, int64_t *ret,
                      struct aiex_error *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(words[i], text) == 0) {
            *ret = (int64_t)(i & 1);
            return 0;
        }
    }
    return bad(err, "%s = '%s': expected yes or no", o->name, text);
}

static int parse_choice(const struct aiex_option *o, const char *text, int64_t *ret,
                        struct aiex_error *err)
{
    for (int64_t i = 0; o->choices && o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return bad(err, "%s = '%s': not one of its choices", o->name, text);
}

static int parse_real(const struct aiex_option *o, const char *text, double *ret,
                      struct aiex_error *err)
{
    char *end;

    *ret = strtod(text, &end);
    if (end == text || *end || *ret != *ret)
        return bad(err, "%s = '%s': expected a number", o->name, text);
    if ((o->min || o->max) && (*ret < (double)o->min || *ret > (double)o->max))
        return bad(err, "%s = '%s': expected from %lld to %lld", o->name, text, (long long)o->min,
                   (long long)o->max);
    return 0;
}

int aiex_fake_option_parse(const struct aiex_option *o, const char *text, void *out,
                           struct aiex_error *err)
{
    switch (o->type) {
    case AIEX_OPT_STRING:
    case AIEX_OPT_SECRET:
        *(const char **)out = text;
        return 0;
    case AIEX_OPT_INT:
        return parse_scaled(o, text, plain, out, err);
    case AIEX_OPT_BOOL:
        return parse_bool(o, text, out, err);
    case AIEX_OPT_SIZE:
        return parse_scaled(o, text, sizes, out, err);
    case AIEX_OPT_DURATION:
        return parse_scaled(o, text, durations, out, err);
    case AIEX_OPT_CHOICE:
        return parse_choice(o, text, out, err);
    case AIEX_OPT_REAL:
        return parse_real(o, text, out, err);
    default:
        return bad(err, "option '%s' has type %u, which this kit does not know", o->name, o->type);
    }
}

/* ---- "${NAME:-text}" ---- */

struct text {
    char *mem;
    size_t len;
};

static void append(struct text *t, const char *bytes, size_t n)
{
    t->mem = fake_must(realloc(t->mem, t->len + n + 1));
    memcpy(t->mem + t->len, bytes, n);
    t->len += n;
    t->mem[t->len] = 0;
}

static void append_variable(struct text *t, const char *inside, size_t n)
{
    const char *other = memmem(inside, n, ":-", 2);
    size_t n_name = other ? (size_t)(other - inside) : n;
    char *name = fake_must(strndup(inside, n_name));
    const char *value = getenv(name);

    free(name);
    if (value && (*value || !other))
        append(t, value, strlen(value));
    else if (other)
        append(t, other + 2, n - n_name - 2);
}

char *aiex_fake_expand(const char *text, struct aiex_error *err)
{
    struct text out = {0};
    const char *at = text, *open, *close;

    append(&out, "", 0);
    while ((open = strstr(at, "${")) != NULL) {
        close = strchr(open, '}');
        if (!close) {
            bad(err, "value '%s' opens '${' and does not close it", text);
            free(out.mem);
            return NULL;
        }
        append(&out, at, (size_t)(open - at));
        append_variable(&out, open + 2, (size_t)(close - open - 2));
        at = close + 1;
    }
    append(&out, at, strlen(at));
    return out.mem;
}

/* ---- The struct ---- */

static const struct aiex_option *option_at(const struct aiex_plugin *p, size_t i)
{
    const char *base = (const char *)p->options;
    const struct aiex_option *o;

    if (!base || i >= MAX_OPTIONS)
        return NULL;
    o = (const struct aiex_option *)(const void *)(base + i * p->option_size);
    return o->name ? o : NULL;
}

/* Bytes of a family's prefix ("alias.*": 6), 0 when the option is none. */
static size_t stem_of(const struct aiex_option *o)
{
    size_t n = strlen(o->name);

    return n > 2 && strcmp(o->name + n - 2, ".*") == 0 ? n - 1 : 0;
}

/* The option that takes a name: the one called so, else the family with the longest prefix. */
static const struct aiex_option *option_of(const struct aiex_plugin *p, const char *name)
{
    const struct aiex_option *o, *found = NULL;

    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) {
        size_t stem = stem_of(o);

        if (stem == 0 && strcmp(o->name, name) == 0)
            return o;
        if (stem && strncmp(o->name, name, stem) == 0 && name[stem] &&
            (!found || stem > stem_of(found)))
            found = o;
    }
    return found;
}

static const char *pair_text(const struct aiex_fake_pair *pairs, const char *name)
{
    for (; pairs && pairs->name; pairs++) {
        if (strcmp(pairs->name, name) == 0)
            return pairs->text;
    }
    return NULL;
}

static int check_names(const struct aiex_plugin *p, const struct aiex_fake_pair *pairs,
                       struct aiex_error *err)
{
    for (; pairs && pairs->name; pairs++) {
        if (!option_of(p, pairs->name))
            return bad(err, "unknown option '%s' of %s", pairs->name, p->name);
    }
    return 0;
}

static int set_option(struct block *b, const struct aiex_plugin *p, const struct aiex_option *o,
                      const char *text, struct aiex_error *err)
{
    static const char *const unset = "";
    int is_text = o->type == AIEX_OPT_STRING || o->type == AIEX_OPT_SECRET;
    void *out = b->config + o->offset;
    char *expanded;

    if (o->offset > p->config_size || p->config_size - o->offset < 8)
        return bad(err, "option '%s' lies outside the config struct of %s", o->name, p->name);
    if (!text && (o->flags & AIEX_OPT_REQUIRED))
        return bad(err, "option '%s' of %s is required and has no default", o->name, p->name);
    if (!text) {
        if (is_text)
            memcpy(out, &unset, sizeof(unset));
        return 0;
    }
    expanded = aiex_fake_expand(text, err);
    if (!expanded)
        return -EINVAL;
    b->strings[b->n_strings++] = expanded;
    return aiex_fake_option_parse(o, expanded, out, err);
}

static int add_key(const struct aiex_option *o, const struct aiex_fake_pair *pair, struct text *out,
                   struct aiex_error *err)
{
    const char *rest = pair->name + stem_of(o);
    char *value = aiex_fake_expand(pair->text, err);

    if (!value)
        return -EINVAL;
    if (strpbrk(rest, "\t\r\n") || strpbrk(value, "\r\n")) {
        free(value);
        return bad(err, "%s: a tab or line break in a key, or a line break in a value", o->name);
    }
    if (*value) { /* `key =` in a file takes the key away */
        append(out, rest, strlen(rest));
        append(out, "\t", 1);
        append(out, value, strlen(value));
        append(out, "\n", 1);
    }
    free(value);
    return out->len > MAX_FAMILY_BYTES ? bad(err, "%s is longer than 64 KiB", o->name) : 0;
}

/* All keys of a family become one text of lines. */
static int set_family(struct block *b, const struct aiex_plugin *p, const struct aiex_option *o,
                      const struct aiex_fake_pair *pairs, struct aiex_error *err)
{
    struct text lines = {0};
    int result = 0, n = 0;

    append(&lines, "", 0);
    for (; result == 0 && pairs && pairs->name; pairs++)
        if (option_of(p, pairs->name) == o)
            result = ++n > MAX_FAMILY_KEYS ? bad(err, "more than 1024 keys of %s", o->name)
                                           : add_key(o, pairs, &lines, err);
    b->strings[b->n_strings++] = lines.mem;
    if (result == 0 && (o->offset > p->config_size || p->config_size - o->offset < 8))
        result = bad(err, "option '%s' lies outside the config struct of %s", o->name, p->name);
    return result ? result : aiex_fake_option_parse(o, lines.mem, b->config + o->offset, err);
}

void *aiex_fake_config(const struct aiex_plugin *p, const struct aiex_fake_pair *pairs,
                       struct aiex_error *err)
{
    struct block *b = fake_must(calloc(1, sizeof(*b) + p->config_size + 1));
    const struct aiex_option *o;

    if (check_names(p, pairs, err) < 0) {
        aiex_fake_config_free(b->config);
        return NULL;
    }
    for (size_t i = 0; (o = option_at(p, i)) != NULL; i++) {
        const char *text = pair_text(pairs, o->name);

        if ((stem_of(o) ? set_family(b, p, o, pairs, err)
                        : set_option(b, p, o, text ? text : o->def, err)) < 0) {
            aiex_fake_config_free(b->config);
            return NULL;
        }
    }
    return b->config;
}

void aiex_fake_config_free(void *config)
{
    struct block *b;

    if (!config)
        return;
    b = (struct block *)((char *)config - offsetof(struct block, config));
    while (b->n_strings)
        free(b->strings[--b->n_strings]);
    free(b);
}

/* ---- Life of an instance ---- */

static struct fake_config *keep(struct aiex_fake_host *h, void *config)
{
    struct fake_config *c = fake_must(malloc(sizeof(*c)));

    c->config = config;
    c->next = h->configs;
    h->configs = c;
    return c;
}

/* As the host does: the one before is gone when reload() has taken the new one. */
static void replace(struct aiex_fake_host *h, const void *self, void *config)
{
    struct fake_config *c = h->configs;

    while (c && c->self != self)
        c = c->next;
    if (!c) {
        c = keep(h, NULL);
        c->self = self;
    }
    aiex_fake_config_free(c->config);
    c->config = config;
}

int aiex_fake_start(struct aiex_fake_host *h, const struct aiex_plugin *p,
                    const struct aiex_fake_pair *pairs, void **ret_self, struct aiex_error *err)
{
    struct aiex_error ignored;
    void *config, *self = NULL;
    struct fake_config *kept;
    int result;

    if (!err)
        err = &ignored;
    err->text[0] = 0;
    config = aiex_fake_config(p, pairs, err);
    if (!config)
        return -EINVAL;
    kept = keep(h, config);
    h->drained = 0;
    result = p->create(&h->table, config, &self, err);
    kept->self = self;
    if (result < 0) {
        if (self)
            aiex_fake_stop(h, p, self);
        return result;
    }
    if (AIEX_HAS(p, struct aiex_plugin, start)) {
        result = p->start(self, err);
        if (result < 0) {
            aiex_fake_stop(h, p, self);
            return result;
        }
    }
    *ret_self = self;
    return 0;
}

int aiex_fake_reload(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                     const struct aiex_fake_pair *pairs, struct aiex_error *err)
{
    struct aiex_error ignored;
    void *config;
    int result;

    if (!AIEX_HAS(p, struct aiex_plugin, reload))
        return -ENOSYS;
    if (!err)
        err = &ignored;
    config = aiex_fake_config(p, pairs, err);
    if (!config)
        return -EINVAL;
    result = p->reload(self, config, err);
    if (result < 0)
        aiex_fake_config_free(config);
    else
        replace(h, self, config);
    return result;
}

static void on_drained(void *arg)
{
    ((struct aiex_fake_host *)arg)->drained = 1;
}

int aiex_fake_drain(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self)
{
    struct aiex_fake_live live;

    if (AIEX_HAS(p, struct aiex_plugin, drain)) {
        p->drain(self, on_drained, h);
        return h->drained;
    }
    aiex_fake_live(h, &live);
    return live.requests == 0;
}

int aiex_fake_drained(struct aiex_fake_host *h)
{
    return h->drained;
}

void aiex_fake_stop(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self)
{
    if (AIEX_HAS(p, struct aiex_plugin, destroy))
        p->destroy(self);
    fake_posts_drop(h);
}
