/*
 * plan.c - the configuration as it is used: tables parsed, lists split. A plan never changes;
 * requests that run keep the one they began with, a reload that fails leaves the old one.
 */
#include "coordinator.h"
#include "pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_local(const char *text, struct plan *p, struct aiex_error *err)
{
    for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
        size_t n = strcspn(text, ", ");

        if (n > AIEX_MAX_NAME || p->n_local == MAX_LOCAL) {
            snprintf(err->text, sizeof(err->text),
                     "option 'local': '%.*s' is no instance or one too many (at most %u); use * to "
                     "join them",
                     (int)(n < 80 ? n : 80), text, MAX_LOCAL);
            return -EINVAL;
        }
        memcpy(p->local[p->n_local], text, n);
        p->local[p->n_local++][n] = 0;
        text += n;
    }
    return 0;
}

static int read_hedge(const char *text, struct plan *p, struct aiex_error *err)
{
    struct line l = {"option", "hedge", text, 5, strlen(text)};
    struct cursor c = {&l, 0, err};
    int r = alias_read_hedge(&c, cursor_word(&c, ""), &p->hedge);

    if (r == 0 && !cursor_end(&c))
        return cursor_fail(&c, c.at, "one word only: off, p50 to p99, or a time");
    return r;
}

static void read_breaker(const struct config *c, struct plan *p)
{
    p->breaker = (struct breaker_rules){.failures = c->breaker_failures,
                                        .percent = c->breaker_percent,
                                        .least = c->breaker_least,
                                        .window_ms = c->breaker_window,
                                        .open_ms = c->breaker_open,
                                        .open_max_ms = c->breaker_open_max,
                                        .probes = c->breaker_probes};
}

int plan_new(const struct config *config, uint64_t version, struct plan **ret,
             struct aiex_error *err)
{
    struct plan *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->refs = 1;
    p->version = version;
    read_breaker(config, p);
    r = alias_parse(config->aliases, config->strategies, &p->aliases, err);
    if (r == 0)
        r = limit_parse(config->limits, &p->limits, err);
    if (r == 0)
        r = price_parse(config->prices, &p->prices, err);
    if (r == 0)
        r = fallback_parse(config->fallbacks, &p->aliases, &p->fallbacks, err);
    if (r == 0)
        r = read_local(config->local, p, err);
    if (r == 0)
        r = read_hedge(config->hedge, p, err);
    if (r != 0)
        plan_unref(p);
    else
        *ret = p;
    return r;
}

struct plan *plan_ref(struct plan *p)
{
    p->refs++;
    return p;
}

void plan_unref(struct plan *p)
{
    if (!p || --p->refs)
        return;
    alias_done(&p->aliases);
    limit_done(&p->limits);
    price_done(&p->prices);
    fallback_done(&p->fallbacks);
    free(p);
}

int plan_is_local(const struct plan *p, const char *instance)
{
    for (size_t i = 0; i < p->n_local; i++)
        if (pattern_fits_instance(p->local[i], instance))
            return 1;
    return 0;
}
