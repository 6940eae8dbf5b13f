/*
 * aiex_fold.h - one stream of a store, folded into the memory of a plugin.
 *
 * For state that every request looks at and few change: keys, limits, templates. The stream is the
 * truth, what the plugin has in memory is the fold of its events, and the plugin may keep that in a
 * file of its own with version and id of the last event, so that it starts at once and reads on
 * from there. (An aggregate of aiex_events.h loads its state for each command; here it is there.)
 *
 *     setting.apply = apply; setting.version = 57; setting.event = "id of event 57";
 *     aiex_fold_new(&setting, &fold);                      in start()
 *     aiex_fold_change(fold, decide, ended, change, 0, &id);
 *
 * The fold reads what is new, looks again every `look_ms`, and makes one change after the other:
 * decide() sees everything that is applied and names the events; they are appended at that version.
 * When somebody else was faster, his events are applied and decide() is asked again. An append
 * whose outcome is not known is repeated with the same ids, so it happens once.
 *
 * Another stream: when event 57 is not the one that the plugin knows (the store was replaced, or
 * put back to a backup), lost() says so, and all events come from the first one on.
 *
 * The store away: what is in memory stays. A change that could not be stored for `wait_ms` is
 * refused as `unavailable`, or told as `timeout` when it may have been stored.
 *
 * Threads: all functions and callbacks on the loop thread; nothing blocks. Pointers given to
 * callbacks die at return. aiex_fold_free() must not be called from a callback, everything else
 * may.
 */
#ifndef AIEX_FOLD_H
#define AIEX_FOLD_H

#include "aiex_events.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_EVENT_ID 64u /* bytes of an event's id, without its 0 */

struct aiex_fold;

struct aiex_fold_setting {
    const struct aiex_host *host;
    const char *store;    /* service; NULL = "store". Copied: it may be a configuration's */
    const char *stream;   /* its name; not copied */
    const char *level;    /* of appends; NULL = "synced". Not copied */
    uint32_t look_ms;     /* between two looks for what others have changed; 0 = 2 s */
    uint32_t wait_ms;     /* how long a change may wait for the store; 0 = 5 s */
    uint32_t max_changes; /* at once; 0 = 256 */
    int64_t version;   /* what is in memory already, and its last event's id; 0 and "" or NULL: */
    const char *event; /* nothing */
    /* The next event has happened. Negative: it can not be applied now; nothing behind it is read,
     * and it is tried again with growing pauses. */
    int (*apply)(void *arg, const struct aiex_stored_event *e);
    /* Optional: what is in memory is not of this stream; all events follow, from the first. */
    void (*lost)(void *arg);
    /* Optional: caught up, for the first time or after lost(). Changes are made from now on. */
    void (*live)(void *arg);
    void *arg;
};

/* Begins to read. 0, -ENOMEM, -EINVAL (name of the stream). Free with aiex_fold_free(). */
int aiex_fold_new(const struct aiex_fold_setting *setting, struct aiex_fold **ret_fold);
/* Changes that wait end without a callback; what was sent may happen. NULL is fine. */
void aiex_fold_free(struct aiex_fold *f);
/* Somebody may have changed something: looks now. */
void aiex_fold_look(struct aiex_fold *f);

/* What is to happen? aiex_decide() it; no event = nothing to do. Refuses as validate() of an
 * aggregate does: a reason and -EACCES (denied), -ENOENT (not_found), -EEXIST (conflict), -EAGAIN
 * (busy), others (invalid). Asked again after a conflict. */
typedef int (*aiex_fold_decide_fn)(void *arg, struct aiex_decision *d, struct aiex_error *err);

struct aiex_fold_end {
    const char *code, *text; /* code NULL: the events are stored and applied */
    int unknown;             /* with code: they may have been stored */
    uint32_t n_events;
};
typedef void (*aiex_fold_end_fn)(void *arg, const struct aiex_fold_end *end);

/* One change more; `end` is called once, perhaps before this returns. `trace` becomes the events'
 * correlation. 0 and *ret_id (may be NULL) for aiex_fold_cancel(), -EBUSY (max_changes), -ENOMEM:
 * then neither is called. */
int aiex_fold_change(struct aiex_fold *f, aiex_fold_decide_fn decide, aiex_fold_end_fn end,
                     void *arg, uint64_t trace, uint64_t *ret_id);
/* decide and end are called no more: -EALREADY when it is being stored and can not be held up (end
 * comes), -ENOENT. */
int aiex_fold_cancel(struct aiex_fold *f, uint64_t id);

struct aiex_fold_state {
    int live;            /* has caught up, and is not behind a lost() */
    int64_t version;     /* of the last event that was applied */
    const char *event;   /* its id; "" = not known */
    const char *trouble; /* why the store can not be read or written now; "" = it can */
    uint32_t changes;    /* that wait or run */
};
/* Texts are good until the next turn of the loop. */
void aiex_fold_state(const struct aiex_fold *f, struct aiex_fold_state *ret_state);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_FOLD_H */
