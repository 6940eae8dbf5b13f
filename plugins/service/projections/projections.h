/*
 * projections.h - the product's projections, in a process of their own.
 *
 *     projections.c     options, life, dispatch, health, metrics
 *     session_usage.c   messages and tokens of sessions, by day, user and model
 *     report.c          reads its rows: session_usage.report
 *
 * A projection turns stored events into rows (sdk/events). It runs here and not in the plugin whose
 * events it reads: what it does wrong, or slowly, stops nobody else; and an instance may run only
 * some of them (`run`), so that each can have a process to itself. Events, rows and position are
 * the store's: this process keeps nothing.
 */
#ifndef PROJECTIONS_H
#define PROJECTIONS_H

#include <aiex_events.h>
#include <aiex_service.h>

#define MAX_PROJECTIONS 8u
#define MAX_USER        64u
#define MAX_MODEL       128u
#define DAY_BYTES       11u /* 2026-11-21 and its end */

struct config {
    const char *run, *store;
    int64_t look;
};

struct report;

struct projections {
    const struct aiex_host *host;
    const struct config *config;
    struct aiex_projections *all;
    const struct aiex_projection *running[MAX_PROJECTIONS];
    size_t n_running;
    struct report *reports;
    size_t n_reports;
};

/* ---- session_usage.c ---- */

extern const struct aiex_projection session_usage;

struct usage {
    char day[DAY_BYTES], user[MAX_USER + 1], model[MAX_MODEL + 1];
    int64_t messages, answers, failed, input_tokens, output_tokens;
};
#define USAGE_KEY (DAY_BYTES + MAX_USER + 1 + MAX_MODEL)

/* The day of a wall time, in UTC. */
void usage_day(int64_t wall_ms, char day[DAY_BYTES]);
/* 0, -EBADMSG. */
int usage_read(struct aiex_slice value, struct usage *ret);

/* ---- report.c ---- */

int report_take(void *self, const struct aiex_message *m);
void report_cancel(struct projections *p, uint64_t id);
void reports_drop(struct projections *p);

#endif
