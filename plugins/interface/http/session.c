/* session.c - see session.h. */
#include "session.h"
#include "splice.h"

#include <aiex_session.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

struct session {
    struct conn *conn;
    struct ask ask;
    answer_fn fn;
    struct aiex_turn *turn; /* NULL: not begun, or not recorded */
    char id[AIEX_SESSION_ID + 1];
    int unrecorded;
};

static const char *header(const struct conn *c, const char *name)
{
    return aiex_http1_get(aiex_http1_head(c->parser), name);
}

static struct aiex_slice slice_of(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

/* ---- The history ---- */

/* 0, or -1: an error was answered. */
static int put_history(struct conn *c, const struct ask *ask, struct aiex_slice history)
{
    struct splice s;
    int r = splice_before(call_body(c), &ask->subject, history, &s);

    if (r == 0)
        r = call_replace_body(c, s.pieces, s.n);
    if (r == 0)
        return 0;
    if (r == -EMSGSIZE)
        error_respond(c, 413, "request_too_large", NULL,
                      "the request is larger than %u bytes with the history of its session",
                      AIEX_MAX_BODY);
    else if (r == -EINVAL)
        error_respond(c, 400, "invalid_value", NULL,
                      "a request that wants the history of its session must say something");
    else
        error_respond(c, 503, "unavailable", NULL, "no memory for the history of the session");
    return -1;
}

/* ---- The begin ---- */

static void refuse(struct conn *c, const struct aiex_turn_begun *begun)
{
    if (strcmp(begun->code, AIEX_E_NOT_FOUND) == 0)
        error_respond(c, 404, "session_not_found", NULL, "%s", begun->text);
    else
        error_answer(c, &(struct aiex_answer){.struct_size = sizeof(struct aiex_answer),
                                              .kind = AIEX_ANSWER_END,
                                              .code = begun->code,
                                              .text = begun->text});
}

static void on_begun(void *arg, const struct aiex_turn_begun *begun)
{
    struct session *s = arg;
    struct conn *c = s->conn;

    if (begun->code || !begun->session[0])
        s->turn = NULL;
    if (begun->code) {
        refuse(c, begun);
        return;
    }
    s->unrecorded = !begun->session[0];
    strcpy(s->id, begun->session);
    if (!begun->history.len || put_history(c, &s->ask, begun->history) == 0)
        ask_send(c, &s->ask, s->fn);
}

static void begin_turn(struct conn *c, struct aiex_slice principal)
{
    struct session *s = c->session;
    const char *history = header(c, "x-aiex-history");
    struct aiex_turn_setting setting = {.dialect = c->dialect,
                                        .stream = c->stream,
                                        .history = history && strcasecmp(history, "send") == 0 &&
                                                   s->ask.previous.type == 0,
                                        .history_bytes = (size_t)c->server->config->session_history,
                                        .body = call_body(c),
                                        .session = slice_of(header(c, "x-aiex-session")),
                                        .title = slice_of(header(c, "x-aiex-session-title")),
                                        .principal = principal,
                                        .trace = c->trace};

    if (aiex_turn_begin(c->server->turns, &setting, on_begun, s, &s->turn) != 0)
        error_respond(c, 503, "unavailable", NULL, "no memory for the session");
}

/* Bound or not: the option `sessions` is set, it is a chat, and it names one. */
static int is_bound(const struct conn *c)
{
    return c->server->turns && aiex_dialect_op(c->dialect) == AIEX_OP_CHAT &&
           header(c, "x-aiex-session") != NULL;
}

void session_ask(struct conn *c, const struct ask *ask, answer_fn fn)
{
    const struct aiex_host *host = c->server->host;
    struct session *s;

    if (!is_bound(c)) {
        ask_send(c, ask, fn);
        return;
    }
    s = host->alloc(host, sizeof(*s));
    if (!s) {
        error_respond(c, 503, "unavailable", NULL, "no memory for the session");
        return;
    }
    s->conn = c;
    s->ask = *ask;
    s->fn = fn;
    c->session = s;
    call_check(c, "chat", begin_turn);
}

/* ---- The answer ---- */

void session_note(struct conn *c, const struct aiex_answer *answer)
{
    struct session *s = c->session;
    struct aiex_turn_end end = {.end = answer->body};
    struct aiex_turn *turn = s ? s->turn : NULL;

    if (!turn)
        return;
    if (answer->kind == AIEX_ANSWER_PART) {
        aiex_turn_part(turn, answer->body);
        return;
    }
    if (answer->code)
        end.outcome = c->stream && c->status ? "cut" : "failed";
    s->turn = NULL;
    aiex_turn_end(turn, &end, NULL, NULL); /* the library logs and counts what fails */
}

void session_drop(struct conn *c)
{
    struct session *s = c->session;

    if (!s)
        return;
    c->session = NULL;
    aiex_turn_drop(s->turn);
    c->server->host->release(c->server->host, s);
}

/* ---- What others are told ---- */

/* Draining waits for turns, too; the end of the loop turn looks. */
static void on_idle(void *arg)
{
    struct server *s = arg;

    if (s->draining)
        output_turn(s);
}

int session_init(struct server *s)
{
    if (!s->config->sessions[0])
        return 0;
    s->turns = aiex_turns_new(s->host, s->config->sessions);
    if (!s->turns)
        return -ENOMEM;
    aiex_turns_on_idle(s->turns, on_idle, s);
    return 0;
}

int session_any_open(const struct server *s)
{
    struct aiex_turns_numbers n = {0};

    if (s->turns)
        aiex_turns_numbers(s->turns, &n);
    return n.open != 0;
}

struct aiex_slice session_name(const struct conn *c, const char *named)
{
    if (c->session && c->session->id[0])
        return slice_of(c->session->id);
    return slice_of(named && strcmp(named, "new") == 0 ? NULL : named);
}

void session_head(const struct conn *c, struct aiex_http1_writer *w)
{
    if (!c->session)
        return;
    if (c->session->id[0])
        aiex_http1_w_header(w, "x-aiex-session", c->session->id);
    if (c->session->unrecorded)
        aiex_http1_w_header(w, "x-aiex-session-recorded", "no");
}
