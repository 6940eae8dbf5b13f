/* flight.c - flights by key, each with its seats in order of arrival; the first one leads. */
#include "aiex_flight.h"
#include "sip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define N_CHAINS 256u

struct aiex_flight_seat {
    struct aiex_flight_seat *next;
    struct flight *flight;
    uint64_t over_ms;
    aiex_flight_fn fn;
    void *arg;
};

struct flight {
    struct flight *next;
    struct aiex_flight_seat *first, **end;
    size_t key_len;
    uint8_t key[];
};

struct aiex_flights {
    uint64_t secret[2];
    size_t n_flights, n_seats, max_flights, max_seats;
    struct flight *chains[N_CHAINS];
};

struct aiex_flights *aiex_flights_new(size_t max_flights, size_t max_seats)
{
    struct aiex_flights *f = calloc(1, sizeof(*f));

    if (f && getrandom(f->secret, sizeof(f->secret), 0) != sizeof(f->secret)) {
        free(f);
        return NULL;
    }
    if (f) {
        f->max_flights = max_flights;
        f->max_seats = max_seats;
    }
    return f;
}

static struct flight **chain_of(struct aiex_flights *f, struct aiex_slice key)
{
    return &f->chains[sip_hash(f->secret, key.data, key.len) % N_CHAINS];
}

static struct flight **find(struct aiex_flights *f, struct aiex_slice key)
{
    struct flight **at = chain_of(f, key);

    while (*at &&
           ((*at)->key_len != key.len || (key.len && memcmp((*at)->key, key.data, key.len) != 0)))
        at = &(*at)->next;
    return at;
}

static void flight_drop(struct aiex_flights *f, struct flight *l)
{
    struct flight **at = find(f, (struct aiex_slice){l->key, l->key_len});

    *at = l->next;
    free(l);
    f->n_flights--;
}

void aiex_flights_free(struct aiex_flights *f)
{
    for (unsigned i = 0; f && i < N_CHAINS; i++)
        while (f->chains[i]) {
            struct flight *l = f->chains[i];

            f->chains[i] = l->next;
            while (l->first) {
                struct aiex_flight_seat *s = l->first;

                l->first = s->next;
                free(s);
            }
            free(l);
        }
    free(f);
}

static struct flight *flight_new(struct aiex_flights *f, struct aiex_slice key)
{
    struct flight *l = malloc(sizeof(*l) + key.len);
    struct flight **at = chain_of(f, key);

    if (!l)
        return NULL;
    l->first = NULL;
    l->end = &l->first;
    l->key_len = key.len;
    if (key.len)
        memcpy(l->key, key.data, key.len);
    l->next = *at;
    *at = l;
    f->n_flights++;
    return l;
}

int aiex_flight_join(struct aiex_flights *f, struct aiex_slice key, uint64_t now,
                     uint64_t timeout_ms, aiex_flight_fn fn, void *arg,
                     struct aiex_flight_seat **ret_seat)
{
    struct flight *l = *find(f, key);
    struct aiex_flight_seat *s;

    if (f->n_seats >= f->max_seats || (!l && f->n_flights >= f->max_flights))
        return -EBUSY;
    s = malloc(sizeof(*s));
    if (s && !l)
        l = flight_new(f, key);
    if (!s || !l) {
        free(s);
        return -ENOMEM;
    }
    *s = (struct aiex_flight_seat){.flight = l,
                                   .fn = fn,
                                   .arg = arg,
                                   .over_ms = timeout_ms > UINT64_MAX - now ? UINT64_MAX
                                                                            : now + timeout_ms};
    *l->end = s;
    l->end = &s->next;
    f->n_seats++;
    *ret_seat = s;
    return l->first == s ? AIEX_FLIGHT_LEADS : AIEX_FLIGHT_WAITS;
}

/* Out of its flight, not freed. */
static void seat_take(struct aiex_flights *f, struct aiex_flight_seat *s)
{
    struct aiex_flight_seat **at = &s->flight->first;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (!s->next)
        s->flight->end = at;
    f->n_seats--;
}

size_t aiex_flight_land(struct aiex_flights *f, struct aiex_slice key,
                        const struct aiex_flight_seat *seat, int error, struct aiex_slice value)
{
    struct flight *l = *find(f, key);
    struct aiex_flight_seat *s, *next;
    size_t n = 0;

    if (!l)
        return 0;
    s = l->first;
    flight_drop(f, l); /* who joins from a callback begins a new one */
    for (struct aiex_flight_seat *i = s; i; i = i->next) {
        i->flight = NULL; /* leaving meanwhile only marks it */
        f->n_seats--;
    }
    for (; s; s = next) {
        if (s != seat && s->fn) {
            s->fn(s->arg, error, value);
            n++;
        }
        next = s->next;
        free(s);
    }
    return n;
}

void aiex_flight_leave(struct aiex_flights *f, struct aiex_flight_seat *s)
{
    struct flight *l = s ? s->flight : NULL;
    int led;

    if (!s)
        return;
    if (!l) { /* its flight is landing: free()d there */
        s->fn = NULL;
        return;
    }
    led = l->first == s;
    seat_take(f, s);
    free(s);
    if (!l->first)
        flight_drop(f, l);
    else if (led)
        l->first->fn(l->first->arg, AIEX_FLIGHT_LEADS, (struct aiex_slice){NULL, 0});
}

/* One seat that is over, those that wait before those that lead (or the lead would go to them);
 * NULL when there is none. */
static struct aiex_flight_seat *overdue(struct aiex_flights *f, uint64_t now)
{
    struct aiex_flight_seat *leads = NULL;

    for (unsigned i = 0; i < N_CHAINS; i++)
        for (struct flight *l = f->chains[i]; l; l = l->next)
            for (struct aiex_flight_seat *s = l->first; s; s = s->next) {
                if (s->over_ms > now)
                    continue;
                if (s != l->first)
                    return s;
                leads = s;
            }
    return leads;
}

void aiex_flight_tick(struct aiex_flights *f, uint64_t now)
{
    struct aiex_flight_seat *s;

    while ((s = overdue(f, now))) {
        aiex_flight_fn fn = s->fn;
        void *arg = s->arg;

        aiex_flight_leave(f, s);
        fn(arg, -ETIMEDOUT, (struct aiex_slice){NULL, 0});
    }
}

size_t aiex_flight_seats(const struct aiex_flights *f)
{
    return f->n_seats;
}
