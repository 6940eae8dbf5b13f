/*
 * record.c - the two writes of a turn. Each names itself (`request`), so that it is made once
 * however often it is asked for. The second waits until it is known what became of the first, and
 * brings the question along when that did not arrive.
 */
#include "turn.h"

#include <stdio.h>

#define PAUSE_MS 500u

/* ---- Messages ---- */

static void write_usage(struct aiex_writer *w, const struct heard *h)
{
    aiex_w_str(w, "usage");
    aiex_w_map(w, 2);
    aiex_w_key_int(w, "input_tokens", h->input_tokens);
    aiex_w_key_int(w, "output_tokens", h->output_tokens);
}

struct answer {
    const struct aiex_turn *t;
    const struct text *json; /* with tool calls */
};

static void write_answer(struct aiex_writer *w, const struct answer *a)
{
    const struct heard *h = &a->t->heard;
    const char *outcome = a->t->outcome ? a->t->outcome : h->cut ? "too_long" : NULL;
    int usage = h->input_tokens >= 0 && h->output_tokens >= 0;

    aiex_w_map(w, 3u + (uint32_t)usage + (a->t->provider[0] != 0) + (h->finish[0] != 0) +
                      (outcome != NULL));
    aiex_w_key_str(w, "role", "assistant");
    if (a->json->len)
        aiex_w_key_bin(w, "content", a->json->data, a->json->len);
    else
        aiex_w_key_strn(w, "content", h->content.data ? h->content.data : "", h->content.len);
    aiex_w_key_str(w, "model", h->model);
    if (usage)
        write_usage(w, h);
    if (a->t->provider[0])
        aiex_w_key_str(w, "provider", a->t->provider);
    if (h->finish[0])
        aiex_w_key_str(w, "finish", h->finish);
    if (outcome)
        aiex_w_key_str(w, "outcome", outcome);
}

/* ---- The writes ---- */

/* What is written before the messages. */
static void write_head(struct aiex_writer *w, const struct aiex_turn *t, int end, uint32_t n)
{
    char turn[20], request[24];

    snprintf(turn, sizeof(turn), "%016llx", (unsigned long long)t->trace);
    snprintf(request, sizeof(request), "%s-%c", turn, end ? 'e' : 'b');
    aiex_w_map(w, 5u + (t->principal.len != 0));
    aiex_w_key_str(w, "session", t->session);
    aiex_w_key_str(w, "request", request);
    aiex_w_key_str(w, "turn", turn);
    aiex_w_key_str(w, "turn_state", end ? "end" : "begin");
    if (t->principal.len)
        find_write_principal(w, t);
    aiex_w_str(w, "messages");
    aiex_w_array(w, n);
}

/* Sends it from memory of its size. */
static void write_turn(struct aiex_turn *t, int end, const struct text *json,
                       void (*answered)(struct aiex_turn *t, const struct aiex_answer *end))
{
    const struct aiex_host *host = t->all->host;
    int with_said = !end || !t->begin_good;
    size_t size = 2048 + t->principal.len + (with_said ? t->said.len : 0) + json->len +
                  t->heard.content.len;
    uint8_t *mem = host->alloc(host, size);
    struct aiex_slice body = {NULL, 0};
    struct aiex_writer w;

    if (mem) {
        aiex_writer_init(&w, mem, size);
        write_head(&w, t, end, (with_said ? t->n_said : 0) + (end != 0));
        if (with_said)
            aiex_w_raw(&w, t->said.data, t->said.len);
        if (end)
            write_answer(&w, &(struct answer){t, json});
        body = aiex_written(&w);
    }
    turn_ask(t, mem ? "sessions.append" : NULL, body, RECORD_MS, answered);
    host->release(host, mem);
}

static void on_begun(struct aiex_turn *t, const struct aiex_answer *end)
{
    t->begin_known = 1;
    t->begin_good = end->code == NULL;
    if (t->begin_good)
        text_drop(t->all, &t->said);
    if (t->step == ENDING)
        record_end(t);
}

void record_begin(struct aiex_turn *t)
{
    static const struct text none;

    write_turn(t, 0, &none, on_begun);
}

static void try_again(void *arg)
{
    struct aiex_turn *t = arg;

    t->timer = 0;
    record_end(t);
}

static int may_help(const char *code)
{
    return strcmp(code, AIEX_E_UNAVAILABLE) == 0 || strcmp(code, AIEX_E_CRASHED) == 0 ||
           strcmp(code, AIEX_E_BUSY) == 0 || strcmp(code, AIEX_E_TIMEOUT) == 0;
}

static void on_recorded(struct aiex_turn *t, const struct aiex_answer *end)
{
    const struct aiex_host *host = t->all->host;
    char trouble[400];

    if (end->code && may_help(end->code) && ++t->tries < MAX_TRIES &&
        host->timer(host, (uint64_t)PAUSE_MS << t->tries, 0, try_again, t, &t->timer) == 0)
        return;
    if (!end->code) {
        turn_over(t, NULL);
        return;
    }
    snprintf(trouble, sizeof(trouble), "not recorded in session %s: %.300s", t->session,
             end->text ? end->text : end->code);
    turn_over(t, trouble);
}

void record_end(struct aiex_turn *t)
{
    struct aiex_turns *all = t->all;
    struct text json = {NULL, 0, 0};

    /* one that is too long with its calls is recorded without them */
    if ((t->heard.n_calls || t->heard.calls_json.len) &&
        (heard_json(t, &json) < 0 || json.len > AIEX_TURN_MESSAGE)) {
        text_drop(all, &json);
        t->heard.cut = 1;
    }
    write_turn(t, 1, &json, on_recorded); /* the turn may be gone now */
    text_drop(all, &json);
}
