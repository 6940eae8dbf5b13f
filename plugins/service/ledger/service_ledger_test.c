/* The methods of service_ledger through its descriptor. Its store: service_ledger_store_test.c. */
#include "ledger_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct usage ada = {.id = "00000000000000aa",
                                 .key = "k1",
                                 .user = "ada",
                                 .team = "core",
                                 .project = "p",
                                 .model = "m1",
                                 .provider = "a",
                                 .price = "known",
                                 .ticket = 1,
                                 .time = NOON,
                                 .input = 10,
                                 .output = 5,
                                 .cost = 700};

static struct usage with(struct usage u, const char *id, int64_t ticket, int64_t cost)
{
    u.id = id;
    u.ticket = ticket;
    u.cost = cost;
    return u;
}

static void test_show(void)
{
    struct usage u = ada;
    uint64_t id;

    rig_begin(NULL);
    CU_ASSERT_EQUAL(record(&u), 0);
    u = with(ada, "00000000000000ab", 2, -1);
    u.padding = 20000; /* comes as a request */
    id = aiex_fake_request(h, p, self, "ledger.record", usage_map(&u), 0);
    CU_ASSERT_STRING_EQUAL(code_of(id), "open"); /* answered when it is written */
    aiex_fake_run_posts(h);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    id = ASK("ledger.show", "id", "00000000000000aa");
    u = ada;
    CU_ASSERT_EQUAL(answer_of(id).len, usage_map(&u).len); /* as it came, every byte */
    CU_ASSERT_EQUAL(memcmp(answer_of(id).data, usage_map(&u).data, answer_of(id).len), 0);
    id = ASK("ledger.show", "id", "00000000000000ab");
    CU_ASSERT_EQUAL(number(answer_of(id), "ticket"), 2);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.show", "id", "00000000000000ac")), "not_found");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.show", "id", "#4")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.show")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.other")), "not_found");
    rig_close();
    rig_end();
}

/* Twice with the same ticket is once; without a ticket nothing says that it is the same. */
static void test_counted_once(void)
{
    struct usage u = ada;

    rig_begin(NULL);
    record(&u);
    record(&u);
    u.ticket = 2;
    record(&u);
    u.ticket = 0;
    record(&u);
    record(&u);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "records"), 4);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "duplicates"), 1);
    CU_ASSERT_EQUAL(number(item(answer_of(ASK("ledger.report")), "rows", 0), "cost"), 2800);
    rig_close();
    rig_end();
}

static void test_what_is_no_record(void)
{
    struct aiex_slice bad[] = {{NULL, 0},
                               {(const uint8_t *)"\x93\x01\x02\x03", 4},
                               {(const uint8_t *)"\x81\xa2id", 4},
                               {(const uint8_t *)"\x80\x80", 2},
                               {(const uint8_t *)"\x81\x01\x02", 3}};
    struct usage u = ada;
    uint64_t id;

    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(aiex_fake_cast(h, p, self, "ledger.record", bad[i]), 0);
    id = aiex_fake_request(h, p, self, "ledger.record", bad[1], 0);
    aiex_fake_run_posts(h);
    CU_ASSERT_STRING_EQUAL(code_of(id), "invalid");
    u.padding = 1 << 20;
    id = aiex_fake_request(h, p, self, "ledger.record", usage_map(&u), 0);
    CU_ASSERT_STRING_EQUAL(code_of(id), "invalid");
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "broken"), 7);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "records"), 0);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "not kept", 0));
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "not kept", 1)); /* told once */
    rig_close();
    rig_end();
}

static void four_of_two_people(void)
{
    struct usage u = ada;

    record(&u);
    u = with(ada, "b", 2, -1); /* no price */
    u.user = "bob";
    u.tag = "ci";
    record(&u);
    u = with(ada, "c", 3, 0);
    u.code = "upstream";
    u.model = "m2";
    record(&u);
    u = with(ada, "d", 4, 1000);
    u.tag = "night";
    record(&u);
}

static void test_report(void)
{
    struct aiex_slice a, row;

    rig_begin(NULL);
    a = answer_of(ASK("ledger.report"));
    CU_ASSERT_EQUAL(items(a, "rows"), 0);
    four_of_two_people();
    a = answer_of(ASK("ledger.report", "by", "user"));
    CU_ASSERT_EQUAL(items(a, "rows"), 2);
    row = item(a, "rows", 0);
    CU_ASSERT_STRING_EQUAL(text(row, "user"), "ada");
    CU_ASSERT_EQUAL(number(row, "requests"), 3);
    CU_ASSERT_EQUAL(number(row, "failed"), 1);
    CU_ASSERT_EQUAL(number(row, "cost"), 1700);
    CU_ASSERT_EQUAL(number(row, "input_tokens"), 30);
    CU_ASSERT_EQUAL(number(row, "output_tokens"), 15);
    CU_ASSERT_EQUAL(number(row, "unpriced"), 0);
    row = item(a, "rows", 1);
    CU_ASSERT_STRING_EQUAL(text(row, "user"), "bob");
    CU_ASSERT_EQUAL(number(row, "unpriced"), 1);
    CU_ASSERT_EQUAL(number(row, "cost"), 0);
    a = answer_of(ASK("ledger.report", "by", "day, tag:job ,model", "user", "ada"));
    CU_ASSERT_EQUAL(items(a, "rows"), 3);
    row = item(a, "rows", 2);
    CU_ASSERT_STRING_EQUAL(text(row, "day"), "2026-11-21");
    CU_ASSERT_STRING_EQUAL(text(row, "tag:job"), "night");
    CU_ASSERT_EQUAL(number(row, "cost"), 1000);
    rig_close();
    rig_end();
}

static void test_wrong_questions(void)
{
    static const char *const by[] = {
        "nobody", "user,,model", "tag:",
        "day,day,day,day,day,day,day,"
        "day,day",
        "tag:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};

    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++)
        CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report", "by", by[i])), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report", "by", "#1")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report", "from", "today")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report", "user", "#1")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.tail", "limit", "#-1")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.tail", "limit", "#10001")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.tail", "follow", "yes")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.tail", "key", "#1")), "invalid");
    rig_close();
    rig_end();
}

static void test_tail(void)
{
    uint64_t id;

    rig_begin(NULL);
    four_of_two_people();
    id = ASK("ledger.tail", "limit", "#2");
    CU_ASSERT_EQUAL(parts(id), 2);
    CU_ASSERT_STRING_EQUAL(text(part(id, 0), "id"), "c");
    CU_ASSERT_STRING_EQUAL(text(part(id, 1), "id"), "d");
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    id = ASK("ledger.tail", "user", "bob");
    CU_ASSERT_EQUAL(parts(id), 1);
    id = ASK("ledger.tail", "failed", "true", "model", "m2", "provider", "a", "key", "k1");
    CU_ASSERT_EQUAL(parts(id), 1);
    CU_ASSERT_STRING_EQUAL(text(part(id, 0), "id"), "c");
    id = ASK("ledger.tail", "limit", "#0");
    CU_ASSERT_EQUAL(parts(id), 0);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    rig_close();
    rig_end();
}

static void test_follow(void)
{
    struct usage u = with(ada, "e", 5, 1);
    uint64_t id;

    rig_begin(NULL);
    four_of_two_people();
    id = ASK("ledger.tail", "limit", "#1", "follow", "true", "user", "ada");
    CU_ASSERT_EQUAL(parts(id), 1);
    CU_ASSERT_STRING_EQUAL(code_of(id), "open");
    record(&u);
    u = with(ada, "f", 6, 1);
    u.user = "bob"; /* filtered */
    record(&u);
    aiex_fake_run_posts(h);
    CU_ASSERT_EQUAL(parts(id), 2);
    CU_ASSERT_STRING_EQUAL(text(part(id, 1), "id"), "e");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    u = with(ada, "g", 7, 1);
    record(&u);
    CU_ASSERT_EQUAL(aiex_fake_run_posts(h), 1); /* the write; nothing for who has left */
    CU_ASSERT_EQUAL(parts(id), 2);
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "followers"), 0);
    rig_close();
    rig_end();
}

/* A reader without room gets no more until it has; then all of it, in order. */
static void test_slow_follower(void)
{
    char name[16];
    uint64_t id;

    rig_begin(NULL);
    id = ASK("ledger.tail", "limit", "#0", "follow", "true");
    aiex_fake_window(h, 1000);
    for (int i = 1; i <= 50; i++) {
        struct usage u;

        snprintf(name, sizeof(name), "r%d", i);
        u = with(ada, name, i, 1);
        record(&u);
        aiex_fake_run_posts(h);
    }
    CU_ASSERT_TRUE(parts(id) < 10);
    for (int i = 0; i < 50 && aiex_fake_resume(h, id) == 1; i++)
        aiex_fake_run_posts(h);
    CU_ASSERT_EQUAL(parts(id), 50);
    CU_ASSERT_STRING_EQUAL(text(part(id, 49), "id"), "r50");
    CU_ASSERT_EQUAL(number(part(id, 49), "missed"), -1);
    aiex_fake_cancel(h, id);
    rig_close();
    rig_end();
}

static void test_far_behind_is_told(void)
{
    uint64_t id;
    size_t n;

    rig_begin(NULL);
    id = ASK("ledger.tail", "limit", "#0", "follow", "true");
    aiex_fake_window(h, 1);
    for (int i = 1; i <= 65536 + 100; i++) {
        struct usage u = with(ada, "x", i, 1);

        record(&u);
        if (i % 1000 == 1)
            aiex_fake_run_posts(h);
    }
    aiex_fake_run_posts(h);
    CU_ASSERT_EQUAL(parts(id), 1); /* the window is full after the first */
    n = parts(id);
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), 1);
    aiex_fake_run_posts(h);
    CU_ASSERT_EQUAL(parts(id), n + 1);
    CU_ASSERT_EQUAL(number(part(id, n), "ticket"), 101);
    CU_ASSERT_EQUAL(number(part(id, n), "missed"), 99); /* numbers 2 to 100 */
    aiex_fake_cancel(h, id);
    rig_close();
    rig_end();
}

static void test_too_many_jobs(void)
{
    uint64_t ids[64], id;

    rig_begin(NULL);
    for (int i = 0; i < 64; i++)
        ids[i] = ASK("ledger.tail", "follow", "true");
    id = ASK("ledger.tail", "follow", "true");
    CU_ASSERT_STRING_EQUAL(code_of(id), "busy");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report")), "busy");
    aiex_fake_cancel(h, ids[7]);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("ledger.report")), "");
    /* draining ends them */
    aiex_fake_drain(h, p, self);
    CU_ASSERT_STRING_EQUAL(code_of(ids[0]), "unavailable");
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "jobs"), 0);
    rig_close();
    rig_end();
}

/* Cancelled at each step of its work. */
static void test_cancelled_reports(void)
{
    struct usage u = ada;
    uint64_t id;

    rig_begin(NULL);
    record(&u);
    id = aiex_fake_request(h, p, self, "ledger.report", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT_STRING_EQUAL(code_of(id), "open");
    aiex_fake_cancel(h, id);
    aiex_fake_run_posts(h);
    CU_ASSERT_STRING_EQUAL(code_of(id), "open");
    CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "jobs"), 0);
    rig_close();
    rig_end();
}

static int64_t spent(struct aiex_slice a, const char *scope, const char *name, const char *what)
{
    for (uint32_t i = 0; i < items(a, "spent"); i++) {
        struct aiex_slice row = item(a, "spent", i);

        if (strcmp(text(row, "scope"), scope) == 0 && strcmp(text(row, "name"), name) == 0)
            return number(row, what);
    }
    return -1;
}

static void test_spent(void)
{
    struct aiex_slice a;
    struct usage u;

    rig_begin(NULL);
    four_of_two_people();
    a = answer_of(ASK("ledger.spent"));
    CU_ASSERT_STRING_EQUAL(text(a, "day"), "2026-11-21");
    CU_ASSERT_STRING_EQUAL(text(a, "month"), "2026-11");
    CU_ASSERT_EQUAL(spent(a, "key", "k1", "day"), 1700);
    CU_ASSERT_EQUAL(spent(a, "user", "ada", "month"), 1700);
    CU_ASSERT_EQUAL(spent(a, "user", "bob", "day"), 0);
    CU_ASSERT_EQUAL(spent(a, "team", "core", "day"), 1700);
    CU_ASSERT_EQUAL(spent(a, "project", "p", "month"), 1700);
    CU_ASSERT_EQUAL(items(a, "spent"), 5);
    now += 24 * HOUR;
    u = with(ada, "n", 9, 5);
    u.time = now;
    record(&u);
    a = answer_of(ASK("ledger.spent"));
    CU_ASSERT_EQUAL(spent(a, "key", "k1", "day"), 5);
    CU_ASSERT_EQUAL(spent(a, "key", "k1", "month"), 1705);
    now += 10 * 24 * HOUR; /* December */
    a = answer_of(ASK("ledger.spent"));
    CU_ASSERT_STRING_EQUAL(text(a, "month"), "2026-12");
    CU_ASSERT_EQUAL(items(a, "spent"), 0);
    rig_close();
    rig_end();
}

/* A clock that is ahead at the end of a month must not make the ledger forget the month. */
static void test_time_ahead_keeps_the_month(void)
{
    struct usage u = ada;
    struct aiex_slice a;

    rig_begin(NULL);
    now = NOON + 10 * 24 * HOUR - 12 * HOUR - 1000; /* 23:59:59 on the 30th */
    u.time = now;
    record(&u);
    u = with(ada, "b", 2, 1);
    u.time = now + 5000;
    record(&u);
    a = answer_of(ASK("ledger.spent"));
    CU_ASSERT_STRING_EQUAL(text(a, "month"), "2026-11");
    CU_ASSERT_EQUAL(spent(a, "key", "k1", "month"), 701);
    rig_close();
    rig_end();
}

/* A clock that was months ahead and was put right: the month is its own again, with all of it. */
static void test_month_comes_back(void)
{
    struct usage u = ada;
    struct aiex_slice a;

    rig_begin(NULL);
    record(&u);
    for (int i = 0; i < 2; i++) {
        now = NOON + 400 * 24 * HOUR;
        if (i) {
            u = with(ada, "ahead", 2, 5);
            u.time = now;
            record(&u);
        } else { /* only asked */
            CU_ASSERT_EQUAL(items(answer_of(ASK("ledger.spent")), "spent"), 0);
        }
        now = NOON + (i + 1) * HOUR;
        u = with(ada, i ? "c" : "b", 3 + i, 1);
        u.time = now;
        record(&u);
        a = answer_of(ASK("ledger.spent"));
        CU_ASSERT_STRING_EQUAL(text(a, "month"), "2026-11");
        CU_ASSERT_EQUAL(spent(a, "key", "k1", "month"), 701 + i);
        CU_ASSERT_EQUAL(spent(a, "key", "k1", "day"), 701 + i);
    }
    now = NOON + 400 * 24 * HOUR;
    answer_of(ASK("ledger.spent"));
    now = NOON + 3 * HOUR;
    CU_ASSERT_EQUAL(spent(answer_of(ASK("ledger.spent")), "key", "k1", "month"), 702);
    rig_close();
    rig_end();
}

/* A record is of the day of its time, when that can be believed. */
static void test_days_of_records(void)
{
    static const struct {
        int64_t time;
        const char *day;
    } t[] = {{NOON, "2026-11-21"},
             {NOON - 13 * HOUR, "2026-11-20"},
             {NOON - 24 * HOUR, "2026-11-20"},
             {NOON - 25 * HOUR, "2026-11-21"},
             {0, "2026-11-21"},
             {NOON + 9 * 60000, "2026-11-21"},
             {NOON + 13 * HOUR, "2026-11-21"},
             {INT64_MAX, "2026-11-21"},
             {INT64_MIN, "2026-11-21"}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct usage u = ada;
        struct aiex_slice a;

        rig_begin(NULL);
        u.time = t[i].time;
        record(&u);
        a = answer_of(ASK("ledger.report", "by", "day"));
        CU_ASSERT_STRING_EQUAL(text(item(a, "rows", 0), "day"), t[i].day);
        rig_close();
        rig_end();
    }
}

static void test_dates(void)
{
    static const struct {
        int64_t day;
        const char *text;
    } t[] = {{0, "1970-01-01"},     {-1, "1969-12-31"},    {59, "1970-03-01"},
             {11016, "2000-02-29"}, {20778, "2026-11-21"}, {47540, "2100-02-28"},
             {47541, "2100-03-01"}};
    char out[DAY_TEXT];
    int64_t day;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        day_text(t[i].day, out);
        CU_ASSERT_STRING_EQUAL(out, t[i].text);
        CU_ASSERT_EQUAL(day_read(t[i].text, &day), 1);
        CU_ASSERT_EQUAL(day, t[i].day);
    }
    CU_ASSERT_EQUAL(day_read("2026-02-29.log", &day), 0);
    CU_ASSERT_EQUAL(day_read("2026-13-01", &day), 0);
    CU_ASSERT_EQUAL(day_read("2026-1-01", &day), 0);
    CU_ASSERT_EQUAL(day_of(-1), -1);
    CU_ASSERT_EQUAL(day_of(-DAY_MS), -1);
    CU_ASSERT_EQUAL(day_of(-DAY_MS - 1), -2);
}

/* ---- Random records against a model that simply keeps them all ---- */

#define N_RANDOM 3000

static struct usage all[N_RANDOM];
static char ids[N_RANDOM][16];

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

static void random_records(void)
{
    static const char *const users[] = {"ada", "bob", "eve", ""};
    static const char *const models[] = {"m1", "m2", "m3"};
    static const char *const jobs[] = {"ci", "night", NULL};
    static const char *const codes[] = {"", "", "", "upstream", "busy"};

    for (int i = 0; i < N_RANDOM; i++) {
        snprintf(ids[i], sizeof(ids[i]), "r%d", i);
        now = NOON + i * (3 * 24 * HOUR / N_RANDOM);
        all[i] = (struct usage){.id = ids[i],
                                .ticket = i + 1,
                                .key = "k",
                                .team = "t",
                                .project = "p",
                                .provider = "a",
                                .user = users[pick(4)],
                                .model = models[pick(3)],
                                .tag = jobs[pick(3)],
                                .code = codes[pick(5)],
                                .time = now - pick(20 * HOUR),
                                .input = pick(1000),
                                .output = pick(100),
                                .cost = (int64_t)pick(5000) - 500};
        record(&all[i]);
    }
}

static void check_sums(const char *from, const char *to, const char *user, const char *model)
{
    int64_t begin = *from ? atoll(from + 1) : 0, end = *to ? atoll(to + 1) : INT64_MAX;
    int64_t n = 0, failed = 0, input = 0, cost = 0, unpriced = 0, got[5] = {0};
    struct aiex_slice a = answer_of(ASK("ledger.report", "by", "day,user,tag:job", "from",
                                        *from ? from : "#0", "to", *to ? to : "#9000000000000",
                                        "user", user, "model", model));

    for (int i = 0; i < N_RANDOM; i++) {
        const struct usage *u = &all[i];

        if (u->time < begin || u->time >= end || (*user && strcmp(user, u->user) != 0) ||
            (*model && strcmp(model, u->model) != 0))
            continue;
        n++;
        failed += u->code[0] != 0;
        input += u->input;
        cost += u->cost > 0 ? u->cost : 0;
        unpriced += u->cost < 0;
    }
    for (uint32_t i = 0; i < items(a, "rows"); i++) {
        struct aiex_slice row = item(a, "rows", i);

        got[0] += number(row, "requests");
        got[1] += number(row, "failed");
        got[2] += number(row, "input_tokens");
        got[3] += number(row, "cost");
        got[4] += number(row, "unpriced");
    }
    CU_ASSERT_EQUAL(got[0], n);
    CU_ASSERT_EQUAL(got[1], failed);
    CU_ASSERT_EQUAL(got[2], input);
    CU_ASSERT_EQUAL(got[3], cost);
    CU_ASSERT_EQUAL(got[4], unpriced);
}

static void check_all_questions(void)
{
    static const char *const users[] = {"", "ada", "eve"};
    static const char *const models[] = {"", "m2"};
    char from[32], to[32];

    check_sums("", "", "", "");
    for (int i = 0; i < 12; i++) {
        int64_t begin = NOON - 24 * HOUR + (int64_t)pick(96) * HOUR + (i % 2 ? pick(HOUR) : 0);

        snprintf(from, sizeof(from), "#%lld", (long long)begin);
        snprintf(to, sizeof(to), "#%lld", (long long)(begin + (int64_t)pick(72) * HOUR));
        check_sums(from, to, users[pick(3)], models[pick(2)]);
        check_sums(from, "", users[pick(3)], models[pick(2)]);
    }
}

/* From totals in memory, from summaries and segments after a restart, and when no totals fit. */
static void test_reports_are_right(void)
{
    static const char *const rows[] = {"4096", "3"};

    unsigned seed = (unsigned)time(NULL);

    printf("(seed %u) ", seed);
    srand(seed);
    for (int i = 0; i < 2; i++) {
        const struct aiex_fake_pair pairs[] = {{"max_rows", rows[i]}, {"checkpoint", "8k"}, {0}};

        rig_begin(pairs);
        random_records();
        check_all_questions();
        rig_close();
        rig_open(pairs);
        check_all_questions();
        rig_close();
        rig_end();
    }
}

/* The first act of the n-th request to the audit log, and how many there are in it. */
static struct aiex_slice act(size_t n, uint32_t *ret_n)
{
    const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CALL, n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "audit");
    CU_ASSERT_STRING_EQUAL(r->name, "audit.append_all");
    *ret_n = items(r->body, "acts");
    return item(r->body, "acts", 0);
}

static void test_acts(void)
{
    const struct aiex_fake_pair pairs[] = {{"audit", "audit"}, {0}};
    struct aiex_slice payload = {NULL, 0}, none = {NULL, 0};
    struct usage u = ada;
    uint32_t n = 0;

    rig_begin(pairs);
    record(&u);
    record(&u); /* counted once, told once */
    u = with(ada, "b", 2, -1);
    u.key = u.provider = NULL;
    u.code = "upstream";
    record(&u);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CALL), 0);
    aiex_fake_run_posts(h);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(text(act(0, &n), "type"), "model.call");
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_STRING_EQUAL(text(act(0, &n), "actor"), "k1");
    CU_ASSERT_STRING_EQUAL(text(act(0, &n), "subject"), "a/m1");
    CU_ASSERT_EQUAL(aiex_get_bytes(act(0, &n), "payload", &payload), 1);
    CU_ASSERT_STRING_EQUAL(text(payload, "user"), "ada");
    CU_ASSERT_STRING_EQUAL(text(payload, "id"), "00000000000000aa");
    CU_ASSERT_EQUAL(number(payload, "input_tokens"), 10);
    CU_ASSERT_EQUAL(number(payload, "output_tokens"), 5);
    CU_ASSERT_EQUAL(number(payload, "cost"), 700);
    aiex_fake_answer_ok(h, aiex_fake_nth(h, AIEX_FAKE_CALL, 0)->id, none);
    record(&u);
    u.ticket = 3;
    record(&u);
    aiex_fake_run_posts(h);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(text(act(1, &n), "actor"), "anonymous");
    CU_ASSERT_STRING_EQUAL(text(act(1, &n), "subject"), "none/m1");
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(aiex_get_bytes(act(1, &n), "payload", &payload), 1);
    CU_ASSERT_STRING_EQUAL(text(payload, "code"), "upstream");
    CU_ASSERT_EQUAL(number(payload, "cost"), -1);
    rig_close();
    rig_end();
}

/* What the gateway puts into the record goes into the act; the salt stays here. */
static void test_hashes_of_contents(void)
{
    static const char *const fields[] = {"hash",        "salted", "request_hash", "aa11",
                                         "answer_hash", "bb22",   "salt",         "cc33"};
    const struct aiex_fake_pair pairs[] = {{"audit", "audit"}, {0}};
    struct aiex_slice payload = {NULL, 0}, plain;
    uint8_t mem[2048];
    struct aiex_writer w;
    struct aiex_value head;
    uint32_t n = 0;

    rig_begin(pairs);
    plain = usage_map(&ada);
    CU_ASSERT_EQUAL_FATAL(aiex_r_value(&plain, &head), 0);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, head.count + 4);
    aiex_w_raw(&w, plain.data, plain.len);
    for (size_t i = 0; i < 8; i++)
        aiex_w_str(&w, fields[i]);
    aiex_fake_cast(h, p, self, "ledger.record", aiex_written(&w));
    aiex_fake_run_posts(h);
    aiex_fake_advance(h, 20);
    CU_ASSERT_EQUAL(aiex_get_bytes(act(0, &n), "payload", &payload), 1);
    CU_ASSERT_STRING_EQUAL(text(payload, "hash"), "salted");
    CU_ASSERT_STRING_EQUAL(text(payload, "request_hash"), "aa11");
    CU_ASSERT_STRING_EQUAL(text(payload, "answer_hash"), "bb22");
    CU_ASSERT_STRING_EQUAL(text(payload, "salt"), "?");
    CU_ASSERT_STRING_EQUAL(text(payload, "user"), "ada");
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("ledger.show", "id", ada.id)), "salt"), "cc33");
    rig_close();
    rig_end();
}

/* Nobody is told where no log is named, and a log that is away holds up no record. */
static void test_no_log(void)
{
    const struct aiex_fake_pair pairs[] = {{"audit", "audit"}, {0}};
    struct usage u = ada;
    uint32_t n = 0;

    rig_begin(NULL);
    record(&u);
    aiex_fake_run_posts(h);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CALL), 0);
    rig_close();
    rig_open(pairs);
    for (u.ticket = 2; u.ticket < 5; u.ticket++) {
        record(&u);
        aiex_fake_run_posts(h);
        aiex_fake_advance(h, 250);
        aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, "unavailable", "nobody", 0,
                               (struct aiex_slice){NULL, 0});
        CU_ASSERT_EQUAL(number(answer_of(ASK("ledger.status")), "records"), u.ticket - 1);
    }
    aiex_fake_advance(h, 250);
    act(aiex_fake_count(h, AIEX_FAKE_CALL) - 1, &n);
    CU_ASSERT_EQUAL(n, 3);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"acts", test_acts},
    {"hashes_of_contents", test_hashes_of_contents},
    {"no log", test_no_log},
    {"show", test_show},
    {"counted once", test_counted_once},
    {"what is no record", test_what_is_no_record},
    {"report", test_report},
    {"wrong questions", test_wrong_questions},
    {"tail", test_tail},
    {"follow", test_follow},
    {"slow follower", test_slow_follower},
    {"far behind is told", test_far_behind_is_told},
    {"too many jobs", test_too_many_jobs},
    {"cancelled reports", test_cancelled_reports},
    {"spent", test_spent},
    {"time ahead keeps the month", test_time_ahead_keeps_the_month},
    {"month comes back", test_month_comes_back},
    {"days of records", test_days_of_records},
    {"dates", test_dates},
    {"reports are right", test_reports_are_right},
    {0},
};
