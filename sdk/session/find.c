/*
 * find.c - which session is meant: a new one, one by its id, or, where the interface allows it, one
 * by its title. Whose it is, the sessions service judges by the principal; what it will not show
 * does not exist. A service that is away does not keep the request from being answered, unless it
 * wanted the history.
 */
#include "turn.h"

#include <stdio.h>

#define MAX_FOUND 100

/* As sdk/kinds/service.md has ids. */
static int is_id(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return n > 0 && n <= AIEX_SESSION_ID && s[n] == 0;
}

void find_write_principal(struct aiex_writer *w, const struct aiex_turn *t)
{
    aiex_w_str(w, "principal");
    aiex_w_raw(w, t->principal.data, t->principal.len);
}

static uint32_t has_principal(const struct aiex_turn *t)
{
    return t->principal.len != 0;
}

static void ask_map(struct aiex_turn *t, const char *method, const char *key, const char *value,
                    void (*answered)(struct aiex_turn *t, const struct aiex_answer *end))
{
    uint8_t mem[4096];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3 + has_principal(t));
    aiex_w_key_str(&w, key, value);
    aiex_w_key_bool(&w, "with_values", 0);
    aiex_w_key_int(&w, "limit", MAX_FOUND);
    if (has_principal(t))
        find_write_principal(&w, t);
    turn_ask(t, method, aiex_written(&w), ASK_MS, answered);
}

static int is_away(const char *code)
{
    static const char *const codes[] = {AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,   AIEX_E_BUSY,
                                        AIEX_E_CRASHED,     AIEX_E_READ_ONLY, AIEX_E_INTERNAL};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(code, codes[i]) == 0)
            return 1;
    return 0;
}

static void failed(struct aiex_turn *t, const struct aiex_answer *end)
{
    const char *text = end->text ? end->text : "";

    if (!is_away(end->code))
        turn_refuse(t, end->code, "%s", text);
    else if (t->history)
        turn_refuse(t, AIEX_E_UNAVAILABLE, "the history of the session can not be read now: %s",
                    text);
    else
        turn_unrecorded(t, "%s", text);
}

static void take_session(struct aiex_turn *t, struct aiex_slice row)
{
    char state[16] = "";

    t->messages = 0;
    aiex_get_int(row, "messages", &t->messages);
    if (aiex_get_text(row, "session", t->session, sizeof(t->session)) != 1 || !is_id(t->session)) {
        t->session[0] = 0;
        turn_unrecorded(t, "the sessions service named no session");
    } else if (aiex_get_text(row, "state", state, sizeof(state)) == 1 &&
               strcmp(state, "open") != 0) {
        turn_refuse(t, AIEX_E_CONFLICT, "session '%s' is %s; restore it, or begin a new one",
                    t->session, state);
    } else {
        turn_found(t);
    }
}

/* ---- A new one ---- */

static void on_created(struct aiex_turn *t, const struct aiex_answer *end)
{
    if (end->code)
        failed(t, end);
    else
        take_session(t, end->body);
}

static void create(struct aiex_turn *t)
{
    uint8_t mem[4096];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, (t->title[0] != 0) + has_principal(t));
    if (t->title[0])
        aiex_w_key_str(&w, "title", t->title);
    if (has_principal(t))
        find_write_principal(&w, t);
    turn_ask(t, "sessions.create", aiex_written(&w), ASK_MS, on_created);
}

/* ---- By its title ---- */

/* The one session of that title; 0 = there is none, above 1: several. */
static unsigned count_titled(const struct aiex_turn *t, struct aiex_slice rows,
                             struct aiex_slice *ret)
{
    struct aiex_slice one, title;
    struct aiex_value v;
    unsigned n = 0;

    if (aiex_r_value(&rows, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count; i++) {
        one = rows;
        if (aiex_r_skip(&rows) != 0)
            return 0;
        one.len -= rows.len;
        if (aiex_get_str(one, "title", &title) != 1 || !aiex_slice_is(title, t->asked))
            continue;
        *ret = one;
        n++;
    }
    return n;
}

static void on_titled(struct aiex_turn *t, const struct aiex_answer *end)
{
    struct aiex_slice rows, row = {NULL, 0};
    unsigned n = 0;

    if (end->code) {
        failed(t, end);
        return;
    }
    if (aiex_get_whole(end->body, "sessions", &rows) == 1)
        n = count_titled(t, rows, &row);
    if (n == 1)
        take_session(t, row);
    else if (n == 0)
        turn_refuse(t, AIEX_E_NOT_FOUND, "there is no session '%s'; 'new' makes one", t->asked);
    else
        turn_refuse(t, AIEX_E_CONFLICT, "%u sessions have the title '%s'; name one by its id", n,
                    t->asked);
}

static void find_titled(struct aiex_turn *t)
{
    ask_map(t, "sessions.find", "title", t->asked, on_titled);
}

/* ---- By its id ---- */

static void on_got(struct aiex_turn *t, const struct aiex_answer *end)
{
    if (!end->code)
        take_session(t, end->body);
    else if (t->by_title && strcmp(end->code, AIEX_E_NOT_FOUND) == 0)
        find_titled(t);
    else if (strcmp(end->code, AIEX_E_NOT_FOUND) == 0)
        turn_refuse(t, AIEX_E_NOT_FOUND, "there is no session '%s'; 'new' makes one", t->asked);
    else
        failed(t, end);
}

void find_begin(struct aiex_turn *t)
{
    if (strcmp(t->asked, "new") == 0)
        create(t);
    else if (is_id(t->asked))
        ask_map(t, "sessions.get", "session", t->asked, on_got);
    else if (t->by_title && t->asked[0])
        find_titled(t);
    else
        turn_refuse(t, AIEX_E_NOT_FOUND, "there is no session of that name; 'new' makes one");
}
