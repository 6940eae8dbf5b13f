/* service_projections_test.c - the plugin through its descriptor; the store has events that the
 * test says, and tables. */
#include "projections.h"
#include "test.h"

#include <aiex_fake_host.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <table_store.h>

#define DAY   86400000ll
#define NOV21 1795219200000ll /* 2026-11-21 */

struct said {
    int64_t time;
    const char *user, *role, *model, *outcome;
    int64_t input, output;
    int broken; /* 1 = erased, 2 = no map */
};

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static struct table_store *rows;
static struct said said[2500];
static size_t n_said;

/* ---- The store ---- */

static void write_data(struct aiex_writer *w, const struct said *s)
{
    if (s->broken == 2)
        aiex_w_str(w, "nonsense");
    if (s->broken)
        return;
    aiex_w_map(w, 2u + (s->model != NULL) + (s->outcome != NULL) + (s->output != 0));
    aiex_w_key_str(w, "role", s->role);
    aiex_w_key_str(w, "content", "x");
    if (s->model)
        aiex_w_key_str(w, "model", s->model);
    if (s->outcome)
        aiex_w_key_str(w, "outcome", s->outcome);
    if (s->output) {
        aiex_w_str(w, "usage");
        aiex_w_map(w, 2);
        aiex_w_key_int(w, "input_tokens", s->input);
        aiex_w_key_int(w, "output_tokens", s->output);
    }
}

static void write_event(struct aiex_writer *w, size_t i)
{
    const struct said *s = &said[i];
    struct aiex_writer data;
    uint8_t mem[512];
    char id[32];

    aiex_writer_init(&data, mem, sizeof(mem));
    write_data(&data, s);
    snprintf(id, sizeof(id), "e%zu", i);
    aiex_w_map(w, 8);
    aiex_w_key_str(w, "stream", "session/s1");
    aiex_w_key_int(w, "version", (int64_t)i + 1);
    aiex_w_key_int(w, "sequence", (int64_t)i + 1);
    aiex_w_key_str(w, "id", id);
    aiex_w_key_str(w, "type", "session.message");
    aiex_w_key_int(w, "time", s->time);
    aiex_w_key_bin(w, "data", mem, data.len);
    aiex_w_str(w, "meta");
    aiex_w_map(w, s->user != NULL);
    if (s->user)
        aiex_w_key_str(w, "user", s->user);
}

static void read_events(const struct aiex_fake_record *call)
{
    int64_t from = 1, limit = 100;
    static uint8_t mem[1 << 20];
    struct aiex_writer w;
    size_t at, n;

    aiex_get_int(call->body, "from", &from);
    aiex_get_int(call->body, "limit", &limit);
    at = from > 1 ? (size_t)from - 1 : 0;
    n = at >= n_said ? 0 : n_said - at;
    n = n > (size_t)limit ? (size_t)limit : n;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_array(&w, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        write_event(&w, at + i);
    if (n)
        aiex_fake_answer_part(h, call->id, aiex_written(&w));
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "events", (int64_t)n);
    aiex_w_key_int(&w, "last", (int64_t)(at + n));
    aiex_w_key_bool(&w, "end", at + n >= n_said);
    aiex_w_key_int(&w, "sequence", (int64_t)n_said);
    aiex_fake_answer_ok(h, call->id, aiex_written(&w));
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *call)
{
    if (strcmp(call->name, "store.read") != 0)
        return table_store_call(arg, host, call);
    read_events(call);
    return 0;
}

/* ---- The rig ---- */

static int open_it(const struct aiex_fake_pair *pairs, struct aiex_error *err)
{
    h = aiex_fake_host_new("service_projections");
    aiex_fake_on_call(h, on_call, rows);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    return aiex_fake_start(h, p, pairs, &self, err);
}

static void close_it(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void settle(void)
{
    for (int i = 0; i < 100; i++)
        aiex_fake_advance(h, 1000);
}

static void begin(void)
{
    struct aiex_error err = {""};

    rows = table_store_new();
    n_said = 0;
    if (open_it(NULL, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void end(void)
{
    close_it();
    table_store_free(rows);
}

static void say(struct said s)
{
    said[n_said++] = s;
}

static uint64_t report(const char *by, int64_t from, int64_t to, const char *user,
                       const char *model)
{
    uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3u + (user != NULL) + (model != NULL));
    aiex_w_key_str(&w, "by", by);
    aiex_w_key_int(&w, "from", from);
    aiex_w_key_int(&w, "to", to);
    if (user)
        aiex_w_key_str(&w, "user", user);
    if (model)
        aiex_w_key_str(&w, "model", model);
    return aiex_fake_request(h, p, self, "session_usage.report", aiex_written(&w), 0);
}

/* "KEYS messages/answers/failed/input/output" of each row. */
static const char *shown(uint64_t call)
{
    static char out[8192];
    static const char *const keys[] = {"day", "user", "model"};
    static const char *const sums[] = {"messages", "answers", "failed", "input_tokens",
                                       "output_tokens"};
    const struct aiex_fake_record *r = aiex_fake_answer(h, call);
    struct aiex_value v;
    size_t n = 0;

    out[0] = 0;
    if (!r || r->kind == AIEX_FAKE_FAIL)
        return r ? r->code : "open";
    if (aiex_get(r->body, "rows", &v) != 1)
        return "no rows";
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice row = v.bytes, text;
        int64_t sum;

        CU_ASSERT_EQUAL_FATAL(aiex_r_skip(&v.bytes), 0);
        row.len -= v.bytes.len;
        for (int k = 0; k < 3; k++)
            if (aiex_get_str(row, keys[k], &text) == 1)
                n += (size_t)sprintf(out + n, "%.*s ", (int)text.len, text.data);
        for (int k = 0; k < 5; k++) {
            CU_ASSERT_EQUAL(aiex_get_int(row, sums[k], &sum), 1);
            n += (size_t)sprintf(out + n, "%lld%s", (long long)sum, k < 4 ? "/" : "\n");
        }
    }
    return out;
}

static const char *text_of(const char *method, const char *key)
{
    static char out[8192];
    uint64_t call = aiex_fake_request(h, p, self, method, (struct aiex_slice){NULL, 0}, 0);
    const struct aiex_fake_record *r = aiex_fake_answer(h, call);
    struct aiex_slice text = {NULL, 0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    aiex_get_bytes(r->body, key, &text);
    snprintf(out, sizeof(out), "%.*s", (int)text.len, text.len ? (const char *)text.data : "");
    return out;
}

/* ---- Tests ---- */

static void say_some(void)
{
    say((struct said){NOV21, "ann", "user", NULL, NULL, 0, 0, 0});
    say((struct said){NOV21 + 5, "ann", "assistant", "m1", NULL, 10, 3, 0});
    say((struct said){NOV21 + 9, "bob", "user", NULL, NULL, 0, 0, 0});
    say((struct said){NOV21 + 9, "bob", "assistant", "m1", "cut", 5, 1, 0});
    say((struct said){NOV21 + DAY, "ann", "assistant", "m2", NULL, 7, 2, 0});
    say((struct said){NOV21 + DAY, NULL, "assistant", "m2", NULL, 100, 50, 0});
}

static void usage_is_summed(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)), "");
    say_some();
    settle();
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 4/2/1/15/4\n2026-11-22 2/2/0/107/52\n");
    CU_ASSERT_STRING_EQUAL(shown(report("user", 0, 2 * NOV21, NULL, NULL)),
                           "ann 3/2/0/17/5\nbob 2/1/1/5/1\n 1/1/0/100/50\n");
    CU_ASSERT_STRING_EQUAL(shown(report("model", NOV21, NOV21 + DAY, NULL, NULL)),
                           " 2/0/0/0/0\nm1 2/2/1/15/4\n");
    CU_ASSERT_STRING_EQUAL(shown(report("model,user", NOV21, NOV21 + 2 * DAY, "ann", "m2")),
                           "ann m2 1/1/0/7/2\n");
    CU_ASSERT_STRING_EQUAL(shown(report("user", NOV21, NOV21 + 2 * DAY, "", NULL)),
                           " 1/1/0/100/50\n");
    table_store_page(rows, 1);
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 4/2/1/15/4\n2026-11-22 2/2/0/107/52\n");
    end();
}

static void a_restart_counts_nothing_twice(void)
{
    struct aiex_error err = {""};

    begin();
    for (int round = 0; round < 3; round++) {
        say_some();
        settle();
        close_it();
        CU_ASSERT_EQUAL_FATAL(open_it(NULL, &err), 0);
    }
    settle();
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 12/6/3/45/12\n2026-11-22 6/6/0/321/156\n");
    end();
}

static void what_was_erased_does_not_count(void)
{
    begin();
    say_some();
    say((struct said){NOV21, "ann", "user", NULL, NULL, 0, 0, 1});
    say((struct said){NOV21, "ann", "user", NULL, NULL, 0, 0, 2});
    say((struct said){NOV21, "ann", "assistant", NULL, NULL, -5, -9, 0});
    settle();
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 5/3/1/15/4\n2026-11-22 2/2/0/107/52\n");
    end();
}

static void a_failing_one_is_seen_and_goes_on(void)
{
    size_t len, n = 0;
    uint8_t *value;

    begin();
    say_some();
    settle();
    CU_ASSERT_STRING_EQUAL(text_of("service.health", "reason"), "1 projections run");
    value = table_store_value(rows, "projection.session_usage", 0, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    value[0] = 0xc0;
    say_some();
    settle();
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text_of("service.health", "reason"),
               "session_usage has failed: event 7 of 'session/s1': the row of "));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text_of("service.metrics", "text"),
        "aiex_projection_failed{plugin=\"service_projections\",projection=\"session_usage\"} "
        "1\n"));
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "projection 'session_usage'", 0));
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)), "internal");
    {
        static const uint8_t name[] = "\x81\xa4name\xadsession_usage";
        uint64_t call = aiex_fake_request(h, p, self, "projection.rebuild",
                                          (struct aiex_slice){name, sizeof(name) - 1}, 0);

        while (aiex_fake_answer(h, call)->kind == AIEX_FAKE_FAIL && n++ < 5)
            settle();
    }
    settle();
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 8/4/2/30/8\n2026-11-22 4/4/0/214/104\n");
    CU_ASSERT_STRING_EQUAL(text_of("service.health", "reason"), "1 projections run");
    end();
}

static void lag_is_a_number(void)
{
    begin();
    say_some();
    settle();
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of("service.metrics", "text"),
                                  "# TYPE aiex_projection_lag_events gauge\n"
                                  "aiex_projection_lag_events{plugin=\"service_projections\","
                                  "projection=\"session_usage\"} 0\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of("service.metrics", "text"),
                                  "aiex_projection_events_total{plugin=\"service_projections\","
                                  "projection=\"session_usage\"} 6\n"));
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_JOIN, "metrics", 0));
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_JOIN, "session_usage", 0));
    table_store_fail(rows, NULL, 0, 100000, "unavailable", 0);
    say_some();
    settle();
    CU_ASSERT_PTR_NULL(strstr(text_of("service.metrics", "text"),
                              "projection=\"session_usage\"} 0\n# HELP aiex_projection_events"));
    end();
}

static void wrong_reports_are_refused(void)
{
    uint64_t call;

    begin();
    say_some();
    settle();
    CU_ASSERT_STRING_EQUAL(shown(report("hour", 0, NOV21, NULL, NULL)), "invalid");
    CU_ASSERT_STRING_EQUAL(shown(report("", 0, NOV21, NULL, NULL)), "invalid");
    CU_ASSERT_STRING_EQUAL(shown(report("day", -1, NOV21, NULL, NULL)), "invalid");
    CU_ASSERT_STRING_EQUAL(shown(report("day", NOV21, 1, NULL, NULL)), "invalid");
    table_store_fail(rows, "store.range", 0, 1, "unavailable", 0);
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, NOV21, NULL, NULL)), "unavailable");
    table_store_fail(rows, "store.range", 0, 1000, NULL, 0);
    call = report("day", 0, NOV21, NULL, NULL);
    CU_ASSERT_STRING_EQUAL(shown(call), "open");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, call), 0);
    for (int i = 0; i < 33; i++)
        call = report("day", 0, NOV21, NULL, NULL);
    CU_ASSERT_STRING_EQUAL(shown(call), "busy");
    end(); /* with reports open */
}

static void too_many_groups_are_cut(void)
{
    static char names[1100][8];
    int truncated = 0;
    uint64_t call;

    begin();
    for (int i = 0; i < 1100; i++) {
        snprintf(names[i], sizeof(names[i]), "u%d", i);
        say((struct said){NOV21, names[i], "user", NULL, NULL, 0, 0, 0});
    }
    settle();
    call = report("user", 0, 2 * NOV21, NULL, NULL);
    CU_ASSERT_EQUAL(aiex_get_bool(aiex_fake_answer(h, call)->body, "truncated", &truncated), 1);
    CU_ASSERT_EQUAL(truncated, 1);
    CU_ASSERT_STRING_EQUAL(shown(report("day", 0, 2 * NOV21, NULL, NULL)),
                           "2026-11-21 1100/0/0/0/0\n");
    end();
}

static void what_runs_is_configured(void)
{
    static const struct {
        const char *run;
        int error;
    } t[] = {{"all", 0},           {"session_usage", 0}, {"session_usage, session_usage", 0},
             {"nothing", -EINVAL}, {"", -EINVAL},        {",", -EINVAL}};
    struct aiex_error err = {""};

    rows = table_store_new();
    n_said = 0;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_pair pairs[] = {{"run", t[i].run}, {NULL, NULL}};

        CU_ASSERT_EQUAL(open_it(pairs, &err), t[i].error);
        if (t[i].error == 0)
            aiex_fake_stop(h, p, self);
        else
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "session_usage"));
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    for (size_t n = 1; n < 12; n++) {
        int r;

        h = aiex_fake_host_new("service_projections");
        aiex_fake_on_call(h, on_call, rows);
        aiex_fake_fail_alloc(h, n);
        r = aiex_fake_start(h, p, NULL, &self, &err);
        CU_ASSERT_TRUE(r == 0 || r == -ENOMEM);
        aiex_fake_fail_alloc(h, 0);
        if (r == 0) {
            settle();
            CU_ASSERT_STRING_EQUAL(text_of("service.health", "reason"), "1 projections run");
            aiex_fake_stop(h, p, self);
        }
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    table_store_free(rows);
}

const struct test_case tests[] = {
    {"usage is summed", usage_is_summed},
    {"a restart counts nothing twice", a_restart_counts_nothing_twice},
    {"what was erased does not count", what_was_erased_does_not_count},
    {"a failing one is seen and goes on", a_failing_one_is_seen_and_goes_on},
    {"lag is a number", lag_is_a_number},
    {"wrong reports are refused", wrong_reports_are_refused},
    {"too many groups are cut", too_many_groups_are_cut},
    {"what runs is configured", what_runs_is_configured},
    {0},
};
