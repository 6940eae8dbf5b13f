/* One flight for each miss: who leads, who waits, who is told what, and when nobody lands. */
#include "test.h"

#include <aiex_flight.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct aiex_flights *f;
static const struct aiex_slice key = {(const uint8_t *)"key", 3}, none = {NULL, 0};
static char told[256];

struct one {
    const char *name;
    struct aiex_flight_seat *seat;
    struct one *joins, *leaves; /* from its callback */
};

static int join(struct one *o, uint64_t now, uint64_t timeout_ms);

static void on_end(void *arg, int result, struct aiex_slice value)
{
    struct one *o = arg;
    size_t n = strlen(told);

    snprintf(told + n, sizeof(told) - n, "%s:%d:%.*s ", o->name, result, (int)value.len,
             value.len ? (const char *)value.data : "");
    if (result != AIEX_FLIGHT_LEADS)
        o->seat = NULL;
    if (o->joins)
        CU_ASSERT_EQUAL(join(o->joins, 0, 100), AIEX_FLIGHT_LEADS);
    if (o->leaves)
        aiex_flight_leave(f, o->leaves->seat);
}

static int join(struct one *o, uint64_t now, uint64_t timeout_ms)
{
    return aiex_flight_join(f, key, now, timeout_ms, on_end, o, &o->seat);
}

static void begin(void)
{
    told[0] = 0;
    f = aiex_flights_new(4, 8);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
}

static void end(void)
{
    CU_ASSERT_EQUAL(aiex_flight_seats(f), 0);
    aiex_flights_free(f);
}

static void tells_all_who_wait(void)
{
    struct one a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"}, d = {.name = "d"};

    begin();
    CU_ASSERT_EQUAL(join(&a, 0, 100), AIEX_FLIGHT_LEADS);
    CU_ASSERT_EQUAL(join(&b, 0, 100), AIEX_FLIGHT_WAITS);
    CU_ASSERT_EQUAL(join(&c, 0, 100), AIEX_FLIGHT_WAITS);
    CU_ASSERT_EQUAL(aiex_flight_join(f, (struct aiex_slice){(const uint8_t *)"kez", 3}, 0, 9,
                                     on_end, &d, &d.seat),
                    AIEX_FLIGHT_LEADS);
    CU_ASSERT_EQUAL(
        aiex_flight_land(f, key, a.seat, 0, (struct aiex_slice){(const uint8_t *)"v", 1}), 2);
    CU_ASSERT_STRING_EQUAL(told, "b:0:v c:0:v ");
    CU_ASSERT_EQUAL(aiex_flight_land(f, key, NULL, 0, none), 0);
    aiex_flight_leave(f, d.seat);
    end();
}

static void tells_errors(void)
{
    struct one a = {.name = "a"}, b = {.name = "b"};

    begin();
    join(&a, 0, 100);
    join(&b, 0, 100);
    CU_ASSERT_EQUAL(aiex_flight_land(f, key, a.seat, -EIO, none), 1);
    CU_ASSERT_STRING_EQUAL(told, "b:-5: ");
    end();
}

static void hands_the_lead_on(void)
{
    struct one a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

    begin();
    join(&a, 0, 100);
    join(&b, 0, 200);
    join(&c, 0, 300);
    aiex_flight_leave(f, a.seat);
    CU_ASSERT_STRING_EQUAL(told, "b:1: ");
    aiex_flight_leave(f, NULL);
    CU_ASSERT_EQUAL(aiex_flight_land(f, key, b.seat, 0, none), 1);
    CU_ASSERT_STRING_EQUAL(told, "b:1: c:0: ");
    end();
}

static void times_out(void)
{
    struct one a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"};

    begin();
    join(&a, 0, 100);
    join(&b, 0, 50);
    join(&c, 0, 300);
    aiex_flight_tick(f, 49);
    CU_ASSERT_STRING_EQUAL(told, "");
    aiex_flight_tick(f, 100); /* b waits no longer, so the lead goes to c */
    CU_ASSERT_STRING_EQUAL(told, "b:-110: c:1: a:-110: ");
    told[0] = 0;
    /* a comes home after all: c is told, and may stop fetching */
    CU_ASSERT_EQUAL(aiex_flight_land(f, key, NULL, 0, none), 1);
    CU_ASSERT_STRING_EQUAL(told, "c:0: ");
    join(&a, 0, UINT64_MAX);
    aiex_flight_tick(f, UINT64_MAX - 1);
    CU_ASSERT_EQUAL(aiex_flight_seats(f), 1);
    aiex_flight_leave(f, a.seat);
    end();
}

static void allows_callbacks_to_act(void)
{
    struct one a = {.name = "a"}, b = {.name = "b"}, c = {.name = "c"}, d = {.name = "d"};

    begin();
    b.joins = &d;
    b.leaves = &c;
    join(&a, 0, 100);
    join(&b, 0, 100);
    join(&c, 0, 100);
    CU_ASSERT_EQUAL(aiex_flight_land(f, key, a.seat, 0, none), 1);
    CU_ASSERT_STRING_EQUAL(told, "b:0: ");
    CU_ASSERT_EQUAL(aiex_flight_seats(f), 1); /* d's new flight */
    aiex_flight_leave(f, d.seat);
    end();
}

static void is_bounded(void)
{
    struct one o[10] = {{.name = "o"}};
    uint8_t k = 0;

    begin();
    for (; k < 4; k++)
        CU_ASSERT_EQUAL(
            aiex_flight_join(f, (struct aiex_slice){&k, 1}, 0, 9, on_end, &o[k], &o[k].seat),
            AIEX_FLIGHT_LEADS);
    CU_ASSERT_EQUAL(join(&o[9], 0, 9), -EBUSY);
    k = 0;
    for (int i = 4; i < 8; i++)
        CU_ASSERT_EQUAL(
            aiex_flight_join(f, (struct aiex_slice){&k, 1}, 0, 9, on_end, &o[i], &o[i].seat),
            AIEX_FLIGHT_WAITS);
    CU_ASSERT_EQUAL(
        aiex_flight_join(f, (struct aiex_slice){&k, 1}, 0, 9, on_end, &o[8], &o[8].seat), -EBUSY);
    CU_ASSERT_EQUAL(aiex_flight_seats(f), 8);
    aiex_flights_free(f); /* with all seats taken */
    aiex_flights_free(NULL);
}

const struct test_case tests[] = {
    {"tells_all_who_wait", tells_all_who_wait},
    {"tells_errors", tells_errors},
    {"hands_the_lead_on", hands_the_lead_on},
    {"times_out", times_out},
    {"allows_callbacks_to_act", allows_callbacks_to_act},
    {"is_bounded", is_bounded},
    {0},
};
