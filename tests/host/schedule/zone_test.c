/* zone_test.c - TZif files, POSIX rules, and local times that do not or doubly exist. */
#include "moment.h"
#include "schedule/tzrule.h"
#include "schedule/zone.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* The C library, which reads the same files by its own code, must agree. */
static void agrees_with_the_c_library(void)
{
    static const char *const names[] = {
        "Europe/Prague",  "America/New_York",  "Australia/Lord_Howe", "Pacific/Apia",
        "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Casablanca",   "Europe/Dublin",
        "America/Nuuk",   "Antarctica/Troll"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zone *zone;
        struct aiex_error err;
        CU_ASSERT_EQUAL_FATAL(zone_open(names[i], &zone, &err), 0);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t t = moment("1930-01-01 00:00:00"); t < moment("2090-01-01 00:00:00");
             t += 86400 * 3 + 4567) {
            time_t raw = (time_t)t;
            struct tm tm;
            localtime_r(&raw, &tm);
            if (zone_offset(zone, t) != tm.tm_gmtoff)
                fprintf(stderr, "%s at %s: %d, the C library says %ld\n", names[i], shown(t),
                        zone_offset(zone, t), tm.tm_gmtoff);
            CU_ASSERT_EQUAL_FATAL(zone_offset(zone, t), tm.tm_gmtoff);
        }
        zone_free(zone);
    }
    unsetenv("TZ");
    tzset();
}

static void local_times_in_gaps_and_overlaps(void)
{
    struct zone *zone;

    CU_ASSERT_EQUAL_FATAL(zone_open("Europe/Prague", &zone, NULL), 0);
    CU_ASSERT_EQUAL(zone_utc(zone, moment("2026-07-01 12:00:00")), moment("2026-07-01 10:00:00"));
    CU_ASSERT_EQUAL(zone_utc(zone, moment("2026-03-29 02:30:00")), moment("2026-03-29 01:00:00"));
    CU_ASSERT_EQUAL(zone_utc(zone, moment("2026-03-29 03:00:00")), moment("2026-03-29 01:00:00"));
    CU_ASSERT_EQUAL(zone_utc(zone, moment("2026-10-25 02:30:00")), moment("2026-10-25 00:30:00"));
    CU_ASSERT_EQUAL(zone_utc(zone, moment("2026-10-25 03:00:00")), moment("2026-10-25 02:00:00"));
    CU_ASSERT_EQUAL(zone_next_change(zone, moment("2026-01-01 00:00:00")),
                    moment("2026-03-29 01:00:00"));
    CU_ASSERT_EQUAL(zone_next_change(zone, moment("2060-04-01 00:00:00")),
                    moment("2060-10-31 01:00:00"));
    zone_free(zone);
}

static void utc_needs_no_file(void)
{
    struct zone *zone;

    CU_ASSERT_EQUAL_FATAL(zone_open("UTC", &zone, NULL), 0);
    CU_ASSERT_EQUAL(zone_offset(zone, 12345), 0);
    CU_ASSERT_EQUAL(zone_next_change(zone, 0), INT64_MAX);
    CU_ASSERT_EQUAL(zone_utc(zone, 777), 777);
    zone_free(zone);
    CU_ASSERT_EQUAL(zone_offset(NULL, 5), 0);
    CU_ASSERT_EQUAL(zone_utc(NULL, 5), 5);
    zone_free(NULL);
}

static void names_never_leave_the_folder(void)
{
    static const char *const names[] = {"../../../etc/passwd", "/etc/passwd", "Europe/../UTC",
                                        "Europe//Prague",      "Europe/",     "a b",
                                        "Europe/Pra\nue"};
    struct zone *zone = NULL;
    struct aiex_error err;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CU_ASSERT_EQUAL(zone_open(names[i], &zone, &err), -EINVAL);
    CU_ASSERT_EQUAL(zone_open("Europe/Nowhere", &zone, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'Europe/Nowhere'"));
    CU_ASSERT(zone_open("tzdata.zi", &zone, &err) < 0);
    CU_ASSERT_PTR_NULL(zone);
}

static size_t read_prague(uint8_t *bytes, size_t room)
{
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Prague", "re");
    size_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    n = fread(bytes, 1, room, f);
    fclose(f);
    return n;
}

static void every_cut_and_many_damages_are_survived(void)
{
    static uint8_t bytes[16384];
    size_t len = read_prague(bytes, sizeof bytes);
    struct zone *zone;
    unsigned refused = 0;

    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1); /* exact size: a read beyond is found */
        memcpy(copy, bytes, cut);
        CU_ASSERT_EQUAL(zone_parse(copy, cut, &zone, NULL), -EINVAL);
        free(copy);
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0xff;
        if (zone_parse(bytes, len, &zone, NULL) == 0) {
            CU_ASSERT(abs(zone_offset(zone, 1800000000)) < 8 * 86400);
            zone_free(zone);
        } else {
            refused++;
        }
        bytes[i] ^= 0xff;
    }
    CU_ASSERT(refused > 20);
}

/* A version 1 file: one change at 1000, from +0 to +1 h; no rule after it. */
static void version_1_file(void)
{
    static const uint8_t v1[] = {'T', 'Z', 'i', 'f', 0, 0, 0, 0, 0, 0,  0,  0, 0, 0,   0, 0,
                                 0,   0,   0,   0,   0, 0, 0, 0, 0, 0,  0,  0, 0, 0,   0, 0,
                                 0,   0,   0,   1,   0, 0, 0, 2, 0, 0,  0,  2, 0, 0,   3, 232,
                                 1,   0,   0,   0,   0, 0, 0, 0, 0, 14, 16, 1, 0, 'A', 0};
    struct zone *zone;

    CU_ASSERT_EQUAL_FATAL(zone_parse(v1, sizeof v1, &zone, NULL), 0);
    CU_ASSERT_EQUAL(zone_offset(zone, 999), 0);
    CU_ASSERT_EQUAL(zone_offset(zone, 1000), 3600);
    CU_ASSERT_EQUAL(zone_next_change(zone, 0), 1000);
    CU_ASSERT_EQUAL(zone_next_change(zone, 1000), INT64_MAX);
    zone_free(zone);
}

static int rule(const char *text, struct tzrule *r)
{
    return tzrule_parse(text, strlen(text), r);
}

static void posix_rules(void)
{
    struct tzrule r;
    static const char *const wrong[] = {"",
                                        "CE-1",
                                        "CET",
                                        "CET-200",
                                        "CET-1:60",
                                        "CET-1CEST",
                                        "CET-1CEST,M3.5.0",
                                        "CET-1CEST,M13.1.0,M1.1.0",
                                        "CET-1CEST,M3.6.0,M1.1.0",
                                        "CET-1CEST,M3.5.7,M1.1.0",
                                        "CET-1CEST,J0,J5",
                                        "CET-1CEST,366,5",
                                        "<CET-1",
                                        "CET-1CEST,M3.5.0,M10.5.0/3x"};

    CU_ASSERT_EQUAL(rule("<+0330>-3:30", &r), 0);
    CU_ASSERT_EQUAL(tzrule_offset(&r, 0), 12600);
    CU_ASSERT_EQUAL(rule("EST5EDT4,J60,J300", &r), 0); /* J60 is always 1 March */
    CU_ASSERT_EQUAL(tzrule_next(&r, moment("2028-02-01 00:00:00")), moment("2028-03-01 07:00:00"));
    CU_ASSERT_EQUAL(tzrule_next(&r, moment("2027-02-01 00:00:00")), moment("2027-03-01 07:00:00"));
    CU_ASSERT_EQUAL(rule("EST5EDT,59,299", &r), 0); /* day 59 is 29 February or 1 March */
    CU_ASSERT_EQUAL(tzrule_next(&r, moment("2028-02-01 00:00:00")), moment("2028-02-29 07:00:00"));
    /* hours beyond a day: Nuuk changes at -1 h of the next-to-last... Sunday of March */
    CU_ASSERT_EQUAL(rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", &r), 0);
    CU_ASSERT_EQUAL(tzrule_next(&r, moment("2026-01-01 00:00:00")), moment("2026-03-29 01:00:00"));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(rule(wrong[i], &r), -EINVAL);
}

const struct test_case tests[] = {
    {"agrees_with_the_c_library", agrees_with_the_c_library},
    {"local_times_in_gaps_and_overlaps", local_times_in_gaps_and_overlaps},
    {"utc_needs_no_file", utc_needs_no_file},
    {"names_never_leave_the_folder", names_never_leave_the_folder},
    {"every_cut_and_many_damages_are_survived", every_cut_and_many_damages_are_survived},
    {"version_1_file", version_1_file},
    {"posix_rules", posix_rules},
    {0},
};
