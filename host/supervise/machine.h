/*
 * machine.h - what the files of this room share: the state of the machine, without
 * pointers, so that it can be saved as bytes.
 *
 *   supervise.c  the public functions: find the unit and incarnation, look the event up
 *   table.c      the two tables [state][event] and [role][event]
 *   unit.c       the cells of the tables
 *   group.c      strategies: who stops and starts with whom, and stopping everything
 *   intensity.c  restarts in a period, back-off, probe intervals
 */
#ifndef AIEX_SUPERVISE_MACHINE_H
#define AIEX_SUPERVISE_MACHINE_H

#include "supervise/supervise.h"

/* Times of the last restarts, oldest first. */
struct intensity {
    uint64_t at[SUPERVISE_MAX_INTENSITY + 1];
    uint32_t n;
};

struct incarnation {
    uint32_t id;         /* slot | generation << 12; 0 = free */
    uint32_t generation; /* of the slot, goes on counting */
    uint64_t deadline;   /* READY or leaving by then; NEVER */
    uint8_t role;        /* enum supervise_role */
    uint8_t ready;
    uint8_t killed_for; /* enum supervise_why */
};

struct unit {
    struct supervise_spec spec;
    struct incarnation incs[SUPERVISE_INCARNATIONS];
    struct intensity restarts;
    uint64_t since;     /* of the state */
    uint64_t due;       /* BACKOFF, FAILED: next try; NEVER */
    uint64_t spare_due; /* UP: next spare; NEVER */
    uint64_t n_restarts;
    uint32_t backoff_n; /* exponent of the next delay */
    uint32_t spare_n;
    uint32_t probe_ms; /* last probe interval, 0 = none yet */
    uint8_t used;
    uint8_t state, why, cause;
    uint8_t then;           /* STOPPING: the state that follows; N_STATES = GONE */
    uint8_t wanted;         /* DOWN: starts as soon as its group allows */
    uint8_t shaken;         /* failed and not UP for a period since */
    uint8_t config_refused; /* FAILED without probe */
    uint8_t replace_wanted; /* REPLACE waits for a free slot */
    uint8_t to_stop;        /* the group stops it */
};

enum group_phase {
    GROUP_RUNS,
    GROUP_FAILED,  /* every member FAILED; waits for `due` */
    GROUP_PROBING, /* members are tried in order, those not READY yet stay FAILED */
};

struct group {
    char name[64];
    struct intensity restarts;
    uint64_t due;   /* GROUP_FAILED: next probe; NEVER */
    uint64_t since; /* when it was healed last */
    uint32_t strategy, max_restarts, period_ms;
    uint32_t probe_ms;
    uint8_t used;
    uint8_t phase;
};

struct supervisor {
    uint64_t random;
    uint64_t
        closing_by; /* supervise_stop_all(): when to kill; NEVER = not closing or done with it */
    uint8_t closing;
    uint32_t max_units;
    uint32_t n_order;
    uint32_t order[SUPERVISE_MAX_UNITS];
    struct group groups[SUPERVISE_MAX_GROUPS];
    struct unit units[]; /* max_units */
};

/* What a cell of a table is given. */
struct step {
    struct supervisor *s;
    struct unit *u;
    struct incarnation *inc; /* the one the event is about, or NULL */
    uint32_t class;          /* EXIT */
    uint64_t now;
    struct supervise_actions *out;
};

typedef void cell(struct step *);

extern cell *const unit_table[SUPERVISE_N_STATES][SUPERVISE_N_KINDS];
extern cell *const role_table[SUPERVISE_N_ROLES][SUPERVISE_N_KINDS];

/* ---- unit.c: cells ---- */
cell unit_ignore, unit_want, unit_begin_again, unit_retry, unit_up, unit_failed_start, unit_crashed,
    unit_stop, unit_remove, unit_replace, unit_due, unit_spare_due, unit_probe, unit_probe_failed,
    unit_hung, unit_start_after, unit_stop_after, unit_remove_after;
cell replacement_ready, replacement_failed, spare_ready, spare_failed, leaving_ended,
    leaving_drained;

/* ---- unit.c: for the other files ---- */
uint32_t unit_index(const struct supervisor *, const struct unit *);
struct incarnation *unit_inc(struct unit *, enum supervise_role);
int unit_alive(const struct unit *); /* number of incarnations */
void emit(struct step *, struct supervise_action);
void unit_enter(struct step *, enum supervise_state, enum supervise_why, enum supervise_why cause,
                uint64_t due);
/* Spawns the current incarnation; a FAILED unit stays so until READY. Without a free slot the unit
 * waits DOWN. */
void unit_begin(struct step *, enum supervise_why);
/* Makes every incarnation leave; the unit becomes `then` at once or when the last one is gone. */
void unit_leave(struct step *, uint8_t then, enum supervise_why, enum supervise_why cause);
void inc_kill(struct step *, struct incarnation *, enum supervise_why);

/* ---- group.c ---- */
struct group *group_of(struct supervisor *, const struct unit *);
int group_ordered(const struct group *); /* rest_for_one or one_for_all */
/* 1 if the group lets this member start now. */
int group_allows(struct supervisor *, const struct unit *);
/* Counts the failure of a member; 1 = the group has to give up. */
int group_member_failed(struct step *, struct group *);
/* The whole group to FAILED. */
void group_give_up(struct step *, struct group *, enum supervise_why cause);
/* Marks the members that must not run without this one. */
void group_mark(struct step *, const struct group *);
/* Tries a FAILED group now. */
void group_retry(struct group *);
/* Does what became possible: next member to stop or start, next unit of stop_all. */
void group_pump(struct supervisor *, struct group *, uint64_t now, struct supervise_actions *);
void closing_pump(struct supervisor *, uint64_t now, struct supervise_actions *);

/* ---- intensity.c ---- */
/* Notes a restart; 1 if that makes more than `max` within `period_ms`. */
int intensity_add(struct intensity *, uint64_t now, uint32_t max, uint32_t period_ms);
uint32_t backoff_ms(struct supervisor *, uint32_t n);
uint32_t probe_next_ms(uint32_t last_ms);

#endif
