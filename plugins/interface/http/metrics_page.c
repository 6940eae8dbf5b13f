/*
 * metrics_page.c - GET /metrics: own numbers and those of the services behind, gathered.
 *
 * All are asked at once. Who does not answer in time, or is not there, is left out: a page
 * with gaps says more than none. With authentication = required the page is for those who may
 * see usage.
 */
#include "server.h"

#include <string.h>

#define WAIT_MS    2000
#define TEXT_BYTES (4u * 1024u * 1024u) /* of one service; more is left out */
#define N_SOURCES  3

struct source {
    struct conn *conn;
    uint64_t call;
    int open;
    struct buffer text;
};

struct gathering {
    struct work work;
    struct source sources[N_SOURCES];
    int n_open;
    int asking; /* an answer may come within the call that asks for it */
};

static void drop(struct conn *c, struct work *w)
{
    struct gathering *g = (struct gathering *)(void *)w;
    struct server *s = c->server;

    for (int i = 0; i < N_SOURCES; i++) {
        if (g->sources[i].open && g->sources[i].call)
            s->host->cancel(s->host, g->sources[i].call);
        buffer_drop(&s->pool, &g->sources[i].text);
    }
    s->host->release(s->host, g);
}

static void write_page(struct aiex_json_out *w, const void *arg)
{
    const struct conn *c = arg;
    const struct gathering *g = (const struct gathering *)(const void *)c->work;

    metrics_write(w, c->server);
    for (int i = 0; i < N_SOURCES; i++) {
        const struct buffer *t = &g->sources[i].text;

        if (!t->len)
            continue;
        aiex_jw_rawn(w, (const char *)t->data, t->len);
        if (t->data[t->len - 1] != '\n')
            aiex_jw_raw(w, "\n");
    }
}

static void finish(struct conn *c)
{
    const struct gathering *g = (const struct gathering *)(const void *)c->work;

    if (!g->n_open && !g->asking)
        respond_json(
            c, &(struct reply){.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"},
            write_page, c);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct source *source = arg;
    struct conn *c = source->conn;
    struct gathering *g = (struct gathering *)(void *)c->work;
    struct aiex_slice text;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    source->open = 0;
    g->n_open--;
    if (!answer->code && aiex_get_bytes(answer->body, "text", &text) == 1)
        (void)buffer_add(&c->server->pool, &source->text, text.data, text.len, TEXT_BYTES);
    finish(c);
}

static void gather(struct conn *c, struct aiex_slice principal)
{
    const struct config *config = c->server->config;
    const struct aiex_host *host = c->server->host;
    const char *asked[N_SOURCES][2] = {{"host", "host.metrics"},
                                       {config->coordinator, "coordinator.metrics"},
                                       {config->gateway, "gateway.metrics"}};
    struct gathering *g = host->alloc(host, sizeof(*g));

    if (!g) {
        error_respond(c, 503, "unavailable", NULL, "no memory for the page");
        return;
    }
    g->work.drop = drop;
    g->asking = 1;
    c->work = &g->work;
    for (int i = 0; i < N_SOURCES; i++) {
        struct source *source = &g->sources[i];
        struct aiex_request r = {.struct_size = sizeof(r),
                                 .flags = AIEX_CALL_IDEMPOTENT,
                                 .service = asked[i][0],
                                 .method = asked[i][1],
                                 .trace = c->trace,
                                 .timeout_ms = WAIT_MS};

        *source = (struct source){.conn = c, .open = 1};
        g->n_open++;
        if (host->call(host, &r, on_answer, source, &source->call) != 0) {
            source->open = 0;
            g->n_open--;
        }
    }
    g->asking = 0;
    finish(c);
}

void metrics_begin(struct conn *c)
{
    if (c->server->config->authentication == AUTHENTICATION_REQUIRED)
        call_check(c, "usage", gather);
    else
        gather(c, (struct aiex_slice){0});
}
