#include "schedule/pressure.h"

static const struct {
    const char *name;
    unsigned readings; /* in a row that it takes to rise here */
    unsigned steps;    /* how far giving back goes */
    int at_once;       /* all of these without a pause */
} levels[PRESSURE_LEVELS] = {
    [PRESSURE_OK] = {"ok", 0, 0, 0},
    [PRESSURE_ELEVATED] = {"elevated", 2, 3, 0},
    [PRESSURE_HIGH] = {"high", 2, 6, 0},
    [PRESSURE_CRITICAL] = {"critical", 1, PRESSURE_STEPS, 1},
};

const char *pressure_level_text(enum pressure_level level)
{
    return levels[level].name;
}

/* The worst level whose limit `value` reaches when that is lowered by `margin`. */
static enum pressure_level level_of(const int limits[PRESSURE_LEVELS], int value, int margin)
{
    for (int i = PRESSURE_CRITICAL; i > PRESSURE_OK; i--)
        if (limits[i] && value >= 0 && value >= limits[i] - margin)
            return (enum pressure_level)i;
    return PRESSURE_OK;
}

static enum pressure_level worst(const struct pressure_limits *l, const struct pressure_reading *r,
                                 int margin)
{
    enum pressure_level used = level_of(l->used, r->used, margin);
    enum pressure_level stall = level_of(l->stall, r->stall, margin);

    return used > stall ? used : stall;
}

static void rise(struct pressure *p, enum pressure_level to)
{
    p->n_above++;
    if (p->n_above < levels[to].readings)
        return;
    p->level = to;
    p->n_above = 0;
    p->calm_since = 0;
}

static void fall(struct pressure *p, uint64_t calm_ms, uint64_t now)
{
    if (!p->calm_since)
        p->calm_since = now ? now : 1;
    if (p->level == PRESSURE_OK || now - p->calm_since < calm_ms)
        return;
    p->level--;
    p->calm_since = now;
}

/* One step towards what the level allows. */
static void walk(struct pressure *p, uint64_t now)
{
    unsigned goal = levels[p->level].steps;

    if (p->step < goal && levels[p->level].at_once) {
        p->step = goal;
        p->stepped_ms = now;
    } else if (p->step != goal && (!p->stepped_ms || now - p->stepped_ms >= PRESSURE_STEP_MS)) {
        p->step = p->step < goal ? p->step + 1 : p->step - 1;
        p->stepped_ms = now;
    }
}

int pressure_feed(struct pressure *p, const struct pressure_limits *limits,
                  const struct pressure_reading *reading, uint64_t now_ms)
{
    struct pressure before = *p;
    enum pressure_level above = worst(limits, reading, 0);

    if (above > p->level) {
        rise(p, above);
    } else {
        p->n_above = 0;
        if (worst(limits, reading, PRESSURE_MARGIN) >= p->level && p->level != PRESSURE_OK)
            p->calm_since = 0;
        else
            fall(p, limits->calm_ms, now_ms);
    }
    walk(p, now_ms);
    return p->level != before.level || p->step != before.step;
}
