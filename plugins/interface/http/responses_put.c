/* responses_put.c - see responses_put.h. */
#include "responses_put.h"

#include <string.h>

#define PUT_MS    10000u
#define ABSENT_MS 10000 /* how long an absent service is not asked again */

struct put {
    struct put *next, **at;
    struct server *server;
    struct conn *conn; /* NULL: nobody waits any more */
    void (*done)(struct conn *c);
    uint64_t call, timer;
    int *answered; /* set when the answer comes before call() returns */
};

int put_is_welcome(const struct server *s)
{
    return s->store.absent_until <= s->host->now_ms(s->host);
}

static void learn(struct server *s, const struct aiex_answer *answer)
{
    s->store.known = !answer->code || strcmp(answer->code, AIEX_E_UNAVAILABLE) != 0;
    if (!s->store.known)
        s->store.absent_until = s->host->now_ms(s->host) + ABSENT_MS;
}

static struct aiex_request request_of(const struct conn *c, struct aiex_slice body)
{
    return (struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                 .service = c->server->config->responses,
                                 .method = "responses.put",
                                 .body = body,
                                 .trace = c->trace,
                                 .timeout_ms = PUT_MS};
}

/* ---- Without waiting ---- */

static void on_probe(void *arg, const struct aiex_answer *answer)
{
    struct server *s = arg;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    s->store.call = 0;
    learn(s, answer);
}

/* The first ones are asked for an answer, to learn whether the service is there; a service that has
 * answered once is told without. */
static void send_away(struct server *s, const struct aiex_request *r)
{
    uint64_t id = 0;

    if (s->store.known || s->store.call)
        s->host->call(s->host, r, NULL, NULL, &id);
    else if (s->host->call(s->host, r, on_probe, s, &s->store.call) != 0)
        s->store.call = 0;
}

/* ---- With ---- */

static void free_put(struct put *p)
{
    const struct aiex_host *host = p->server->host;

    if (p->timer)
        host->unwatch(host, p->timer);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    host->release(host, p);
}

static void on_put(void *arg, const struct aiex_answer *answer)
{
    struct put *p = arg;
    struct conn *c = p->conn;
    void (*done)(struct conn * c) = p->done;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    learn(p->server, answer);
    if (p->answered) {
        *p->answered = 1;
        c = NULL;
    }
    free_put(p);
    if (c)
        done(c);
}

static void on_late(void *arg)
{
    struct put *p = arg;
    struct conn *c = p->conn;

    p->timer = 0;
    p->conn = NULL;
    p->done(c);
}

void put_forget(struct put *p)
{
    if (!p)
        return;
    p->conn = NULL;
    if (p->timer)
        p->server->host->unwatch(p->server->host, p->timer);
    p->timer = 0;
}

static struct put *new_put(struct conn *c, void (*done)(struct conn *c))
{
    struct server *s = c->server;
    struct put *p = s->host->alloc(s->host, sizeof(*p));

    if (!p)
        return NULL;
    p->server = s;
    p->conn = c;
    p->done = done;
    p->at = &s->puts;
    p->next = s->puts;
    if (p->next)
        p->next->at = &p->next;
    s->puts = p;
    return p;
}

struct put *put_send(struct conn *c, struct aiex_slice body, void (*done)(struct conn *c))
{
    struct server *s = c->server;
    const struct aiex_request r = request_of(c, body);
    const int64_t wait = s->config->responses_wait;
    struct put *p = wait ? new_put(c, done) : NULL;
    int answered = 0;

    if (!p) {
        send_away(s, &r);
        return NULL;
    }
    p->answered = &answered;
    if (s->host->call(s->host, &r, on_put, p, &p->call) != 0) {
        free_put(p);
        return NULL;
    }
    if (answered)
        return NULL;
    p->answered = NULL;
    if (s->host->timer(s->host, (uint64_t)wait, 0, on_late, p, &p->timer) == 0)
        return p;
    put_forget(p); /* without a clock nobody waits */
    return NULL;
}

void responses_stop(struct server *s)
{
    if (s->store.call)
        s->host->cancel(s->host, s->store.call);
    s->store.call = 0;
    while (s->puts) {
        s->host->cancel(s->host, s->puts->call);
        free_put(s->puts);
    }
}
