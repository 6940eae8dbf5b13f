/* aggregate_test.c - commands on accounts, against a store in memory that can fail. */
#include "mini_store.h"

#include "test.h"

#include <aiex_events.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct account {
    int64_t money;
    int64_t events;
    char *note; /* something that done() must free */
};

static int notes; /* that live */

static void account_done(void *state)
{
    struct account *a = state;

    notes -= a->note != NULL;
    free(a->note);
}

static int account_apply(void *state, const struct aiex_stored_event *e)
{
    struct account *a = state;
    char text[64];

    if (aiex_slice_is(e->type, "broken"))
        return -EBADMSG;
    snprintf(text, sizeof(text), "%.*s", (int)e->data.len, (const char *)e->data.data);
    a->money += strtoll(text, NULL, 10);
    a->events++;
    if (!a->note) {
        a->note = strdup("note");
        notes++;
    }
    return 0;
}

/* "5" = pay in, "-5" = pay out, "many" = too many events, "nothing", "denied" */
static int account_validate(const void *state, struct aiex_slice command, struct aiex_decision *d,
                            struct aiex_error *err)
{
    const struct account *a = state;
    int64_t sum;
    char text[64];
    int r = 0;

    snprintf(text, sizeof(text), "%.*s", (int)command.len, (const char *)command.data);
    sum = strtoll(text, NULL, 10);
    if (strcmp(text, "nothing") == 0)
        return 0;
    if (strcmp(text, "denied") == 0)
        return -EACCES;
    for (int i = 0; strcmp(text, "many") == 0 && r == 0; i++)
        r = aiex_decide(d, "moved", command);
    if (r < 0)
        return r;
    if (a->money + sum < 0) {
        snprintf(err->text, sizeof(err->text), "%lld are not there", (long long)-sum);
        return -EINVAL;
    }
    return aiex_decide(d, "moved", command);
}

/* The state's form 2 has the number of events; form 1 had the money alone. */
static void account_save(const void *state, struct aiex_writer *w)
{
    const struct account *a = state;

    aiex_w_map(w, 2);
    aiex_w_key_int(w, "money", a->money);
    aiex_w_key_int(w, "events", a->events);
}

static int account_load(void *state, struct aiex_slice saved)
{
    struct account *a = state;

    return aiex_get_int(saved, "money", &a->money) == 1 &&
                   aiex_get_int(saved, "events", &a->events) == 1
               ? 0
               : -EBADMSG;
}

static int upgrade_1(struct aiex_slice old, struct aiex_writer *w)
{
    int64_t money;

    if (aiex_get_int(old, "money", &money) != 1)
        return -EBADMSG;
    aiex_w_map(w, 2);
    aiex_w_key_int(w, "money", money);
    aiex_w_key_int(w, "events", 1000);
    return 0;
}

static const struct aiex_upgrade upgrades[] = {{1, upgrade_1}, {0, NULL}};

static const struct aiex_aggregate account = {.name = "account",
                                              .state_size = sizeof(struct account),
                                              .done = account_done,
                                              .apply = account_apply,
                                              .validate = account_validate};
static const struct aiex_aggregate saved = {.name = "account",
                                            .state_size = sizeof(struct account),
                                            .done = account_done,
                                            .apply = account_apply,
                                            .validate = account_validate,
                                            .snapshot_every = 5,
                                            .form = 2,
                                            .save = account_save,
                                            .load = account_load,
                                            .upgrades = upgrades};

/* ---- The rig ---- */

static struct aiex_fake_host *h;
static struct mini_store *s;
static struct aiex_aggregates *all;

static struct {
    int n;
    char code[32], text[200];
    int unknown;
    int64_t version, sequence, money, events;
    uint32_t n_events, tries;
} last;

static void on_done(void *arg, const struct aiex_command_end *end)
{
    const struct account *a = end->state;

    last.n++;
    snprintf(last.code, sizeof(last.code), "%s", end->code ? end->code : "");
    snprintf(last.text, sizeof(last.text), "%s", end->text);
    last.unknown = end->unknown;
    last.version = end->version;
    last.sequence = end->sequence;
    last.n_events = end->n_events;
    last.tries = end->tries;
    last.money = a ? a->money : INT64_MIN;
    last.events = a ? a->events : -1;
}

static void begin_with(uint32_t max_tries)
{
    const struct aiex_aggregates_setting setting = {
        .host = (h = aiex_fake_host_new("t"), aiex_fake_host_table(h)),
        .max_commands = 4,
        .max_tries = max_tries};

    memset(&last, 0, sizeof(last));
    s = mini_new(h);
    CU_ASSERT_EQUAL_FATAL(aiex_aggregates_new(&setting, &all), 0);
}

static void begin(void)
{
    begin_with(5);
}

static void end(void)
{
    aiex_aggregates_free(all);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    CU_ASSERT_EQUAL(notes, 0);
    mini_free(s);
}

static int start(const struct aiex_aggregate *type, const char *id, const char *body, uint64_t *ret)
{
    const struct aiex_command c = {.type = type,
                                   .id = id,
                                   .body = {(const uint8_t *)body, strlen(body)},
                                   .correlation = "c1",
                                   .causation = "c2"};

    return aiex_command_run(all, &c, on_done, NULL, ret);
}

static void run(const struct aiex_aggregate *type, const char *id, const char *body)
{
    int n = last.n;

    CU_ASSERT_EQUAL(start(type, id, body, NULL), 0);
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, n + 1);
}

/* ---- Cases ---- */

static void commands_build_on_each_other(void)
{
    begin();
    run(&account, "1", "10");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT(last.version == 1 && last.sequence == 1 && last.n_events == 1 && last.tries == 1);
    CU_ASSERT_EQUAL(last.money, 10);
    run(&account, "1", "-4");
    CU_ASSERT(last.version == 2 && last.money == 6 && last.events == 2);
    run(&account, "2", "1");
    CU_ASSERT(last.version == 1 && last.sequence == 3 && last.money == 1);
    run(&account, "1", "nothing");
    CU_ASSERT(last.version == 2 && last.n_events == 0 && last.sequence == 0 && last.money == 6);
    CU_ASSERT_EQUAL(mini_count(s, "account-1"), 2);
    CU_ASSERT_STRING_EQUAL(s->events[1].data, "-4");
    CU_ASSERT_EQUAL(strlen(s->events[0].id), 36);
    CU_ASSERT_EQUAL(s->events[0].id[14], '7');
    end();
}

static void refusals_have_a_reason(void)
{
    begin();
    run(&account, "1", "-4");
    CU_ASSERT_STRING_EQUAL(last.code, "invalid");
    CU_ASSERT_STRING_EQUAL(last.text, "4 are not there");
    run(&account, "1", "denied");
    CU_ASSERT_STRING_EQUAL(last.code, "denied");
    run(&account, "1", "many");
    CU_ASSERT_STRING_EQUAL(last.code, "invalid");
    CU_ASSERT_FALSE(last.unknown);
    CU_ASSERT_EQUAL(s->n_events, 0);
    CU_ASSERT_EQUAL(s->appends, 0);
    end();
}

static void only_the_state_is_wanted(void)
{
    const struct aiex_command c = {.type = &account, .id = "1", .only_load = 1};

    begin();
    mini_append(s, "account-1", "moved", "7");
    CU_ASSERT_EQUAL(aiex_command_run(all, &c, on_done, NULL, NULL), 0);
    mini_settle(s);
    CU_ASSERT(last.n == 1 && last.money == 7 && last.version == 1 && last.n_events == 0);
    CU_ASSERT_EQUAL(s->appends, 0);
    end();
}

static void one_rival(struct mini_store *store)
{
    store->before_append = NULL;
    mini_append(store, "account-1", "moved", "-8");
}

static void many_rivals(struct mini_store *store)
{
    mini_append(store, "account-1", "moved", "0");
}

static void a_conflict_is_decided_anew(void)
{
    begin();
    mini_append(s, "account-1", "moved", "10");
    s->before_append = one_rival;
    run(&account, "1", "-2");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT(last.version == 3 && last.money == 0 && last.tries == 2);
    CU_ASSERT_EQUAL(s->last_from, 2); /* only what was new was read */
    /* on the newer state it may be refused */
    mini_append(s, "account-1", "moved", "8");
    s->before_append = one_rival;
    run(&account, "1", "-2");
    CU_ASSERT_STRING_EQUAL(last.code, "invalid");
    CU_ASSERT_EQUAL(mini_count(s, "account-1"), 5);
    end();
}

static void conflicts_are_bounded(void)
{
    begin();
    s->before_append = many_rivals;
    run(&account, "1", "1");
    CU_ASSERT_STRING_EQUAL(last.code, "conflict");
    CU_ASSERT_EQUAL(last.tries, 5);
    CU_ASSERT_EQUAL(s->appends, 5);
    CU_ASSERT_FALSE(last.unknown);
    end();
}

static void an_append_that_was_not_heard_of_happens_once(void)
{
    static const char *const codes[] = {"crashed", "timeout", "unavailable", "busy"};

    for (int done = 0; done < 2; done++)
        for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
            begin();
            s->fault = (struct mini_fault){"store.append", codes[i], 0, 2, done};
            run(&account, "1", "3");
            CU_ASSERT_STRING_EQUAL(last.code, "");
            CU_ASSERT(last.version == 1 && last.money == 3 && last.tries == 3);
            CU_ASSERT_EQUAL(mini_count(s, "account-1"), 1);
            end();
        }
}

static void what_nobody_knows_is_said_so(void)
{
    begin();
    s->fault = (struct mini_fault){"store.append", "crashed", 0, 100, 1};
    run(&account, "1", "3");
    CU_ASSERT_STRING_EQUAL(last.code, "crashed");
    CU_ASSERT_EQUAL(last.unknown, 1);
    CU_ASSERT_EQUAL(last.tries, 5);
    s->fault = (struct mini_fault){"store.append", "read_only", 0, 1, 0};
    run(&account, "1", "3");
    CU_ASSERT_STRING_EQUAL(last.code, "read_only");
    CU_ASSERT_EQUAL(last.unknown, 0);
    s->fault = (struct mini_fault){"store.append", "unavailable", 0, 100, 0};
    run(&account, "1", "3");
    CU_ASSERT_STRING_EQUAL(last.code, "unavailable");
    CU_ASSERT_EQUAL(last.unknown, 0);
    end();
}

static void a_store_that_is_away_is_asked_again(void)
{
    static const char *const methods[] = {"store.read", "store.get"};

    for (size_t i = 0; i < 2; i++) {
        begin();
        mini_append(s, "account-1", "moved", "10");
        s->fault = (struct mini_fault){methods[i], "unavailable", 0, 3, 0};
        run(&saved, "1", "-1");
        CU_ASSERT_STRING_EQUAL(last.code, "");
        CU_ASSERT_EQUAL(last.money, 9);
        s->fault = (struct mini_fault){methods[i], "denied", 0, 1, 0};
        run(&saved, "1", "-1");
        CU_ASSERT_STRING_EQUAL(last.code, "denied");
        end();
    }
}

static void snapshots_shorten_the_reading(void)
{
    struct mini_row *row;

    begin();
    for (int i = 0; i < 5; i++)
        run(&saved, "1", "2");
    CU_ASSERT_EQUAL(mini_rows(s, "snapshots"), 1);
    run(&saved, "1", "2");
    CU_ASSERT_EQUAL(s->last_from, 6);
    CU_ASSERT(last.money == 12 && last.events == 6 && last.version == 6);
    row = mini_row(s, "snapshots", "account-1", 9);
    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    /* broken: left aside */
    row->len = 3;
    run(&saved, "1", "2");
    CU_ASSERT_EQUAL(s->last_from, 1);
    CU_ASSERT(last.money == 14 && last.version == 7);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "is left aside", 0));
    end();
}

static void put_snapshot(int64_t form, int64_t version, int64_t money)
{
    struct mini_row *row = &s->rows[s->n_rows++];
    uint8_t state[64];
    struct aiex_writer w;
    size_t len;

    aiex_writer_init(&w, state, sizeof(state));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "money", money);
    len = w.len;
    strcpy(row->table, "snapshots");
    memcpy(row->key, "account-1", 9);
    row->key_len = 9;
    row->version = ++s->transactions;
    aiex_writer_init(&w, row->value, sizeof(row->value));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "form", form);
    aiex_w_key_int(&w, "version", version);
    aiex_w_key_bin(&w, "state", state, len);
    row->len = w.len;
}

static void snapshots_are_upgraded(void)
{
    begin();
    mini_append(s, "account-1", "moved", "10");
    mini_append(s, "account-1", "moved", "10");
    put_snapshot(1, 1, 500);
    run(&saved, "1", "nothing");
    CU_ASSERT(last.money == 510 && last.events == 1001 && last.version == 2);
    CU_ASSERT_EQUAL(s->last_from, 2);
    /* a later form than this program knows */
    s->n_rows = 0;
    put_snapshot(3, 1, 500);
    run(&saved, "1", "nothing");
    CU_ASSERT(last.money == 20 && last.events == 2);
    end();
}

static void a_snapshot_of_another_stream_is_found_out(void)
{
    begin();
    mini_append(s, "account-1", "moved", "10"); /* a stream that was restored from long ago */
    put_snapshot(1, 9, 500);
    run(&saved, "1", "1");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT(last.version == 2 && last.money == 11 && last.tries == 2);
    end();
}

static void erased_events_count(void)
{
    begin();
    mini_append(s, "account-1", "moved", "10");
    mini_append(s, "account-1", "moved", "10");
    s->events[1].erased = 1;
    run(&account, "1", "1");
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT(last.version == 3 && last.money == 11 && last.tries == 2);
    end();
}

static void an_event_that_can_not_be(void)
{
    begin();
    mini_append(s, "account-1", "moved", "10");
    mini_append(s, "account-1", "broken", "");
    run(&account, "1", "1");
    CU_ASSERT_STRING_EQUAL(last.code, "internal");
    CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "event 2 of 'account-1', type 'broken'"));
    CU_ASSERT_EQUAL(s->appends, 0);
    end();
}

static void bounds(void)
{
    char long_id[300];
    uint64_t id;

    begin();
    memset(long_id, 'x', sizeof(long_id));
    long_id[299] = 0;
    CU_ASSERT_EQUAL(start(&account, long_id, "1", NULL), -EINVAL);
    CU_ASSERT_EQUAL(start(&account, "", "1", NULL), -EINVAL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(start(&account, "1", "1", &id), 0);
    CU_ASSERT_EQUAL(start(&account, "1", "1", &id), -EBUSY);
    CU_ASSERT_EQUAL(aiex_commands_running(all), 4);
    mini_settle(s);
    CU_ASSERT_EQUAL(last.n, 4); /* all of one stream: conflicts, decided anew */
    CU_ASSERT_STRING_EQUAL(last.code, "");
    CU_ASSERT_EQUAL(mini_count(s, "account-1"), 4);
    CU_ASSERT_EQUAL(aiex_commands_running(all), 0);
    end();
}

static void cancelled_at_each_moment(void)
{
    for (size_t answers = 0; answers < 4; answers++)
        for (int by_free = 0; by_free < 2; by_free++) {
            uint64_t id;

            begin();
            mini_append(s, "account-1", "moved", "10");
            s->fault = (struct mini_fault){"store.append", "busy", 0, 1, 0}; /* 3: in the pause */
            CU_ASSERT_EQUAL(start(&saved, "1", "1", &id), 0);
            for (size_t i = 0; i < answers; i++)
                CU_ASSERT_EQUAL(mini_answer(s, 1), 1);
            if (!by_free) {
                CU_ASSERT_EQUAL(aiex_command_cancel(all, id), 0);
                CU_ASSERT_EQUAL(aiex_command_cancel(all, id), -ENOENT);
                mini_settle(s);
            }
            end();
            CU_ASSERT_EQUAL(last.n, 0);
        }
}

static void answered_before_the_call_returns(void)
{
    begin();
    aiex_aggregates_free(all);
    CU_ASSERT_EQUAL_FATAL(
        aiex_aggregates_new(&(struct aiex_aggregates_setting){.host = mini_inline(s)}, &all), 0);
    for (int i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(start(&saved, "1", "2", NULL), 0);
        CU_ASSERT(last.n == i + 1 && last.money == 2 * (i + 1));
    }
    CU_ASSERT_EQUAL(start(&saved, "1", "-99", NULL), 0);
    CU_ASSERT_STRING_EQUAL(last.code, "invalid");
    s->before_append = one_rival;
    CU_ASSERT_EQUAL(start(&saved, "1", "-3", NULL), 0);
    CU_ASSERT(last.money == 3 && last.tries == 2);
    CU_ASSERT_EQUAL(aiex_commands_running(all), 0);
    end();
}

static void without_memory(void)
{
    int good = 0;

    for (size_t nth = 1; nth < 60; nth++) {
        int r;

        begin();
        for (int i = 0; i < 5; i++)
            mini_append(s, "account-1", "moved", "2");
        aiex_fake_fail_alloc(h, nth);
        r = start(&saved, "1", "1", NULL);
        CU_ASSERT(r == 0 || r == -ENOMEM);
        mini_settle(s);
        CU_ASSERT_EQUAL(last.n, r == 0);
        CU_ASSERT_EQUAL(mini_count(s, "account-1"), 5u + (last.n && !last.code[0]));
        good += last.n && !last.code[0];
        end();
    }
    CU_ASSERT(good > 30);
}

static void a_broken_answer(void)
{
    static const uint8_t no_array[] = {0x81, 0xa1, 'a', 1}, no_event[] = {0x91, 0x80};
    const struct aiex_slice parts[] = {{no_array, sizeof(no_array)}, {no_event, sizeof(no_event)}};

    for (size_t i = 0; i < 2; i++) {
        begin();
        CU_ASSERT_EQUAL(start(&account, "1", "1", NULL), 0);
        aiex_fake_answer_part(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, parts[i]);
        aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, (struct aiex_slice){NULL, 0});
        CU_ASSERT_EQUAL(last.n, 1);
        CU_ASSERT_STRING_EQUAL(last.code, "internal");
        end();
    }
}

const struct test_case tests[] = {
    {"commands_build_on_each_other", commands_build_on_each_other},
    {"refusals_have_a_reason", refusals_have_a_reason},
    {"only_the_state_is_wanted", only_the_state_is_wanted},
    {"a_conflict_is_decided_anew", a_conflict_is_decided_anew},
    {"conflicts_are_bounded", conflicts_are_bounded},
    {"an_append_that_was_not_heard_of_happens_once", an_append_that_was_not_heard_of_happens_once},
    {"what_nobody_knows_is_said_so", what_nobody_knows_is_said_so},
    {"a_store_that_is_away_is_asked_again", a_store_that_is_away_is_asked_again},
    {"snapshots_shorten_the_reading", snapshots_shorten_the_reading},
    {"snapshots_are_upgraded", snapshots_are_upgraded},
    {"a_snapshot_of_another_stream_is_found_out", a_snapshot_of_another_stream_is_found_out},
    {"erased_events_count", erased_events_count},
    {"an_event_that_can_not_be", an_event_that_can_not_be},
    {"bounds", bounds},
    {"cancelled_at_each_moment", cancelled_at_each_moment},
    {"answered_before_the_call_returns", answered_before_the_call_returns},
    {"without_memory", without_memory},
    {"a_broken_answer", a_broken_answer},
    {0},
};
