/* store_bdb_marks_test.c - types and correlations: pieces, what is behind them, both directions,
 * erasing on either side, and after a restart. */
#include "store_rig.h"

#include <stdio.h>
#include <string.h>

#define EVENTS 1300 /* two pieces, and some that have no marks yet */

/* Event n has type t(n % 3) and correlation c(n % 7); n counts from 1 as sequences do. */
static void fill(int from, int to)
{
    static char body[100 * 100];

    for (int n = from; n <= to;) {
        size_t len = (size_t)snprintf(body, sizeof(body), "{'stream': 's%d', 'events': [", n % 2);

        for (int i = 0; i < 100 && n <= to; i++, n++)
            len += (size_t)snprintf(body + len, sizeof(body) - len,
                                    "%s{'id': 'e%d', 'type': 't%d', 'correlation': 'c%d'}",
                                    i ? ", " : "", n, n % 3, n % 7);
        snprintf(body + len, sizeof(body) - len, "]}");
        HAS(ask("store.append", "%s", body), "'duplicate':false");
    }
}

/* The sequences of all parts: each is `step` from the one before it, from first to last. */
static int rises(const char *parts, int first, int last, int step)
{
    int at = first;

    while ((parts = strstr(parts, "'sequence':")) != NULL) {
        int sequence;

        parts += strlen("'sequence':");
        if (sscanf(parts, "%d", &sequence) != 1 || strstr(parts, "'id'") == NULL)
            break; /* that of the answer */
        if (sequence != at) {
            printf("sequence %d, not %d\n", sequence, at);
            return 0;
        }
        at += step;
    }
    return at == last + step;
}

static void read_all(int events)
{
    int last = events - (events - 1) % 3; /* the last of type t1 */

    CU_ASSERT_TRUE(rises(ask_all("store.read", "{'type': 't1'}"), 1, last, 3));
    CU_ASSERT_TRUE(rises(ask_all("store.read", "{'type': 't1', 'backwards': true}"), last, 1, -3));
    last = events - (events - 5) % 7;
    CU_ASSERT_TRUE(rises(ask_all("store.read", "{'correlation': 'c5'}"), 5, last, 7));
    CU_ASSERT_TRUE(
        rises(ask_all("store.read", "{'correlation': 'c5', 'backwards': true}"), last, 5, -7));
    last = events - (events - 19) % 21;
    CU_ASSERT_TRUE(
        rises(ask_all("store.read", "{'correlation': 'c5', 'type': 't1'}"), 19, last, 21));
    HAS(ask_all("store.read", "{'type': 't'}"), "'events':0");
    HAS(ask_all("store.read", "{'type': 't11'}"), "'events':0");
    HAS(ask_all("store.read", "{'correlation': 'c'}"), "'events':0");
    HAS(ask("store.verify", "{}"), "'faults':0");
}

/* As few as there are, up to several pieces. */
static void test_growing(void)
{
    static const int sizes[] = {30, 400, 512, 513, 1030, EVENTS};
    int from = 1;

    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        fill(from, sizes[i]);
        from = sizes[i] + 1;
        read_all(sizes[i]);
    }
    rig_close();
    rig_open(NULL);
    read_all(EVENTS);
    rig_close();
    rig_end();
}

/* A scan that is begun again at each place sees what one in one go sees. */
static void test_from_anywhere(void)
{
    rig_begin(NULL);
    fill(1, EVENTS);
    for (int from = 1; from <= EVENTS; from += 37) {
        int first = from + (7 + 5 - from % 7) % 7; /* the first of c5 from there on */
        const char *way = "{'correlation': 'c5', 'from': %d, 'limit': 1}";
        char wanted[40];

        if (first > EVENTS)
            break;
        snprintf(wanted, sizeof(wanted), "'sequence':%d,", first);
        HAS(ask_all("store.read", way, from), wanted);
    }
    for (int from = EVENTS; from >= 5; from -= 37) {
        char wanted[40];

        snprintf(wanted, sizeof(wanted), "'sequence':%d,", from - (from - 5) % 7);
        HAS(ask_all("store.read",
                    "{'correlation': 'c5', 'from': %d, 'limit': 1, 'backwards': true}", from),
            wanted);
    }
    rig_close();
    rig_end();
}

/* Erased events are shown by no mark, and get none. */
static void test_erased(void)
{
    rig_begin(NULL);
    fill(1, EVENTS);
    HAS(ask("store.erase", "{'stream': 's1', 'from': 1, 'to': 150}"), "'removed':150");
    HAS(ask("store.erase", "{'stream': 's1', 'from': %d, 'to': %d}", EVENTS - 150, EVENTS - 100),
        "'removed':51");
    HAS(ask("store.verify", "{}"), "'faults':0");
    HAS(ask("store.read", "{'type': 't1'}"), "'events':367,");
    fill(EVENTS + 1, EVENTS + 600);
    HAS(ask("store.verify", "{}"), "'faults':0");
    HAS(ask("store.read", "{'type': 't1'}"), "'events':567,");
    HAS(ask("store.read", "{'type': 't1', 'backwards': true}"), "'events':567,");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"growing", test_growing},
    {"from anywhere", test_from_anywhere},
    {"erased", test_erased},
    {0},
};
