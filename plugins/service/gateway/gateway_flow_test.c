/* One request at every moment at which something can go wrong; and many at once. */
#include "gateway_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- One ---- */

static void errors_pass_through(void)
{
    struct aiex_slice end;
    uint64_t id;

    begin(NULL);
    world.chat = CHAT_ERROR;
    id = chat(NULL, 20, 10);
    end = failed(id, "upstream");
    CU_ASSERT_EQUAL(number(end, "http_status"), 502);
    CU_ASSERT_EQUAL(number(end, "attempts"), 1);
    CU_ASSERT_EQUAL(retry_after(id), 7);
    settle(0, 0, 0, 0);
    finish();
}

static void the_host_speaks_no_dialect(void)
{
    struct aiex_slice document = NOTHING, end;

    begin(NULL);
    world.chat = CHAT_ABSENT;
    end = failed(chat(NULL, 20, 10), "unavailable");
    CU_ASSERT_EQUAL(number(end, "http_status"), 503);
    CU_ASSERT_EQUAL(aiex_get_bytes(end, "body", &document), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(document.data, document.len, "\"error\"", 7));
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void a_cut_stream_is_the_hosts_matter(void)
{
    uint64_t id;

    begin(NULL);
    id = chat(NULL, 20, 10);
    aiex_fake_answer_part(h, made(0)->id, (struct aiex_slice){(const uint8_t *)"a", 1});
    aiex_fake_answer_error(h, made(0)->id, "upstream", "cut", 0, NOTHING);
    CU_ASSERT(aiex_fake_answer(h, id)->by_host);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_FAIL), 1);
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    settle(0, 1, 1, 1);
    finish();
}

static void cancelled_before_and_after_the_first_part(void)
{
    begin(NULL);
    for (int parts = 0; parts < 2; parts++) {
        uint64_t id = chat(NULL, 20, 10);

        if (parts)
            aiex_fake_answer_part(h, made((size_t)parts)->id,
                                  (struct aiex_slice){(const uint8_t *)"a", 1});
        CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
        CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, made((size_t)parts)->id, NOTHING), -ENOENT);
        CU_ASSERT_EQUAL(status("in_flight"), 0);
        CU_ASSERT_EQUAL(gw()->flights.n_used, 1);
        settle((size_t)parts, 1, 1, 1);
        CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    }
    finish();
}

/* A vendor may say any number: without a record they are all there is to settle by. */
static void absurd_counts_give_nothing_back(void)
{
    char key[64], id[16];
    uint8_t mem[64];
    struct aiex_slice list = NOTHING;

    begin(NULL);
    snprintf(key, sizeof(key), "%s",
             make_key(&(struct limits){.budget_day = 1000, .tpm = 100}, NULL, id));
    chat(key, 20, 10);
    aiex_fake_answer_ok(h, made(0)->id,
                        pack(mem, sizeof(mem), "input_tokens", "I", INT64_MAX, "output_tokens", "I",
                             INT64_MAX, NULL));
    aiex_fake_advance(h, 31000);
    CU_ASSERT_EQUAL(status("reserved"), 0);
    CU_ASSERT_EQUAL(
        aiex_get_whole(ok(ask("gateway.key_list", "local", "b", 1, NULL)), "keys", &list), 1);
    list.data++; /* an array of one */
    list.len--;
    CU_ASSERT_EQUAL(number(list, "spent_day"), 60);
    failed(chat(key, 20, 10), "busy"); /* the minute's tokens are gone */
    finish();
}

/* An interface in the same cell may cancel while its request is still being handed on. */
static int cancel_inside(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    if (r->parent)
        aiex_fake_cancel(host, r->parent);
    return 0;
}

static void cancelled_inside_the_call(void)
{
    char key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.budget_day = 1000}, NULL, NULL));
    aiex_fake_on_call(h, cancel_inside, NULL);
    chat(key, 20, 10); /* inside coordinator.price */
    CU_ASSERT_PTR_NULL(made(0));
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    ok(ask("gateway.limit_list", "local", "b", 1, NULL));
    chat(NULL, 20, 10); /* a key is demanded by now */
    {
        struct aiex_slice free_key = ok(ask("gateway.key_create", "local", "b", 1, NULL));

        chat(text(free_key, "key"), 20, 10); /* inside coordinator.chat */
    }
    CU_ASSERT_PTR_NOT_NULL(made(0));
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 1);
    settle(0, 1, 1, 1);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static int again_inside(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *r)
{
    static int depth;

    if (strcmp(r->name, "coordinator.chat") != 0)
        return 0;
    if (depth++ < 3)
        chat(NULL, 20, 10 + depth); /* packs while the outer request is packed */
    depth--;
    return aiex_fake_answer_ok(host, r->id, NOTHING);
}

static void requests_inside_requests(void)
{
    begin(NULL);
    aiex_fake_on_call(h, again_inside, NULL);
    ok(chat(NULL, 20, 10));
    for (size_t i = 0; i < 4; i++) {
        struct aiex_slice body = NOTHING;
        char want[32];

        CU_ASSERT_PTR_NOT_NULL_FATAL(made(i));
        aiex_get_bytes(made(i)->body, "body", &body);
        snprintf(want, sizeof(want), "{\"max_tokens\":%zu,", i == 0 ? 10 : 10 + i);
        CU_ASSERT_EQUAL(memcmp(body.data, want, strlen(want)), 0);
        settle(i, 1, 1, 1);
    }
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void a_large_cast_comes_as_a_request(void)
{
    uint8_t mem[128];
    uint64_t id;

    begin(NULL);
    chat(NULL, 20, 10);
    answer_ok(0);
    id = aiex_fake_request(h, p, self, "gateway.settle",
                           pack(mem, sizeof(mem), "ticket", "I", ticket_of(0), NULL), 0);
    ok(id);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void large_records_go_on_whole(void)
{
    uint8_t mem[12000], big[9000];

    memset(big, 'x', sizeof(big));
    begin(NULL);
    chat(NULL, 20, 10);
    answer_ok(0);
    cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "I", ticket_of(0), "why", "x",
                                (struct aiex_slice){big, sizeof(big)}, "cost", "i", 3, NULL));
    CU_ASSERT(aiex_is_map(aiex_fake_last(h, AIEX_FAKE_CAST)->body));
    CU_ASSERT(aiex_fake_last(h, AIEX_FAKE_CAST)->body.len > 9000);
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_CAST)->body, "cost"), 3);
    finish();
}

/* ---- No memory ---- */

/* One life of a gateway in which the n-th allocation, call or timer fails. 1 = none failed. */
static int life_with_failure(size_t n)
{
    struct aiex_error err = {""};
    size_t counted;

    world.chat = CHAT_SETTLE_OK;
    CU_ASSERT_EQUAL_FATAL(try_restart(NULL, &err), 0);
    aiex_fake_fail_alloc(h, n);
    ask("gateway.key_create", "local", "b", 1, "user", "s", "u", "team", "s", "t", "project", "s",
        "p", "budget_day", "i", 1000, NULL);
    ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "v", "rpm", "i", 5,
        NULL);
    ask("gateway.register", "name", "s", "x", NULL);
    ask("gateway.submit", "local", "b", 1, "method", "s", "chat", "dialect", "s", "openai.chat",
        "model", "s", "m", "body", "x", (struct aiex_slice){(const uint8_t *)"{}", 2}, NULL);
    ask("gateway.chat", "local", "b", 1, "dialect", "s", "openai.chat", "model", "s", "m", "body",
        "x", (struct aiex_slice){(const uint8_t *)"{}", 2}, NULL);
    ask("gateway.models", "local", "b", 1, NULL);
    if (aiex_fake_last(h, AIEX_FAKE_CALL)->id)
        aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, NOTHING);
    ok(ask("gateway.status", NULL));
    counted = aiex_fake_fail_alloc(h, 0);
    stop();
    return counted < n;
}

static void every_allocation_may_fail(void)
{
    size_t n = 1;

    begin(NULL);
    stop();
    while (!life_with_failure(n) && n < 200)
        n++;
    CU_ASSERT(n > 8 && n < 200);
    restart(NULL);
    finish();
}

/* The same while it is being made: it refuses to start, and leaves nothing behind. */
static void every_allocation_of_the_start_may_fail(void)
{
    struct aiex_fake_host *host;
    const struct aiex_plugin *plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    struct aiex_error err;
    int r = -1;

    begin(NULL);
    make_key(&(struct limits){.rpm = 1}, "ann", NULL);
    stop();
    for (size_t n = 1; r < 0 && n < 100; n++) {
        host = aiex_fake_host_new("service_gateway");
        aiex_fake_data_dir(host, folder);
        aiex_fake_fail_alloc(host, n);
        self = NULL;
        r = aiex_fake_start(host, plugin, (struct aiex_fake_pair[]){{"ledger", "none"}, {0}}, &self,
                            &err);
        if (r == 0)
            aiex_fake_stop(host, plugin, self);
        CU_ASSERT_EQUAL(aiex_fake_host_free(host), 0);
    }
    CU_ASSERT_EQUAL(r, 0);
    restart(NULL);
    finish();
}

/* ---- Many at once ---- */

#define LIVES   30
#define STEPS   400
#define RUNNING 64

static uint64_t seed;

static int chance(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)n);
}

struct run {
    uint64_t id;
    int64_t ticket, reserved;
    uint64_t call;
    int open, settled;
};

struct sums {
    int64_t reserved, spent, overshoot;
    int open;
};

static struct sums sums_of(const struct run *runs, int n)
{
    struct sums s = {0, 0, 0, 0};

    for (int i = 0; i < n; i++) {
        s.open += runs[i].open;
        s.reserved += runs[i].settled ? 0 : runs[i].reserved;
    }
    return s;
}

static void begin_one(struct run *runs, int *n, const char *key)
{
    int input = 10 + chance(200), output = 1 + chance(200);
    uint64_t id = chat(key, input, output);
    const struct aiex_fake_record *call = aiex_fake_last(h, AIEX_FAKE_CALL);

    if (!is_open(id))
        return;
    runs[(*n)++] = (struct run){.id = id,
                                .ticket = number(call->body, "ticket"),
                                .reserved = 2 * (input + output),
                                .call = call->id,
                                .open = 1};
}

static void end_one(struct run *r)
{
    if (!r->open)
        return;
    r->open = 0;
    if (chance(3) == 0)
        aiex_fake_cancel(h, r->id);
    else if (chance(2))
        aiex_fake_answer_ok(h, r->call, NOTHING);
    else {
        aiex_fake_answer_part(h, r->call, (struct aiex_slice){(const uint8_t *)"a", 1});
        aiex_fake_answer_error(h, r->call, "upstream", "cut", 0, NOTHING);
    }
}

static void settle_one(struct run *r, int64_t *spent, int64_t *overshoot)
{
    int64_t cost = chance(5) ? chance((int)r->reserved + 1) : r->reserved + chance(50);
    uint8_t mem[128];

    cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "I", r->ticket, "cost", "I", cost,
                                "output_tokens", "i", chance(300), NULL));
    if (r->settled)
        return;
    r->settled = 1;
    *spent += cost;
    *overshoot += cost > r->reserved ? cost - r->reserved : 0;
}

static void random_life(const char *key, struct account *a, int64_t budget)
{
    struct run runs[STEPS];
    int64_t spent = a->spent_day, overshoot = 0;
    int n = 0;

    for (int step = 0; step < STEPS; step++) {
        struct sums s;

        if (n == 0 || chance(3) == 0)
            begin_one(runs, &n, key);
        else if (chance(2))
            end_one(&runs[chance(n)]);
        else
            settle_one(&runs[chance(n)], &spent, &overshoot);
        s = sums_of(runs, n);
        CU_ASSERT_EQUAL_FATAL(a->reserved, s.reserved);
        CU_ASSERT_EQUAL_FATAL(a->spent_day, spent);
        CU_ASSERT_EQUAL_FATAL(a->in_flight, s.open);
        CU_ASSERT_FATAL(spent <= budget + overshoot);
        if (step % 50 == 0)
            aiex_fake_forget(h);
    }
    for (int i = 0; i < n; i++) {
        end_one(&runs[i]);
        settle_one(&runs[i], &spent, &overshoot);
    }
    CU_ASSERT_EQUAL(a->reserved, 0);
    CU_ASSERT_EQUAL(a->in_flight, 0);
    CU_ASSERT_EQUAL(a->spent_day, spent);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    CU_ASSERT_EQUAL(gw()->flights.reserved, 0);
    CU_ASSERT_EQUAL(gw()->flights.in_flight, 0);
}

static void money_adds_up_in_any_order(void)
{
    char key[64], id[16];

    for (int life = 1; life <= LIVES; life++) {
        int64_t budget = 400 * (int64_t)life * life;

        begin(NULL);
        snprintf(key, sizeof(key), "%s",
                 make_key(&(struct limits){.budget_day = budget}, "ann", id));
        seed = (uint64_t)life;
        random_life(key,
                    &keys_by_id(&gw()->keys, (struct aiex_slice){(const uint8_t *)id, 12})->account,
                    budget);
        finish();
    }
}

/* Ghosts and slots are bounded, and tickets of used slots mean nothing. */
static void many_requests_without_records(void)
{
    int64_t first;

    begin((struct aiex_fake_pair[]){{"settle_grace", "100ms"}, {0}});
    chat(NULL, 20, 10);
    first = ticket_of(0);
    aiex_fake_cancel(h, aiex_fake_nth(h, AIEX_FAKE_CALL, 1)->parent);
    for (int i = 0; i < 1200; i++) {
        aiex_fake_cancel(h, chat(NULL, 20, 10));
        if (i % 100 == 99) {
            aiex_fake_advance(h, 200);
            aiex_fake_forget(h);
        }
    }
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    CU_ASSERT_EQUAL(gw()->flights.n_ghosts, MAX_GHOSTS);
    CU_ASSERT(gw()->flights.n_slots <= MAX_GHOSTS + 128);
    {
        uint8_t mem[64];

        cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "I", first, "cost", "i", 5, NULL));
    }
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CAST), 0);
    finish();
}

const struct test_case tests[] = {
    {"errors_pass_through", errors_pass_through},
    {"the_host_speaks_no_dialect", the_host_speaks_no_dialect},
    {"a_cut_stream_is_the_hosts_matter", a_cut_stream_is_the_hosts_matter},
    {"cancelled_before_and_after_the_first_part", cancelled_before_and_after_the_first_part},
    {"absurd_counts_give_nothing_back", absurd_counts_give_nothing_back},
    {"cancelled_inside_the_call", cancelled_inside_the_call},
    {"requests_inside_requests", requests_inside_requests},
    {"a_large_cast_comes_as_a_request", a_large_cast_comes_as_a_request},
    {"large_records_go_on_whole", large_records_go_on_whole},
    {"every_allocation_may_fail", every_allocation_may_fail},
    {"every_allocation_of_the_start_may_fail", every_allocation_of_the_start_may_fail},
    {"money_adds_up_in_any_order", money_adds_up_in_any_order},
    {"many_requests_without_records", many_requests_without_records},
    {0},
};
