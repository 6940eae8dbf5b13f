/*
 * write_anthropic.c - says a request as POST /v1/messages: tools, thinking, limits, sampling. What
 * is said is in write_anthropic_turns.c.
 *
 * The vendor is strict: there is always a limit, and thinking excludes temperature, forced tools,
 * a prefilled answer and calls that began without it.
 */
#include "write_anthropic.h"

#define DEFAULT_MAX_TOKENS 4096
#define MIN_BUDGET         1024

/* ---- Tools ---- */

static void put_tool(struct writer *w, const struct tool *t)
{
    grow_open(&w->g, '{');
    grow_key(&w->g, "name");
    grow_text(&w->g, t->vendor_name);
    if (t->description.len || t->custom) {
        grow_key(&w->g, "description");
        write_description(w, t);
    }
    grow_key(&w->g, "input_schema");
    write_schema(w, t);
    if (t->cache.len) {
        grow_key(&w->g, "cache_control");
        grow_raw(&w->g, t->cache);
    }
    grow_close(&w->g, '}');
}

/* The answer as the input of a tool that must be called. */
static void put_json_tool(struct writer *w)
{
    struct tool t = {.vendor_name = RAW(JSON_TOOL), .schema = w->v->schema};

    t.description = w->v->schema_text.len ? w->v->schema_text : RAW("Gives the answer.");
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    put_tool(w, &t);
    grow_close(&w->g, ']');
    grow_key(&w->g, "tool_choice");
    grow_raw(&w->g, RAW("{\"type\":\"tool\",\"name\":\"" JSON_TOOL "\"}"));
}

static void put_choice(struct writer *w)
{
    static const char *const words[] = {[CHOICE_UNSET] = "auto",
                                        [CHOICE_AUTO] = "auto",
                                        [CHOICE_NONE] = "none",
                                        [CHOICE_REQUIRED] = "any",
                                        [CHOICE_ONE] = "tool"};
    const struct conv *v = w->v;

    if (v->choice == CHOICE_UNSET && v->parallel != 0)
        return;
    grow_key(&w->g, "tool_choice");
    anthropic_open(w, words[v->choice]);
    if (v->choice == CHOICE_ONE)
        write_text(w, "name", names_find(v, v->choice_name, v->choice_space)->vendor_name);
    if (v->parallel == 0 && v->choice != CHOICE_NONE) {
        grow_key(&w->g, "disable_parallel_tool_use");
        grow_bool(&w->g, 1);
    }
    grow_close(&w->g, '}');
}

static void put_tools(struct writer *w)
{
    if (!w->v->tools)
        return;
    grow_key(&w->g, "tools");
    grow_open(&w->g, '[');
    for (const struct tool *t = w->v->tools; t; t = t->next)
        put_tool(w, t);
    grow_close(&w->g, ']');
    put_choice(w);
}

/* ---- Thinking, limits, sampling ---- */

static const struct message *last_said(const struct conv *v)
{
    const struct message *last = NULL;

    for (const struct message *m = anthropic_next(v->messages, 0); m;
         m = anthropic_next(m->next, 0))
        last = m;
    return last;
}

/* A turn with calls that was begun without signed thinking can not go on with it. */
static int in_tool_loop(const struct conv *v)
{
    const struct message *last = NULL;

    for (const struct message *m = v->messages; m; m = m->next)
        if (m->role == ROLE_ASSISTANT)
            last = m;
    return last && count_kind(last->parts, PART_CALL) > 0 && !sealed_by_anthropic(last->parts);
}

struct thought {
    int effort;     /* EFFORT_UNSET: do not think */
    int64_t budget; /* 0 = adaptive */
    int64_t max_tokens;
};

/* What the model can say at most; v->max_tokens is lowered already. */
static void keep_below(struct thought *t, int64_t cap)
{
    if (!cap || t->max_tokens <= cap)
        return;
    t->max_tokens = cap;
    if (t->budget > cap / 2)
        t->budget = cap / 2;
    if (t->budget && t->budget < MIN_BUDGET) {
        t->budget = 0;
        t->effort = EFFORT_UNSET;
    }
}

static void plan_thought(struct writer *w, struct thought *t)
{
    const struct conv *v = w->v;
    const struct message *last = last_said(v);
    int effort = v->effort != EFFORT_UNSET ? v->effort
                 : v->think == 1           ? EFFORT_MEDIUM
                                           : EFFORT_UNSET;
    int64_t limit = w->c->setup.default_max_tokens;

    if (limit <= 0)
        limit = DEFAULT_MAX_TOKENS;
    if (w->c->output_cap && limit > w->c->output_cap)
        limit = w->c->output_cap;
    *t = (struct thought){.max_tokens = v->max_tokens ? v->max_tokens : limit};
    if (effort <= EFFORT_NONE || (w->traits & MODEL_NO_EFFORT) || w->c->json_tool ||
        v->choice == CHOICE_REQUIRED || v->choice == CHOICE_ONE ||
        (last && last->role == ROLE_ASSISTANT))
        return;
    if (w->traits & MODEL_ADAPTIVE) {
        t->effort = effort;
        return;
    }
    t->budget = budget_of_effort(effort);
    if (v->max_tokens && t->budget > v->max_tokens / 2)
        t->budget = v->max_tokens / 2;
    if (in_tool_loop(v) || t->budget < MIN_BUDGET)
        t->budget = 0;
    else
        t->effort = effort;
    if (!v->max_tokens && t->max_tokens <= t->budget)
        t->max_tokens = t->budget + limit;
    keep_below(t, w->c->output_cap);
}

static void put_output_config(struct writer *w, const struct thought *t, int schema)
{
    if (!schema && (t->effort == EFFORT_UNSET || t->budget))
        return;
    grow_key(&w->g, "output_config");
    grow_open(&w->g, '{');
    if (t->effort != EFFORT_UNSET && !t->budget) {
        grow_key(&w->g, "effort");
        grow_str(&w->g, effort_word(t->effort < EFFORT_LOW    ? EFFORT_LOW
                                    : t->effort > EFFORT_HIGH ? EFFORT_HIGH
                                                              : t->effort));
    }
    if (schema) {
        grow_key(&w->g, "format");
        grow_lit(&w->g, "{\"type\":\"json_schema\",\"schema\":");
        grow_raw(&w->g, w->v->schema);
        grow_close(&w->g, '}');
    }
    grow_close(&w->g, '}');
}

static void put_thought(struct writer *w, const struct thought *t)
{
    if (t->effort == EFFORT_UNSET)
        return;
    grow_key(&w->g, "thinking");
    grow_open(&w->g, '{');
    grow_key(&w->g, "type");
    grow_str(&w->g, t->budget ? "enabled" : "adaptive");
    if (t->budget) {
        grow_key(&w->g, "budget_tokens");
        grow_int(&w->g, t->budget);
    }
    grow_close(&w->g, '}');
}

/* openai's temperatures go to 2. */
static struct raw at_most_one(struct raw number)
{
    if (number.len && *number.at >= '1' && *number.at <= '9')
        return RAW("1");
    return number;
}

static void put_sampling(struct writer *w, const struct thought *t)
{
    const struct conv *v = w->v;

    if (t->effort != EFFORT_UNSET || (w->traits & MODEL_NO_SAMPLING))
        return;
    write_number(w, "temperature", at_most_one(v->temperature));
    if (!v->temperature.len) /* newer models refuse both */
        write_number(w, "top_p", v->top_p);
    write_number(w, "top_k", v->top_k);
}

/* Stop words of white space only are refused. */
static void put_stop(struct writer *w)
{
    struct aiex_json_span one;
    size_t at = 0;
    int open = 0;

    if (w->v->stop.type == AIEX_JSON_STRING && !raw_blank(text_of(&w->v->stop)))
        write_stop(w, "stop_sequences", 1);
    while (w->v->stop.type == AIEX_JSON_ARRAY && aiex_json_next(&w->v->stop, &at, NULL, &one)) {
        if (raw_blank(text_of(&one)))
            continue;
        if (!open)
            grow_key(&w->g, "stop_sequences");
        if (!open)
            grow_open(&w->g, '[');
        open = 1;
        grow_text(&w->g, text_of(&one));
    }
    if (open)
        grow_close(&w->g, ']');
}

/* The vendor takes schemas only whose objects say that they have no other members. */
static int is_closed(const struct conv *v)
{
    struct aiex_json_span schema = {AIEX_JSON_OBJECT, v->schema.at, v->schema.len}, value;

    return v->schema_strict || (aiex_json_find(&schema, "additionalProperties", &value) &&
                                value.type == AIEX_JSON_FALSE);
}

int write_anthropic(struct writer *w)
{
    struct conv *v = w->v;
    int schema = v->format == FORMAT_SCHEMA && (w->traits & MODEL_SCHEMA) && is_closed(v);
    int as_user = !anthropic_next(v->messages, 0);
    struct thought t;
    int rc;

    w->c->json_tool = v->format == FORMAT_SCHEMA && !schema && !v->tools;
    plan_thought(w, &t);
    grow_key(&w->g, "max_tokens");
    grow_int(&w->g, t.max_tokens);
    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    anthropic_system(w, as_user, v->format != FORMAT_UNSET && !schema && !w->c->json_tool);
    if (w->c->json_tool)
        put_json_tool(w);
    else
        put_tools(w);
    rc = anthropic_messages(w, as_user);
    put_thought(w, &t);
    put_output_config(w, &t, schema);
    put_sampling(w, &t);
    put_stop(w);
    if (v->user.len && v->user.len <= 256) {
        grow_key(&w->g, "metadata");
        grow_open(&w->g, '{');
        write_text(w, "user_id", v->user);
        grow_close(&w->g, '}');
    }
    return rc;
}
