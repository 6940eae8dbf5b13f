/*
 * aiex_flight.h - one flight for each miss: who asks for what another one is fetching waits for it.
 *
 *     if (aiex_cache_get(cache, key, AIEX_CACHE_TOUCH, now, answer, request) == 1)
 *         return;                                               it was there
 *     r = aiex_flight_join(f, key, now, 5000, on_end, request, &request->seat);
 *     if (r == AIEX_FLIGHT_LEADS)
 *         fetch(request);          puts into the cache, then aiex_flight_land(f, key, seat, 0,
 * value)
 *
 *     static void on_end(void *arg, int result, struct aiex_slice value)
 *     {
 *         if (result == AIEX_FLIGHT_LEADS) fetch(arg);          who led gave up: now this one does
 *         else if (result < 0) ...                              what the leader said, or -ETIMEDOUT
 *         else answer from value
 *     }
 *
 * Nobody blocks, so nothing can hang: whose time is over is told so and has lost its seat, and when
 * it led, the one who has waited longest leads. Landing an error tells all (they do not storm after
 * it).
 *
 * Threads: one, the loop's. Memory: bounded by the two limits. Callbacks may join and leave; they
 * come from land, leave and tick, never from join. The value dies when the callback returns.
 */
#ifndef AIEX_FLIGHT_H
#define AIEX_FLIGHT_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_FLIGHT_LEADS 1 /* fetch it, then land */
#define AIEX_FLIGHT_WAITS 0

struct aiex_flights;
struct aiex_flight_seat; /* one who leads or waits; gone after land, leave, and any call of fn but
                            AIEX_FLIGHT_LEADS */

typedef void (*aiex_flight_fn)(void *arg, int result, struct aiex_slice value);

/* NULL without memory. */
struct aiex_flights *aiex_flights_new(size_t max_flights, size_t max_seats);
/* Nobody is called. NULL is fine. */
void aiex_flights_free(struct aiex_flights *f);

/* AIEX_FLIGHT_LEADS, AIEX_FLIGHT_WAITS (fn comes once, or first with AIEX_FLIGHT_LEADS), -EBUSY (a
 * limit is reached: fetch alone or refuse), -ENOMEM. */
int aiex_flight_join(struct aiex_flights *f, struct aiex_slice key, uint64_t now,
                     uint64_t timeout_ms, aiex_flight_fn fn, void *arg,
                     struct aiex_flight_seat **ret_seat);
/* It was fetched: all but `seat`, which is the caller's own (NULL when it has lost it), are told
 * `error` (0 or negative) and the value, also one who leads meanwhile. All seats are gone. How many
 * were told; 0 when there is no such flight any more. */
size_t aiex_flight_land(struct aiex_flights *f, struct aiex_slice key,
                        const struct aiex_flight_seat *seat, int error, struct aiex_slice value);
/* Gives up a seat without a call; when it led, the next one does. NULL is fine. */
void aiex_flight_leave(struct aiex_flights *f, struct aiex_flight_seat *seat);
/* Tells -ETIMEDOUT to whose time is over: call it a few times a second. One that led may still land
 * what it fetches, for those who wait. */
void aiex_flight_tick(struct aiex_flights *f, uint64_t now);
/* Seats taken now. */
size_t aiex_flight_seats(const struct aiex_flights *f);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_FLIGHT_H */
