/* http_flow_test.c - order, time, pressure, clients that leave, and shutting down. */
#include "http_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static size_t count(struct rig *r, uint32_t kind)
{
    return aiex_fake_count(r->host, kind);
}

static int64_t connections(struct rig *r)
{
    uint64_t id = aiex_fake_request(r->host, r->plugin, r->self, "interface.status",
                                    (struct aiex_slice){0}, 0);
    int64_t n = -1;

    aiex_get_int(aiex_fake_answer(r->host, id)->body, "clients", &n);
    return n;
}

/* ---- Order ---- */

static void answers_pipelined_requests_in_order(void)
{
    char *chat = chat_request(CHAT_UNARY), all[2048];
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    snprintf(all, sizeof(all),
             "GET /healthz " H "\r\n%sGET /nope " H "\r\n%sGET / " H "\r\nGET /hea", chat, chat);
    client_send(&c, all);
    rig_settle(&r);
    CU_ASSERT_EQUAL_FATAL(count(&r, AIEX_FAKE_CALL), 1); /* the second waits for the first */
    CU_ASSERT_EQUAL(client_ask(&c, "", "ok"), 200);
    CU_ASSERT_EQUAL(client_read(&c, 4096), 0);
    for (int i = 0; i < 2; i++) {
        call = aiex_fake_nth(r.host, AIEX_FAKE_CALL, (size_t)i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_part(r.host, call->id, slice_of(i ? "{\"n\":1}" : "{\"n\":0}"));
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        CU_ASSERT_EQUAL(client_ask(&c, "", i ? "{\"n\":1}" : "{\"n\":0}"), 200);
        if (!i)
            CU_ASSERT_EQUAL(client_ask(&c, "", "unknown request url"), 404);
    }
    CU_ASSERT_EQUAL(client_ask(&c, "", "aiex"), 200);
    CU_ASSERT_EQUAL(client_ask(&c, "lthz " H "\r\n", "ok"), 200);
    client_close(&c);
    free(chat);
    rig_stop(&r);
}

/* Far more than we hold back: the rest stays in the socket until its turn comes. */
static void holds_back_a_flood(void)
{
    static const char one[] = "GET /healthz " H
                              "X-Fill: 0123456789012345678901234567890123456789\r\n\r\n";
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;
    int n = 3000, answered = 0;
    char *flood = malloc(sizeof(one) * (size_t)n + 1);

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    for (int i = 0; i < n; i++)
        memcpy(flood + (sizeof(one) - 1) * (size_t)i, one, sizeof(one));
    client_send(&c, flood);
    rig_settle(&r);
    aiex_fake_answer_part(r.host, call->id, slice_of("{}"));
    aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_ask(&c, "", "{}"), 200);
    while (answered < n && client_ask(&c, "", NULL) == 200)
        answered++;
    CU_ASSERT_EQUAL(answered, n);
    client_close(&c);
    free(flood);
    rig_stop(&r);
}

/* ---- Clients that leave ---- */

static void cancels_when_the_client_leaves(void)
{
    static const struct {
        const char *json;
        int parts, half_close;
    } t[] = {
        {CHAT_UNARY, 0, 0},  {CHAT_UNARY, 1, 0}, {CHAT_STREAM, 0, 0},
        {CHAT_STREAM, 2, 0}, {CHAT_UNARY, 0, 1}, {CHAT_STREAM, 1, 1},
    };
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        struct client c;

        client_open(&r, &c);
        call = chat_call(&c, t[i].json);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        for (int p = 0; p < t[i].parts; p++)
            aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
        rig_settle(&r);
        CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), i);
        if (t[i].half_close)
            shutdown(c.fd, SHUT_WR);
        else
            close(c.fd);
        rig_settle(&r);
        CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), i + 1);
        CU_ASSERT_EQUAL(aiex_fake_last(r.host, AIEX_FAKE_CANCEL)->id, call->id);
        CU_ASSERT_EQUAL(connections(&r), 0);
        if (!t[i].half_close)
            c.fd = -1;
        client_close(&c);
    }
    rig_stop(&r);
}

/* A reset while parts are being sent: the write notices it, if the read did not. */
static void cancels_after_a_reset(void)
{
    struct linger reset = {.l_onoff = 1};
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(c.fd);
    c.fd = -1;
    aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
    aiex_fake_run_posts(r.host); /* writes before it reads */
    rig_settle(&r);
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), 1);
    CU_ASSERT_EQUAL(connections(&r), 0);
    client_close(&c);
    rig_stop(&r);
}

/* A complete answer is delivered to a client that only closed its sending side. */
static void answers_a_half_closed_client(void)
{
    static const char request[] = "GET /healthz " H "\r\n";
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_TRUE(send(c.fd, request, sizeof(request) - 1, 0) == (ssize_t)sizeof(request) - 1);
    shutdown(c.fd, SHUT_WR);
    CU_ASSERT_EQUAL(client_ask(&c, "", "ok"), 200);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

/* ---- Pressure ---- */

/* Sends parts as a producer does that honours its window, until the client's silence stops it. */
static size_t fill(struct rig *r, uint64_t call, size_t window)
{
    size_t n = 16384, sent = 0;
    char *part = malloc(n);

    memset(part, 'x', n);
    while (aiex_fake_uncredited(r->host, call) + n <= window && sent < 64u << 20) {
        aiex_fake_answer_part(r->host, call, (struct aiex_slice){(uint8_t *)part, n});
        sent += n;
        rig_settle(r);
    }
    free(part);
    return sent;
}

static void credits_only_what_was_written(void)
{
    struct aiex_fake_live before, after;
    const struct aiex_fake_record *call;
    size_t sent, more, window = 262144;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(call->window_bytes, window);
    aiex_fake_live(r.host, &before);
    sent = fill(&r, call->id, window);
    CU_ASSERT_TRUE(sent < 64u << 20);
    aiex_fake_live(r.host, &after);
    CU_ASSERT_TRUE(after.alloc_bytes < before.alloc_bytes + 4 * window);
    CU_ASSERT_EQUAL(fill(&r, call->id, window), 0); /* nothing comes back by itself */

    more = 0; /* the client reads: the window comes back, and all bytes arrive */
    while (more < sent) {
        size_t got = client_read(&c, 1 << 20);

        more += got;
        c.n = 0;
        if (!got)
            aiex_fake_poll(r.host, 20);
    }
    rig_settle(&r);
    CU_ASSERT_TRUE(aiex_fake_uncredited(r.host, call->id) < window / 4);
    aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
    CU_ASSERT_TRUE(client_sees(&c, "0\r\n\r\n"));
    client_close(&c);
    rig_stop(&r);
}

static void gives_up_on_a_client_that_never_reads(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"write_timeout", "20s"}, {0}});
    client_open(&r, &c);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    fill(&r, call->id, 262144);
    aiex_fake_advance(r.host, 10000);
    aiex_fake_answer_part(r.host, call->id,
                          slice_of("data: {}\n\n")); /* no reason to wait longer */
    rig_settle(&r);
    aiex_fake_advance(r.host, 9000);
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), 0);
    aiex_fake_advance(r.host, 1000);
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), 1);
    CU_ASSERT_EQUAL(connections(&r), 0);
    client_close(&c);
    rig_stop(&r);
}

/* Many parts in one turn of the loop leave in one piece. */
static void sends_once_per_turn(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    for (int i = 0; i < 10; i++)
        aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
    CU_ASSERT_EQUAL(client_read(&c, 4096), 0);
    CU_ASSERT_EQUAL(aiex_fake_run_posts(r.host), 1);
    CU_ASSERT_TRUE(client_read(&c, 4096) > 150);
    client_close(&c);
    rig_stop(&r);
}

/* ---- Time ---- */

static void ends_slow_heads(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 9; i++) { /* a byte now and then does not help */
        aiex_fake_advance(r.host, 1100);
        client_send(&c, "A");
        rig_settle(&r);
    }
    CU_ASSERT_EQUAL(client_read(&c, 1), 0);
    aiex_fake_advance(r.host, 100);
    CU_ASSERT_EQUAL(client_ask(&c, "", "did not arrive within 10 s"), 408);
    CU_ASSERT_TRUE(client_ended(&c));
    aiex_fake_advance(r.host, 2000);
    CU_ASSERT_EQUAL(connections(&r), 0);
    client_close(&c);
    rig_stop(&r);
}

static void ends_slow_bodies(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "POST /v1/chat/completions " H "Content-Length: 28\r\n\r\n");
    for (int i = 0; i < 5; i++) { /* here every byte begins the time anew */
        aiex_fake_advance(r.host, 29000);
        client_send(&c, " ");
        rig_settle(&r);
    }
    CU_ASSERT_EQUAL(client_read(&c, 1), 0);
    aiex_fake_advance(r.host, 30000);
    CU_ASSERT_EQUAL(client_ask(&c, "", "within 30 s"), 408);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CALL), 0);
    client_close(&c);
    rig_stop(&r);
}

static void closes_idle_connections_silently(void)
{
    struct client fresh, used;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &fresh);
    client_open(&r, &used);
    aiex_fake_advance(r.host, 30000);
    CU_ASSERT_EQUAL(client_ask(&used, "GET / " H "\r\n", "aiex"), 200);
    aiex_fake_advance(r.host, 30000);
    CU_ASSERT_TRUE(client_ended(&fresh));
    CU_ASSERT_EQUAL(fresh.n, 0);
    CU_ASSERT_EQUAL(connections(&r), 1);
    aiex_fake_advance(r.host, 30000);
    CU_ASSERT_TRUE(client_ended(&used));
    CU_ASSERT_EQUAL(used.n, 0);
    client_close(&fresh);
    client_close(&used);
    rig_stop(&r);
}

/* The answer itself has the call's own time. */
static void waits_for_slow_answers(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_advance(r.host, 500000);
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), 0);
    aiex_fake_answer_error(r.host, call->id, "timeout", "no answer in 10 m", 0,
                           (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_ask(&c, "", "no answer in 10 m"), 504);
    client_close(&c);
    rig_stop(&r);
}

static void takes_changed_limits(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(aiex_fake_reload(r.host, r.plugin, r.self,
                                     (struct aiex_fake_pair[]){{"idle_timeout", "5s"}, {0}}, NULL),
                    0);
    aiex_fake_advance(r.host, 4000);
    CU_ASSERT_EQUAL(connections(&r), 1);
    aiex_fake_advance(r.host, 1000);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

/* ---- Load ---- */

static void accepts_no_more_than_allowed(void)
{
    struct client a, b;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"max_connections", "1"}, {0}});
    client_open(&r, &a);
    client_open(&r, &b); /* waits in the backlog */
    CU_ASSERT_EQUAL(connections(&r), 1);
    CU_ASSERT_EQUAL(client_ask(&a, "GET / " H "\r\n", "aiex"), 200);
    client_close(&a);
    CU_ASSERT_EQUAL(client_ask(&b, "GET / " H "\r\n", "aiex"), 200);
    client_close(&b);
    rig_stop(&r);
}

static void uses_connections_again(void)
{
    struct aiex_fake_live first, last;
    struct rig r;

    rig_start(&r, NULL);
    for (int i = 0; i < 50; i++) {
        struct client c;

        client_open(&r, &c);
        CU_ASSERT_EQUAL(client_ask(&c, "GET / " H "\r\n", "aiex"), 200);
        client_close(&c);
        aiex_fake_live(r.host, i ? &last : &first);
    }
    CU_ASSERT_EQUAL(last.allocs, first.allocs);
    CU_ASSERT_EQUAL(last.alloc_bytes, first.alloc_bytes);
    rig_stop(&r);
}

static void serves_many_at_once(void)
{
    enum { N = 64 };
    struct client c[N];
    uint64_t calls[N];
    struct rig r;

    rig_start(&r, NULL);
    for (int i = 0; i < N; i++) {
        const struct aiex_fake_record *call;

        client_open(&r, &c[i]);
        call = chat_call(&c[i], CHAT_STREAM);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        calls[i] = call->id;
    }
    for (int round = 0; round < 3; round++) {
        for (int i = N - 1; i >= 0; i--) {
            char text[64];

            snprintf(text, sizeof(text), "data: %d.%d\n\n", i, round);
            aiex_fake_answer_part(r.host, calls[i], slice_of(text));
        }
        rig_settle(&r);
    }
    for (int i = 0; i < N; i++) {
        struct response p;
        char want[128];

        aiex_fake_answer_ok(r.host, calls[i], (struct aiex_slice){0});
        snprintf(want, sizeof(want), "data: %d.0\n\ndata: %d.1\n\ndata: %d.2\n\n", i, i, i);
        CU_ASSERT_EQUAL(client_response(&c[i], &p), 200);
        CU_ASSERT_STRING_EQUAL(p.body, want);
        response_done(&p);
        client_close(&c[i]);
    }
    rig_stop(&r);
}

/* ---- Shutting down ---- */

static void drains(void)
{
    const struct aiex_fake_record *unary, *stream;
    struct client idle, a, b;
    struct response p;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &idle);
    client_open(&r, &a);
    client_open(&r, &b);
    unary = chat_call(&a, CHAT_UNARY);
    stream = chat_call(&b, CHAT_STREAM);
    CU_ASSERT_TRUE_FATAL(unary && stream);
    aiex_fake_answer_part(r.host, stream->id, slice_of("data: 1\n\n"));
    rig_settle(&r);

    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 0);
    CU_ASSERT_EQUAL(client_ask(&idle, "GET /healthz " H "\r\n", "ok"), 200); /* within its grace */
    CU_ASSERT_TRUE(client_ended(&idle));
    aiex_fake_advance(r.host, 1000);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 0); /* two requests are running */

    aiex_fake_answer_part(r.host, unary->id, slice_of("{}"));
    aiex_fake_answer_ok(r.host, unary->id, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_response(&a, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "connection: close"));
    response_done(&p);
    CU_ASSERT_TRUE(client_ended(&a));

    aiex_fake_answer_part(r.host, stream->id, slice_of("data: [DONE]\n\n"));
    aiex_fake_answer_ok(r.host, stream->id, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_response(&b, &p), 200);
    CU_ASSERT_TRUE(p.complete);
    response_done(&p);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 0);
    aiex_fake_advance(r.host, 1000); /* its head promised keep-alive: it gets the grace, too */
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 1);
    client_close(&idle);
    client_close(&a);
    client_close(&b);
    rig_stop(&r);
}

static void drains_idle_connections_after_their_grace(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"drain_grace", "3s"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 0);
    aiex_fake_advance(r.host, 2999);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 0);
    aiex_fake_advance(r.host, 1);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 1);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

/* Also when the last connection ends while there is no memory for anything. */
static void drains_without_memory(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 0);
    aiex_fake_fail_alloc(r.host, 1);
    aiex_fake_advance(r.host, 1000);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 1);
    client_close(&c);
    rig_stop(&r);
}

static void drains_at_once_when_nobody_is_there(void)
{
    struct rig r;

    rig_start(&r, NULL);
    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 1);
    rig_stop(&r);
}

/* destroy() in the middle of everything: a running stream, a held request, output not sent. */
static void ends_in_the_middle_of_everything(void)
{
    const struct aiex_fake_record *call;
    struct client a, b, c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &a);
    client_open(&r, &b);
    client_open(&r, &c);
    call = chat_call(&a, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    client_send(&a, "GET / " H "\r\n");
    client_send(&b, "POST /v1/chat/completions " H "Content-Length: 100\r\n\r\n{");
    rig_settle(&r);
    aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
    aiex_fake_stop(r.host, r.plugin, r.self);
    CU_ASSERT_EQUAL(count(&r, AIEX_FAKE_CANCEL), 1);
    close(a.fd);
    close(b.fd);
    close(c.fd);
    free(a.in);
    free(b.in);
    free(c.in);
    CU_ASSERT_EQUAL(aiex_fake_host_free(r.host), 0);
}

const struct test_case tests[] = {
    {"answers_pipelined_requests_in_order", answers_pipelined_requests_in_order},
    {"holds_back_a_flood", holds_back_a_flood},
    {"cancels_when_the_client_leaves", cancels_when_the_client_leaves},
    {"cancels_after_a_reset", cancels_after_a_reset},
    {"answers_a_half_closed_client", answers_a_half_closed_client},
    {"credits_only_what_was_written", credits_only_what_was_written},
    {"gives_up_on_a_client_that_never_reads", gives_up_on_a_client_that_never_reads},
    {"sends_once_per_turn", sends_once_per_turn},
    {"ends_slow_heads", ends_slow_heads},
    {"ends_slow_bodies", ends_slow_bodies},
    {"closes_idle_connections_silently", closes_idle_connections_silently},
    {"waits_for_slow_answers", waits_for_slow_answers},
    {"takes_changed_limits", takes_changed_limits},
    {"accepts_no_more_than_allowed", accepts_no_more_than_allowed},
    {"uses_connections_again", uses_connections_again},
    {"serves_many_at_once", serves_many_at_once},
    {"drains", drains},
    {"drains_idle_connections_after_their_grace", drains_idle_connections_after_their_grace},
    {"drains_without_memory", drains_without_memory},
    {"drains_at_once_when_nobody_is_there", drains_at_once_when_nobody_is_there},
    {"ends_in_the_middle_of_everything", ends_in_the_middle_of_everything},
    {0},
};
