/*
 * responses.c - POST /v1/responses: a model request with a memory.
 *
 * previous_response_id: the gateway says who asks, the service `responses` gives what was said
 * before, and that goes before the request's own input. store (the default): the finished
 * response, taken from the document or from the stream's last event as it passes, is put into the
 * service, and the client's end is held back until that has it on disk (responses_put.h), so that
 * what the client was told is complete can be continued whatever crashes. Where the service is
 * absent nothing is stored and nothing said about it.
 */
#include "responses_put.h"
#include "session.h"
#include "splice.h"

#include <errno.h>
#include <string.h>

#define ID_BYTES        128
#define PRINCIPAL_BYTES 2048
#define HISTORY_MS      10000

struct memory {
    struct work work;
    struct ask ask;
    struct aiex_chat_trail trail;
    char previous[ID_BYTES + 1]; /* "" = none */
    uint8_t principal[PRINCIPAL_BYTES];
    size_t n_principal;
    uint8_t *input; /* what is stored as this request's input; NULL: nothing is stored */
    size_t n_input;
    /* what the client gets when its response is stored */
    struct put *put; /* NULL: nothing is held back */
    struct buffer held;
    struct aiex_answer end;
    uint8_t *end_body;
    int has_end;
};

static struct memory *memory_of(struct conn *c)
{
    return (struct memory *)(void *)c->work;
}

static void drop(struct conn *c, struct work *w)
{
    struct memory *m = (struct memory *)(void *)w;
    const struct aiex_host *host = c->server->host;

    put_forget(m->put);
    buffer_drop(&c->server->pool, &m->held);
    host->release(host, m->end_body);
    host->release(host, m->input);
    host->release(host, m);
}

/* ---- Putting a response away ---- */

static void go_on(struct conn *c);

static void put_response(struct conn *c, const struct aiex_json_span *response)
{
    struct memory *m = memory_of(c);
    struct server *s = c->server;
    struct aiex_json_span id;
    struct buffer out = {0};
    struct aiex_writer w;
    char text[ID_BYTES + 1];
    size_t room = 512 + m->n_principal + m->n_input + response->len;

    if (!m->input || !aiex_json_find(response, "id", &id) ||
        aiex_json_text(&id, text, sizeof(text)) <= 0 || room > AIEX_MAX_BODY ||
        !buffer_room(&s->pool, &out, room, AIEX_MAX_BODY))
        return;
    aiex_writer_init(&w, out.data, room);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "id", text);
    aiex_w_str(&w, "principal");
    aiex_w_raw(&w, m->principal, m->n_principal);
    aiex_w_key_str(&w, "previous", m->previous);
    aiex_w_key_bin(&w, "input", m->input, m->n_input);
    aiex_w_key_bin(&w, "response", response->data, response->len);
    if (!w.failed)
        m->put = put_send(c, aiex_written(&w), go_on);
    buffer_drop(&s->pool, &out);
    s->host->release(s->host, m->input); /* once is enough */
    m->input = NULL;
}

/* ---- Finding it in what passes ---- */

/* The data of one event: a last one has the whole response. */
static void look_at_event(struct conn *c, struct aiex_slice data)
{
    struct aiex_json_field f[] = {{.key = "type"}, {.key = "response"}};

    if (aiex_json_scan(data, 0, f, 2, NULL) == AIEX_JSON_OBJECT &&
        (aiex_json_is(&f[0].value, "response.completed") ||
         aiex_json_is(&f[0].value, "response.incomplete")) &&
        f[1].value.type == AIEX_JSON_OBJECT)
        put_response(c, &f[1].value);
}

/* A part is whole events; only those that name a last event are read. */
static void look_at_part(struct conn *c, struct aiex_slice part)
{
    const uint8_t *at = part.data, *end = at + part.len;

    while (at < end && memory_of(c)->input) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);

        if (n > 5 && memcmp(at, "data:", 5) == 0 &&
            (memmem(at, n, "response.completed", 18) || memmem(at, n, "response.incomplete", 19)))
            look_at_event(c, (struct aiex_slice){at + 5, n - 5});
        at += n + (stop != NULL);
    }
}

static void look_at_whole(struct conn *c)
{
    struct aiex_slice doc = {c->out.data + c->out.off, buffer_size(&c->out)};
    struct aiex_json_field f[] = {{.key = "status"}};
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, (const char *)doc.data, doc.len};

    while (whole.len && *whole.data != '{') {
        whole.data++;
        whole.len--;
    }
    if (aiex_json_scan(doc, 0, f, 1, NULL) == AIEX_JSON_OBJECT &&
        !aiex_json_is(&f[0].value, "failed"))
        put_response(c, &whole);
}

/* ---- Holding its end back until it is stored ---- */

static void take(struct conn *c, const struct aiex_answer *answer)
{
    struct memory *m = memory_of(c);

    if (answer->kind == AIEX_ANSWER_END && answer->code && c->stream && c->status) {
        session_note(c, answer);
        error_in_stream(c, answer, &m->trail);
    } else {
        answer_take(c, answer);
    }
}

/* The part that ends it, and what came behind. */
static void go_on(struct conn *c)
{
    struct memory *m = memory_of(c);
    struct aiex_answer part = {.struct_size = sizeof(part), .kind = AIEX_ANSWER_PART};
    struct aiex_answer end = m->end;
    struct buffer held = m->held;
    uint8_t *end_body = m->end_body;
    int has_end = m->has_end;

    m->put = NULL;
    m->held = (struct buffer){0};
    m->end_body = NULL;
    m->has_end = 0;
    part.body = (struct aiex_slice){held.data, held.len};
    if (held.len)
        take(c, &part);
    if (has_end && c->work == &m->work) /* the client may have gone meanwhile */
        take(c, &end);
    buffer_drop(&c->server->pool, &held);
    c->server->host->release(c->server->host, end_body);
}

/* 0, or -1: there is no memory to hold it back. */
static int hold_back(struct conn *c, const struct aiex_answer *answer)
{
    struct memory *m = memory_of(c);
    const struct aiex_host *host = c->server->host;

    if (answer->kind == AIEX_ANSWER_PART)
        return buffer_add(&c->server->pool, &m->held, answer->body.data, answer->body.len,
                          AIEX_MAX_BODY);
    if (answer->body.len) {
        m->end_body = host->alloc(host, answer->body.len);
        if (!m->end_body)
            return -1;
        memcpy(m->end_body, answer->body.data, answer->body.len);
    }
    m->end = *answer;
    m->end.body.data = m->end_body;
    m->has_end = 1;
    return 0;
}

static void look_at(struct conn *c, const struct aiex_answer *answer)
{
    struct memory *m = memory_of(c);

    if (answer->kind == AIEX_ANSWER_PART && c->stream) {
        if (m->input)
            look_at_part(c, answer->body);
        aiex_chat_trail_note(&m->trail, c->dialect, answer->body);
    } else if (answer->kind == AIEX_ANSWER_END && !answer->code && !c->stream && m->input &&
               buffer_size(&c->out)) {
        look_at_whole(c);
    }
}

static void on_answer(struct conn *c, const struct aiex_answer *answer)
{
    struct memory *m = memory_of(c);

    if (!m->put)
        look_at(c, answer);
    /* an error's texts live no longer than this call */
    if (m->put && !answer->code && hold_back(c, answer) == 0)
        return;
    if (m->put) {
        put_forget(m->put);
        go_on(c);
        if (c->work != &m->work)
            return;
    }
    take(c, answer);
}

/* ---- The request ---- */

static int no_memory(struct conn *c)
{
    error_respond(c, 503, "unavailable", NULL, "no memory for the request");
    return -1;
}

/* Keeps the input as it will be stored. */
static int keep_input(struct conn *c, struct memory *m)
{
    const struct aiex_host *host = c->server->host;
    struct splice s;
    size_t n = 0;

    splice_input(&m->ask.subject, &s);
    for (size_t i = 0; i < s.n; i++)
        n += s.pieces[i].len;
    m->input = host->alloc(host, n);
    if (!m->input)
        return no_memory(c);
    for (size_t i = 0; i < s.n; i++) {
        memcpy(m->input + m->n_input, s.pieces[i].data, s.pieces[i].len);
        m->n_input += s.pieces[i].len;
    }
    return 0;
}

static void send_on(struct conn *c)
{
    struct memory *m = memory_of(c);

    if (m->ask.store && keep_input(c, m) != 0)
        return;
    session_ask(c, &m->ask, on_answer);
}

static void send_with_history(struct conn *c, struct aiex_slice items)
{
    struct memory *m = memory_of(c);
    struct splice s;
    int r;

    if (m->ask.store && keep_input(c, m) != 0)
        return;
    r = splice_history(call_body(c), &m->ask.subject, &m->ask.previous, items, &s);
    if (r == 0)
        r = call_replace_body(c, s.pieces, s.n);
    if (r == -EINVAL)
        error_respond(c, 502, "upstream_error", NULL, "the stored conversation can not be read");
    else if (r == -EMSGSIZE)
        error_respond(c, 413, "request_too_large", "previous_response_id",
                      "the conversation is larger than %u bytes", AIEX_MAX_BODY);
    else if (r != 0)
        no_memory(c);
    else
        session_ask(c, &m->ask, on_answer);
}

static void on_history(struct conn *c, const struct aiex_answer *answer)
{
    struct memory *m = memory_of(c);
    struct aiex_slice items;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code && (strcmp(answer->code, AIEX_E_NOT_FOUND) == 0 ||
                         strcmp(answer->code, AIEX_E_UNAVAILABLE) == 0))
        error_respond(c, 400, "previous_response_not_found", "previous_response_id",
                      "Previous response with id '%s' not found.", m->previous);
    else if (answer->code)
        error_answer(c, answer);
    else if (aiex_get_bytes(answer->body, "items", &items) != 1)
        error_respond(c, 502, "upstream_error", NULL, "the stored conversation is missing");
    else
        send_with_history(c, items);
}

static void on_principal(struct conn *c, struct aiex_slice principal)
{
    struct memory *m = memory_of(c);
    uint8_t mem[ID_BYTES + PRINCIPAL_BYTES + 64];
    struct aiex_writer w;

    if (principal.len > sizeof(m->principal)) {
        error_respond(c, 502, "upstream_error", NULL, "the gateway's principal is too long");
        return;
    }
    memcpy(m->principal, principal.data, principal.len);
    m->n_principal = principal.len;
    if (!m->previous[0]) {
        send_on(c);
        return;
    }
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", m->previous);
    aiex_w_str(&w, "principal");
    aiex_w_raw(&w, principal.data, principal.len);
    call_plain(c, c->server->config->responses, "responses.history", aiex_written(&w), HISTORY_MS,
               on_history);
}

/* 0, or -1: an error was answered. */
static int read_previous(struct conn *c, struct memory *m)
{
    const struct aiex_json_span *v = &m->ask.previous;
    long n;

    if (v->type == 0 || v->type == AIEX_JSON_NULL)
        return 0;
    n = aiex_json_text(v, m->previous, sizeof(m->previous));
    if (n > 0 && strlen(m->previous) == (size_t)n)
        return 0;
    error_respond(c, 400, "invalid_value", "previous_response_id",
                  "previous_response_id must be a string of 1 to %d bytes", ID_BYTES);
    return -1;
}

void responses_begin(struct conn *c)
{
    const struct aiex_host *host = c->server->host;
    struct memory *m = host->alloc(host, sizeof(*m));

    if (!m) {
        no_memory(c);
        return;
    }
    m->work.drop = drop;
    c->work = &m->work;
    if (ask_read(c, &m->ask) != 0 || read_previous(c, m) != 0)
        return;
    m->ask.store = m->ask.store && put_is_welcome(c->server);
    if (m->ask.store || m->previous[0])
        call_check(c, "chat", on_principal);
    else
        session_ask(c, &m->ask, on_answer);
}
