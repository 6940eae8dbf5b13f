/* Rates, concurrency, budgets: who is refused, for how long, and what is left afterwards. */
#include "gateway_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char key[64], id_of_key[16];

/* A gateway with one key that has these limits. */
static void with(const struct limits *limits, const struct aiex_fake_pair *pairs)
{
    begin(pairs);
    snprintf(key, sizeof(key), "%s", make_key(limits, "ann", id_of_key));
}

static void done(size_t n, int64_t cost, int64_t input, int64_t output)
{
    answer_ok(n);
    settle(n, cost, input, output);
}

static struct account *account(void)
{
    return &keys_by_id(&gw()->keys, (struct aiex_slice){(const uint8_t *)id_of_key, 12})->account;
}

static const struct aiex_fake_record *budget_event(const char *type, size_t n)
{
    const struct aiex_fake_record *r;

    for (size_t i = 0; (r = aiex_fake_find(h, AIEX_FAKE_PUBLISH, "gateway.budget", i)) != NULL; i++)
        if (strcmp(r->type, type) == 0 && n-- == 0)
            return r;
    return NULL;
}

/* ---- Rates ---- */

static void requests_per_minute(void)
{
    uint64_t id;

    with(&(struct limits){.rpm = 3}, NULL);
    for (size_t i = 0; i < 3; i++) {
        chat(key, 20, 10);
        done(i, 1, 1, 1);
    }
    id = chat(key, 20, 10);
    CU_ASSERT_EQUAL(number(failed(id, "busy"), "http_status"), 429);
    CU_ASSERT_STRING_EQUAL(text(failed(id, "busy"), "reason"), "rate_limit");
    CU_ASSERT_EQUAL(retry_after(id), 20000);
    aiex_fake_advance(h, 19999);
    id = chat(key, 20, 10);
    failed(id, "busy");
    CU_ASSERT_EQUAL(retry_after(id), 1);
    aiex_fake_advance(h, 1);
    id = chat(key, 20, 10);
    CU_ASSERT(is_open(id));
    done(3, 1, 1, 1);
    failed(chat(key, 20, 10), "busy");
    CU_ASSERT_EQUAL(refused_by("requests"), 3);
    aiex_fake_advance(h, 600000); /* a rest of ten minutes saves one minute's worth */
    for (size_t i = 4; i < 7; i++) {
        chat(key, 20, 10);
        done(i, 1, 1, 1);
    }
    failed(chat(key, 20, 10), "busy");
    finish();
}

static void tokens_per_minute(void)
{
    uint64_t id;

    with(&(struct limits){.tpm = 1000}, NULL);
    chat(key, 400, 200);
    id = chat(key, 400, 200); /* 600 are reserved */
    failed(id, "busy");
    CU_ASSERT_EQUAL(retry_after(id), 12000); /* 200 are missing, at 1000 a minute */
    done(0, 1, 400, 100);                    /* 100 come back */
    id = chat(key, 400, 200);
    failed(id, "busy");
    CU_ASSERT_EQUAL(retry_after(id), 6000);
    aiex_fake_advance(h, 6000);
    chat(key, 400, 200);
    done(1, 1, 400, 300); /* more than it had said: a debt of 100 */
    id = chat(key, 100, 100);
    failed(id, "busy");
    CU_ASSERT_EQUAL(retry_after(id), 18000);
    CU_ASSERT_EQUAL(refused_by("tokens"), 3);
    finish();
}

static void more_tokens_than_a_minute_holds(void)
{
    uint64_t id;

    with(&(struct limits){.tpm = 100}, NULL);
    chat(key, 100, 100); /* waits for a full bucket, not for ever */
    done(0, 1, 100, 100);
    id = chat(key, 10, 10);
    failed(id, "busy");
    CU_ASSERT_EQUAL(retry_after(id), 72000); /* the debt of 100 first, then 20 */
    aiex_fake_advance(h, 72000);
    chat(key, 10, 10);
    done(1, 1, 1, 1);
    finish();
}

static void concurrency(void)
{
    uint64_t a, b;

    with(&(struct limits){.concurrency = 1}, NULL);
    a = chat(key, 20, 10);
    b = chat(key, 20, 10);
    failed(b, "busy");
    CU_ASSERT_EQUAL(refused_by("concurrency"), 1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    b = chat(key, 20, 10); /* a cancelled one has left its place, settled or not */
    CU_ASSERT(is_open(b));
    aiex_fake_answer_error(h, made(1)->id, "upstream", "cut", 0, NOTHING);
    failed(b, "upstream");
    CU_ASSERT(is_open(chat(key, 20, 10)));
    done(2, 1, 1, 1);
    settle(0, 1, 1, 1);
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    finish();
}

/* ---- Budgets ---- */

static void a_day_ends_at_midnight_utc(void)
{
    uint64_t id;

    with(&(struct limits){.budget_day = 1000}, NULL);
    chat(key, 100, 100); /* 2 micro-dollars per token: 400 */
    CU_ASSERT_EQUAL(status("reserved"), 400);
    chat(key, 100, 100);
    id = chat(key, 100, 100); /* 800 are reserved, none is spent */
    failed(id, "busy");
    CU_ASSERT_EQUAL(number(failed(id, "busy"), "http_status"), 429);
    done(0, 350, 100, 75);
    done(1, 350, 100, 75);
    CU_ASSERT_EQUAL(status("reserved"), 0);
    CU_ASSERT_EQUAL(account()->spent_day, 700);
    id = chat(key, 100, 100);
    CU_ASSERT_EQUAL(number(failed(id, "denied"), "http_status"), 402);
    CU_ASSERT_STRING_EQUAL(text(failed(id, "denied"), "reason"), "quota");
    CU_ASSERT_EQUAL(retry_after(id), 12 * 3600 * 1000);
    CU_ASSERT(is_open(chat(key, 100, 40))); /* 280 of the 300 that are left */
    done(2, 280, 100, 40);
    wall_ms = NOON + 12 * 3600 * 1000 - 1;
    id = chat(key, 100, 100);
    failed(id, "denied");
    CU_ASSERT_EQUAL(retry_after(id), 1);
    wall_ms++;
    CU_ASSERT(is_open(chat(key, 100, 100)));
    done(3, 400, 100, 100);
    CU_ASSERT_EQUAL(account()->spent_day, 400);
    CU_ASSERT_EQUAL(account()->spent_month, 1380);
    finish();
}

static void a_month_ends_with_its_last_day(void)
{
    uint64_t id;

    with(&(struct limits){.budget_month = 400}, NULL);
    chat(key, 100, 100);
    done(0, 400, 100, 100);
    id = chat(key, 100, 100);
    CU_ASSERT_EQUAL(number(failed(id, "denied"), "http_status"), 402);
    CU_ASSERT_EQUAL(retry_after(id), (int64_t)(9 * 24 + 12) * 3600 * 1000);
    wall_ms += DAY_MS;
    failed(chat(key, 100, 100), "denied");
    wall_ms = NOON + (int64_t)(9 * 24 + 12) * 3600 * 1000; /* 1 December */
    CU_ASSERT(is_open(chat(key, 100, 100)));
    done(1, 5, 100, 100);
    CU_ASSERT_EQUAL(account()->spent_month, 5);
    finish();
}

static void a_request_counts_for_the_day_of_its_begin(void)
{
    with(&(struct limits){.budget_day = 1000}, NULL);
    chat(key, 100, 100);
    wall_ms += DAY_MS;
    answer_ok(0);
    {
        uint8_t mem[128];

        cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "I", ticket_of(0), "time", "I",
                                    NOON, "cost", "i", 300, NULL));
    }
    CU_ASSERT_EQUAL(account()->spent_day, 0);
    CU_ASSERT_EQUAL(account()->spent_month, 300);
    CU_ASSERT_EQUAL(account()->reserved, 0);
    finish();
}

static void all_four_accounts_must_allow(void)
{
    char other[64];

    with(NULL, NULL);
    snprintf(other, sizeof(other), "%s", make_key(NULL, "ann", NULL));
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "ann",
           "budget_day", "i", 500, NULL));
    chat(key, 100, 100);
    done(0, 400, 100, 100);
    CU_ASSERT_EQUAL(number(failed(chat(other, 100, 100), "denied"), "http_status"), 402);
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_last(h, AIEX_FAKE_FAIL)->text, "user ann"));
    ok(ask("gateway.key_set", "local", "b", 1, "id", "s", id_of_key, "team", "s", "red", "project",
           "s", "x", NULL));
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "ann",
           "budget_day", "i", 0, NULL));
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "project", "name", "s", "x", "rpm",
           "i", 1, NULL));
    chat(key, 100, 100);
    done(1, 1, 1, 1);
    CU_ASSERT_PTR_NOT_NULL(
        strstr((failed(chat(key, 100, 100), "busy"), aiex_fake_last(h, AIEX_FAKE_FAIL)->text),
               "project x"));
    CU_ASSERT(is_open(chat(other, 100, 100)));
    done(2, 1, 1, 1);
    stop();
    restart(NULL);
    {
        struct aiex_value list = {0};
        struct aiex_slice end = ok(ask("gateway.limit_list", "local", "b", 1, NULL));

        CU_ASSERT_EQUAL(aiex_get(end, "limits", &list), 1);
        CU_ASSERT_EQUAL(list.count, 3);
    }
    chat(key, 10, 10);
    done(0, 1, 1, 1);
    failed(chat(key, 10, 10), "busy");
    finish();
}

static void soft_limits_warn_once_a_day(void)
{
    struct aiex_value list = {0};

    with(&(struct limits){.budget_day = 1000, .soft_percent = 50}, NULL);
    chat(key, 100, 100);
    done(0, 499, 100, 100);
    CU_ASSERT_PTR_NULL(budget_event("soft", 0));
    chat(key, 10, 10);
    done(1, 1, 10, 10);
    CU_ASSERT_PTR_NOT_NULL_FATAL(budget_event("soft", 0));
    CU_ASSERT_EQUAL(number(budget_event("soft", 0)->body, "spent"), 500);
    CU_ASSERT_STRING_EQUAL(budget_event("soft", 0)->subject, id_of_key);
    chat(key, 10, 10);
    done(2, 1, 10, 10);
    CU_ASSERT_PTR_NULL(budget_event("soft", 1));
    CU_ASSERT_EQUAL(
        aiex_get(ok(ask("gateway.check", "credential", "s", key, NULL)), "warnings", &list), 1);
    CU_ASSERT_EQUAL(list.count, 1);
    chat(key, 100, 100);
    done(3, 499, 100, 100);
    failed(chat(key, 10, 1), "denied");
    CU_ASSERT_PTR_NOT_NULL(budget_event("hard", 0));
    failed(chat(key, 10, 1), "denied");
    CU_ASSERT_PTR_NULL(budget_event("hard", 1));
    wall_ms += DAY_MS;
    chat(key, 100, 200);
    done(4, 600, 100, 100);
    CU_ASSERT_PTR_NOT_NULL(budget_event("soft", 1));
    finish();
}

/* ---- Prices ---- */

static void unknown_prices(void)
{
    with(&(struct limits){.budget_day = 10}, NULL);
    world.price_unknown = 1;
    CU_ASSERT(is_open(chat(key, 100, 100)));
    CU_ASSERT_EQUAL(status("reserved"), 0);
    done(0, 0, 100, 100);
    world.price_unknown = 0;
    world.price_away = 1; /* the coordinator does not know the method */
    CU_ASSERT(is_open(chat(key, 100, 100)));
    done(1, 0, 100, 100);
    finish();
    with(&(struct limits){.budget_day = 10},
         (struct aiex_fake_pair[]){{"unknown_price", "refuse"}, {0}});
    world.price_unknown = 1;
    CU_ASSERT_EQUAL(number(failed(chat(key, 100, 100), "denied"), "http_status"), 402);
    CU_ASSERT_EQUAL(refused_by("price"), 1);
    ok(ask("gateway.key_set", "local", "b", 1, "id", "s", id_of_key, "budget_day", "i", 0, NULL));
    CU_ASSERT(is_open(chat(key, 100, 100))); /* no budget: nobody asks for the price */
    done(0, 0, 1, 1);
    finish();
}

static void a_price_may_come_later(void)
{
    const struct aiex_fake_record *r;
    uint8_t mem[64];
    uint64_t id;

    with(&(struct limits){.budget_day = 1000}, NULL);
    world.price_silent = 1;
    id = chat(key, 100, 100);
    CU_ASSERT_PTR_NULL(made(0));
    r = aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.price", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(r->parent, id);
    CU_ASSERT_EQUAL(number(r->body, "input_tokens"), 100);
    CU_ASSERT_EQUAL(number(r->body, "output_tokens"), 100);
    aiex_fake_answer_ok(h, r->id, pack(mem, sizeof(mem), "known", "b", 1, "cost", "i", 600, NULL));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    CU_ASSERT_EQUAL(made(0)->parent, id);
    CU_ASSERT_EQUAL(status("reserved"), 600);
    done(0, 500, 100, 100);
    id = chat(key, 100, 100); /* and this one is given up before its price is known */
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    id = chat(key, 100, 100);
    aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id,
                        pack(mem, sizeof(mem), "known", "b", 1, "cost", "i", 600, NULL));
    failed(id, "denied");
    id = chat(key, 100, 100);
    aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, "timeout", "", 0, NOTHING);
    CU_ASSERT(is_open(id)); /* unknown: allowed */
    done(1, 1, 1, 1);
    finish();
}

/* ---- Settlement ---- */

static void what_is_cancelled_is_counted(void)
{
    uint64_t id;

    with(&(struct limits){.budget_day = 1000}, NULL);
    id = chat(key, 100, 100);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(status("reserved"), 400); /* until the record comes */
    settle(0, 123, 100, 20);
    CU_ASSERT_EQUAL(account()->spent_day, 123);
    CU_ASSERT_EQUAL(status("reserved"), 0);
    settle(0, 123, 100, 20); /* a record counts once */
    CU_ASSERT_EQUAL(account()->spent_day, 123);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void no_record_is_settled_by_estimate(void)
{
    with(&(struct limits){.budget_day = 1000, .tpm = 100000}, NULL);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, chat(key, 100, 100)), 0);
    aiex_fake_advance(h, 29999);
    CU_ASSERT_EQUAL(account()->spent_day, 0);
    aiex_fake_advance(h, 1);
    CU_ASSERT_EQUAL(account()->spent_day, 400);
    CU_ASSERT_EQUAL(account()->reserved, 0);
    CU_ASSERT_EQUAL(status("settled_by_estimate"), 1);
    settle(0, 150, 50, 25); /* late, but right */
    CU_ASSERT_EQUAL(account()->spent_day, 150);
    settle(0, 150, 50, 25);
    CU_ASSERT_EQUAL(account()->spent_day, 150);
    chat(key, 100, 100); /* its end says 3 + 4 tokens of the 200 */
    answer_ok(1);
    aiex_fake_advance(h, 30000);
    CU_ASSERT_EQUAL(account()->spent_day, 150 + 400 * 7 / 200);
    finish();
}

static void what_never_began_costs_nothing(void)
{
    uint64_t id;

    with(&(struct limits){.budget_day = 1000}, NULL);
    world.chat = CHAT_ABSENT;
    id = chat(key, 100, 100);
    CU_ASSERT_EQUAL(number(failed(id, "unavailable"), "http_status"), 503);
    CU_ASSERT_EQUAL(account()->reserved, 0);
    CU_ASSERT_EQUAL(account()->spent_day, 0);
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    world.chat = CHAT_REFUSED; /* call() itself fails */
    failed(chat(key, 100, 100), "busy");
    CU_ASSERT_EQUAL(account()->reserved, 0);
    world.chat = CHAT_ERROR; /* an attempt was made: only the record knows */
    failed(chat(key, 100, 100), "upstream");
    CU_ASSERT_EQUAL(retry_after(aiex_fake_last(h, AIEX_FAKE_FAIL)->id), 7);
    CU_ASSERT_EQUAL(account()->reserved, 400);
    settle(2, 0, 0, 0);
    CU_ASSERT_EQUAL(account()->reserved, 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CAST), 1);
    finish();
}

static void settled_inside_the_call(void)
{
    uint64_t id;

    with(&(struct limits){.budget_day = 1000}, NULL);
    world.chat = CHAT_SETTLE_OK;
    id = chat(key, 100, 100);
    ok(id);
    CU_ASSERT_EQUAL(account()->spent_day, 14);
    CU_ASSERT_EQUAL(account()->reserved, 0);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    world.chat = CHAT_OK;
    ok(chat(key, 100, 100));
    CU_ASSERT_EQUAL(account()->reserved, 400);
    settle(1, 14, 3, 4);
    CU_ASSERT_EQUAL(account()->spent_day, 28);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

/* ---- The ledger ---- */

static struct aiex_slice spent_answer(uint8_t *mem, size_t size, const char *day, int64_t spent)
{
    uint8_t list[128];
    struct aiex_writer w;

    aiex_writer_init(&w, list, sizeof(list));
    aiex_w_array(&w, 2);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "scope", "key");
    aiex_w_key_str(&w, "name", id_of_key);
    aiex_w_key_int(&w, "day", spent);
    aiex_w_key_int(&w, "month", spent * 2);
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "scope", "moon");
    return pack(mem, size, "day", "s", day, "month", "s", "2026-11", "spent", "r", aiex_written(&w),
                NULL);
}

/* It may have been counted already, which only the ledger knows: it gets the record and is asked.
 */
static void records_of_an_earlier_start_still_count(void)
{
    uint8_t mem[256], who_mem[64], spent_mem[256];
    struct aiex_slice principal;
    uint64_t id;
    int64_t old;

    with(&(struct limits){.budget_day = 1000}, NULL);
    id = chat(key, 100, 100);
    old = ticket_of(0);
    aiex_fake_cancel(h, id);
    stop();
    restart(NULL);
    if (old >> 40 == gw()->flights.epoch) { /* one in four million */
        finish();
        return;
    }
    principal = pack(who_mem, sizeof(who_mem), "key", "s", id_of_key, NULL);
    cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "I", old, "cost", "i", 77, "principal",
                                "r", principal, NULL));
    CU_ASSERT_EQUAL(account()->spent_day, 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CAST), 1);
    world.spent = spent_answer(spent_mem, sizeof(spent_mem), "2026-11-21", 77);
    aiex_fake_advance(h, 500);
    CU_ASSERT_EQUAL(account()->spent_day, 77);
    cast("gateway.settle", NOTHING);
    cast("gateway.settle", pack(mem, sizeof(mem), "ticket", "i", 0, NULL));
    CU_ASSERT_EQUAL(account()->spent_day, 77);
    finish();
}

/* Without a ledger it counts here. */
static void records_of_an_earlier_start_without_a_ledger(void)
{
    struct aiex_fake_pair none[] = {{"ledger", "none"}, {0}};
    uint8_t mem[256], who_mem[64];
    uint64_t id;
    int64_t old;

    with(&(struct limits){.budget_day = 1000}, none);
    id = chat(key, 100, 100);
    old = ticket_of(0);
    aiex_fake_cancel(h, id);
    stop();
    restart(none);
    if (old >> 40 != gw()->flights.epoch)
        cast("gateway.settle",
             pack(mem, sizeof(mem), "ticket", "I", old, "cost", "i", 77, "principal", "r",
                  pack(who_mem, sizeof(who_mem), "key", "s", id_of_key, NULL), NULL));
    CU_ASSERT(account()->spent_day == 77 || old >> 40 == gw()->flights.epoch);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CAST), 0);
    finish();
}

/* After a restart the ledger says what was spent. */
static void restart_with(int64_t spent)
{
    uint8_t mem[256];

    stop();
    world.ledger_silent = 1;
    restart(NULL);
    aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 0)->id,
                        spent_answer(mem, sizeof(mem), "2026-11-21", spent));
}

static void budgets_survive_a_restart(void)
{
    uint8_t mem[256];

    with(&(struct limits){.budget_day = 1000}, NULL);
    restart_with(900);
    CU_ASSERT_EQUAL(account()->spent_day, 900);
    CU_ASSERT_EQUAL(account()->spent_month, 1800);
    failed(chat(key, 100, 100), "denied");
    stop();
    restart(NULL); /* the answer is of yesterday: the border was passed on the way */
    aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 0)->id,
                        spent_answer(mem, sizeof(mem), "2026-11-20", 900));
    CU_ASSERT_EQUAL(account()->spent_day, 0);
    CU_ASSERT_EQUAL(account()->spent_month, 1800);
    finish();
}

static void money_waits_for_the_ledger(void)
{
    uint8_t mem[256];
    char free_key[64];
    uint64_t id, late, gone;

    with(&(struct limits){.budget_day = 1000}, NULL);
    snprintf(free_key, sizeof(free_key), "%s", make_key(NULL, NULL, NULL));
    stop();
    world.ledger_away = 1;
    restart(NULL);
    CU_ASSERT_EQUAL(status("ledger"), 0);
    CU_ASSERT(is_open(chat(free_key, 10, 10))); /* no budget, no waiting */
    done(0, 1, 1, 1);
    id = chat(key, 100, 100);
    gone = chat(key, 100, 100);
    CU_ASSERT(is_open(id));
    CU_ASSERT_PTR_NULL(made(1));
    CU_ASSERT_EQUAL(status("waiting"), 2);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, gone), 0);
    CU_ASSERT_EQUAL(status("waiting"), 1);
    aiex_fake_advance(h, 1999);
    CU_ASSERT(is_open(id));
    aiex_fake_advance(h, 1);
    CU_ASSERT_EQUAL(number(failed(id, "unavailable"), "http_status"), 503);
    late = chat(key, 100, 100);
    world.ledger_away = 0;
    world.spent = spent_answer(mem, sizeof(mem), "2026-11-21", 100);
    aiex_fake_advance(h, 500);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(1));
    CU_ASSERT_EQUAL(made(1)->parent, late);
    CU_ASSERT_EQUAL(account()->spent_day, 100);
    done(1, 1, 1, 1);
    finish();
}

/* A chat with a body of a MiB. */
static uint64_t large_chat(const char *start)
{
    const size_t n = 1 << 20;
    uint8_t *json = malloc(n), *mem = malloc(n + 512);
    uint64_t id;

    memset(json, ' ', n);
    memcpy(json, start, strlen(start));
    json[n - 1] = '}';
    id = aiex_fake_request(h, p, self, "gateway.chat",
                           pack(mem, n + 512, "credential", "s", key, "dialect", "s", "openai.chat",
                                "model", "s", "m", "body", "x", (struct aiex_slice){json, n}, NULL),
                           0);
    free(mem);
    free(json);
    return id;
}

/* Large requests that wait, for the ledger or for a template, have a limit of bytes, too. */
static void what_waits_is_bounded_in_bytes(void)
{
    static const char *const starts[] = {"{\"messages\":[]",
                                         "{\"aiex_template\":{\"name\":\"t\"},\"messages\":[]"};

    with(&(struct limits){.budget_day = 1000}, NULL);
    stop();
    world.ledger_silent = 1;
    restart(NULL);
    for (int templated = 0; templated < 2; templated++) {
        uint64_t ids[200], last;
        int waiting = 0;

        while (waiting < 200 && is_open(last = large_chat(starts[templated])))
            ids[waiting++] = last;
        CU_ASSERT_EQUAL(waiting, 63); /* 64 MiB with what is around them */
        CU_ASSERT_EQUAL(number(failed(last, templated ? "busy" : "unavailable"), "http_status"),
                        503);
        CU_ASSERT_EQUAL(aiex_fake_cancel(h, ids[0]), 0); /* one leaves, one comes */
        CU_ASSERT(is_open(ids[0] = large_chat(starts[templated])));
        if (!templated)
            aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 0)->id,
                                NOTHING);
        for (int i = 0; templated && i < waiting; i++)
            CU_ASSERT_EQUAL(aiex_fake_cancel(h, ids[i]), 0);
    }
    finish();
}

static void nothing_is_counted_twice_around_the_answer(void)
{
    uint8_t mem[256];

    with(NULL, NULL);
    stop();
    world.ledger_silent = 1;
    restart(NULL);
    chat(key, 10, 10); /* no budget yet: admitted while the ledger is asked */
    done(0, 50, 1, 1);
    CU_ASSERT_EQUAL(account()->spent_day, 50);
    aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 0)->id,
                        spent_answer(mem, sizeof(mem), "2026-11-21", 300));
    CU_ASSERT_EQUAL(account()->spent_day, 350); /* the 50 were told after the question */
    finish();
}

/* The ledger has read in the store what was spent elsewhere. */
static void the_ledger_learns_of_more(void)
{
    uint8_t mem[256];

    with(&(struct limits){.budget_day = 1000}, NULL);
    restart_with(300);
    aiex_fake_event(h, p, self, "ledger.spent", NOTHING);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 1));
    aiex_fake_advance(h, 500);
    aiex_fake_answer_ok(h, aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 1)->id,
                        spent_answer(mem, sizeof(mem), "2026-11-21", 950));
    CU_ASSERT_EQUAL(account()->spent_day, 950);
    failed(chat(key, 100, 100), "denied");
    finish();
}

static void without_a_ledger(void)
{
    with(&(struct limits){.budget_day = 1000}, (struct aiex_fake_pair[]){{"ledger", "none"}, {0}});
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "ledger.spent", 0));
    chat(key, 100, 100);
    done(0, 400, 100, 100);
    CU_ASSERT_EQUAL(account()->spent_day, 400);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CAST), 0);
    finish();
}

/* ---- Estimates ---- */

static void the_answer_is_reserved_at_its_most(void)
{
    static const struct {
        const char *dialect, *body;
        int64_t output;
    } cases[] = {
        {"openai.chat", "{\"max_tokens\":7}", 7},
        {"openai.chat", "{\"max_completion_tokens\":9,\"max_tokens\":7}", 9},
        {"openai.chat", "{\"max_tokens\":7,\"n\":3}", 21},
        {"openai.chat", "{}", 4096},
        {"openai.chat", "{\"max_tokens\":null}", 4096},
        {"openai.chat", "{\"max_tokens\":-1}", 4096},
        {"openai.responses", "{\"max_output_tokens\":11}", 11},
        {"anthropic.messages", "{\"max_tokens\":5}", 5},
        {"ollama.chat", "{\"options\":{\"num_predict\":12}}", 12},
        {"ollama.chat", "{\"options\":{\"num_predict\":-1}}", 4096},
        {"openai.chat", "not json", 4096},
    };

    with(&(struct limits){.budget_day = 1000000}, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t id = ask(
            "gateway.chat", "credential", "s", key, "dialect", "s", cases[i].dialect, "model", "s",
            "m", "body", "x",
            (struct aiex_slice){(const uint8_t *)cases[i].body, strlen(cases[i].body)}, NULL);

        CU_ASSERT_EQUAL(number(aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.price", i)->body,
                               "output_tokens"),
                        cases[i].output);
        CU_ASSERT(is_open(id));
        done(i, 0, 0, 0);
    }
    finish();
}

const struct test_case tests[] = {
    {"requests_per_minute", requests_per_minute},
    {"tokens_per_minute", tokens_per_minute},
    {"more_tokens_than_a_minute_holds", more_tokens_than_a_minute_holds},
    {"concurrency", concurrency},
    {"a_day_ends_at_midnight_utc", a_day_ends_at_midnight_utc},
    {"a_month_ends_with_its_last_day", a_month_ends_with_its_last_day},
    {"a_request_counts_for_the_day_of_its_begin", a_request_counts_for_the_day_of_its_begin},
    {"all_four_accounts_must_allow", all_four_accounts_must_allow},
    {"soft_limits_warn_once_a_day", soft_limits_warn_once_a_day},
    {"unknown_prices", unknown_prices},
    {"a_price_may_come_later", a_price_may_come_later},
    {"what_is_cancelled_is_counted", what_is_cancelled_is_counted},
    {"no_record_is_settled_by_estimate", no_record_is_settled_by_estimate},
    {"what_never_began_costs_nothing", what_never_began_costs_nothing},
    {"settled_inside_the_call", settled_inside_the_call},
    {"records_of_an_earlier_start_still_count", records_of_an_earlier_start_still_count},
    {"records_of_an_earlier_start_without_a_ledger", records_of_an_earlier_start_without_a_ledger},
    {"budgets_survive_a_restart", budgets_survive_a_restart},
    {"money_waits_for_the_ledger", money_waits_for_the_ledger},
    {"what_waits_is_bounded_in_bytes", what_waits_is_bounded_in_bytes},
    {"nothing_is_counted_twice_around_the_answer", nothing_is_counted_twice_around_the_answer},
    {"the ledger learns of more", the_ledger_learns_of_more},
    {"without_a_ledger", without_a_ledger},
    {"the_answer_is_reserved_at_its_most", the_answer_is_reserved_at_its_most},
    {0},
};
