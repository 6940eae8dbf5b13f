/*
 * session_usage.c - what was said in sessions, by day, user and model.
 *
 *     key    day \0 user \0 model
 *     value  map {day user model messages answers failed input_tokens output_tokens}
 *
 * Each event session.message adds one to a row: its user stands in its `meta`, its model and tokens
 * in what was said (an answer). An erased event says nothing and counts no more when the rows are
 * built anew.
 */
#include "projections.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

void usage_day(int64_t wall_ms, char day[DAY_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || !strftime(day, DAY_BYTES, "%F", &tm))
        strcpy(day, "unknown");
}

int usage_read(struct aiex_slice value, struct usage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!aiex_is_map(value) || aiex_get_text(value, "day", ret->day, sizeof(ret->day)) != 1 ||
        aiex_get_text(value, "user", ret->user, sizeof(ret->user)) != 1 ||
        aiex_get_text(value, "model", ret->model, sizeof(ret->model)) != 1)
        return -EBADMSG;
    aiex_get_int(value, "messages", &ret->messages);
    aiex_get_int(value, "answers", &ret->answers);
    aiex_get_int(value, "failed", &ret->failed);
    aiex_get_int(value, "input_tokens", &ret->input_tokens);
    aiex_get_int(value, "output_tokens", &ret->output_tokens);
    return 0;
}

static void write_value(struct aiex_writer *w, const struct usage *u)
{
    aiex_w_map(w, 8);
    aiex_w_key_str(w, "day", u->day);
    aiex_w_key_str(w, "user", u->user);
    aiex_w_key_str(w, "model", u->model);
    aiex_w_key_int(w, "messages", u->messages);
    aiex_w_key_int(w, "answers", u->answers);
    aiex_w_key_int(w, "failed", u->failed);
    aiex_w_key_int(w, "input_tokens", u->input_tokens);
    aiex_w_key_int(w, "output_tokens", u->output_tokens);
}

/* ---- The row of an event ---- */

/* A text, cut where it is too long. */
static void take_text(struct aiex_slice map, const char *key, char *out, size_t size)
{
    struct aiex_slice text = {NULL, 0};

    out[0] = 0;
    if (!aiex_is_map(map) || aiex_get_str(map, key, &text) != 1)
        return;
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.data);
}

/* Which row it is: day, user, model. */
static size_t place(const struct aiex_stored_event *e, struct usage *u, uint8_t key[USAGE_KEY])
{
    size_t user, model;

    memset(u, 0, sizeof(*u));
    usage_day(e->time, u->day);
    take_text(e->meta, "user", u->user, sizeof(u->user));
    take_text(e->data, "model", u->model, sizeof(u->model));
    user = strlen(u->user);
    model = strlen(u->model);
    memset(key, 0, USAGE_KEY);
    memcpy(key, u->day, strlen(u->day));
    memcpy(key + DAY_BYTES, u->user, user);
    memcpy(key + DAY_BYTES + user + 1, u->model, model);
    return DAY_BYTES + user + 1 + model;
}

static int counts(const struct aiex_stored_event *e)
{
    return e->data.len && aiex_is_map(e->data); /* else it was erased */
}

static int needs(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r)
{
    uint8_t key[USAGE_KEY];
    struct usage u;
    size_t n;

    (void)arg;
    if (!counts(e))
        return 0;
    n = place(e, &u, key);
    return aiex_rows_need(r, (struct aiex_slice){key, n});
}

/* ---- What it adds ---- */

static void add_answer(struct usage *u, struct aiex_slice data)
{
    struct aiex_slice usage, outcome = {NULL, 0};
    int64_t input = 0, output = 0;

    u->answers++;
    u->failed += aiex_get_str(data, "outcome", &outcome) == 1 && outcome.len != 0;
    if (aiex_get_whole(data, "usage", &usage) != 1 || !aiex_is_map(usage))
        return;
    aiex_get_int(usage, "input_tokens", &input);
    aiex_get_int(usage, "output_tokens", &output);
    u->input_tokens += input > 0 ? input : 0;
    u->output_tokens += output > 0 ? output : 0;
}

static int project(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                   struct aiex_error *err)
{
    uint8_t key[USAGE_KEY], mem[512];
    struct aiex_slice value, role = {NULL, 0};
    struct usage u, was;
    struct aiex_writer w;
    size_t n;

    (void)arg;
    if (!counts(e))
        return 0;
    n = place(e, &u, key);
    if (aiex_rows_get(r, (struct aiex_slice){key, n}, &value) == 1) {
        if (usage_read(value, &was) != 0)
            return aiex_failed(err, -EBADMSG,
                               "the row of %s, user '%s', model '%s' can not be read; rebuild",
                               u.day, u.user, u.model);
        u = was;
    }
    u.messages++;
    if (aiex_get_str(e->data, "role", &role) == 1 && aiex_slice_is(role, "assistant"))
        add_answer(&u, e->data);
    aiex_writer_init(&w, mem, sizeof(mem));
    write_value(&w, &u);
    return aiex_rows_put(r, (struct aiex_slice){key, n}, aiex_written(&w));
}

const struct aiex_projection session_usage = {.name = "session_usage",
                                              .version = 1,
                                              .type = "session.message",
                                              .needs = needs,
                                              .project = project};
