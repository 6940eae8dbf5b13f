/* fold_test.c - a fold over a small store that fails when asked to. */
#include "aiex_fold.h"
#include "mini_store.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct aiex_fake_host *h;
static struct mini_store *s;
static struct aiex_fold *fold;

/* The plugin: numbers are added up. */
static struct {
    int64_t sum, events, lost, live;
    int refuse_apply; /* negative errno */
} it;

static struct {
    int n, unknown, asked;
    char code[32], text[300];
    uint32_t n_events;
} last;

static int apply(void *arg, const struct aiex_stored_event *e)
{
    char text[32] = "";

    CU_ASSERT_PTR_EQUAL(arg, &it);
    if (it.refuse_apply)
        return it.refuse_apply;
    memcpy(text, e->data.data, e->data.len < 31 ? e->data.len : 31);
    it.sum += atoll(text);
    it.events++;
    return 0;
}

static void lost(void *arg)
{
    it.sum = it.events = 0;
    it.lost++;
}

static void live(void *arg)
{
    it.live++;
}

/* "5" = add 5; "=7" = make it 7, nothing when it is; "!" = refused; "-" of what is not there too.
 */
static int decide(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    const char *what = arg;
    char text[32];
    int64_t add = *what == '=' ? atoll(what + 1) - it.sum : atoll(what);

    last.asked++;
    if (*what == '!') {
        snprintf(err->text, sizeof(err->text), "not today");
        return -EACCES;
    }
    if (add == 0)
        return 0;
    snprintf(text, sizeof(text), "%lld", (long long)add);
    return aiex_decide(d, "added", (struct aiex_slice){(uint8_t *)text, strlen(text)});
}

static void ended(void *arg, const struct aiex_fold_end *end)
{
    last.n++;
    last.unknown = end->unknown;
    last.n_events = end->n_events;
    snprintf(last.code, sizeof(last.code), "%s", end->code ? end->code : "");
    snprintf(last.text, sizeof(last.text), "%s", end->text);
}

static int open_fold(const struct aiex_host *host, int64_t version, const char *event)
{
    const struct aiex_fold_setting setting = {.host = host,
                                              .stream = "numbers",
                                              .max_changes = 4,
                                              .version = version,
                                              .event = event,
                                              .apply = apply,
                                              .lost = lost,
                                              .live = live,
                                              .arg = &it};

    return aiex_fold_new(&setting, &fold);
}

static void prepare(void)
{
    h = aiex_fake_host_new("t");
    s = mini_new(h);
    fold = NULL;
    memset(&it, 0, sizeof(it));
    memset(&last, 0, sizeof(last));
}

static void begin(void)
{
    prepare();
    CU_ASSERT_EQUAL_FATAL(open_fold(aiex_fake_host_table(h), 0, NULL), 0);
    mini_settle(s);
    mini_answer(s, 100); /* no look is open */
    CU_ASSERT_EQUAL(it.live, 1);
}

static void end(void)
{
    aiex_fold_free(fold);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    mini_free(s);
}

static uint64_t start(const char *what)
{
    uint64_t id = 0;

    CU_ASSERT_EQUAL(aiex_fold_change(fold, decide, ended, (void *)(uintptr_t)what, 0xabc, &id), 0);
    return id;
}

static void run(const char *what)
{
    int n = last.n;

    start(what);
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, n + 1);
}

/* What is in memory is what the stream says. */
static void agrees(void)
{
    int64_t sum = 0, n = 0;

    for (size_t i = 0; i < s->n_events; i++)
        if (strcmp(s->events[i].stream, "numbers") == 0) {
            sum += atoll(s->events[i].data);
            n++;
        }
    CU_ASSERT_EQUAL(it.sum, sum);
    CU_ASSERT_EQUAL(it.events, n);
}

static struct aiex_fold_state state(void)
{
    struct aiex_fold_state st;

    aiex_fold_state(fold, &st);
    return st;
}

/* ---- Cases ---- */

static void changes_are_stored_and_applied(void)
{
    begin();
    run("5");
    run("=7");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT_EQUAL(last.n_events, 1);
    CU_ASSERT_EQUAL(it.sum, 7);
    CU_ASSERT_EQUAL(mini_count(s, "numbers"), 2);
    CU_ASSERT_EQUAL(state().version, 2);
    run("=7");
    CU_ASSERT_EQUAL(last.n_events, 0);
    CU_ASSERT_EQUAL(s->appends, 2);
    agrees();
    end();
}

static void refusals_of_decide_reach_the_caller(void)
{
    begin();
    run("!");
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_DENIED);
    CU_ASSERT_STRING_EQUAL(last.text, "not today");
    CU_ASSERT_EQUAL(s->appends, 0);
    run("3");
    agrees();
    end();
}

static void what_others_append_is_seen(void)
{
    begin();
    mini_append(s, "numbers", "added", "4");
    aiex_fake_advance(h, 2000);
    mini_answer(s, 10);
    CU_ASSERT_EQUAL(it.sum, 4);
    mini_append(s, "numbers", "added", "1");
    aiex_fold_look(fold);
    mini_answer(s, 10);
    CU_ASSERT_EQUAL(it.sum, 5);
    agrees();
    end();
}

static void rival(struct mini_store *store)
{
    store->before_append = NULL;
    mini_append(store, "numbers", "added", "100");
}

static void a_conflict_is_decided_anew(void)
{
    begin();
    run("5");
    s->before_append = rival;
    last.asked = 0;
    run("=7");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT_EQUAL(last.asked, 2);
    CU_ASSERT_EQUAL(it.sum, 7); /* 5 + 100 - 98 */
    CU_ASSERT_EQUAL(mini_count(s, "numbers"), 3);
    agrees();
    end();
}

static void endless(struct mini_store *store)
{
    store->before_append = NULL;
    mini_append(store, "numbers", "added", "1");
    store->before_append = endless;
}

static void conflicts_have_an_end(void)
{
    begin();
    s->before_append = endless;
    run("=-1");
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_CONFLICT);
    CU_ASSERT_FALSE(last.unknown);
    s->before_append = NULL;
    mini_settle(s);
    agrees();
    end();
}

static void a_store_that_comes_back_loses_nothing(void)
{
    static const char *const codes[] = {AIEX_E_UNAVAILABLE, AIEX_E_BUSY, AIEX_E_TIMEOUT,
                                        AIEX_E_CRASHED};

    for (size_t i = 0; i < 4; i++)
        for (int done = 0; done < 2; done++) {
            begin();
            run("5");
            s->fault = (struct mini_fault){"store.append", codes[i], .times = 3, .done = done};
            run("6");
            CU_ASSERT_STRING_EQUAL(last.code, "");
            CU_ASSERT_EQUAL(mini_count(s, "numbers"), 2);
            s->fault = (struct mini_fault){"store.read", codes[i], .times = 3};
            mini_append(s, "numbers", "added", "9");
            aiex_fold_look(fold);
            mini_settle(s);
            CU_ASSERT_EQUAL(it.sum, 20);
            CU_ASSERT_STRING_EQUAL(state().trouble, "");
            agrees();
            end();
        }
}

static void a_change_does_not_wait_for_ever(void)
{
    begin();
    run("5");
    s->fault = (struct mini_fault){NULL, AIEX_E_UNAVAILABLE, .times = 1000000};
    start("6");
    start("7");
    for (int i = 0; i < 140; i++) {
        mini_answer(s, 100);
        aiex_fake_advance(h, 50);
    }
    CU_ASSERT_EQUAL(last.n, 3);
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "numbers"));
    CU_ASSERT_FALSE(last.unknown);
    CU_ASSERT_EQUAL(it.sum, 5);
    CU_ASSERT_TRUE(state().live);
    CU_ASSERT_STRING_NOT_EQUAL(state().trouble, "");
    s->fault.times = 0;
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().trouble, "");
    run("8");
    CU_ASSERT_EQUAL(it.sum, 13);
    agrees();
    end();
}

static void what_is_not_known_is_said_and_found_out(void)
{
    begin();
    s->fault = (struct mini_fault){"store.append", AIEX_E_TIMEOUT, .times = 1000000, .done = 1};
    start("6");
    for (int i = 0; i < 140 && last.n == 0; i++) {
        mini_answer(s, 100);
        aiex_fake_advance(h, 50);
    }
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_TIMEOUT);
    CU_ASSERT_TRUE(last.unknown);
    s->fault.times = 0;
    mini_settle(s);
    CU_ASSERT_EQUAL(it.sum, 6);
    CU_ASSERT_EQUAL(mini_count(s, "numbers"), 1);
    agrees();
    end();
}

/* What is looked at meanwhile does not count twice what an append in doubt has stored. */
static void looks_do_not_disturb_an_append_in_doubt(void)
{
    begin();
    s->fault = (struct mini_fault){"store.append", AIEX_E_CRASHED, .times = 4, .done = 1};
    start("6");
    for (int i = 0; i < 100; i++) {
        mini_answer(s, 100);
        aiex_fold_look(fold);
        aiex_fake_advance(h, 20);
    }
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, 1);
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT_EQUAL(it.sum, 6);
    agrees();
    end();
}

static void a_store_that_only_reads_refuses_at_once(void)
{
    begin();
    s->fault = (struct mini_fault){"store.append", AIEX_E_READ_ONLY, .times = 1};
    start("6");
    mini_answer(s, 100);
    CU_ASSERT_EQUAL(last.n, 1);
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_READ_ONLY);
    CU_ASSERT_FALSE(last.unknown);
    run("7");
    CU_ASSERT_EQUAL(it.sum, 7);
    agrees();
    end();
}

static void goes_on_from_where_it_was(void)
{
    char event[65];
    size_t reads;

    begin();
    run("5");
    run("6");
    snprintf(event, sizeof(event), "%s", state().event);
    aiex_fold_free(fold);
    mini_append(s, "numbers", "added", "7");
    reads = s->reads;
    CU_ASSERT_EQUAL(open_fold(aiex_fake_host_table(h), 2, event), 0);
    mini_answer(s, 10);
    CU_ASSERT_EQUAL(s->reads, reads + 1);
    CU_ASSERT_EQUAL(s->last_from, 2);
    CU_ASSERT_EQUAL(it.live, 2);
    CU_ASSERT_EQUAL(it.lost, 0);
    agrees();
    end();
}

static void another_stream_is_read_from_its_beginning(void)
{
    static const struct {
        int64_t version;
        const char *event;
    } known[] = {{1, "no such id"}, {2, "no such id"}, {57, "shorter now"}};

    for (size_t i = 0; i < 3; i++) {
        prepare();
        mini_append(s, "numbers", "added", "1");
        mini_append(s, "numbers", "added", "2");
        it.sum = 1000;
        it.events = 57;
        CU_ASSERT_EQUAL(open_fold(aiex_fake_host_table(h), known[i].version, known[i].event), 0);
        CU_ASSERT_FALSE(state().live);
        mini_settle(s);
        CU_ASSERT_EQUAL(it.lost, 1);
        CU_ASSERT_EQUAL(it.live, 1);
        agrees();
        run("3");
        agrees();
        end();
    }
}

static void a_stream_that_shrinks_while_it_runs_is_noticed(void)
{
    begin();
    run("5");
    run("6");
    s->n_events--; /* put back to a backup */
    aiex_fold_look(fold);
    mini_settle(s);
    CU_ASSERT_EQUAL(it.lost, 1);
    agrees();
    run("=7");
    CU_ASSERT_EQUAL(it.sum, 7);
    agrees();
    end();
}

static void an_event_that_can_not_be_applied_holds_up_what_follows(void)
{
    begin();
    mini_append(s, "numbers", "added", "5");
    it.refuse_apply = -ENOTSUP;
    aiex_fold_look(fold);
    mini_answer(s, 10);
    CU_ASSERT_PTR_NOT_NULL(strstr(state().trouble, "event 1 of 'numbers'"));
    CU_ASSERT_EQUAL(state().version, 0);
    it.refuse_apply = 0;
    mini_settle(s);
    CU_ASSERT_STRING_EQUAL(state().trouble, "");
    agrees();
    end();
}

static void an_own_event_that_can_not_be_applied_is_read_again(void)
{
    begin();
    it.refuse_apply = -ENOMEM;
    start("5");
    mini_answer(s, 1);
    CU_ASSERT_EQUAL(last.n, 1);
    CU_ASSERT_STRING_EQUAL(last.code, AIEX_E_INTERNAL);
    CU_ASSERT_TRUE(last.unknown);
    it.refuse_apply = 0;
    mini_settle(s);
    CU_ASSERT_EQUAL(it.sum, 5);
    agrees();
    end();
}

static void erased_events_count(void)
{
    begin();
    mini_append(s, "numbers", "added", "5");
    mini_append(s, "numbers", "added", "6");
    s->events[s->n_events - 1].erased = 1;
    run("=7");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT_EQUAL(it.sum, 7);
    run("=9");
    CU_ASSERT_EQUAL(it.sum, 9);
    end();
}

static void changes_can_be_given_up(void)
{
    uint64_t one, two;

    begin();
    one = start("1");
    two = start("2");
    CU_ASSERT_EQUAL(aiex_fold_cancel(fold, two), 0);
    CU_ASSERT_EQUAL(aiex_fold_cancel(fold, two), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fold_cancel(fold, one), -EALREADY);
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, 1);
    CU_ASSERT_EQUAL(it.sum, 1);
    start("4"); /* the queue's end is where it was */
    start("5");
    mini_settle(s);
    CU_ASSERT_EQUAL(it.sum, 10);
    agrees();
    end();
}

static void so_many_changes_and_no_more(void)
{
    begin();
    for (int i = 0; i < 4; i++)
        start("1");
    CU_ASSERT_EQUAL(aiex_fold_change(fold, decide, ended, (void *)(uintptr_t) "1", 0, NULL),
                    -EBUSY);
    CU_ASSERT_EQUAL(state().changes, 4);
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, 4);
    CU_ASSERT_EQUAL(it.sum, 4);
    end();
}

/* A store that answers before call() returns. */
static void a_store_in_the_same_cell(void)
{
    prepare();
    mini_append(s, "numbers", "added", "1");
    CU_ASSERT_EQUAL_FATAL(open_fold(mini_inline(s), 0, NULL), 0);
    CU_ASSERT_EQUAL(it.live, 1);
    s->before_append = rival;
    start("=7");
    CU_ASSERT_EQUAL(last.n, 1);
    CU_ASSERT_EQUAL(it.sum, 7);
    s->fault = (struct mini_fault){"store.append", AIEX_E_BUSY, .times = 2};
    start("=8");
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, 2);
    agrees();
    end();
}

static void stopped_at_every_moment(void)
{
    for (size_t answers = 0; answers < 8; answers++) {
        prepare();
        mini_append(s, "numbers", "added", "1");
        CU_ASSERT_EQUAL_FATAL(open_fold(aiex_fake_host_table(h), 0, NULL), 0);
        s->before_append = rival;
        start("=7");
        start("8");
        mini_answer(s, answers);
        end();
    }
}

static void without_memory(void)
{
    for (size_t n = 1; n < 40; n++) {
        prepare();
        mini_append(s, "numbers", "added", "1");
        aiex_fake_fail_alloc(h, n);
        if (open_fold(aiex_fake_host_table(h), 0, NULL) == 0) {
            int r = aiex_fold_change(fold, decide, ended, (void *)(uintptr_t) "=7", 1, NULL);

            mini_settle(s);
            CU_ASSERT_EQUAL(last.n, r == 0);
            CU_ASSERT(it.sum == 7 || r == -ENOMEM || last.code[0]);
            agrees();
        } else {
            fold = NULL;
        }
        end();
    }
}

/* It may start beside its users: three seconds, then it is said once, and that it came. */
static void a_store_that_starts_late_is_no_trouble(void)
{
    prepare();
    s->fault = (struct mini_fault){"store.read", AIEX_E_UNAVAILABLE, .times = 1000};
    CU_ASSERT_EQUAL_FATAL(open_fold(aiex_fake_host_table(h), 0, NULL), 0);
    for (int i = 0; i < 40; i++) {
        mini_answer(s, 100);
        aiex_fake_advance(h, 50);
    }
    CU_ASSERT_STRING_NOT_EQUAL(state().trouble, "");
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "trying again", 0));
    for (int i = 0; i < 100; i++) {
        mini_answer(s, 100);
        aiex_fake_advance(h, 50);
    }
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "trying again", 0));
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "trying again", 1));
    s->fault.times = 0;
    mini_settle(s);
    CU_ASSERT_EQUAL(it.live, 1);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "there again", 0));
    end();
}

const struct test_case tests[] = {
    {"changes_are_stored_and_applied", changes_are_stored_and_applied},
    {"refusals_of_decide_reach_the_caller", refusals_of_decide_reach_the_caller},
    {"what_others_append_is_seen", what_others_append_is_seen},
    {"a_conflict_is_decided_anew", a_conflict_is_decided_anew},
    {"conflicts_have_an_end", conflicts_have_an_end},
    {"a_store_that_starts_late_is_no_trouble", a_store_that_starts_late_is_no_trouble},
    {"a_store_that_comes_back_loses_nothing", a_store_that_comes_back_loses_nothing},
    {"a_change_does_not_wait_for_ever", a_change_does_not_wait_for_ever},
    {"what_is_not_known_is_said_and_found_out", what_is_not_known_is_said_and_found_out},
    {"looks_do_not_disturb_an_append_in_doubt", looks_do_not_disturb_an_append_in_doubt},
    {"a_store_that_only_reads_refuses_at_once", a_store_that_only_reads_refuses_at_once},
    {"goes_on_from_where_it_was", goes_on_from_where_it_was},
    {"another_stream_is_read_from_its_beginning", another_stream_is_read_from_its_beginning},
    {"a_stream_that_shrinks_while_it_runs_is_noticed",
     a_stream_that_shrinks_while_it_runs_is_noticed},
    {"an_event_that_can_not_be_applied_holds_up_what_follows",
     an_event_that_can_not_be_applied_holds_up_what_follows},
    {"an_own_event_that_can_not_be_applied_is_read_again",
     an_own_event_that_can_not_be_applied_is_read_again},
    {"erased_events_count", erased_events_count},
    {"changes_can_be_given_up", changes_can_be_given_up},
    {"so_many_changes_and_no_more", so_many_changes_and_no_more},
    {"a_store_in_the_same_cell", a_store_in_the_same_cell},
    {"stopped_at_every_moment", stopped_at_every_moment},
    {"without_memory", without_memory},
    {0},
};
