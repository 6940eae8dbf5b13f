/*
 * supervise.h - decides what happens to cells that start, work, crash, hang, are
 * replaced and stop. It decides only: supervise_step(event, now) fills a list of
 * actions and the caller performs them. No clock, no I/O, no allocation after
 * supervise_new(); the same events at the same times with the same seed give the
 * same actions.
 *
 * Words
 *   unit         one supervised cell: a name with a restart policy; its instances start,
 *                crash and restart together
 *   incarnation  one process of a unit, named by a number that is never 0 and not reused
 *                for 2^20 spawns of its slot. A unit has at most SUPERVISE_INCARNATIONS:
 *                the current one, a replacement that starts, a warm spare, leaving ones
 *   group        units that share a strategy and a restart intensity
 *
 * What the caller owes: for every SPAWN exactly one EXIT or SPAWN_FAILED in the end (READY,
 * DRAINED, HUNG in between); a TICK when supervise_next_deadline() has come; supervise_step()
 * never from within the performing of actions (queue the event). Events of an incarnation that
 * has already ended are ignored, so late messages are harmless.
 *
 * Rules
 *   - The first crash of a healthy unit restarts it at once. A failure before READY, or a crash
 *     of a unit that failed already and has not been UP for `period_ms` since, waits
 *     50 ms x 2^n plus up to a quarter at random, at most 30 s.
 *   - More than `max_restarts` in `period_ms`: FAILED. Tried again after 60 s, then 120 s ... at
 *     most every 10 min; one READY heals it. The state stays FAILED during such a probe.
 *   - Exit for configuration: FAILED, not tried again before START or REPLACE.
 *   - temporary is never restarted, transient not after it ended by itself with success or was
 *     asked to.
 *   - REPLACE of an UP unit starts a second incarnation; when READY it serves and the old one
 *     drains. If it fails the old one goes on serving. REPLACE of a unit that is not UP starts
 *     it afresh (except STOPPED and DOWN ones: they take the new code when they start).
 *   - Spare: when the current one ends unasked and the spare is READY, the spare serves at once;
 *     a new spare starts 10 ms after recovery. A spare's own failures never stop its unit.
 *   - rest_for_one, one_for_all: members start one after the other, each when the one before is
 *     UP. A member's crash stops the later ones (one_for_all: all others) in reverse order, then
 *     they start again in order. A unit or group that exceeds its intensity takes the whole
 *     group to FAILED; the group is then probed as one.
 */
#ifndef AIEX_SUPERVISE_H
#define AIEX_SUPERVISE_H

#include <stddef.h>
#include <stdint.h>

#define SUPERVISE_MAX_UNITS      256u
#define SUPERVISE_MAX_GROUPS     64u
#define SUPERVISE_INCARNATIONS   6u
#define SUPERVISE_MAX_INTENSITY  63u /* largest max_restarts */
#define SUPERVISE_UNIT_ACTIONS   16u /* most actions that one step gives for one unit */
#define SUPERVISE_MAX_ACTIONS    (SUPERVISE_MAX_UNITS * SUPERVISE_UNIT_ACTIONS)
#define SUPERVISE_BACKOFF_MS     50u /* times 2^n */
#define SUPERVISE_BACKOFF_CAP_MS 30000u
#define SUPERVISE_PROBE_MS       60000u /* doubles */
#define SUPERVISE_PROBE_CAP_MS   600000u
#define SUPERVISE_SPARE_MS       10u   /* from recovery to the start of the next spare */
#define SUPERVISE_END_MS         2000u /* from END to the process's end, then KILL */
#define SUPERVISE_NEVER          UINT64_MAX

enum supervise_restart { SUPERVISE_PERMANENT, SUPERVISE_TRANSIENT, SUPERVISE_TEMPORARY };

enum supervise_strategy { SUPERVISE_ONE_FOR_ONE, SUPERVISE_REST_FOR_ONE, SUPERVISE_ONE_FOR_ALL };

enum supervise_state {
    SUPERVISE_DOWN,     /* not started yet, or waiting for its group */
    SUPERVISE_STARTING, /* an incarnation was spawned and is not READY */
    SUPERVISE_UP,       /* the current incarnation serves */
    SUPERVISE_BACKOFF,  /* waits before the next try */
    SUPERVISE_FAILED,   /* given up, perhaps probed; the host goes on without it */
    SUPERVISE_STOPPING, /* incarnations drain or die */
    SUPERVISE_STOPPED,  /* asked to stop, or ended and not to be restarted */
    SUPERVISE_N_STATES
};

enum supervise_kind {
    SUPERVISE_START,        /* unit */
    SUPERVISE_READY,        /* inc: plugin started */
    SUPERVISE_EXIT,         /* inc, class: the process is gone */
    SUPERVISE_STOP,         /* unit: drain, then stay STOPPED */
    SUPERVISE_REPLACE,      /* unit: new code or configuration */
    SUPERVISE_REMOVE,       /* unit: stop, then GONE; its number may be used again */
    SUPERVISE_DRAINED,      /* inc: nothing runs in it any more */
    SUPERVISE_TICK,         /* time went by */
    SUPERVISE_HUNG,         /* inc: the watchdog saw no progress for hang_ms */
    SUPERVISE_SPAWN_FAILED, /* inc: there is no process */
    SUPERVISE_N_KINDS
};

/* How a process ended; supervise_classify() tells from its exit status. */
enum supervise_class {
    SUPERVISE_EXIT_DONE,     /* code 0 */
    SUPERVISE_EXIT_CONFIG,   /* code 78 */
    SUPERVISE_EXIT_CRASH,    /* any other code or signal */
    SUPERVISE_EXIT_HANG,     /* killed by the host for lack of progress */
    SUPERVISE_EXIT_PROTOCOL, /* killed by the host for a violation on its rings */
    SUPERVISE_EXIT_OOM,      /* SIGKILL that the host did not send */
    SUPERVISE_EXIT_ASKED     /* killed or ended on the host's request */
};

/* Reasons, of a KILL and of a new state. supervise_why_text() has the words. */
enum supervise_why {
    SUPERVISE_WHY_NONE,
    SUPERVISE_WHY_ASKED,  /* START, STOP, REMOVE */
    SUPERVISE_WHY_DONE,   /* exit 0 */
    SUPERVISE_WHY_CONFIG, /* exit 78 */
    SUPERVISE_WHY_CRASH,
    SUPERVISE_WHY_HANG,
    SUPERVISE_WHY_PROTOCOL,
    SUPERVISE_WHY_OOM,
    SUPERVISE_WHY_SPAWN,              /* no process could be made */
    SUPERVISE_WHY_START_DEADLINE,     /* not READY in start_deadline_ms */
    SUPERVISE_WHY_DRAIN_DEADLINE,     /* not drained in drain_deadline_ms, or not ended after END */
    SUPERVISE_WHY_INTENSITY,          /* too many restarts; cause = the last failure */
    SUPERVISE_WHY_GROUP,              /* another member of the group failed */
    SUPERVISE_WHY_REPLACED,           /* a newer incarnation serves or is to serve */
    SUPERVISE_WHY_REPLACEMENT_FAILED, /* the old one goes on serving; cause = the failure */
    SUPERVISE_WHY_SPARE_FAILED,       /* only the spare was lost; cause = the failure */
    SUPERVISE_WHY_SPARE,              /* the spare took over; cause = the failure */
    SUPERVISE_WHY_RETRY,              /* waited long enough */
    SUPERVISE_WHY_SHUTDOWN,           /* supervise_stop_all() ran out of time */
    SUPERVISE_N_WHYS
};

enum supervise_role {
    SUPERVISE_CURRENT,
    SUPERVISE_REPLACEMENT,
    SUPERVISE_SPARE,
    SUPERVISE_LEAVING,
    SUPERVISE_N_ROLES
};

struct supervise_spec {
    char name[64];
    int32_t group;              /* of supervise_group(), -1 = none */
    uint32_t restart;           /* enum supervise_restart */
    uint32_t max_restarts;      /* 0..SUPERVISE_MAX_INTENSITY */
    uint32_t period_ms;         /* > 0 */
    uint32_t start_deadline_ms; /* > 0; SPAWN to READY */
    uint32_t drain_deadline_ms; /* DRAIN to DRAINED; 0 = kill at once */
    uint32_t hang_ms;           /* not used here; kept for the caller's watchdog */
    uint32_t spare;             /* 0 or 1 */
};

struct supervise_event {
    uint32_t kind;  /* enum supervise_kind */
    uint32_t unit;  /* START STOP REPLACE REMOVE */
    uint32_t inc;   /* READY EXIT DRAINED HUNG SPAWN_FAILED */
    uint32_t class; /* EXIT: enum supervise_class */
};

enum supervise_do {
    SUPERVISE_DO_SPAWN,    /* make process `inc` of `unit`; `role` says what for */
    SUPERVISE_DO_SWITCH,   /* `inc` serves from now on; waiting requests go to it */
    SUPERVISE_DO_DRAIN,    /* `inc` gets no new work; say DRAINED when nothing runs in it */
    SUPERVISE_DO_END,      /* `inc` is to end by itself (STOP record) */
    SUPERVISE_DO_KILL,     /* SIGKILL `inc`; `why` belongs in its exit report */
    SUPERVISE_DO_ANNOUNCE, /* `unit` is now in `state` because of `why` (`cause`) */
    SUPERVISE_DO_GONE      /* `unit` was removed */
};

struct supervise_action {
    uint8_t what;  /* enum supervise_do */
    uint8_t role;  /* SPAWN: enum supervise_role */
    uint8_t state; /* ANNOUNCE: enum supervise_state */
    uint8_t why;   /* KILL, ANNOUNCE: enum supervise_why */
    uint8_t cause; /* ANNOUNCE: the failure behind `why`, or NONE */
    uint32_t unit;
    uint32_t inc;   /* 0 when the action is not about one */
    uint32_t in_ms; /* ANNOUNCE of BACKOFF and FAILED: until the next try, 0 = none planned */
};

struct supervise_actions {
    uint32_t n;
    struct supervise_action at[SUPERVISE_MAX_ACTIONS];
};

struct supervise_info {
    const struct supervise_spec *spec; /* valid until the unit is changed or removed */
    uint32_t state;
    uint32_t why, cause; /* of that state */
    uint64_t since_ms;   /* when it was entered */
    uint64_t next_ms;    /* of the next try, SUPERVISE_NEVER = none planned */
    uint32_t current;    /* incarnation that serves or starts, 0 = none */
    uint32_t spare;      /* READY spare, 0 = none */
    uint32_t n_incarnations;
    uint64_t n_restarts; /* since the unit was added */
};

struct supervisor;

/* Room for `max_units` (1..SUPERVISE_MAX_UNITS); NULL = no memory or out of range. */
struct supervisor *supervise_new(uint32_t max_units, uint64_t seed);
void supervise_free(struct supervisor *);

/* The group of that name, made or changed. Index >= 0, -EINVAL, -ENOSPC. */
int supervise_group(struct supervisor *, const char *name, enum supervise_strategy,
                    uint32_t max_restarts, uint32_t period_ms);
/* A new unit, DOWN, at `position` of the declared order (UINT32_MAX = last). Its number >= 0, or
 * -EINVAL (a value of the spec), -EEXIST (the name), -ENOSPC. */
int supervise_add(struct supervisor *, const struct supervise_spec *, uint32_t position);
/* Other values for a unit; takes effect with its next spawn or timer. -EINVAL, -ENOENT. */
int supervise_change(struct supervisor *, uint32_t unit, const struct supervise_spec *);
/* Number of the unit of that name, or -ENOENT. */
int supervise_find(const struct supervisor *, const char *name);

/* One event. Overwrites `out`. An event about an unknown unit or incarnation does nothing. */
void supervise_step(struct supervisor *, const struct supervise_event *, uint64_t now_ms,
                    struct supervise_actions *out);
/* Stops every unit in reverse order, one after the other; what lives after `limit_ms` is killed.
 * Nothing starts any more. Overwrites `out`. */
void supervise_stop_all(struct supervisor *, uint64_t now_ms, uint32_t limit_ms,
                        struct supervise_actions *out);
/* 1 when no incarnation is alive and nothing is stopping. */
int supervise_quiet(const struct supervisor *);
/* When the next TICK is due (it may be past), or SUPERVISE_NEVER. */
uint64_t supervise_next_deadline(const struct supervisor *);

/* 0, -ENOENT. */
int supervise_info(const struct supervisor *, uint32_t unit, struct supervise_info *ret_info);
/* The unit of a living incarnation, or -ENOENT. */
int supervise_unit_of(const struct supervisor *, uint32_t inc);
/* What a living incarnation is for, or -ENOENT. */
int supervise_role_of(const struct supervisor *, uint32_t inc);
/* The i-th unit of the declared order, or -ENOENT past the last. */
int supervise_nth(const struct supervisor *, uint32_t i);

/* The whole state as bytes, for a host that executes a new version of itself. save: bytes written
 * (out NULL: bytes needed), -ENOSPC. load: a supervisor, or NULL (*ret_error = -EPROTO bytes of
 * another version or damaged, -ENOMEM). */
long supervise_save(const struct supervisor *, void *out, size_t size);
struct supervisor *supervise_load(const void *bytes, size_t size, int *ret_error);

/* ---- Words (describe.c) ------------------------------------------------------ */

/* How a process ended, as waitid() and the host know it. */
struct supervise_exit {
    int code;                      /* exit code; used when signal is 0 */
    int signal;                    /* that ended it, or 0 */
    enum supervise_why killed_for; /* the host's KILL, or WHY_NONE */
    uint32_t limit_ms;             /* deadline or hang_ms that was exceeded */
    uint64_t limit_memory_bytes;   /* of the cell, 0 = none */
    const char *detail;            /* PROTOCOL: what it did; may be NULL */
};

enum supervise_class supervise_classify(const struct supervise_exit *);
/* One line: "ended by signal 11 (segmentation fault)". Returns `text`. */
const char *supervise_describe(const struct supervise_exit *, char *text, size_t size);
const char *supervise_why_text(enum supervise_why);     /* "no progress" */
const char *supervise_state_text(enum supervise_state); /* "starting" */

#endif
