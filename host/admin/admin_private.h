/* admin_private.h - shared by the files of this room only. */
#ifndef AIEX_ADMIN_PRIVATE_H
#define AIEX_ADMIN_PRIVATE_H

#include "admin/acts.h"
#include "admin/admin.h"
#include "base/list.h"
#include "wire/pack.h"

struct admin {
    struct node *node;
    struct admin_actions actions;
    void *arg;
    int host_index, control_index; /* parts of node_inside() */
    struct list watchers;          /* host.events, host.trace streams */
    struct list memory_users;      /* parts of plugins that can give memory back */
    struct control *control;
    struct acts *acts;
    struct acts_asked *reloading; /* a reload by signal that waits for the audit log */
    int (*reload)(void);
};

/* listing.c */
void listing_status(struct admin *admin, struct pack *out);
void listing_plugins(struct admin *admin, struct pack *out);
void listing_jobs(struct admin *admin, struct pack *out);
void listing_stats(struct admin *admin, const char *name, struct pack *out);
void listing_members(struct admin *admin, const char *name, struct pack *out);

/* lives.c: what the audit log is told of plugins, secrets and the host itself */
void lives_begin(struct admin *admin);
void lives_state(struct admin *admin, const char *instance, const char *state, const char *why);

/* metrics.c: Prometheus text of the host's own counters */
void metrics_text(struct admin *admin, struct buf *out);

/* watchers.c: streams that go on until their caller cancels */
int watchers_events(struct admin *admin, uint64_t id, const char *topic);
int watchers_trace(struct admin *admin, uint64_t id, const char *instance);
void watchers_cancel(struct admin *admin, uint64_t id);
void watchers_event(struct admin *admin, const struct aiex_message *event);
void watchers_free(struct admin *admin);
void watchers_save(struct admin *admin, struct pack *out);
void watchers_load(struct admin *admin, const void *doc_value);

/* memory.c: host.memory as event and method; who can give back */
void memory_init(struct admin *admin);
void memory_done(struct admin *admin);
void memory_show(struct admin *admin, struct pack *out);
void memory_take(struct admin *admin, const char *instance, struct aiex_slice body);
void memory_gone(struct admin *admin, const char *instance);

/* secrets.c: host.secret_*. NULL, or an error's code with its text in err. */
const char *secrets_method(struct admin *admin, const struct aiex_message *message, struct pack *answer,
                           struct aiex_error *err);

/* control.c */
struct control *control_new(struct admin *admin, const char *path, struct aiex_error *err);
void control_free(struct control *control);
void control_save(struct control *control, struct pack *out);
void control_load(struct control *control, const void *doc_value);

#endif
