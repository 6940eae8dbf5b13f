/*
 * aiex_events.h - event sourcing for plugins: aggregates and projections over a store.
 *
 * What happened is appended to streams of a service of kind store/1; what is, follows from it. An
 * aggregate is the state of one stream: rebuilt from a snapshot and the events behind it, asked
 * by a command what is to happen now, and appended with the version it was at, so that two
 * commands at once never decide on the same state. A projection turns the events of many streams
 * into rows of a table for readers.
 *
 *     static const struct aiex_aggregate order = {.name = "order", .state_size = sizeof(struct
 * order), .apply = order_apply, .validate = order_validate, ...}; aiex_aggregates_new(&(struct
 * aiex_aggregates_setting){.host = host}, &a);      in create() aiex_command_run(a, &(struct
 * aiex_command){.type = &order, .id = "17", .body = body}, done, x, &n);
 *
 * Static library aiex_sdk_events (alias aiex::events); contracts: sdk/kinds/store.md.
 * Threads: all functions and callbacks on the loop thread; nothing blocks. No callback comes before
 * the function that wanted it has been called, but perhaps before it returns.
 * Memory: host->alloc(), so it counts to the instance. Pointers given to callbacks die at return.
 * Faults: what is refused or lost is asked again with the same event ids, with growing pauses; an
 * event is stored once. What remains unknown is told as such, never as a failure.
 */
#ifndef AIEX_EVENTS_H
#define AIEX_EVENTS_H

#include <aiex/aiex_pack.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_COMMAND_EVENTS 100u        /* that one command may decide on */
#define AIEX_COMMAND_BYTES  (4u << 20)  /* of their data together */
#define AIEX_SNAPSHOT_BYTES (4u << 20)  /* of a saved state; a larger one is not saved */
#define AIEX_STREAM_NAME    255u        /* bytes of "name-id" */
#define AIEX_SNAPSHOT_TABLE "snapshots" /* key: the stream's name */

/* An event as it is stored. Texts are not 0-terminated; absent ones have len 0. */
struct aiex_stored_event {
    struct aiex_slice stream, id, type, data, correlation, causation;
    struct aiex_slice meta; /* a whole msgpack map, or empty */
    int64_t version, sequence, time;
};

/* From a map of store.read. 0, or -EPROTO. Slices point into the map. */
int aiex_stored_event_read(struct aiex_slice map, struct aiex_stored_event *ret_event);

/* ---- Aggregates ---------------------------------------------------------------- */

/* What a command decided; given to validate(). */
struct aiex_decision;

/* One more event. Copied. 0, -E2BIG (AIEX_COMMAND_EVENTS, AIEX_COMMAND_BYTES), -ENOMEM, -EINVAL
 * (type). validate() may pass the failure on. */
int aiex_decide(struct aiex_decision *d, const char *type, struct aiex_slice data);

/* From a saved form to the next one: reads `old`, writes the whole new form. Called twice when it
 * is long: it must write the same both times. 0, or negative: the snapshot is of no use. */
struct aiex_upgrade {
    uint32_t from; /* to from + 1; 0 ends a table */
    int (*fn)(struct aiex_slice old, struct aiex_writer *w);
};

/* A kind of aggregate; constant, as long as its commands run. States are zeroed memory. */
struct aiex_aggregate {
    const char *name;  /* its streams are "name-id" */
    size_t state_size; /* bytes */
    /* Optional: frees what apply() and load() made. */
    void (*done)(void *state);
    /* One event has happened. Negative: the event can not be (the command ends as internal). */
    int (*apply)(void *state, const struct aiex_stored_event *e);
    /* What is to happen? Calls aiex_decide(), none at all = nothing to do. Refuses with a reason
     * and -EACCES (denied), -ENOENT (not_found), -EEXIST (conflict), -EAGAIN (busy), others
     * (invalid). After a conflict it is asked again, on the newer state. */
    int (*validate)(const void *state, struct aiex_slice command, struct aiex_decision *d,
                    struct aiex_error *err);
    /* Snapshots: every so many events (0 = none) in this form (from 1). save() writes any msgpack
     * value, the same each time; load() gets it. */
    uint32_t snapshot_every, form;
    void (*save)(const void *state, struct aiex_writer *w);
    int (*load)(void *state, struct aiex_slice saved);
    const struct aiex_upgrade *upgrades; /* NULL = none: older forms are left aside */
};

struct aiex_aggregates;

struct aiex_aggregates_setting {
    const struct aiex_host *host;
    const char *store;     /* service; NULL = "store". Not copied */
    const char *level;     /* of appends; NULL = "synced". Not copied */
    uint32_t max_commands; /* at once; 0 = 256 */
    uint32_t max_tries;    /* of one command: conflicts and faults together; 0 = 10 */
    uint32_t timeout_ms;   /* of one call; 0 = 10 s */
};

/* 0, -ENOMEM. Free with aiex_aggregates_free(). */
int aiex_aggregates_new(const struct aiex_aggregates_setting *setting,
                        struct aiex_aggregates **ret_a);
/* Running commands end without a callback; what they had sent may happen. NULL is fine. */
void aiex_aggregates_free(struct aiex_aggregates *a);

struct aiex_command {
    const struct aiex_aggregate *type;
    const char *id;                      /* of the aggregate; copied */
    struct aiex_slice body;              /* for validate(); copied */
    int only_load;                       /* validate() is not asked: the state is wanted */
    const char *correlation, *causation; /* of the events, or NULL; copied, at most 128 bytes */
    uint64_t trace;
};

struct aiex_command_end {
    const char *code; /* NULL on success, else AIEX_E_* */
    const char *text; /* with code */
    int unknown;      /* with code: the events may have been stored */
    int64_t version;  /* of the stream, as far as is known */
    int64_t sequence; /* of the last event, 0 when none was appended */
    uint32_t n_events, tries;
    const void *state; /* with the new events; NULL with code */
};
typedef void (*aiex_command_fn)(void *arg, const struct aiex_command_end *end);

/* Starts a command; fn is called once. 0 and *ret_id (may be NULL) for aiex_command_cancel();
 * -EBUSY (max_commands), -EINVAL (names), -ENOMEM: then fn is not called. */
int aiex_command_run(struct aiex_aggregates *a, const struct aiex_command *c, aiex_command_fn fn,
                     void *arg, uint64_t *ret_id);
/* fn is not called any more. What was sent may happen. 0, -ENOENT. */
int aiex_command_cancel(struct aiex_aggregates *a, uint64_t id);
/* How many run. */
uint32_t aiex_commands_running(const struct aiex_aggregates *a);

/* ---- Projections ---------------------------------------------------------------- */

#define AIEX_PROJECTION_NAME  40u        /* bytes: letters, digits, '_', '-', '.' */
#define AIEX_PROJECTION_ROWS  256u       /* of one transaction */
#define AIEX_PROJECTION_BYTES (2u << 20) /* of those rows */
#define AIEX_PROJECTION_NEEDS 16u        /* rows that one event may need */
#define AIEX_PROJECTION_KEY   1000u      /* bytes of a key */
#define AIEX_PROJECTION_TABLE                                                                      \
    "projections" /* what is known about them: see sdk/events/README.md                            \
                   */

/* The rows that an event is turned into. */
struct aiex_rows;

/* In needs(): this row will be read. 0, -E2BIG, -ENOMEM. */
int aiex_rows_need(struct aiex_rows *r, struct aiex_slice key);
/* In project(): a row that needs() named, or that was put before. 1 and its value, 0 = there is
 * none, -EINVAL = needs() did not name it. */
int aiex_rows_get(const struct aiex_rows *r, struct aiex_slice key, struct aiex_slice *ret_value);
/* In project(). Copied. 0, -E2BIG, -ENOMEM. */
int aiex_rows_put(struct aiex_rows *r, struct aiex_slice key, struct aiex_slice value);
int aiex_rows_delete(struct aiex_rows *r, struct aiex_slice key);

/* A projection; constant, as long as it runs. */
struct aiex_projection {
    const char *name;
    uint32_t version;          /* another one is built anew beside the old rows */
    const char *stream, *type; /* only these events; NULL = all */
    /* Optional: which rows project() wants to read. Negative: as project(). */
    int (*needs)(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r);
    /* One event. Negative and a reason: the projection has failed, and is tried again with growing
     * pauses; nothing of the event is kept, everything before it is. */
    int (*project)(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                   struct aiex_error *err);
    void *arg;
};

struct aiex_projections;

struct aiex_projections_setting {
    const struct aiex_host *host;
    const char *store; /* service; NULL = "store". Copied */
    uint32_t look_ms;  /* between two looks for new events; 0 = 100 */
};

/* 0, -ENOMEM. Free with aiex_projections_free(). */
int aiex_projections_new(const struct aiex_projections_setting *setting,
                         struct aiex_projections **ret_p);
/* Everything stops where it is; what was saved stays. NULL is fine. */
void aiex_projections_free(struct aiex_projections *p);
/* Begins: catches up from where it was, then follows. 0, -EINVAL (name), -EEXIST, -ENOMEM. */
int aiex_projection_start(struct aiex_projections *p, const struct aiex_projection *projection);
/* Builds it anew beside the rows that readers have; they change over when it has caught up. 0,
 * -ENOENT, -EALREADY (that goes on already), -EAGAIN (it is not known yet what there is), -ENOMEM.
 */
int aiex_projection_rebuild(struct aiex_projections *p, const char *name);

/* How it is. Generations are builds of the rows, counted from 1. */
struct aiex_projection_state {
    const char *state;                      /* "starting", "catching_up", "live", "failed" */
    const char *error;                      /* with failed: why; else "" */
    uint32_t version, generation, building; /* 0 = none */
    int64_t position;                       /* sequence up to which the readers' rows are right */
    int64_t lag; /* events of the store behind it at the last look; -1 = not known */
    int64_t building_lag;
    uint64_t events, failures; /* since the start */
};
/* 0, -ENOENT. Texts are good until the next turn of the loop. */
int aiex_projection_state(const struct aiex_projections *p, const char *name,
                          struct aiex_projection_state *ret_state);

/* Where readers find a row now: table (AIEX_PROJECTION_NAME + 12 bytes) and key, for store.get. The
 * key's length; -ENOENT (no such projection, or nothing built yet), -EMSGSIZE. */
#define AIEX_PROJECTION_TABLE_SIZE (AIEX_PROJECTION_NAME + 12u)
int aiex_projection_place(const struct aiex_projections *p, const char *name, struct aiex_slice key,
                          char table[AIEX_PROJECTION_TABLE_SIZE], uint8_t *out, size_t size);

/* Answers projection.list and projection.rebuild {name}, for operators; for the plugin's handle().
 * -ENOSYS: it is another method. */
int aiex_projections_handle(struct aiex_projections *p, const struct aiex_message *m);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_EVENTS_H */
