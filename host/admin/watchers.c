/*
 * watchers.c - host.events and host.trace: answers that go on until their caller
 * cancels. A watcher that does not keep up misses entries, never holds the host up.
 */
#include "admin/admin_private.h"

#include "base/clock.h"
#include "base/topic.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct watcher {
    struct list link;
    struct admin *admin;
    uint64_t id;
    char topic[AIEX_MAX_NAME + 1];    /* events */
    char instance[AIEX_MAX_NAME + 1]; /* trace */
};

static struct endpoint *endpoint_of(struct admin *admin)
{
    return inside_endpoint(node_inside(admin->node));
}

static struct watcher *watcher_new(struct admin *admin, uint64_t id)
{
    struct watcher *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->admin = admin;
    w->id = id;
    list_append(&admin->watchers, &w->link);
    return w;
}

static int others_want(struct admin *admin, const struct watcher *but, const char *topic)
{
    list_each(it, &admin->watchers) {
        struct watcher *w = list_of(it, struct watcher, link);

        if (w != but && !strcmp(w->topic, topic))
            return 1;
    }
    return 0;
}

static void watcher_free(struct watcher *w)
{
    if (w->topic[0] && !others_want(w->admin, w, w->topic))
        endpoint_unsubscribe(endpoint_of(w->admin), (unsigned)w->admin->host_index, w->topic);
    if (w->instance[0]) {
        struct bus_instance *in = node_bus_instance(w->admin->node, w->instance);

        if (in)
            bus_tap(in, NULL, NULL);
    }
    list_remove(&w->link);
    free(w);
}

int watchers_events(struct admin *admin, uint64_t id, const char *topic)
{
    struct watcher *w;
    int r = endpoint_subscribe(endpoint_of(admin), (unsigned)admin->host_index, topic);

    if (r < 0)
        return r;
    w = watcher_new(admin, id);
    if (!w)
        return -ENOMEM;
    snprintf(w->topic, sizeof(w->topic), "%s", topic);
    return 0;
}

void watchers_event(struct admin *admin, const struct aiex_message *event)
{
    list_each_safe(it, next, &admin->watchers) {
        struct watcher *w = list_of(it, struct watcher, link);

        if (w->topic[0] && topic_matches(w->topic, event->method))
            endpoint_stream(endpoint_of(admin), w->id, event->body);
    }
}

static const char *const kind_names[] = {
    [RECORD_REQ] = "request", [RECORD_STREAM] = "part", [RECORD_REP] = "end",
};

static void on_tap(void *arg, int to_instance, const struct record *head, const char *service,
                   const char *method)
{
    struct watcher *watcher = arg;
    const char *kind = head->kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[head->kind] : NULL;
    uint8_t mem[512];
    struct aiex_writer w;
    char trace[17];

    snprintf(trace, sizeof(trace), "%016llx", (unsigned long long)head->trace);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 9);
    aiex_w_key_int(&w, "time", clock_wall_ms());
    aiex_w_key_str(&w, "dir", to_instance ? "in" : "out");
    aiex_w_key_str(&w, "kind", kind ? kind : "other");
    aiex_w_key_str(&w, "service", service);
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_uint(&w, "id", record_id_low(head));
    aiex_w_key_str(&w, "trace", trace);
    aiex_w_key_uint(&w, "bytes", head->len);
    aiex_w_key_int(&w, "status", head->kind == RECORD_REP ? head->status : 0);
    endpoint_stream(endpoint_of(watcher->admin), watcher->id, aiex_written(&w));
}

int watchers_trace(struct admin *admin, uint64_t id, const char *instance)
{
    struct bus_instance *in = node_bus_instance(admin->node, instance);
    struct watcher *w;

    /* watching the host itself would trace the trace */
    if (!in || !strcmp(instance, "host") || !strcmp(instance, "host.control"))
        return -ENOENT;
    list_each_safe(it, next, &admin->watchers) {
        w = list_of(it, struct watcher, link);
        if (!strcmp(w->instance, instance)) {
            endpoint_fail(endpoint_of(admin), w->id, AIEX_E_CONFLICT, "another trace took over", 0,
                          (struct aiex_slice){0});
            watcher_free(w);
        }
    }
    w = watcher_new(admin, id);
    if (!w)
        return -ENOMEM;
    snprintf(w->instance, sizeof(w->instance), "%s", instance);
    bus_tap(in, on_tap, w);
    return 0;
}

void watchers_cancel(struct admin *admin, uint64_t id)
{
    list_each_safe(it, next, &admin->watchers) {
        struct watcher *w = list_of(it, struct watcher, link);

        if (w->id == id)
            watcher_free(w);
    }
}

void watchers_free(struct admin *admin)
{
    while (!list_empty(&admin->watchers))
        watcher_free(list_of(admin->watchers.next, struct watcher, link));
}

void watchers_save(struct admin *admin, struct pack *out)
{
    size_t n = 0;

    list_each(it, &admin->watchers)
        n++;
    pack_array(out, n);
    list_each(it, &admin->watchers) {
        struct watcher *w = list_of(it, struct watcher, link);

        pack_array(out, 3);
        pack_int(out, (int64_t)w->id);
        pack_str(out, w->topic);
        pack_str(out, w->instance);
    }
}

void watchers_load(struct admin *admin, const void *list)
{
    for (size_t i = 0; i < doc_len(list); i++) {
        doc_value v = doc_at(list, i);
        struct watcher *w = watcher_new(admin, (uint64_t)doc_int(doc_at(v, 0), 0));
        struct bus_instance *in;

        if (!w)
            return;
        doc_text(doc_at(v, 1), w->topic, sizeof(w->topic), "");
        doc_text(doc_at(v, 2), w->instance, sizeof(w->instance), "");
        in = w->instance[0] ? node_bus_instance(admin->node, w->instance) : NULL;
        if (in)
            bus_tap(in, on_tap, w);
    }
}
