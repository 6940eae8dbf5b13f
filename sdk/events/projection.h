/*
 * projection.h - a running projection from inside.
 *
 *     table "projections"        key NAME: what readers have and what is built; key
 * NAME/GENERATION: how far a build is table "projection.NAME"    key: generation (4 bytes,
 * big-endian) and the projection's own
 *
 * A build (build.c) is one generation: it reads a page of events, projects them, and writes rows
 * and position in one transaction that holds only while its own row is as it left it, so that two
 * processes never build the same generation. The projection (projection.c) owns the row that
 * readers go by: it starts builds, and when a newer one has caught up it points there. What is
 * older is removed afterwards (clean.c).
 *
 * Builds ask for pages (store.read) and do not subscribe: a subscription would keep a second
 * position that could differ from the rows', and could not tell that a filter let nothing through,
 * which is what a lag of 0 means.
 */
#ifndef AIEX_EVENTS_PROJECTION_H
#define AIEX_EVENTS_PROJECTION_H

#include "asking.h"
#include "rows.h"

#define GENERATION_BYTES 4u
#define STATE_KEY        (AIEX_PROJECTION_NAME + 12u)

enum build_state { BUILD_STARTING, BUILD_CATCHING_UP, BUILD_LIVE, BUILD_FAILED };

struct projection;

struct build {
    struct asking ask;
    struct projection *p;
    uint32_t generation;
    enum build_state state;
    char error[256];
    char key[STATE_KEY];
    int64_t row_version;     /* of its row, 0 = none yet */
    int64_t position, saved; /* version or sequence up to which events are done with */
    int64_t sequence, bound; /* the same as sequence; that of the store when it was last read */
    struct aiex_rows rows;
    /* the page */
    uint8_t *page;
    struct aiex_slice at; /* what is left of it */
    uint32_t left;        /* events */
    int more;             /* there is more behind it */
    uint32_t need;        /* index of the row that is being read */
    int asked_needs;      /* of the event at `at` */
    uint32_t tries;       /* in a row that failed */
    uint64_t pause_ms;    /* after the next save, because of a failure; 0 = none */
    uint64_t events, failures;
};

struct projection {
    struct aiex_projection def;
    struct aiex_projections *all;
    struct projection *next;
    char name[AIEX_PROJECTION_NAME + 1];
    char table[AIEX_PROJECTION_TABLE_SIZE];
    struct asking ask; /* of its row, and of cleaning */
    int known;         /* the row was read and written */
    int64_t row_version;
    uint32_t version, generation, building; /* as in the row; version is that of `generation` */
    uint32_t building_version, wanted;      /* wanted: generation to be built next */
    uint32_t dropped;                       /* generation whose own row goes with the next write */
    uint32_t tries;
    char error[256];
    struct build *live, *newer; /* that of generation, that of building */
    struct aiex_slice doomed;   /* an array of keys to be deleted; owned */
    uint32_t n_doomed;
};

struct aiex_projections {
    const struct aiex_host *host;
    char store[AIEX_MAX_NAME + 1];
    uint32_t look_ms;
    struct projection *first;
};

/* build.c */
struct build *ev_build_new(struct projection *p, uint32_t generation);
void ev_build_begin(struct build *b);
void ev_build_free(struct build *b);
int64_t ev_build_lag(const struct build *b);

/* Steps of a build; after one the build may be gone. */
void ev_build_look(void *owner);     /* reads a page */
void ev_build_work(struct build *b); /* goes on with the page */
void ev_build_next(struct build *b); /* everything is done and saved */
void ev_build_lost(struct build *b, const char *code,
                   const char *text); /* the store did not do it */
void ev_build_not_asked(struct build *b, int failed);
void ev_build_later(struct build *b, uint64_t ms, void (*step)(void *owner));
/* A row's place: two pairs of a map. */
void ev_put_place(struct aiex_writer *w, const struct build *b, struct aiex_slice key);
/* build_save.c */
void ev_build_save(struct build *b);
extern const char *const ev_build_states[]; /* by enum build_state */

/* projection.c: a build has come to the end of what there is. It may be freed. */
void ev_projection_caught_up(struct projection *p, struct build *b);

/* clean.c: removes the rows of generations before the readers'. Uses p->ask. */
void ev_projection_clean(struct projection *p);

/* A row's key: generation and the projection's own. */
size_t ev_place_key(uint8_t *out, uint32_t generation, struct aiex_slice key);
/* {table "projections", key} of a store.get. */
struct row_name {
    const char *key;
};
void ev_write_row_name(struct aiex_writer *w, const void *arg);

#endif
