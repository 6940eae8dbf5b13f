/*
 * endpoint_event.c - events: the envelope that every event travels in, and the
 * fan-out to the instances of this process. The host sends one record per interested
 * cell; who in the cell wanted it is found here.
 */
#include "base/clock.h"
#include "base/topic.h"
#include "channel/endpoint_private.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVELOPE_EXTRA 768u /* bytes of an envelope beside data, subject, topic */

/* RFC 9562 UUID version 7: 48 bits of milliseconds, then random bits. */
static void uuid7(struct endpoint *ep, int64_t wall_ms, char out[37])
{
    uint64_t a = endpoint_new_trace(ep), b = endpoint_new_trace(ep);

    snprintf(out, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)((uint64_t)wall_ms >> 16),
             (unsigned)(wall_ms & 0xffff), (unsigned)(a & 0xfff),
             (unsigned)(0x8000 | ((a >> 12) & 0x3fff)), (unsigned long long)(b & 0xffffffffffffu));
}

static void envelope(struct endpoint *ep, struct aiex_writer *w, const struct aiex_event *e)
{
    int64_t now = clock_wall_ms();
    char id[37], hex[17];

    uuid7(ep, now, id);
    aiex_w_map(w, 9);
    aiex_w_key_str(w, "id", id);
    aiex_w_key_str(w, "type", e->type);
    aiex_w_key_str(w, "topic", e->topic);
    aiex_w_key_str(w, "node", ep->node);
    aiex_w_key_int(w, "time", now);
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)e->trace);
    aiex_w_key_str(w, "correlation", e->trace ? hex : "");
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)e->causation);
    aiex_w_key_str(w, "causation", e->causation ? hex : "");
    aiex_w_key_str(w, "subject", e->subject ? e->subject : "");
    aiex_w_str(w, "data");
    if (e->data.len)
        aiex_w_raw(w, e->data.data, e->data.len);
    else
        aiex_w_nil(w);
}

int endpoint_publish(struct endpoint *ep, unsigned instance, const struct aiex_event *e)
{
    struct aiex_slice data = e->data;
    size_t size, len;
    char text[NAME_TEXT_MAX];
    struct aiex_writer w;
    int number, fresh, r;
    uint8_t *mem;

    if (!e->topic || !e->type || !topic_valid(e->topic, 0) || strlen(e->type) > AIEX_MAX_NAME ||
        (e->subject && strlen(e->subject) > 512))
        return -EINVAL;
    if (data.len && (aiex_r_skip(&data) != 0 || data.len != 0))
        return -EINVAL;
    size = e->data.len + ENVELOPE_EXTRA + 512;
    if (size > RECORD_BODY_MAX)
        return -EMSGSIZE; /* an event is news, not a document: put large data where it can be read */
    number = names_out_get(ep->names_out, "", e->topic, &fresh, text, &len);
    if (number < 0)
        return number;
    if (fresh && (r = ep->ops.send(ep->arg,
                                   &(struct record){.kind = RECORD_NAME, .name = (uint16_t)number,
                                                    .flags = RECORD_LAZY},
                                   text, len)) < 0) {
        names_out_undo(ep->names_out);
        return r;
    }
    mem = malloc(size);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, size);
    envelope(ep, &w, e);
    r = w.failed ? -EMSGSIZE
                 : ep->ops.send(ep->arg,
                                &(struct record){.kind = RECORD_EVENT, .name = (uint16_t)number,
                                                 .trace = e->trace},
                                mem, w.len);
    free(mem);
    return r;
}

/* The instances that want a topic, each once. Listed before any is told: a handler may change the
 * subscriptions. */
static unsigned wanting(const struct endpoint *ep, const char *topic, unsigned list[SUBSCRIPTIONS_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < ep->n_subscriptions; i++) {
        const struct subscription *s = &ep->subscriptions[i];
        unsigned known = 0;

        if (!topic_matches(s->pattern, topic))
            continue;
        while (known < n && list[known] != s->instance)
            known++;
        if (known == n)
            list[n++] = s->instance;
    }
    return n;
}

static struct subscription *find(struct endpoint *ep, unsigned instance, const char *pattern)
{
    for (unsigned i = 0; i < ep->n_subscriptions; i++)
        if (ep->subscriptions[i].instance == instance && !strcmp(ep->subscriptions[i].pattern, pattern))
            return &ep->subscriptions[i];
    return NULL;
}

static int tell_host(struct endpoint *ep, unsigned instance, const char *pattern, int on)
{
    return ep->ops.send(ep->arg,
                        &(struct record){.kind = RECORD_SUB, .status = on, .aux = instance}, pattern,
                        strlen(pattern));
}

int endpoint_subscribe(struct endpoint *ep, unsigned instance, const char *topic)
{
    struct subscription *s;
    int r;

    if (!topic_valid(topic, 1))
        return -EINVAL;
    if (find(ep, instance, topic))
        return 0;
    if (ep->n_subscriptions == SUBSCRIPTIONS_MAX)
        return -ENOSPC;
    s = &ep->subscriptions[ep->n_subscriptions++];
    s->instance = instance;
    snprintf(s->pattern, sizeof(s->pattern), "%s", topic);
    r = tell_host(ep, instance, topic, 1);
    if (r < 0)
        ep->n_subscriptions--;
    return r;
}

int endpoint_unsubscribe(struct endpoint *ep, unsigned instance, const char *topic)
{
    struct subscription *s = find(ep, instance, topic);

    if (!s)
        return -ENOENT;
    *s = ep->subscriptions[--ep->n_subscriptions];
    return tell_host(ep, instance, topic, 0);
}

/* The envelope once more with "missed" added; freed by the caller. NULL: no memory or not a map. */
static uint8_t *with_missed(struct aiex_slice body, uint32_t missed, size_t *ret_len)
{
    struct aiex_slice rest = body;
    struct aiex_writer w;
    struct aiex_value v;
    uint8_t *mem;

    if (aiex_r_value(&rest, &v) != 0 || v.type != AIEX_T_MAP)
        return NULL;
    mem = malloc(body.len + 32);
    if (!mem)
        return NULL;
    aiex_writer_init(&w, mem, body.len + 32);
    aiex_w_map(&w, v.count + 1);
    aiex_w_key_uint(&w, "missed", missed);
    aiex_w_raw(&w, rest.data, rest.len);
    *ret_len = w.len;
    return mem;
}

void endpoint_event_record(struct endpoint *ep, const struct record *head, const uint8_t *body)
{
    const struct name *name = names_in_get(ep->names_in, head->name);
    struct aiex_message m = {.struct_size = sizeof(m), .kind = AIEX_MSG_EVENT, .trace = head->trace,
                             .caller = "",
                             .service = "", .body = {body, head->len}};
    unsigned list[SUBSCRIPTIONS_MAX], n;
    uint8_t *mem = NULL;

    if (!name || !aiex_is_map(m.body))
        return;
    if (head->aux && (mem = with_missed(m.body, head->aux, &m.body.len)))
        m.body.data = mem;
    m.method = name->method;
    n = wanting(ep, m.method, list);
    for (unsigned i = 0; i < n; i++)
        ep->ops.message(ep->arg, list[i], &m);
    free(mem);
}
