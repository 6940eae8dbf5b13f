/* check_options.c - the option table by its own rules, and odd values of each option. */
#include "check.h"

#include "config.h"
#include "drive.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int is_option_name(const char *s)
{
    if (!islower((unsigned char)*s) || strlen(s) > AIEX_MAX_NAME)
        return 0;
    while (islower((unsigned char)*s) || isdigit((unsigned char)*s) || *s == '_')
        s++;
    return *s == 0 || strcmp(s, ".*") == 0;
}

static int is_host_key(const char *name)
{
    static const char *const keys[] = {"plugin", "cell",    "trust",    "restart",
                                       "group",  "sandbox", "schedule", NULL};

    for (size_t i = 0; keys[i]; i++) {
        if (strcmp(keys[i], name) == 0)
            return 1;
    }
    return strncmp(name, "limit_", 6) == 0;
}

static void check_words(struct check *c, const struct aiex_option *o)
{
    const struct aiex_option *other;

    if (!is_option_name(o->name))
        finding(c, "use lower case, digits and '_'", "option '%.80s' has no good name", o->name);
    if (is_host_key(o->name))
        finding(c, "choose another name", "option '%s' is a key of the host and never arrives",
                o->name);
    if (!o->help || !*o->help)
        finding(c, "say in one sentence what it does", "option '%s' has no help", o->name);
    for (size_t i = 0; (other = config_option(c->plugin, i)) != NULL && other != o; i++) {
        if (strcmp(other->name, o->name) == 0)
            finding(c, "remove one", "option '%s' is there twice", o->name);
    }
}

/* "alias.*": all keys that begin with "alias." */
static int is_family(const struct aiex_option *o)
{
    size_t n = strlen(o->name);

    return n > 2 && strcmp(o->name + n - 2, ".*") == 0;
}

static void check_family(struct check *c, const struct aiex_option *o)
{
    if (!is_family(o))
        return;
    if (o->type != AIEX_OPT_STRING && o->type != AIEX_OPT_SECRET)
        finding(c, "make it a string or a secret", "option '%s' takes many keys and has type %u",
                o->name, o->type);
    if (o->def || (o->flags & AIEX_OPT_REQUIRED))
        finding(c, "drop default and flag; none given is the empty text",
                "option '%s' takes many keys and is required or has a default", o->name);
}

static void check_type(struct check *c, const struct aiex_option *o)
{
    if (o->type < AIEX_OPT_STRING || o->type > AIEX_OPT_REAL)
        finding(c, "use AIEX_OPT_*", "option '%s' has unknown type %u", o->name, o->type);
    if (o->flags & ~(AIEX_OPT_REQUIRED | AIEX_OPT_RELOADABLE))
        finding(c, "use AIEX_OPT_REQUIRED and AIEX_OPT_RELOADABLE",
                "option '%s' has unknown flags 0x%x", o->name, o->flags);
    if ((o->flags & AIEX_OPT_RELOADABLE) && !AIEX_HAS(c->plugin, struct aiex_plugin, reload))
        finding(c, "set .reload or drop the flag", "option '%s' is reloadable without reload()",
                o->name);
    if (o->type == AIEX_OPT_CHOICE && (!o->choices || !o->choices[0]))
        finding(c, "list them in .choices", "option '%s' has no choices", o->name);
    if (o->min > o->max)
        finding(c, "swap them", "option '%s' has min %lld above max %lld", o->name,
                (long long)o->min, (long long)o->max);
}

static void check_default(struct check *c, const struct aiex_option *o)
{
    union {
        int64_t whole;
        double real;
        const char *text;
    } out;
    struct aiex_error err = {""};
    char *text;

    if (!o->def)
        return;
    if (o->flags & AIEX_OPT_REQUIRED)
        finding(c, "drop one of both", "option '%s' is required and has a default", o->name);
    if (o->type == AIEX_OPT_SECRET && *o->def && !strstr(o->def, "${"))
        finding(c, "read it from the environment or a file",
                "secret '%s' has a default in the code", o->name);
    text = aiex_fake_expand(o->def, &err);
    if (!text || aiex_fake_option_parse(o, text, &out, &err) < 0)
        finding(c, "write the default as in a file", "default of option %s", err.text);
    free(text);
}

static void check_room(struct check *c, const struct aiex_option *o)
{
    const struct aiex_plugin *p = c->plugin;
    const struct aiex_option *other;

    if (p->config_size < 8 || o->offset > p->config_size - 8)
        finding(c, "use offsetof() of the struct whose sizeof is .config_size",
                "option '%s' lies at %zu of %zu bytes", o->name, o->offset, p->config_size);
    if (o->offset % 8)
        finding(c, "use the types of aiex_plugin.h \"Options\"",
                "option '%s' lies at %zu, not aligned", o->name, o->offset);
    for (size_t i = 0; (other = config_option(p, i)) != NULL && other != o; i++) {
        size_t gap = other->offset > o->offset ? other->offset - o->offset
                                               : o->offset - other->offset;

        if (gap < 8)
            finding(c, "give each a field of 8 bytes", "options '%s' and '%s' overlap", other->name,
                    o->name);
    }
}

void check_options(struct check *c)
{
    const struct aiex_plugin *p = c->plugin;
    const struct aiex_option *o;
    size_t n = 0;

    at(c, "reading the option table");
    if (!p->options)
        return;
    if (p->option_size < sizeof(struct aiex_option) || p->option_size % 8) {
        finding(c, "set .option_size to sizeof(struct aiex_option)", "option_size is %u",
                p->option_size);
        return;
    }
    while ((o = config_option(p, n)) != NULL) {
        at(c, "reading option %zu", n++);
        check_words(c, o);
        check_type(c, o);
        check_family(c, o);
        check_default(c, o);
        check_room(c, o);
    }
    if (n == CONFIG_MAX)
        finding(c, "end it with {0}", "the option table has no end within %d rows", CONFIG_MAX);
}

/* ---- Odd values ---- */

static char long_text[4096];

/* Values that the parser takes but that authors forget. Returns how many. */
static size_t odd_values(const struct aiex_option *o, char numbers[4][32], const char *ret[8])
{
    static const char *const texts[] = {"",          " ",   "\xff\xfe",
                                        "127.0.0.1", "://", "../../etc/passwd"};
    size_t n = 0;

    switch (o->type) {
    case AIEX_OPT_STRING:
    case AIEX_OPT_SECRET:
        memset(long_text, 'x', sizeof(long_text) - 1);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            ret[n++] = texts[i];
        ret[n++] = long_text;
        return n;
    case AIEX_OPT_BOOL:
        ret[n++] = "yes";
        ret[n++] = "no";
        return n;
    case AIEX_OPT_CHOICE:
        for (size_t i = 0; o->choices && o->choices[i] && n < 8; i++)
            ret[n++] = o->choices[i];
        return n;
    default:
        break;
    }
    snprintf(numbers[0], 32, "%lld%s", (long long)o->min, o->type == AIEX_OPT_DURATION ? "ms" : "");
    snprintf(numbers[1], 32, "%lld%s", (long long)o->max, o->type == AIEX_OPT_DURATION ? "ms" : "");
    ret[n++] = numbers[0];
    ret[n++] = numbers[1];
    if (o->min == 0 && o->max == 0) {
        ret[n++] = o->type == AIEX_OPT_DURATION ? "-1ms" : "-1";
        ret[n++] = o->type == AIEX_OPT_DURATION ? "36500d" : "2147483648";
    }
    return n;
}

static void try_value(struct check *c, const struct aiex_option *o, const char *text)
{
    struct aiex_error err = {""};
    char name[AIEX_MAX_NAME + 8];
    struct config config;
    struct drive d;
    int result;

    /* of a family: one key */
    snprintf(name, sizeof(name), "%.*s%s", (int)strlen(o->name) - is_family(o), o->name,
             is_family(o) ? "odd" : "");
    at(c, "create with %s = '%.60s'", name, o->type == AIEX_OPT_SECRET ? "..." : text);
    config_with(c, name, text, &config);
    result = drive_begin(&d, c, &config, &err);
    if (result < 0 && !err.text[0])
        finding(c, "fill struct aiex_error before returning",
                "%s = '%.60s' is refused without a reason", name, text);
    if (result < 0 && err.text[0] && err.text[strlen(err.text) - 1] == '.')
        finding(c, "end it without a full stop", "the reason '%.200s' ends with a full stop",
                err.text);
    drive_end(&d, "an odd value of an option");
}

void check_values(struct check *c)
{
    const struct aiex_option *o;

    for (size_t i = 0; (o = config_option(c->plugin, i)) != NULL; i++) {
        char numbers[4][32];
        const char *values[8];
        size_t n = odd_values(o, numbers, values);

        for (size_t k = 0; k < n; k++)
            try_value(c, o, values[k]);
    }
}
