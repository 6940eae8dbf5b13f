/* Asynchronous requests as events of a store: what is known of them after a restart. */
#include "gateway_store_rig.h"
#include "job_events.h"
#include "job_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM      "gateway/requests"
#define BYTES(text) ((struct aiex_slice){(const uint8_t *)(text), strlen(text)})

static char key[64], other[64];

static void begin_two(void)
{
    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", NULL));
    snprintf(other, sizeof(other), "%s", make_key(NULL, "bob", NULL));
}

static uint64_t submit_as(const char *credential)
{
    return ask("gateway.submit", "credential", "s", credential, "method", "s", "gateway.chat",
               "dialect", "s", "openai.chat", "model", "s", "m", "stream", "b", 1, "body", "x",
               BYTES("{\"max_tokens\":10}"), NULL);
}

static char *submit(void)
{
    static char id[32];

    snprintf(id, sizeof(id), "%s", text(ok(submit_as(key)), "id"));
    return id;
}

static uint64_t poll_for(const char *credential, const char *id, int wait_ms)
{
    return ask("gateway.poll", "credential", "s", credential, "id", "s", id, "wait_ms", "i",
               wait_ms, NULL);
}

static const char *state(const char *id)
{
    return text(ok(poll_for(key, id, 0)), "state");
}

static void part(size_t n, struct aiex_slice bytes)
{
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, made(n)->id, bytes), 0);
}

static int body_is(struct aiex_slice end, const char *want)
{
    struct aiex_slice body = NOTHING;

    return aiex_get_bytes(end, "body", &body) == 1 && aiex_slice_is(body, want);
}

static const char *event(unsigned n, struct aiex_slice *ret)
{
    return stored_event(STREAM, n, ret);
}

static unsigned events(void)
{
    return memory_store_events(world.store, STREAM);
}

/* ---- Cases ---- */

static void an_answer_survives(void)
{
    struct aiex_slice data = NOTHING, end, inner = NOTHING;
    char id[32];

    begin_two();
    snprintf(id, sizeof(id), "%s", submit());
    CU_ASSERT_STRING_EQUAL(event(0, &data), "request.submitted");
    CU_ASSERT_STRING_EQUAL(text(data, "id"), id);
    CU_ASSERT_STRING_EQUAL(text(data, "model"), "m");
    CU_ASSERT_PTR_NULL(memmem(data.data, data.len, key + 8, strlen(key) - 8));
    part(0, BYTES("hel"));
    part(0, BYTES("lo"));
    answer_ok(0);
    CU_ASSERT_STRING_EQUAL(event(1, &data), "request.ended");
    CU_ASSERT_STRING_EQUAL(text(data, "state"), "done");
    restart_stored();
    end = ok(poll_for(key, id, 0));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "done");
    CU_ASSERT(body_is(end, "hellopart")); /* the last part is answer_ok()'s */
    CU_ASSERT_EQUAL(aiex_get_whole(end, "end", &inner), 1);
    failed(poll_for(other, id, 0), "not_found");
    CU_ASSERT_EQUAL(events(), 2);
    /* kept as long as it would have been */
    pass(gw()->config->result_ttl + 2000);
    failed(poll_for(key, id, 0), "not_found");
    finish_stored();
}

static void what_ran_is_told_as_crashed(void)
{
    struct aiex_slice end;
    uint64_t waiting;
    char id[32];

    begin_two();
    snprintf(id, sizeof(id), "%s", submit());
    restart_stored();
    CU_ASSERT_STRING_EQUAL(state(id), "running");
    waiting = poll_for(key, id, 30000);
    CU_ASSERT_TRUE(is_open(waiting));
    pass(FOREIGN_MS + 2000);
    end = ok(waiting);
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "failed");
    CU_ASSERT_STRING_EQUAL(text(end, "code"), "crashed");
    CU_ASSERT_EQUAL(number(end, "http_status"), 502);
    restart_stored();
    CU_ASSERT_STRING_EQUAL(state(id), "failed");
    finish_stored();
}

/* Replaced while it runs: the predecessor ends it, the successor tells. */
static void a_predecessor_ends_its_own(void)
{
    struct {
        struct aiex_fake_host *h;
        const struct aiex_plugin *p;
        void *self;
    } old;
    struct aiex_fake_host *fresh;
    uint64_t waiting;
    void *successor;
    char id[32];

    begin_two();
    snprintf(id, sizeof(id), "%s", submit());
    old.h = h;
    old.p = p;
    old.self = self;
    restart(with_store);
    fresh = h;
    successor = self;
    waiting = poll_for(key, id, 30000);
    h = old.h;
    self = old.self;
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    part(0, BYTES("late"));
    answer_ok(0);
    settle(0, 1, 1, 1);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    stop();
    h = fresh;
    self = successor;
    pass(3000);
    CU_ASSERT(body_is(ok(waiting), "latepart"));
    pass(FOREIGN_MS);
    CU_ASSERT_STRING_EQUAL(state(id), "done");
    finish_stored();
}

static void a_large_answer_keeps_its_outcome_alone(void)
{
    static uint8_t large[MAX_STORED_BYTES + 1];
    struct aiex_slice end;
    char id[32];

    begin_two();
    snprintf(id, sizeof(id), "%s", submit());
    part(0, (struct aiex_slice){large, sizeof(large)});
    answer_ok(0);
    CU_ASSERT_STRING_EQUAL(state(id), "done");
    CU_ASSERT_EQUAL(events(), 2);
    restart_stored();
    end = ok(poll_for(key, id, 0));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "failed");
    CU_ASSERT_PTR_NOT_NULL(strstr(text(end, "text"), "not kept"));
    finish_stored();
}

static void without_the_store_it_runs_all_the_same(void)
{
    char id[32], late[32];
    uint64_t slow;

    begin_two();
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    slow = submit_as(key); /* it is not known yet that the store is away */
    CU_ASSERT_TRUE(is_open(slow));
    pass(2000);
    snprintf(late, sizeof(late), "%s", text(ok(slow), "id"));
    snprintf(id, sizeof(id), "%s", submit()); /* at once */
    answer_ok(0);
    answer_ok(1);
    CU_ASSERT_STRING_EQUAL(state(id), "done");
    CU_ASSERT_STRING_EQUAL(state(late), "done");
    memory_store_heal(world.store);
    pass(3000);
    CU_ASSERT_EQUAL(events(), 0);
    /* an end that could not be told is told later */
    snprintf(id, sizeof(id), "%s", submit());
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    answer_ok(2);
    pass(5000);
    CU_ASSERT_EQUAL(events(), 1);
    memory_store_heal(world.store);
    pass(5000);
    CU_ASSERT_EQUAL(events(), 2);
    restart_stored();
    CU_ASSERT_STRING_EQUAL(state(id), "done");
    finish_stored();
}

static void who_leaves_while_it_is_stored_has_cancelled(void)
{
    uint64_t id;

    begin_two();
    memory_store_fail(world.store, "store.append", 0, 1, AIEX_E_BUSY, NOT_DONE);
    id = submit_as(key);
    CU_ASSERT_TRUE(is_open(id));
    CU_ASSERT_FALSE(job_store_is_quiet(gw()));
    aiex_fake_cancel(h, id);
    pass(1000);
    CU_ASSERT_PTR_NULL(made(0));
    CU_ASSERT_TRUE(job_store_is_quiet(gw()));
    CU_ASSERT_STRING_EQUAL(event(1, NULL), "request.ended");
    CU_ASSERT_STRING_EQUAL(
        text(ok(ask("gateway.cancel", "local", "b", 1, "id", "s", submit(), NULL)), "state"),
        "cancelled");
    finish_stored();
}

static void cancelled_by_another_while_it_is_stored(void)
{
    struct aiex_value list;
    char id[32];
    uint64_t call;

    begin_two();
    memory_store_fail(world.store, "store.append", 0, 1, AIEX_E_BUSY, NOT_DONE);
    call = submit_as(key);
    CU_ASSERT_TRUE(is_open(call));
    CU_ASSERT_EQUAL_FATAL(
        aiex_get(ok(ask("gateway.requests", "local", "b", 1, NULL)), "requests", &list), 1);
    snprintf(id, sizeof(id), "%s", text(list.bytes, "id"));
    CU_ASSERT_STRING_EQUAL(
        text(ok(ask("gateway.cancel", "local", "b", 1, "id", "s", id, NULL)), "state"),
        "cancelled");
    pass(1000);
    CU_ASSERT_FALSE(is_open(call));
    CU_ASSERT_PTR_NULL(made(0));
    CU_ASSERT_TRUE(job_store_is_quiet(gw()));
    CU_ASSERT_STRING_EQUAL(event(1, NULL), "request.ended");
    restart_stored();
    pass(60000);
    CU_ASSERT_STRING_EQUAL(state(id), "cancelled");
    finish_stored();
}

static void another_ones_request_can_be_cancelled(void)
{
    char id[32];

    begin_two();
    snprintf(id, sizeof(id), "%s", submit());
    restart_stored();
    failed(ask("gateway.cancel", "credential", "s", other, "id", "s", id, NULL), "not_found");
    ok(ask("gateway.cancel", "credential", "s", key, "id", "s", id, NULL));
    CU_ASSERT_STRING_EQUAL(state(id), "cancelled");
    restart_stored();
    CU_ASSERT_STRING_EQUAL(state(id), "cancelled");
    finish_stored();
}

static void the_stream_stays_short(void)
{
    begin_two();
    for (size_t i = 0; i < 1200; i++) {
        submit();
        part(i, BYTES("x"));
        answer_ok(i);
        if (i % 100 == 99)
            pass(gw()->config->result_ttl / 4);
    }
    CU_ASSERT(events() < 1900);
    pass(gw()->config->result_ttl + 2000);
    for (size_t i = 1200; i < 1200 + 256; i++) {
        submit();
        answer_ok(i);
    }
    CU_ASSERT(events() >= 2 && events() < 2 * 256 + 200);
    finish_stored();
}

static void foreign_events_are_no_danger(void)
{
    struct aiex_writer w;
    uint8_t mem[256];

    begin_two();
    for (int kind = 0; kind < 4; kind++) {
        struct aiex_stored_event e = {.type = BYTES("x"), .version = 9};

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "id", kind == 1 ? "0123456789abcdef" : "zz");
        aiex_w_key_int(&w, "model", 7);
        aiex_w_key_str(&w, "parts", "no array");
        e.data = kind == 3 ? NOTHING : aiex_written(&w);
        CU_ASSERT_EQUAL(job_events_submitted(gw(), "run", &e), 0);
        CU_ASSERT_EQUAL(job_events_ended(gw(), &e), 0);
    }
    CU_ASSERT_EQUAL(status("requests"), 1); /* the one whose id is one */
    /* older than it would be kept, it is not taken */
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "id", "00000000000000aa");
    CU_ASSERT_EQUAL(job_events_submitted(
                        gw(), "run",
                        &(struct aiex_stored_event){.data = aiex_written(&w),
                                                    .time = wall_ms - gw()->config->job_timeout -
                                                            gw()->config->result_ttl}),
                    0);
    CU_ASSERT_EQUAL(status("requests"), 1);
    finish_stored();
}

static void memory_ends(void)
{
    for (size_t n = 1; n < 40; n++) {
        const struct aiex_fake_record *r;
        uint64_t id;

        begin_two();
        aiex_fake_fail_alloc(h, n);
        id = submit_as(key);
        aiex_fake_fail_alloc(h, 0);
        pass(3000);
        r = aiex_fake_answer(h, id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r);
        if (made(0)) /* the call may have ended already */
            (void)aiex_fake_answer_ok(h, made(0)->id, NOTHING);
        pass(2000);
        CU_ASSERT_TRUE(job_store_is_quiet(gw()));
        CU_ASSERT(events() == 0 || events() == 2);
        finish_stored();
    }
}

const struct test_case tests[] = {
    {"an_answer_survives", an_answer_survives},
    {"what_ran_is_told_as_crashed", what_ran_is_told_as_crashed},
    {"a_predecessor_ends_its_own", a_predecessor_ends_its_own},
    {"a_large_answer_keeps_its_outcome_alone", a_large_answer_keeps_its_outcome_alone},
    {"without_the_store_it_runs_all_the_same", without_the_store_it_runs_all_the_same},
    {"who_leaves_while_it_is_stored_has_cancelled", who_leaves_while_it_is_stored_has_cancelled},
    {"cancelled_by_another_while_it_is_stored", cancelled_by_another_while_it_is_stored},
    {"another_ones_request_can_be_cancelled", another_ones_request_can_be_cancelled},
    {"the_stream_stays_short", the_stream_stays_short},
    {"foreign_events_are_no_danger", foreign_events_are_no_danger},
    {"memory_ends", memory_ends},
    {0},
};
