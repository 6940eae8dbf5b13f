/*
 * aiex_levels.h - a cache in three levels for any plugin: in the process, node-wide in a tier in
 * memory, on disk in a cold tier. What was put is found again by another incarnation of the plugin,
 * by other instances, and after a restart of the host.
 *
 *     l = aiex_levels_new(&(struct aiex_levels_options){
 *         .host = host, .name = "answers", .tiers = {"tier_warm", "tier_cold"},
 *         .max_bytes = 16 << 20, .wait_ms = 5, .order = 2});
 *     r = aiex_levels_get(l, key, 30000, on_end, request, &request->seat);
 *
 *     static void on_end(void *arg, int result, const struct aiex_levels_value *v)
 *     {
 *         if (result == AIEX_LEVELS_MAKE) make(arg);      nobody has it: this one makes it, then
 *                                                         aiex_levels_land(l, seat, 0, value, ttl)
 *         else if (result < 0) ...                        what the maker said, -ETIMEDOUT, -ENOMEM
 *         else answer from v->value
 *     }
 *
 * Single flight goes over all levels: of those who ask for one key at once one looks, and one makes
 * it; the others wait for that (aiex_flight.h says who is next when it leaves).
 *
 * Time to live is exact: it is carried along when an entry moves, and nothing is found when it is
 * over. What is found on a colder level is put to the warmer ones with what is left of its time
 * (to the node's when it was used twice).
 *
 * A tier is a cache of a cache: what fails there is a miss. All tiers together have `wait_ms` for
 * an answer. One that can not be reached, or was too slow three times in a row, is not asked for
 * AIEX_LEVELS_REST_MS, and after that until it answers once.
 *
 * Who has a table of its own for the process (max_bytes 0) uses the lower half alone:
 * aiex_levels_look() and aiex_levels_put(), without flights.
 *
 * Keys stand in the tiers behind the name and '/': plugins that use the same name share entries, so
 * whatever separates users belongs into the key. Values are bytes that come back from other
 * processes and from a disk: read them as such.
 *
 * Static library aiex_sdk_tier (alias aiex::tier). Threads: the loop thread. Callbacks may come
 * before the function returns; they may call anything here but aiex_levels_free().
 */
#ifndef AIEX_LEVELS_H
#define AIEX_LEVELS_H

#include <aiex_flight.h>
#include <aiex_metrics.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_LEVELS_MAX_KEY  512u
#define AIEX_LEVELS_MAX_NAME 64u
#define AIEX_LEVELS_REST_MS  5000u
#define AIEX_LEVELS_MAKE     AIEX_FLIGHT_LEADS

enum aiex_level { AIEX_LEVEL_PROCESS, AIEX_LEVEL_NODE, AIEX_LEVEL_DISK, AIEX_N_LEVELS };
extern const char *const aiex_level_names[AIEX_N_LEVELS]; /* "process", "node", "disk" */

struct aiex_levels;
struct aiex_levels_look; /* a look that is under way; gone when its callback comes */
struct aiex_levels_seat; /* one who waits or makes; gone after land, leave, and any callback but
                            AIEX_LEVELS_MAKE */

struct aiex_levels_options {
    const struct aiex_host *host;
    const char *name;     /* 1 to 64 bytes */
    const char *tiers[2]; /* instances: node, disk; NULL or "" = there is no such level */
    size_t max_bytes;     /* of the process level; 0 = none, and no aiex_levels_get() */
    uint32_t wait_ms;     /* for the tiers' answers, all together */
    int order;            /* of giving back when memory is short (aiex_pressure.h); 0 = never */
};

struct aiex_levels_value {
    enum aiex_level level; /* where it was found */
    struct aiex_slice value;
    uint64_t ttl_ms; /* left; 0 = no end */
    uint64_t age_ms; /* 0 when it has no end and came from a tier */
};

/* Everything is copied. Talks to the host: from start() on. NULL: no memory, or options out of
 * range. */
struct aiex_levels *aiex_levels_new(const struct aiex_levels_options *options);
/* Other tiers, size and time from now on; name and host stay. */
void aiex_levels_reload(struct aiex_levels *l, const struct aiex_levels_options *options);
/* Nobody is called. NULL is fine. */
void aiex_levels_free(struct aiex_levels *l);
/* 1: the event was for it (host.memory). For those with an order. */
int aiex_levels_event(struct aiex_levels *l, const struct aiex_message *m);

/* ---- All three, with single flight ---- */

typedef void (*aiex_levels_fn)(void *arg, int result, const struct aiex_levels_value *v);

/* fn comes once with a value (result 0) or an error, and perhaps before with AIEX_LEVELS_MAKE.
 * `*ret_seat` is set before fn is called. 0, or -EBUSY (too many wait), -EINVAL (key), -ENOMEM:
 * then fn does not come. */
int aiex_levels_get(struct aiex_levels *l, struct aiex_slice key, uint64_t timeout_ms,
                    aiex_levels_fn fn, void *arg, struct aiex_levels_seat **ret_seat);
/* What was made, or a negative error: put to all levels (not an error) and told to all who wait
 * but `seat`, whose it is and which is gone. `ttl_ms` 0 = no end. */
void aiex_levels_land(struct aiex_levels *l, struct aiex_levels_seat *seat, int error,
                      struct aiex_slice value, uint64_t ttl_ms);
/* Gives up without a call. NULL is fine. */
void aiex_levels_leave(struct aiex_levels *l, struct aiex_levels_seat *seat);

/* ---- The tiers alone ---- */

/* v NULL: none of them has it. */
typedef void (*aiex_levels_look_fn)(void *arg, const struct aiex_levels_value *v);

/* fn comes once. `*ret_look` is for aiex_levels_stop(), NULL when fn came already. 0, or -EINVAL
 * (key), -ENOMEM: then fn does not come. */
int aiex_levels_look(struct aiex_levels *l, struct aiex_slice key, aiex_levels_look_fn fn,
                     void *arg, struct aiex_levels_look **ret_look);
/* fn will not come. NULL is fine. */
void aiex_levels_stop(struct aiex_levels_look *look);

/* ---- Both ---- */

/* Puts to all levels; nobody waits for the tiers. */
void aiex_levels_put(struct aiex_levels *l, struct aiex_slice key, struct aiex_slice value,
                     uint64_t ttl_ms);
void aiex_levels_delete(struct aiex_levels *l, struct aiex_slice key);

struct aiex_levels_stats {
    uint64_t hits[AIEX_N_LEVELS], misses; /* misses: of looks, no level has it */
    uint64_t joins;                       /* waited for somebody else */
    uint64_t promotions, puts;
    uint64_t failures;                             /* calls to tiers that failed or took too long */
    uint64_t skipped;                              /* times that a resting tier was passed over */
    uint64_t evictions, entries, bytes, max_bytes; /* of the process level */
};
void aiex_levels_stats(struct aiex_levels *l, struct aiex_levels_stats *ret);
/* The same as families aiex_levels_*, label `cache` = name. */
void aiex_levels_metrics(struct aiex_levels *l, struct aiex_metrics *m);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_LEVELS_H */
