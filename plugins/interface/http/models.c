/*
 * models.c - GET /v1/models and /v1/models/{id}, in OpenAI's form or in Anthropic's.
 *
 * The two vendors have the same paths; a request with Anthropic's headers gets theirs. Beyond
 * what the vendors document, `context_length` and `max_output_tokens` are told when known.
 */
#include "model_list.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ID_BYTES 256

static void write_size(struct aiex_json_out *w, const char *key, int64_t n)
{
    if (n <= 0)
        return;
    aiex_jw_raw(w, key);
    aiex_jw_int(w, n);
}

static void write_openai(struct aiex_json_out *w, const struct model *m)
{
    aiex_jw_raw(w, "{\"id\":");
    aiex_jw_strn(w, (const char *)m->id.data, m->id.len);
    aiex_jw_raw(w, ",\"object\":\"model\",\"created\":");
    aiex_jw_int(w, m->created);
    aiex_jw_raw(w, ",\"owned_by\":");
    aiex_jw_strn(w, (const char *)m->owned_by.data, m->owned_by.len);
    write_size(w, ",\"context_length\":", m->context);
    write_size(w, ",\"max_output_tokens\":", m->output);
    aiex_jw_raw(w, "}");
}

static void write_anthropic(struct aiex_json_out *w, const struct model *m)
{
    time_t t = (time_t)(m->created > 0 && m->created < 253402300800 ? m->created : 0);
    char when[40] = "1970-01-01T00:00:00Z";
    struct tm tm;

    if (gmtime_r(&t, &tm))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    aiex_jw_raw(w, "{\"type\":\"model\",\"id\":");
    aiex_jw_strn(w, (const char *)m->id.data, m->id.len);
    aiex_jw_raw(w, ",\"display_name\":");
    aiex_jw_strn(w, (const char *)m->id.data, m->id.len);
    aiex_jw_raw(w, ",\"created_at\":");
    aiex_jw_str(w, when);
    write_size(w, ",\"max_input_tokens\":", m->context);
    write_size(w, ",\"max_tokens\":", m->output);
    aiex_jw_raw(w, "}");
}

/* ---- All of them ---- */

static struct aiex_slice write_each(struct aiex_json_out *w, struct model_list list,
                                    void (*write)(struct aiex_json_out *w, const struct model *m),
                                    struct aiex_slice *ret_first)
{
    struct aiex_slice last = {0};
    const char *comma = "";
    struct model m;

    while (model_list_next(&list, &m)) {
        aiex_jw_raw(w, comma);
        write(w, &m);
        if (!*comma)
            *ret_first = m.id;
        last = m.id;
        comma = ",";
    }
    return last;
}

static void write_openai_list(struct aiex_json_out *w, const void *list)
{
    struct aiex_slice first;

    aiex_jw_raw(w, "{\"object\":\"list\",\"data\":[");
    write_each(w, *(const struct model_list *)list, write_openai, &first);
    aiex_jw_raw(w, "]}");
}

static void write_id(struct aiex_json_out *w, struct aiex_slice id)
{
    if (id.len)
        aiex_jw_strn(w, (const char *)id.data, id.len);
    else
        aiex_jw_raw(w, "null");
}

static void write_anthropic_list(struct aiex_json_out *w, const void *list)
{
    struct aiex_slice first = {0}, last;

    aiex_jw_raw(w, "{\"data\":[");
    last = write_each(w, *(const struct model_list *)list, write_anthropic, &first);
    aiex_jw_raw(w, "],\"has_more\":false,\"first_id\":");
    write_id(w, first);
    aiex_jw_raw(w, ",\"last_id\":");
    write_id(w, last);
    aiex_jw_raw(w, "}");
}

static void on_list(struct conn *c, const struct aiex_answer *answer)
{
    struct model_list list;

    if (answer->kind != AIEX_ANSWER_END || model_list_take(c, answer, &list) != 0)
        return;
    respond_json(c, &(struct reply){.status = 200},
                 c->dialect == AIEX_ANTHROPIC_MESSAGES ? write_anthropic_list : write_openai_list,
                 &list);
}

void models_list(struct conn *c)
{
    model_list_ask(c, on_list);
}

/* ---- One of them ---- */

static void write_one_openai(struct aiex_json_out *w, const void *m)
{
    write_openai(w, m);
}

static void write_one_anthropic(struct aiex_json_out *w, const void *m)
{
    write_anthropic(w, m);
}

static void on_one(struct conn *c, const struct aiex_answer *answer)
{
    struct model_list list;
    char id[ID_BYTES + 1];
    struct model m;

    if (answer->kind != AIEX_ANSWER_END || model_list_take(c, answer, &list) != 0)
        return;
    if (routes_rest(c, id, sizeof(id)) < 0)
        id[0] = 0;
    if (model_list_find(c, list, id, &m))
        respond_json(c, &(struct reply){.status = 200},
                     c->dialect == AIEX_ANTHROPIC_MESSAGES ? write_one_anthropic : write_one_openai,
                     &m);
}

void models_one(struct conn *c)
{
    model_list_ask(c, on_one);
}
