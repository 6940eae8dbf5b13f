/*
 * metrics_page.c - GET /metrics: own numbers and those of the services behind, gathered.
 *
 * Asked at once are the host, coordinator, gateway, and who is in the group `metrics`
 * (aiex_metrics.h); each of these is asked for service.metrics as soon as the host has named them.
 * Who does not answer in time, or is not there, is left out: a page with gaps says more than none.
 * With authentication = required the page is for those who may see usage.
 */
#include "exposition.h"
#include "server.h"

#include <string.h>

#define WAIT_MS     2000
#define TEXT_BYTES  (4u * 1024u * 1024u)  /* of one service; more is left out */
#define PAGE_BYTES  (16u * 1024u * 1024u) /* of all of them */
#define N_FIRST     4                     /* sources that have a name here */
#define MEMBERS     3                     /* that of them which names the others */
#define MAX_SOURCES 68                    /* a group has at most 64 members */

struct source {
    struct conn *conn;
    uint64_t call;
    int open;
    struct buffer text;
};

struct gathering {
    struct work work;
    struct source sources[MAX_SOURCES];
    int n, n_open;
    int asking; /* an answer may come within the call that asks for it */
    struct buffer page;
};

static void drop(struct conn *c, struct work *w)
{
    struct gathering *g = (struct gathering *)(void *)w;
    struct server *s = c->server;

    for (int i = 0; i < g->n; i++) {
        if (g->sources[i].open && g->sources[i].call)
            s->host->cancel(s->host, g->sources[i].call);
        buffer_drop(&s->pool, &g->sources[i].text);
    }
    buffer_drop(&s->pool, &g->page);
    s->host->release(s->host, g);
}

static int add_to_page(void *arg, const void *bytes, size_t n)
{
    struct conn *c = arg;
    struct gathering *g = (struct gathering *)(void *)c->work;

    return buffer_add(&c->server->pool, &g->page, bytes, n, PAGE_BYTES);
}

static void write_page(struct aiex_json_out *w, const void *arg)
{
    const struct conn *c = arg;
    const struct gathering *g = (const struct gathering *)(const void *)c->work;

    metrics_write(w, c->server);
    if (g->page.len)
        aiex_jw_rawn(w, (const char *)g->page.data, g->page.len);
}

static void finish(struct conn *c)
{
    struct gathering *g = (struct gathering *)(void *)c->work;
    struct aiex_slice texts[MAX_SOURCES];

    if (g->n_open || g->asking)
        return;
    for (int i = 0; i < g->n; i++)
        texts[i] = (struct aiex_slice){g->sources[i].text.data, g->sources[i].text.len};
    if (exposition_merge(texts, (size_t)g->n, add_to_page, c) != 0) {
        error_respond(c, 503, "unavailable", NULL, "no memory for the page");
        return;
    }
    respond_json(c,
                 &(struct reply){.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"},
                 write_page, c);
}

static void on_answer(void *arg, const struct aiex_answer *answer);

static void ask(struct conn *c, const char *service, const char *method)
{
    struct gathering *g = (struct gathering *)(void *)c->work;
    const struct aiex_host *host = c->server->host;
    struct source *source = &g->sources[g->n++];
    struct aiex_request r = {.struct_size = sizeof(r),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = service,
                             .method = method,
                             .trace = c->trace,
                             .timeout_ms = WAIT_MS};
    uint8_t mem[32];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "name", "metrics");
    if (source == &g->sources[MEMBERS])
        r.body = aiex_written(&w);
    *source = (struct source){.conn = c, .open = 1};
    g->n_open++;
    if (host->call(host, &r, on_answer, source, &source->call) != 0) {
        source->open = 0;
        g->n_open--;
    }
}

/* The host has named who gives numbers. */
static void ask_members(struct conn *c, struct aiex_slice body)
{
    const struct gathering *g = (const struct gathering *)(const void *)c->work;
    char name[AIEX_MAX_NAME + 1];
    struct aiex_value list, one;

    if (aiex_get(body, "members", &list) != 1 || list.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < list.count && g->n < MAX_SOURCES; i++) {
        if (aiex_r_value(&list.bytes, &one) != 0 || one.type != AIEX_T_STR ||
            one.bytes.len > AIEX_MAX_NAME)
            return;
        memcpy(name, one.bytes.data, one.bytes.len);
        name[one.bytes.len] = 0;
        ask(c, name, "service.metrics");
    }
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
    g->asking++;
    if (!answer->code && source == &g->sources[MEMBERS])
        ask_members(c, answer->body);
    else if (!answer->code && aiex_get_bytes(answer->body, "text", &text) == 1)
        (void)buffer_add(&c->server->pool, &source->text, text.data, text.len, TEXT_BYTES);
    g->asking--;
    finish(c);
}

static void gather(struct conn *c, struct aiex_slice principal)
{
    const struct config *config = c->server->config;
    const struct aiex_host *host = c->server->host;
    const char *first[N_FIRST][2] = {{"host", "host.metrics"},
                                     {config->coordinator, "coordinator.metrics"},
                                     {config->gateway, "gateway.metrics"},
                                     [MEMBERS] = {"host", "host.members"}};
    struct gathering *g = host->alloc(host, sizeof(*g));

    if (!g) {
        error_respond(c, 503, "unavailable", NULL, "no memory for the page");
        return;
    }
    g->work.drop = drop;
    g->asking = 1;
    c->work = &g->work;
    for (int i = 0; i < N_FIRST; i++)
        ask(c, first[i][0], first[i][1]);
    g->asking--;
    finish(c);
}

void metrics_begin(struct conn *c)
{
    if (c->server->config->authentication == AUTHENTICATION_REQUIRED)
        call_check(c, "usage", gather);
    else
        gather(c, (struct aiex_slice){0});
}
