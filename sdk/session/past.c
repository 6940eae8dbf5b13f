/*
 * past.c - what was said before, for the request: the newest turns that fit.
 *
 * The history comes page by page from the newest message back. Turns without an answer (failed, cut
 * before the first word, or never ended) are left out with their question: the client asks again.
 * What is taken begins with a question, so that no answer of a tool stands without its call. In the
 * end the messages, in OpenAI's form, go through the library that translates for vendors.
 */
#include "turn.h"

#include <errno.h>
#include <stdio.h>

static void ask_page(struct aiex_turn *t);

/* ---- One message ---- */

static int turn_is_good(const struct past *p, const char *turn)
{
    for (unsigned i = 0; i < p->n_good && i < 64; i++)
        if (strcmp(p->good[i], turn) == 0)
            return 1;
    return 0;
}

/* Whether the message counts. Walks from the answer of a turn to its question. */
static int is_wanted(struct past *p, struct aiex_slice data, const char *role, size_t n_content)
{
    char turn[AIEX_SESSION_ID + 1] = "";
    int r = aiex_get_text(data, "turn", turn, sizeof(turn));

    if (strcmp(role, "assistant") == 0) {
        if (!n_content)
            return 0;
        if (r == 1)
            strcpy(p->good[p->n_good++ % 64], turn);
        return 1;
    }
    return r != 1 || turn_is_good(p, turn);
}

/* What another writer kept as JSON: a whole message, or its content. */
static int add_json(struct aiex_turn *t, const char *role, struct aiex_slice json)
{
    int type = aiex_json_scan(json, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL);
    struct text *out = &t->past.json;
    char head[64];
    int r;

    if (type == AIEX_JSON_OBJECT)
        return text_add(t->all, out, json.data, json.len, AIEX_TURN_PAST);
    if (type != AIEX_JSON_ARRAY && type != AIEX_JSON_STRING)
        return -EINVAL;
    snprintf(head, sizeof(head), "{\"role\":\"%s\",\"content\":", role);
    r = text_add(t->all, out, head, strlen(head), AIEX_TURN_PAST);
    r = r ? r : text_add(t->all, out, json.data, json.len, AIEX_TURN_PAST);
    return r ? r : text_add(t->all, out, "}", 1, AIEX_TURN_PAST);
}

static int add_plain(struct aiex_turn *t, const char *role, struct aiex_slice content)
{
    struct text *out = &t->past.json;
    char head[64];
    int r;

    snprintf(head, sizeof(head), "{\"role\":\"%s\",\"content\":", role);
    r = text_add(t->all, out, head, strlen(head), AIEX_TURN_PAST);
    r = r ? r
          : text_add_quoted(t->all, out, (const char *)content.data, content.len, AIEX_TURN_PAST);
    return r ? r : text_add(t->all, out, "}", 1, AIEX_TURN_PAST);
}

static int is_role(const char *role)
{
    return strcmp(role, "user") == 0 || strcmp(role, "assistant") == 0 || strcmp(role, "tool") == 0;
}

/* 0, or -1: the past is long enough. */
static int take_message(struct aiex_turn *t, struct aiex_slice data)
{
    struct past *p = &t->past;
    struct aiex_slice content = {NULL, 0};
    struct aiex_value v = {0};
    char role[16] = "";
    size_t off = p->json.len;
    int r;

    if (aiex_get_text(data, "role", role, sizeof(role)) != 1 || !is_role(role) ||
        aiex_get_bytes(data, "content", &content) != 1 || aiex_get(data, "content", &v) != 1 ||
        !is_wanted(p, data, role, content.len))
        return 0;
    r = v.type == AIEX_T_BIN ? add_json(t, role, content) : add_plain(t, role, content);
    if (r == -EINVAL || p->n == MAX_PIECES || r < 0 || p->json.len > t->history_bytes) {
        p->json.len = off;
        return r == -EINVAL ? 0 : -1;
    }
    p->pieces[p->n++] = (struct piece){off, p->json.len - off, strcmp(role, "user") == 0};
    return 0;
}

/* ---- Pages ---- */

static void take_page(struct aiex_turn *t, struct aiex_slice events)
{
    struct aiex_slice data, one, type;
    struct aiex_value v;

    if (aiex_r_value(&events, &v) != 0 || v.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < v.count && !t->past.full; i++) {
        one = events;
        if (aiex_r_skip(&events) != 0)
            return;
        one.len -= events.len;
        if (aiex_get_str(one, "type", &type) == 1 && aiex_slice_is(type, "session.message") &&
            aiex_get_whole(one, "data", &data) == 1)
            t->past.full = take_message(t, data) < 0;
    }
}

/* Messages from the oldest that is taken on, with commas. 0, -ENOMEM ... */
static int put_pieces(struct aiex_turn *t, struct text *out)
{
    const struct past *p = &t->past;
    unsigned n = p->n;
    int r = 0;

    while (n && !p->pieces[n - 1].user)
        n--;
    for (unsigned i = n; i > 0 && r == 0; i--) {
        const struct piece *piece = &p->pieces[i - 1];

        if (i < n)
            r = text_add(t->all, out, ",", 1, 2 * AIEX_TURN_PAST);
        if (r == 0)
            r = text_add(t->all, out, p->json.data + piece->off, piece->len, 2 * AIEX_TURN_PAST);
    }
    return r;
}

/* The members of the array as the dialect has it. */
static int translate(struct aiex_turn *t, struct text *whole, struct aiex_error *err)
{
    const struct aiex_chat_setup setup = {.struct_size = sizeof(setup),
                                          .client = AIEX_OPENAI_CHAT,
                                          .vendor = t->dialect,
                                          .model = {(const uint8_t *)"m", 1}};
    struct aiex_json_field f[] = {
        {.key = t->dialect == AIEX_OPENAI_RESPONSES ? "input" : "messages"}};
    struct aiex_chat *chat = NULL;
    int r = aiex_chat_new(&setup, (struct aiex_slice){(const uint8_t *)whole->data, whole->len},
                          &chat, err);

    if (r == 0 &&
        aiex_json_scan(aiex_chat_request(chat), AIEX_JSON_MAX_DEPTH, f, 1, NULL) ==
            AIEX_JSON_OBJECT &&
        f[0].value.type == AIEX_JSON_ARRAY)
        r = text_add(t->all, &t->past.out, f[0].value.data + 1, f[0].value.len - 2,
                     2 * AIEX_TURN_PAST);
    else if (r == 0)
        r = aiex_failed(err, -EINVAL, "the history has no form in this dialect");
    aiex_chat_free(chat);
    return r;
}

static int assemble(struct aiex_turn *t, struct aiex_error *err)
{
    static const char head[] = "{\"model\":\"m\",\"messages\":[";
    struct text whole = {NULL, 0, 0};
    int r;

    if (t->dialect == AIEX_OPENAI_CHAT)
        return put_pieces(t, &t->past.out);
    r = text_add(t->all, &whole, head, sizeof(head) - 1, 2 * AIEX_TURN_PAST);
    r = r ? r : put_pieces(t, &whole);
    if (r == 0 && whole.len > sizeof(head) - 1) {
        r = text_add(t->all, &whole, "]}", 2, 2 * AIEX_TURN_PAST);
        r = r ? r : translate(t, &whole, err);
    }
    text_drop(t->all, &whole);
    return r;
}

static void on_page(struct aiex_turn *t, const struct aiex_answer *end)
{
    struct past *p = &t->past;
    struct aiex_error err = {"no memory for the history"};
    struct aiex_slice events;

    if (end->code) {
        turn_refuse(t, end->code, "the history of session '%s' can not be read: %s", t->session,
                    end->text ? end->text : "");
        return;
    }
    if (aiex_get_whole(end->body, "events", &events) == 1)
        take_page(t, events);
    p->next[0] = 0;
    aiex_get_text(end->body, "next", p->next, sizeof(p->next));
    if (p->next[0] && !p->full && ++p->pages < MAX_PAGES)
        ask_page(t);
    else if (assemble(t, &err) < 0)
        turn_refuse(t, AIEX_E_INTERNAL, "the history of session '%s' can not be sent: %s",
                    t->session, err.text);
    else
        turn_go(t);
}

static void ask_page(struct aiex_turn *t)
{
    uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, t->past.next[0] ? 3 : 2);
    aiex_w_key_str(&w, "session", t->session);
    aiex_w_key_int(&w, "limit", 100);
    if (t->past.next[0])
        aiex_w_key_str(&w, "next", t->past.next);
    turn_ask(t, "sessions.history", aiex_written(&w), RECORD_MS, on_page);
}

void past_begin(struct aiex_turn *t)
{
    const struct aiex_host *host = t->all->host;

    t->past.pieces = host->alloc(host, MAX_PIECES * sizeof(*t->past.pieces));
    if (t->past.pieces)
        ask_page(t);
    else
        turn_refuse(t, AIEX_E_BUSY, "no memory for the history of session '%s'", t->session);
}

void past_done(struct aiex_turn *t)
{
    text_drop(t->all, &t->past.json);
    text_drop(t->all, &t->past.out);
    t->all->host->release(t->all->host, t->past.pieces);
    t->past.pieces = NULL;
}
