/* projection_test.c - sums of accounts, built from events of a store in memory that can fail. */
#include "mini_store.h"

#include "test.h"

#include <aiex_events.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACE 256

/* ---- What is projected: the sum of each stream's events, and how many there were ---- */

struct totals {
    int64_t sum, n;
};

static const char *poison; /* type of event that can not be projected */
static uint64_t projected;

static int needs(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r)
{
    return aiex_rows_need(r, e->stream);
}

static int project(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                   struct aiex_error *err)
{
    struct aiex_slice was;
    struct totals t = {0, 0};
    char text[64];
    int found = aiex_rows_get(r, e->stream, &was);

    projected++;
    if (found < 0)
        return found;
    if (found)
        memcpy(&t, was.data, sizeof(t));
    snprintf(text, sizeof(text), "%.*s", (int)e->data.len, (const char *)e->data.data);
    t.sum += strtoll(text, NULL, 10);
    t.n++;
    found = aiex_rows_put(r, e->stream, (struct aiex_slice){(const uint8_t *)&t, sizeof(t)});
    if (poison && aiex_slice_is(e->type, poison)) { /* what it has put must not count */
        snprintf(err->text, sizeof(err->text), "I do not know '%s'", poison);
        return -EINVAL;
    }
    return found;
}

static const struct aiex_projection totals = {
    .name = "totals", .version = 1, .needs = needs, .project = project};

/* ---- The rig ---- */

static struct aiex_fake_host *h;
static struct mini_store *s;
static struct aiex_projections *all;

static void open_host(void)
{
    const struct aiex_projections_setting setting = {
        .host = (h = aiex_fake_host_new("t"), aiex_fake_host_table(h))};

    CU_ASSERT_EQUAL_FATAL(aiex_projections_new(&setting, &all), 0);
}

static void begin(void)
{
    poison = NULL;
    projected = 0;
    open_host();
    s = mini_new(h);
}

static void close_host(void)
{
    aiex_projections_free(all);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void end(void)
{
    close_host();
    mini_free(s);
}

/* The process ends and another one goes on with the same store. */
static void again(const struct aiex_projection *projection)
{
    close_host();
    open_host();
    mini_host(s, h);
    CU_ASSERT_EQUAL(aiex_projection_start(all, projection), 0);
}

static void append(const char *stream, int n)
{
    for (int i = 0; i < n; i++)
        mini_append(s, stream, "moved", "2");
}

static struct aiex_projection_state state(void)
{
    struct aiex_projection_state st;

    CU_ASSERT_EQUAL(aiex_projection_state(all, "totals", &st), 0);
    return st;
}

/* What readers find; n = -1 when there is nothing. */
static struct totals read_row(const char *stream)
{
    const struct aiex_slice key = {(const uint8_t *)stream, strlen(stream)};
    char table[AIEX_PROJECTION_TABLE_SIZE];
    uint8_t place[PLACE];
    struct totals t = {0, -1};
    int n = aiex_projection_place(all, "totals", key, table, place, sizeof(place));
    struct mini_row *row = n < 0 ? NULL : mini_row(s, table, place, (size_t)n);

    if (row && row->len == sizeof(t))
        memcpy(&t, row->value, sizeof(t));
    return t;
}

static int is_right(const char *stream)
{
    struct totals t = read_row(stream);
    int64_t n = (int64_t)mini_count(s, stream);

    if (t.n == n && t.sum == 2 * n)
        return 1;
    printf("\n  %s: %lld events, sum %lld; there are %lld\n", stream, (long long)t.n,
           (long long)t.sum, (long long)n);
    return 0;
}

/* ---- Cases ---- */

static void catches_up_then_follows(void)
{
    begin();
    append("a", 250);
    append("b", 3);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_STRING_EQUAL(state().state, "starting");
    CU_ASSERT_EQUAL(state().lag, -1);
    CU_ASSERT_EQUAL(read_row("a").n, -1);
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().state, "live");
    CU_ASSERT(state().lag == 0 && state().position == 253 && state().generation == 1);
    CU_ASSERT(is_right("a") && is_right("b"));
    append("b", 1);
    append("c", 1);
    mini_settle(s);
    CU_ASSERT(is_right("a") && is_right("b") && is_right("c"));
    CU_ASSERT_EQUAL(projected, 255);
    end();
}

static void goes_on_where_it_was(void)
{
    begin();
    append("a", 30);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    mini_settle(s);
    append("a", 5);
    again(&totals);
    mini_settle(s);
    CU_ASSERT(is_right("a"));
    CU_ASSERT_EQUAL(projected, 35);
    CU_ASSERT_EQUAL(state().generation, 1);
    end();
}

static void ends_at_each_moment(void)
{
    for (size_t answers = 0; answers < 60; answers++) {
        begin();
        append("a", 12);
        CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
        for (size_t i = 0; i < answers; i++)
            if (mini_answer(s, 1) == 0)
                aiex_fake_advance(h, 100);
        again(&totals);
        mini_settle(s);
        CU_ASSERT(is_right("a"));
        CU_ASSERT_EQUAL(mini_rows(s, "projection.totals"), 1);
        CU_ASSERT_EQUAL(mini_rows(s, "projections"), 2);
        end();
    }
}

static void only_some_events(void)
{
    const struct aiex_projection one = {
        .name = "totals", .version = 1, .stream = "b", .needs = needs, .project = project};
    const struct aiex_projection type = {
        .name = "totals", .version = 1, .type = "other", .needs = needs, .project = project};

    begin();
    append("a", 20);
    append("b", 2);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &one), 0);
    mini_settle(s);
    CU_ASSERT(is_right("b"));
    CU_ASSERT_EQUAL(read_row("a").n, -1);
    append("a", 1);
    append("b", 1);
    mini_settle(s);
    CU_ASSERT(is_right("b"));
    CU_ASSERT(projected == 3 && state().lag == 0);
    end();
    begin();
    append("a", 20);
    mini_append(s, "a", "other", "2");
    append("a", 20);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &type), 0);
    mini_settle(s);
    CU_ASSERT_EQUAL(read_row("a").n, 1);
    CU_ASSERT(projected == 1 && state().lag == 0 && state().position == 41);
    end();
}

static void a_failing_one_is_seen_and_alone(void)
{
    const struct aiex_projection other = {
        .name = "other", .version = 1, .needs = needs, .project = project, .stream = "b"};
    struct aiex_projection_state st;

    begin();
    poison = "bad";
    append("a", 4);
    mini_append(s, "a", "bad", "2");
    append("a", 4);
    append("b", 2);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &other), 0);
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().state, "failed");
    CU_ASSERT_STRING_EQUAL(state().error, "event 5 of 'a': I do not know 'bad'");
    CU_ASSERT_EQUAL(read_row("a").n, -1); /* not caught up: readers have nothing yet */
    CU_ASSERT_EQUAL(aiex_projection_state(all, "other", &st), 0);
    CU_ASSERT_STRING_EQUAL(st.state, "live");
    CU_ASSERT_EQUAL(state().building_lag, 7); /* what precedes it was saved */
    CU_ASSERT(state().failures >= 1);
    poison = NULL; /* the program was mended */
    again(&totals);
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().state, "live");
    CU_ASSERT_STRING_EQUAL(state().error, "");
    CU_ASSERT(is_right("a") && is_right("b"));
    end();
}

static void a_failing_one_tries_again(void)
{
    begin();
    append("a", 4);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    mini_settle(s);
    poison = "bad";
    mini_append(s, "a", "bad", "2");
    append("a", 1);
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().state, "failed");
    CU_ASSERT(read_row("a").n == 4 && state().lag == 2); /* readers have what was right */
    poison = NULL;
    aiex_fake_advance(h, 60000);
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().state, "live");
    CU_ASSERT(is_right("a"));
    end();
}

static void a_rebuild_stops_no_reader(void)
{
    begin();
    append("a", 150);
    CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), -ENOENT);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), -EAGAIN);
    mini_settle(s);
    CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), 0);
    CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), -EALREADY);
    while (state().generation == 1) { /* at each moment of it */
        CU_ASSERT_EQUAL(read_row("a").n, 150);
        if (mini_answer(s, 1) == 0)
            aiex_fake_advance(h, 100);
    }
    CU_ASSERT(is_right("a"));
    CU_ASSERT_EQUAL(state().generation, 2);
    mini_settle(s);
    CU_ASSERT(is_right("a") && state().building == 0);
    CU_ASSERT_EQUAL(mini_rows(s, "projection.totals"), 1); /* the old ones are gone */
    CU_ASSERT_EQUAL(mini_rows(s, "projections"), 2);
    CU_ASSERT_EQUAL(projected, 300);
    end();
}

static void a_rebuild_survives_an_end_at_each_moment(void)
{
    for (size_t answers = 0; answers < 60; answers++) {
        begin();
        append("a", 12);
        CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
        mini_settle(s);
        CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), 0);
        for (size_t i = 0; i < answers; i++)
            if (mini_answer(s, 1) == 0)
                aiex_fake_advance(h, 100);
        append("a", 1);
        again(&totals);
        mini_settle(s);
        CU_ASSERT(is_right("a"));
        CU_ASSERT_EQUAL(state().generation, answers ? 2 : 1);
        CU_ASSERT_EQUAL(mini_rows(s, "projection.totals"), 1);
        CU_ASSERT_EQUAL(mini_rows(s, "projections"), 2);
        end();
    }
}

static void another_version_is_built_anew(void)
{
    const struct aiex_projection two = {
        .name = "totals", .version = 2, .needs = needs, .project = project};

    begin();
    append("a", 7);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    mini_settle(s);
    again(&two);
    mini_answer(s, 1); /* its row is known: readers have the old rows meanwhile */
    mini_answer(s, 1);
    CU_ASSERT_EQUAL(read_row("a").n, 7);
    CU_ASSERT(state().generation == 1 && state().version == 1 && state().building == 2);
    mini_settle(s);
    CU_ASSERT(state().generation == 2 && state().version == 2 && state().building == 0);
    CU_ASSERT(is_right("a"));
    CU_ASSERT_EQUAL(projected, 14);
    CU_ASSERT_EQUAL(mini_rows(s, "projection.totals"), 1);
    /* and back, before it had caught up */
    again(&totals);
    mini_answer(s, 2);
    again(&two);
    mini_settle(s);
    CU_ASSERT(state().version == 2 && is_right("a"));
    CU_ASSERT_EQUAL(mini_rows(s, "projections"), 2);
    end();
}

static void every_call_may_fail(void)
{
    static const char *const codes[] = {"crashed", "busy", "timeout", "unavailable", "internal"};

    for (int done = 0; done < 2; done++)
        for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
            for (int skip = 0; skip < 40; skip++) {
                begin();
                append("a", 9);
                s->fault = (struct mini_fault){NULL, codes[i], skip, 1, done};
                CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
                mini_settle(s);
                append("a", 3);
                mini_settle(s);
                CU_ASSERT(is_right("a"));
                CU_ASSERT_STRING_EQUAL(state().state, "live");
                end();
            }
}

static void two_processes_count_once(void)
{
    const struct aiex_projections_setting setting = {.host = NULL};
    struct aiex_projections_setting second = setting;
    struct aiex_projections *rival;

    begin();
    append("a", 40);
    second.host = aiex_fake_host_table(h);
    CU_ASSERT_EQUAL_FATAL(aiex_projections_new(&second, &rival), 0);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_EQUAL(aiex_projection_start(rival, &totals), 0);
    for (int i = 0; i < 30; i++) {
        append("a", 3);
        mini_answer(s, 1000);
        aiex_fake_advance(h, 100);
    }
    mini_settle(s);
    aiex_projections_free(rival);
    mini_settle(s);
    aiex_fake_advance(h, 60000);
    mini_settle(s);
    CU_ASSERT(is_right("a"));
    CU_ASSERT_STRING_EQUAL(state().state, "live");
    end();
}

static void without_memory(void)
{
    int good = 0;

    for (size_t nth = 1; nth < 120; nth++) {
        int r;

        begin();
        append("a", 12);
        aiex_fake_fail_alloc(h, nth);
        r = aiex_projection_start(all, &totals);
        CU_ASSERT(r == 0 || r == -ENOMEM);
        mini_settle(s);
        if (r == 0 && !aiex_fake_find(h, AIEX_FAKE_LOG, "stands still", 0)) {
            aiex_fake_advance(h, 60000);
            mini_settle(s);
            CU_ASSERT(is_right("a"));
            good++;
        }
        end();
    }
    CU_ASSERT(good > 100);
}

static void answered_before_the_call_returns(void)
{
    begin();
    append("a", 250);
    aiex_projections_free(all);
    CU_ASSERT_EQUAL_FATAL(
        aiex_projections_new(&(struct aiex_projections_setting){.host = mini_inline(s)}, &all), 0);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    aiex_fake_advance(h, 200);
    CU_ASSERT_STRING_EQUAL(state().state, "live");
    CU_ASSERT(is_right("a"));
    CU_ASSERT_EQUAL(aiex_projection_rebuild(all, "totals"), 0);
    append("a", 1);
    aiex_fake_advance(h, 2000);
    CU_ASSERT(is_right("a") && state().generation == 2);
    CU_ASSERT_EQUAL(mini_rows(s, "projection.totals"), 1);
    end();
}

static void an_older_copy_of_the_store(void)
{
    struct mini_store *copy = malloc(sizeof(*copy));

    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    begin();
    append("a", 10);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    mini_settle(s);
    *copy = *s; /* a backup */
    append("a", 20);
    mini_settle(s);
    CU_ASSERT(is_right("a"));
    copy->seen_calls = s->seen_calls;
    copy->seen_casts = s->seen_casts;
    *s = *copy;     /* restored */
    append("a", 3); /* not as many as it had seen */
    mini_settle(s);
    CU_ASSERT(is_right("a"));
    CU_ASSERT_EQUAL(state().position, 13);
    free(copy);
    end();
}

static int too_much(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                    struct aiex_error *err)
{
    static uint8_t large[1 << 20];
    uint8_t key = 0;
    int result;

    do
        result = aiex_rows_put(r, (struct aiex_slice){&key, 1},
                               (struct aiex_slice){large, sizeof(large)});
    while (result == 0 && ++key);
    return result;
}

static int too_many_needs(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r)
{
    uint8_t key = 0;
    int result;

    do
        result = aiex_rows_need(r, (struct aiex_slice){&key, 1});
    while (result == 0 && ++key);
    return result;
}

static int unknown_row(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                       struct aiex_error *err)
{
    struct aiex_slice value;

    return aiex_rows_get(r, e->type, &value);
}

static void what_is_too_much_fails(void)
{
    const struct aiex_projection wrong[] = {
        {.name = "totals", .version = 1, .project = too_much},
        {.name = "totals", .version = 1, .project = project, .needs = too_many_needs},
        {.name = "totals", .version = 1, .project = unknown_row},
    };
    struct aiex_projection bad = totals;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        begin();
        append("a", 1);
        CU_ASSERT_EQUAL(aiex_projection_start(all, &wrong[i]), 0);
        mini_settle(s);
        CU_ASSERT_STRING_EQUAL(state().state, "failed");
        end();
    }
    begin();
    bad.name = "a/b";
    CU_ASSERT_EQUAL(aiex_projection_start(all, &bad), -EINVAL);
    bad.name = "";
    CU_ASSERT_EQUAL(aiex_projection_start(all, &bad), -EINVAL);
    bad.name = "this-name-is-longer-than-forty-characters";
    CU_ASSERT_EQUAL(aiex_projection_start(all, &bad), -EINVAL);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), -EEXIST);
    end();
}

/* ---- For operators ---- */

static int handle(void *self, const struct aiex_message *m)
{
    return aiex_projections_handle(self, m);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .name = "t",
                                          .handle = handle};

static const char *ask(const char *method, const char *name)
{
    static char text[600];
    uint8_t mem[128];
    struct aiex_writer w;
    const struct aiex_fake_record *r;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, name != NULL);
    if (name)
        aiex_w_key_str(&w, "name", name);
    r = aiex_fake_answer(h, aiex_fake_request(h, &plugin, all, method, aiex_written(&w), 0));
    snprintf(text, sizeof(text), "%s", r->kind == AIEX_FAKE_FAIL ? r->code : "ok");
    return text;
}

static void operators_list_and_rebuild(void)
{
    struct aiex_slice list, name = {NULL, 0};
    struct aiex_value v = {0};

    begin();
    append("a", 4);
    CU_ASSERT_STRING_EQUAL(ask("projection.rebuild", "totals"), "not_found");
    CU_ASSERT_EQUAL(aiex_projection_start(all, &totals), 0);
    CU_ASSERT_STRING_EQUAL(ask("projection.rebuild", "totals"), "busy");
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(ask("projection.list", NULL), "ok");
    list = aiex_fake_last(h, AIEX_FAKE_REPLY)->body;
    CU_ASSERT_EQUAL_FATAL(aiex_get(list, "projections", &v), 1);
    CU_ASSERT_EQUAL(v.count, 1);
    CU_ASSERT_EQUAL(aiex_get_str(v.bytes, "name", &name), 1);
    CU_ASSERT(aiex_slice_is(name, "totals"));
    CU_ASSERT_STRING_EQUAL(ask("projection.rebuild", NULL), "invalid");
    CU_ASSERT_STRING_EQUAL(ask("projection.rebuild", "totals"), "ok");
    CU_ASSERT_STRING_EQUAL(ask("projection.rebuild", "totals"), "conflict");
    CU_ASSERT_STRING_EQUAL(ask("projection.other", "totals"), "not_found");
    mini_settle(s);
    CU_ASSERT_EQUAL(state().generation, 2);
    end();
}

const struct test_case tests[] = {
    {"catches_up_then_follows", catches_up_then_follows},
    {"goes_on_where_it_was", goes_on_where_it_was},
    {"ends_at_each_moment", ends_at_each_moment},
    {"only_some_events", only_some_events},
    {"a_failing_one_is_seen_and_alone", a_failing_one_is_seen_and_alone},
    {"a_failing_one_tries_again", a_failing_one_tries_again},
    {"a_rebuild_stops_no_reader", a_rebuild_stops_no_reader},
    {"a_rebuild_survives_an_end_at_each_moment", a_rebuild_survives_an_end_at_each_moment},
    {"another_version_is_built_anew", another_version_is_built_anew},
    {"every_call_may_fail", every_call_may_fail},
    {"two_processes_count_once", two_processes_count_once},
    {"without_memory", without_memory},
    {"answered_before_the_call_returns", answered_before_the_call_returns},
    {"an_older_copy_of_the_store", an_older_copy_of_the_store},
    {"what_is_too_much_fails", what_is_too_much_fails},
    {"operators_list_and_rebuild", operators_list_and_rebuild},
    {0},
};
