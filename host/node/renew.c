#include "node/renew.h"

#include "base/log.h"
#include "base/topic.h"
#include "node/inside.h"
#include "node/node_private.h"

#include <stdlib.h>
#include <string.h>

#define TOPICS_MAX 32u

struct renew {
    struct node *node;
    int part; /* of the host's inside */
    char topics[TOPICS_MAX][TOPIC_BYTES];
    unsigned n;
};

static int wants(const struct config_instance *c, const char *topic)
{
    const char *at = c->keys.reload_on;
    char pattern[TOPIC_BYTES];

    while (topic_next(&at, pattern) > 0)
        if (topic_matches(pattern, topic))
            return 1;
    return 0;
}

static int on_message(void *arg, const struct aiex_message *m)
{
    struct renew *renew = arg;
    const struct config *config = renew->node->config;

    for (size_t i = 0; m->kind == AIEX_MSG_EVENT && i < config->n_instances; i++) {
        const struct config_instance *c = &config->instances[i];
        struct aiex_error err = {""};

        if (!c->keys.enabled || !wants(c, m->method))
            continue;
        if (node_replace(renew->node, c->name, &err) < 0)
            log_error("%s: not replaced after an event '%s': %s", c->name, m->method, err.text);
        else
            log_notice("%s: replaced, because of an event '%s'", c->name, m->method);
    }
    return 0;
}

static int is_among(const char topics[][TOPIC_BYTES], unsigned n, const char *topic)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(topics[i], topic) == 0)
            return 1;
    return 0;
}

void renew_apply(struct renew *renew)
{
    struct endpoint *endpoint = inside_endpoint(renew->node->inside);
    const struct config *config = renew->node->config;
    char topics[TOPICS_MAX][TOPIC_BYTES], topic[TOPIC_BYTES];
    unsigned n = 0;

    for (size_t i = 0; i < config->n_instances; i++)
        for (const char *at = config->instances[i].keys.reload_on; topic_next(&at, topic) > 0;) {
            if (is_among(topics, n, topic))
                continue;
            if (n == TOPICS_MAX || endpoint_subscribe(endpoint, (unsigned)renew->part, topic) < 0)
                log_error("%s: reload_on: no room for topic '%s'", config->instances[i].name, topic);
            else
                memcpy(topics[n++], topic, sizeof(topic));
        }
    for (unsigned i = 0; i < renew->n; i++)
        if (!is_among(topics, n, renew->topics[i]))
            endpoint_unsubscribe(endpoint, (unsigned)renew->part, renew->topics[i]);
    memcpy(renew->topics, topics, sizeof(topics[0]) * n);
    renew->n = n;
}

struct renew *renew_new(struct node *node)
{
    struct renew *renew = calloc(1, sizeof(*renew));

    if (!renew)
        return NULL;
    renew->node = node;
    renew->part = inside_add(node->inside, "host.renew", on_message, renew);
    if (renew->part < 0) {
        free(renew);
        return NULL;
    }
    return renew;
}

void renew_free(struct renew *renew)
{
    free(renew);
}
