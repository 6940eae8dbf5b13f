/*
 * sessions.h - the parts of the sessions service.
 *
 * A session is a conversation with its title, user, project and state. It lives as a stream of
 * events in the store (`session/ID`): every change is an event appended with the expected version,
 * in one transaction with the session's row in the table `session`. What is here is only a compact
 * index of the rows that are live, made from the table at the start; histories are read when asked.
 *
 *     row.c      one session as the table, the index and callers see it
 *     index.c    sessions by id, and from the newest to the oldest
 *     boot.c     the start: table, epoch, index        peer.c    is there another instance?
 *     fetch.c    sessions that are not in memory
 *     request.c  fields of requests                    work.c    one request from begin to end
 *     act.c      what may be done in which state       write.c   the transaction and its outcome
 *     events.c   events of each change                 sweep.c   expiry, erasing
 *     show.c     get     history.c     list.c          status.c
 *     denied.c   who asked for another's session
 *     turns.c    questions that were begun and not answered yet
 *
 * Who writes is decided by the row of the table `session_owner`: its epoch is raised at each start,
 * and every transaction has the condition that the row is still the one that this instance wrote.
 * An older owner's write is refused by the store, whatever it believes.
 *
 * One write of a session is under way at a time; others wait in its lane. Events have the caller's
 * `request` in their ids, so that a repeated request is recognised by the store, also after a
 * crash. A write of unknown outcome is repeated with the same ids; what stays unknown is told as
 * such and the session's row is read again before its next write (`unsure`).
 *
 * Everything happens on the loop thread.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <aiex_ask.h>
#include <aiex_audit_batch.h>
#include <aiex_service.h>

#include <stdint.h>
#include <string.h>

#define MAX_ID         24u
#define MAX_REQUEST    36u
#define MAX_TITLE      160u
#define MAX_USER       64u
#define MAX_PROJECT    64u
#define MAX_STATE      (16u << 10) /* bytes of the state map */
#define MAX_MESSAGES   100u        /* of one append */
#define MAX_APPEND     (4u << 20)  /* bytes of one append */
#define MAX_PAGE       200
#define MAX_PAGE_BYTES (4u << 20)
#define MAX_DEPTH      32u /* forks of forks */
#define MAX_LANE       64u /* writes that wait for one session */
#define MAX_WORKS      4096u
#define MAX_WORK_BYTES (64u << 20)
#define MAX_PAGES      32u /* of histories and lists that are being read */
#define MAX_ORDER      64u
#define MAX_TOKEN      96u
#define MAX_TURN       24u
#define MAX_KEY        60u
#define MAX_DENIED     64u  /* of whom and what refusals are counted one by one */
#define MAX_TURNS      4u   /* of one session, open at a time */
#define MAX_TURNS_TEXT 160u /* "ID@wall-ms," for each */

struct config {
    int64_t store_wait, load_wait, ttl, sweep, turn_timeout, max_sessions, max_message;
    const char *store, *audit;
};

enum state { OPEN, CLOSED, ARCHIVED, EXPIRED, DELETED, N_STATES };

/* ---- row.c ---- */

struct row {
    char id[MAX_ID + 1], origin[MAX_ID + 1]; /* origin: what it was forked from, or "" */
    char user[MAX_USER + 1], project[MAX_PROJECT + 1], title[MAX_TITLE + 1];
    char turns[MAX_TURNS_TEXT + 1]; /* turns.c */
    int64_t origin_at;              /* version of the origin where this one begins */
    int64_t version, messages, created, updated, ttl;
    int64_t state_at; /* version of the event that has the state map; 0 = none */
    int64_t rank;     /* order of changes: unique, and the wall time where that is possible */
    uint8_t state, depth, erased;
};

const char *state_name(unsigned state);
/* -1 = there is none of that name. */
int state_named(const char *name);
static inline int state_is_live(unsigned state)
{
    return state == OPEN || state == CLOSED;
}

/* The key of the index `order`: shelf, rank, id. */
void row_order(const struct row *row, char out[MAX_ORDER]);
/* A shelf's bounds in that index: from included, to excluded. */
void shelf_bounds(const char *shelf, char from[MAX_ORDER], char to[MAX_ORDER]);
const char *row_shelf(const struct row *row);
void row_write(struct aiex_writer *w, const struct row *row);
/* 0, -EBADMSG. */
int row_read(struct aiex_slice value, struct row *ret);
/* As callers see it: `pairs` fields. */
#define ROW_SHOWN 15u
void row_show(struct aiex_writer *w, const struct row *row);
/* Wall ms at which it expires, INT64_MAX = never. */
int64_t row_expires(const struct row *row, int64_t default_ttl);

/* ---- index.c ---- */

struct lane;

struct entry {
    struct entry *newer, *older; /* live ones only */
    struct lane *lane;           /* NULL = nothing is written */
    int64_t origin_at, version, messages, created, updated, ttl, state_at, rank;
    uint8_t state, depth, erased, listed, unsure;
    uint8_t id_len, origin_len, user_len, project_len, title_len, turns_len;
    char text[]; /* id, origin, user, project, title, turns; no ends */
};

struct index {
    const struct aiex_host *host;
    struct entry **slots;
    size_t n_slots, n, n_live;
    struct entry *newest, *oldest;
    int64_t last_rank;
    uint8_t key[16]; /* secret */
};

int index_init(struct index *x, const struct aiex_host *host);
void index_done(struct index *x);
struct entry *index_find(const struct index *x, const char *id);
/* NULL: no memory. Free with index_drop() or, when it was never put, entry_free(). */
struct entry *entry_new(const struct index *x, const struct row *row);
void entry_free(const struct index *x, struct entry *e);
/* Puts it, or puts it instead of the one of that id, whose lane it takes over. -ENOMEM. */
int index_put(struct index *x, struct entry *e);
void index_drop(struct index *x, struct entry *e);
/* Where its rank says (that is near the newest one) if it is live, else nowhere. */
void index_list(struct index *x, struct entry *e);
void entry_read(const struct entry *e, struct row *ret);
/* Its open turns; not 0-terminated. */
const char *entry_turns(const struct entry *e, size_t *ret_len);
/* 1 = the texts are the same and e is `row` now, 0 = a new entry is needed. */
int entry_update(struct entry *e, const struct row *row);
/* The newest one whose rank is below. */
struct entry *index_below(const struct index *x, int64_t rank);
int64_t index_next_rank(struct index *x);
/* What only this life of the instance can make of a text. */
uint64_t index_seal(const struct index *x, const char *text, size_t len);

/* ---- request.c ---- */

#define F_SESSION  1u /* required */
#define F_NEW      2u /* `session` (or `as`) names a new one */
#define F_TITLE    4u
#define F_USER     8u
#define F_PROJECT  16u
#define F_TTL      32u
#define F_STATE    64u
#define F_MESSAGES 128u
#define F_AT       256u
#define F_PAGE     512u
#define F_FILTER   1024u
#define F_WRITE    2048u /* request, expected */
#define F_ANY      4096u /* `session` may be absent */
#define F_AS       8192u
#define F_VIEW     16384u
#define F_TURN     32768u

struct work;

struct verb {
    const char *method;
    unsigned fields;
    int act;
    void (*run)(struct work *w);
};

enum act {
    CREATE,
    FORK,
    APPEND,
    TOUCH,
    SET,
    CLOSE,
    ARCHIVE,
    RESTORE,
    ROLLBACK,
    EXPIRE,
    DELETE,
    LOSE, /* a turn that nobody ended */
    N_ACTS
};

struct work {
    struct work *next, *prev; /* all of them */
    struct work *behind;      /* in a lane, or waiting for the start */
    struct sessions *s;
    const struct verb *verb;
    uint64_t id, trace, begun; /* id 0 = nobody asks any more */
    uint8_t *body;             /* copy of the request; slices point into it */
    size_t body_len;
    unsigned given; /* F_* of optional fields that are there */
    int act;

    char session[MAX_ID + 1], as[MAX_ID + 1], request[MAX_REQUEST + 1];
    char title[MAX_TITLE + 1], user[MAX_USER + 1], project[MAX_PROJECT + 1], find_state[16];
    char who[MAX_USER + 1]; /* only sessions of this user, "" = all */
    char key[MAX_KEY + 1];  /* by which that is known */
    char next_page[MAX_TOKEN], turn[MAX_TURN + 1], turn_state[8];
    int64_t expected, ttl, at, limit;
    int has_request, all, with_state, due_only, waits, handed_on;
    struct aiex_slice state, messages; /* whole values */
    uint32_t n_messages;

    struct lane *lane;
    struct row row; /* before, then after the change */
    void (*found)(struct work *w);
    int64_t base; /* version that the stream must have */
    int64_t messages_before, state_before;
    int probe; /* not allowed now: the store is only asked whether it was done before */
    int rounds, duplicate;
    char trouble[200];
    struct entry *fresh;
    struct aiex_ask ask;
    void *reading, *memory; /* of those who read; free()d with the work */
    int has_page;           /* one of MAX_PAGES */
};

/* Fills w from its body. 0, -EINVAL and a reason. */
int request_read(struct work *w, struct aiex_error *err);

/* ---- work.c ---- */

/* Asks the store for `store_wait`, see aiex_ask.h; a->owner is the struct sessions. */
void ask_by(struct aiex_ask *a, aiex_write_fn write, const void *arg);

/* Writes of one session, the first one under way. */
struct lane {
    struct entry *e;
    struct work *first, **end;
    unsigned n;
};

int work_take(struct sessions *s, const struct verb *verb, const struct aiex_message *m);
/* One of the service's own: nobody is answered. NULL: no memory. */
struct work *work_own(struct sessions *s, const struct verb *verb, const char *session);
void work_begin(struct work *w);
/* Answer and end. */
void work_reply(struct work *w, aiex_write_fn write, const void *arg);
void work_refuse(struct work *w, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An end of the store's, passed on; `what` was to be done. */
void work_fail(struct work *w, const struct aiex_answer *end, const char *what);
/* The same request to whoever is `sessions` now, who answers the caller. 0, or as call(). */
int work_hand_on(struct work *w);
/* w->reading, zeroed. 0, or the work was ended: too many are read, or no memory. */
int work_page(struct work *w, size_t bytes);
void work_free(struct work *w);
void work_cancel(struct sessions *s, uint64_t id);
/* Into the lane of e; runs act_run() when it is first. */
void lane_enter(struct work *w, struct entry *e);
/* Everything that waits for the start begins. */
void works_begin(struct sessions *s);
void works_end(struct sessions *s, uint64_t before, const char *text);
void works_drop(struct sessions *s);

/* ---- turns.c ---- */

/* One more. 0, -EBUSY: MAX_TURNS are open. */
int turns_begin(struct row *row, const char *turn, int64_t now);
/* 1 = it was open. */
int turns_end(struct row *row, const char *turn);
/* The one that was begun first: when, and its name (may be NULL); INT64_MAX = none is open. */
int64_t turns_first(const char *turns, size_t len, char name[MAX_TURN + 1]);
unsigned turns_count(const struct row *row);

/* ---- fetch.c, act.c, write.c, events.c ---- */

/* w->found(w) with the session in the index; else the work is ended. */
void fetch(struct work *w, void (*found)(struct work *w));
/* Reads the row of w->session again, in its lane. */
void fetch_again(struct work *w, void (*found)(struct work *w));
/* Drops e when it is a guest that nobody uses. */
void guest_leave(struct sessions *s, struct entry *e);
/* Whether the one who asks may know of it. */
int work_sees(const struct work *w, const struct row *row);
/* Fills w->row. 0, or -1: it is another's, and the work was ended. */
int may_see(struct work *w, struct entry *e);

void run_create(struct work *w);
void run_fork(struct work *w);
void run_change(struct work *w);
void act_run(struct work *w); /* first in its lane */

/* One event by its version; event_of() then finds it. */
void read_event(struct work *w, const char *session, int64_t version, aiex_ask_end_fn end);
/* After read_event(): 1 with the event, valid until the work ends, 0 = it is not there. */
int event_of(const struct work *w, struct aiex_slice *ret);

void row_put_write(struct aiex_writer *w, const struct row *row); /* as an operation */
void condition_write(struct aiex_writer *w, const struct sessions *s);
void write_send(struct work *w); /* row, base, act are set */
/* The session as w->row has it. */
void reply_row(struct work *w);
/* Ends with `conflict` and the version that the session has. */
void refuse_version(struct work *w, const char *text);
/* What values the event has: 1, or 0. */
int values_of(struct aiex_slice event, struct aiex_slice *ret);
void not_found(struct work *w);
uint32_t events_count(const struct work *w);
void events_write(struct aiex_writer *out, const struct work *w);
void event_stream(char out[MAX_ID + 9], const char *session);

/* ---- denied.c ---- */

void denied_start(struct sessions *s);
/* Tells what was counted. Safe when it was never begun. */
void denied_stop(struct sessions *s);
/* The work asks for a session that its principal may not know of. */
void denied_tell(struct work *w);

/* ---- show.c, history.c, list.c, status.c, sweep.c, boot.c ---- */

void run_get(struct work *w);
void run_history(struct work *w);
void run_list(struct work *w);
void run_expire(struct work *w);
int take_status(struct sessions *s, const struct aiex_message *m);
int take_health(struct sessions *s, const struct aiex_message *m);
int take_metrics(struct sessions *s, const struct aiex_message *m);

int sweep_start(struct sessions *s);
void sweep_stop(struct sessions *s);
void erase_soon(struct sessions *s);

/* fn(s, other): the other instance that serves the sessions, or NULL; perhaps before this returns.
 */
void peer_ask(struct sessions *s, void (*fn)(struct sessions *s, const char *other));
void peer_stop(struct sessions *s);

void boot_start(struct sessions *s);
void boot_stop(struct sessions *s);
/* The store's owner row is another's. */
void fenced(struct sessions *s);
/* Why, in words; once it is. */
const char *fenced_by(const struct sessions *s);
/* Reads the owner row; end(a, ...) then asks owner_is_mine(). */
void owner_ask(struct aiex_ask *a);
int owner_is_mine(struct sessions *s, struct aiex_slice end_body);

enum phase { LOADING, READY, FENCED };

struct peer {
    uint64_t call;
    int answered;
    void (*fn)(struct sessions *s, const char *other);
};

struct boot {
    struct peer peer;
    struct aiex_ask ask;
    uint64_t timer;
    int step;
    char from[MAX_ORDER];
    size_t rows;
    int64_t epoch, time; /* that is being taken, and when */
    char trouble[300];
};

struct sweep {
    uint64_t timer, round_at; /* when the next round begins */
    size_t at;                /* slot */
    unsigned erased;          /* since the last tick */
    int hurry, erase_wanted, erasing, found;
    struct aiex_ask ask;
    struct row row; /* whose events are erased */
};

/* Refusals of one minute. */
struct refused_one {
    uint64_t until_ms, count; /* until_ms 0 = free; count: not told yet */
    const char *method;
    char key[MAX_KEY + 1], user[MAX_USER + 1], session[MAX_ID + 1];
};

struct denied {
    struct aiex_audit_batch acts;
    struct refused_one ones[MAX_DENIED + 1]; /* the last one: all others */
    uint64_t timer, total;
};

struct sessions {
    const struct aiex_host *host;
    const struct config *config;
    struct index index;
    enum phase phase;
    char holder[33]; /* of this life of the instance */
    int64_t epoch, owner_version;
    int64_t other_epoch; /* of the owner that the store knows; once it is not us */
    struct boot boot;
    struct sweep sweep;
    struct denied denied;
    struct work *works, *waiting, **waiting_end;
    size_t n_works, work_bytes, n_pages;
    int draining;
    void (*drained)(void *arg);
    void *drained_arg;
    uint64_t writes, duplicates, conflicts, unknowns, expired, erased, lost;
};

extern const struct verb verbs[];
const struct verb *verb_of(int act);

int64_t wall_ms(void);
/* 16 characters of a-z2-7 at random. */
void random_id(char out[MAX_ID + 1]);

#endif /* SESSIONS_H */
