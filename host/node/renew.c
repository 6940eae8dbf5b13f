#include "node/renew.h"

#include "base/log.h"
#include "base/topic.h"
#include "node/inside.h"
#include "node/node_private.h"

#include <stdlib.h>
#include <string.h>

#define TOPICS_MAX 32u
#define PAUSE_MS   1000u /* who tells without end replaces nobody more often than this */

struct renewing {
    char topic[TOPIC_BYTES];
    uint64_t last_ms; /* 0 = never */
    int again;        /* it was told in the pause */
};

struct renew {
    struct node *node;
    int part; /* of the host's inside */
    struct loop_timer *timer;
    struct renewing all[TOPICS_MAX];
    unsigned n;
};

static int wants(const struct config_instance *c, const char *topic)
{
    const char *at = c->keys.reload_on;
    char one[TOPIC_BYTES];

    while (topic_next(&at, one) > 0)
        if (strcmp(one, topic) == 0)
            return 1;
    return 0;
}

static void replace_all(struct renew *renew, struct renewing *r)
{
    const struct config *config = renew->node->config;

    r->last_ms = loop_now_ms(renew->node->loop);
    r->again = 0;
    for (size_t i = 0; i < config->n_instances; i++) {
        const struct config_instance *c = &config->instances[i];
        struct aiex_error err = {""};

        if (!c->keys.enabled || !wants(c, r->topic))
            continue;
        if (node_replace(renew->node, c->name, &err) < 0)
            log_error("%s: not replaced after an event '%s': %s", c->name, r->topic, err.text);
        else
            log_notice("%s: replaced, because of an event '%s'", c->name, r->topic);
    }
}

static void on_timer(void *arg)
{
    struct renew *renew = arg;

    for (unsigned i = 0; i < renew->n; i++)
        if (renew->all[i].again)
            replace_all(renew, &renew->all[i]);
}

static int on_message(void *arg, const struct aiex_message *m)
{
    struct renew *renew = arg;
    uint64_t now = loop_now_ms(renew->node->loop);

    for (unsigned i = 0; m->kind == AIEX_MSG_EVENT && i < renew->n; i++) {
        struct renewing *r = &renew->all[i];

        if (!topic_matches(r->topic, m->method) || r->again)
            continue;
        if (!r->last_ms || now - r->last_ms >= PAUSE_MS) {
            replace_all(renew, r);
        } else {
            r->again = 1;
            loop_timer_set(renew->timer, PAUSE_MS, 0);
        }
    }
    return 0;
}

static const struct renewing *find(const struct renewing *all, unsigned n, const char *topic)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(all[i].topic, topic) == 0)
            return &all[i];
    return NULL;
}

/* Takes a topic into the new list, with what is known of it. */
static void keep(struct renew *renew, struct renewing *fresh, unsigned *n, const char *topic)
{
    const struct renewing *old = find(renew->all, renew->n, topic);
    struct endpoint *endpoint = inside_endpoint(renew->node->inside);

    if (find(fresh, *n, topic))
        return;
    if (*n == TOPICS_MAX || endpoint_subscribe(endpoint, (unsigned)renew->part, topic) < 0) {
        log_error("reload_on: no room for topic '%s'", topic);
        return;
    }
    fresh[*n] = (struct renewing){.last_ms = old ? old->last_ms : 0, .again = old && old->again};
    memcpy(fresh[(*n)++].topic, topic, TOPIC_BYTES);
}

void renew_apply(struct renew *renew)
{
    struct endpoint *endpoint = inside_endpoint(renew->node->inside);
    const struct config *config = renew->node->config;
    struct renewing fresh[TOPICS_MAX];
    char topic[TOPIC_BYTES] = "";
    unsigned n = 0;

    for (size_t i = 0; i < config->n_instances; i++)
        for (const char *at = config->instances[i].keys.reload_on; topic_next(&at, topic) > 0;)
            keep(renew, fresh, &n, topic);
    for (unsigned i = 0; i < renew->n; i++)
        if (!find(fresh, n, renew->all[i].topic))
            endpoint_unsubscribe(endpoint, (unsigned)renew->part, renew->all[i].topic);
    memcpy(renew->all, fresh, sizeof(*fresh) * n);
    renew->n = n;
}

struct renew *renew_new(struct node *node)
{
    struct renew *renew = calloc(1, sizeof(*renew));

    if (!renew)
        return NULL;
    renew->node = node;
    renew->timer = loop_timer_new(node->loop, on_timer, renew);
    renew->part = inside_add(node->inside, "host.renew", on_message, renew);
    if (!renew->timer || renew->part < 0) {
        renew_free(renew);
        return NULL;
    }
    return renew;
}

void renew_free(struct renew *renew)
{
    if (renew)
        loop_timer_free(renew->timer);
    free(renew);
}
