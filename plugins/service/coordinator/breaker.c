#include "breaker.h"

#include <string.h>

const char *const breaker_names[] = {"closed", "open", "half_open"};

enum event { GOOD, BAD, TOO_MANY_BAD, CALL_AFTER_TIME, EVENTS };

/* What follows from an event. A call that began in an earlier state never gets here. */
static const enum breaker_state table[BREAKER_STATES][EVENTS] = {
    /*                      GOOD               BAD            TOO_MANY_BAD   CALL_AFTER_TIME */
    [BREAKER_CLOSED] = {BREAKER_CLOSED, BREAKER_CLOSED, BREAKER_OPEN, BREAKER_CLOSED},
    [BREAKER_OPEN] = {BREAKER_OPEN, BREAKER_OPEN, BREAKER_OPEN, BREAKER_HALF_OPEN},
    [BREAKER_HALF_OPEN] = {BREAKER_CLOSED, BREAKER_OPEN, BREAKER_OPEN, BREAKER_HALF_OPEN},
};

/* ---- The window ---- */

static uint64_t slice_of(const struct breaker_rules *r, uint64_t now_ms)
{
    uint64_t length = (uint64_t)r->window_ms / BREAKER_SLICES;

    return now_ms / (length ? length : 1);
}

/* Forgets the slices between the last one and now. */
static void move_on(struct breaker *b, uint64_t slice)
{
    uint64_t gone = slice > b->slice ? slice - b->slice : 0;

    for (uint64_t i = 0; i < gone && i < BREAKER_SLICES; i++) {
        b->good[(slice - i) % BREAKER_SLICES] = 0;
        b->bad[(slice - i) % BREAKER_SLICES] = 0;
    }
    if (gone)
        b->slice = slice;
}

static void forget(struct breaker *b)
{
    memset(b->good, 0, sizeof(b->good));
    memset(b->bad, 0, sizeof(b->bad));
    b->in_row = 0;
}

static int too_many_bad(const struct breaker *b, const struct breaker_rules *r)
{
    uint64_t good = 0, bad = 0;

    if (r->failures && b->in_row >= (uint64_t)r->failures)
        return 1;
    for (unsigned i = 0; i < BREAKER_SLICES; i++) {
        good += b->good[i];
        bad += b->bad[i];
    }
    return r->percent && good + bad >= (uint64_t)r->least &&
           bad * 100 >= (good + bad) * (uint64_t)r->percent;
}

/* ---- Changes ---- */

static uint64_t rest_ms(const struct breaker *b, const struct breaker_rules *r)
{
    uint64_t ms = (uint64_t)r->open_ms, max = (uint64_t)r->open_max_ms;

    for (uint32_t i = 1; i < b->opened && ms < max; i++)
        ms *= 2;
    return ms < max ? ms : max > (uint64_t)r->open_ms ? max : (uint64_t)r->open_ms;
}

static int change(struct breaker *b, const struct breaker_rules *r, uint64_t now_ms,
                  enum event event)
{
    enum breaker_state next = table[b->state][event];

    if (next == b->state)
        return 0;
    b->state = next;
    b->probing = 0;
    if (next == BREAKER_OPEN) {
        b->opened++;
        b->until_ms = now_ms + rest_ms(b, r);
    } else if (next == BREAKER_CLOSED) {
        b->opened = 0;
    } else {
        b->era++;
    }
    forget(b);
    return 1;
}

enum breaker_state breaker_state(const struct breaker *b, uint64_t now_ms)
{
    return b->state == BREAKER_OPEN && now_ms >= b->until_ms ? BREAKER_HALF_OPEN : b->state;
}

int breaker_allows(const struct breaker *b, const struct breaker_rules *r, uint64_t now_ms)
{
    switch (breaker_state(b, now_ms)) {
    case BREAKER_CLOSED:
        return 1;
    case BREAKER_HALF_OPEN:
        return b->state == BREAKER_OPEN || b->probing < (uint64_t)r->probes;
    default:
        return 0;
    }
}

uint64_t breaker_wait_ms(const struct breaker *b, uint64_t now_ms)
{
    return b->state == BREAKER_OPEN && b->until_ms > now_ms ? b->until_ms - now_ms : 0;
}

uint32_t breaker_begin(struct breaker *b, const struct breaker_rules *r, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms >= b->until_ms)
        change(b, r, now_ms, CALL_AFTER_TIME);
    if (b->state != BREAKER_HALF_OPEN)
        return 0;
    b->probing++;
    return b->era;
}

int breaker_end(struct breaker *b, const struct breaker_rules *r, uint64_t now_ms, uint32_t probe,
                enum breaker_outcome outcome)
{
    uint64_t slice = slice_of(r, now_ms);

    if (b->state == BREAKER_HALF_OPEN) {
        if (probe != b->era) /* it began before: the probes of now decide */
            return 0;
        if (b->probing)
            b->probing--;
        if (outcome == OUTCOME_NEUTRAL)
            return 0;
        return change(b, r, now_ms, outcome == OUTCOME_GOOD ? GOOD : BAD);
    }
    if (outcome == OUTCOME_NEUTRAL || b->state == BREAKER_OPEN)
        return 0;
    move_on(b, slice);
    if (outcome == OUTCOME_GOOD) {
        b->good[slice % BREAKER_SLICES]++;
        b->in_row = 0;
        return 0;
    }
    b->bad[slice % BREAKER_SLICES]++;
    b->in_row++;
    return change(b, r, now_ms, too_many_bad(b, r) ? TOO_MANY_BAD : BAD);
}
