/*
 * request_complete.c - prompts that are to be gone on with: POST /v1/completions and
 * /api/generate, read and written.
 *
 * They can also be put to a chat dialect, as what a user says; with a suffix as the task to write
 * what is missing. answer_fill.c takes off what chats put around it.
 */
#include "keys.h"
#include "request.h"

/* ---- Reading ---- */

static int is_chat(const struct reader *r)
{
    return aiex_dialect_op(r->c->setup.vendor) == AIEX_OP_CHAT;
}

/* A string, or an array of one. */
static int read_prompt(struct reader *r, const struct aiex_json_span *prompt)
{
    struct aiex_json_span one, more;
    size_t at = 0;

    if (!prompt->type || prompt->type == AIEX_JSON_NULL || prompt->type == AIEX_JSON_STRING) {
        r->v.prompt = text_of(prompt);
        return 0;
    }
    if (prompt->type != AIEX_JSON_ARRAY || !aiex_json_next(prompt, &at, NULL, &one))
        return read_fail(r, -EINVAL, "prompt: a string is needed");
    if (one.type != AIEX_JSON_STRING)
        return read_fail(r, -ENOTSUP, "prompt: tokens can not be sent to this provider; send text");
    if (aiex_json_next(prompt, &at, NULL, &more))
        return read_fail(r, -ENOTSUP,
                         "prompt: several at once can not be sent to this provider; send one");
    r->v.prompt = text_of(&one);
    return 0;
}

static int add_said(struct reader *r, int role, struct raw text, struct message **ret)
{
    struct message *msg;
    struct part *p;
    int rc = 0;

    msg = add_message(r, role, &rc);
    p = msg ? add_part(r, &msg->end, PART_TEXT, &rc) : NULL;
    if (p)
        p->text = text;
    if (ret)
        *ret = msg;
    return rc;
}

int request_suffix(struct aiex_chat *c, const struct members *m, struct aiex_error *err)
{
    struct reader r = {.c = c, .err = err};

    c->echo_prompt = m->of[K_echo].type == AIEX_JSON_TRUE;
    if (!text_of(&m->of[K_suffix]).len)
        return 0;
    if (c->setup.flags & AIEX_CHAT_NO_SUFFIX)
        return read_fail(&r, -ENOTSUP,
                         "suffix: this provider can not fill in the middle; leave it out");
    c->fill = is_chat(&r);
    return 0;
}

/* Whether the last character of a text is a line break, as it is mostly escaped. */
static int ends_line(struct raw text)
{
    size_t n = 0;

    if (!text.len || text.at[text.len - 1] != 'n')
        return 0;
    while (n < text.len - 1 && text.at[text.len - 2 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* What a user says; with a suffix to a chat, the task to fill the middle. The prefix stands
 * verbatim on lines of its own up to the mark behind it. */
static int settle_prompt(struct reader *r)
{
    static const char task[] =
        "Write the text that is missing between the prefix and the suffix. Answer with the missing "
        "text alone, exactly as it must stand there: no explanation, no code fence, nothing of the "
        "prefix or the suffix.\\n<prefix>\\n";
    static const char behind[] = "</prefix>\\n<suffix>", end[] = "</suffix>";
    const struct raw prefix = r->v.prompt, suffix = r->v.suffix;
    size_t n = sizeof(task) + sizeof(behind) + sizeof(end) + prefix.len + suffix.len;
    struct aiex_json_out w;
    char *text;

    if (!r->c->fill)
        return 0;
    text = arena_raw(r->c->arena, n);
    if (!text)
        return read_fail(r, -ENOMEM, "no memory for the request");
    aiex_jw_init(&w, text, n);
    aiex_jw_raw(&w, task);
    aiex_jw_rawn(&w, prefix.at, prefix.len);
    aiex_jw_raw(&w, behind);
    aiex_jw_rawn(&w, suffix.at, suffix.len);
    aiex_jw_raw(&w, end);
    r->v.prompt = (struct raw){text, w.len};
    r->c->fill_head = ends_line(prefix);
    r->c->fill_tail = suffix.len > 1 && memcmp(suffix.at, "\\n", 2) == 0;
    return 0;
}

int read_completions(struct reader *r, const struct members *m)
{
    int64_t n;
    int rc = read_prompt(r, &m->of[K_prompt]);

    r->v.suffix = text_of(&m->of[K_suffix]);
    if (rc == 0)
        rc = request_suffix(r->c, m, r->err);
    if (rc == 0)
        rc = settle_prompt(r);
    if (rc == 0 && aiex_json_int(&m->of[K_n], &n) == 0 && n != 1)
        rc = read_fail(r, -ENOTSUP, "n: the model's provider gives one answer, not %lld",
                       (long long)n);
    if (rc == 0)
        rc = add_said(r, ROLE_USER, r->v.prompt, NULL);
    read_sampling(r, m);
    return rc;
}

static int read_images(struct reader *r, struct message *msg, const struct aiex_json_span *images)
{
    struct aiex_json_span one;
    size_t at = 0;
    int rc = 0;

    if (images->type != AIEX_JSON_ARRAY)
        return 0;
    if (!is_chat(r) && aiex_json_next(images, &at, NULL, &one))
        return read_fail(r, -ENOTSUP, "images: this provider's completions take text only");
    for (at = 0; aiex_json_next(images, &at, NULL, &one);) {
        struct part *p = add_part(r, &msg->end, PART_IMAGE, &rc);

        if (!p)
            return rc;
        p->data = text_of(&one);
        p->media = media_of_base64(p->data);
    }
    return 0;
}

int read_generate(struct reader *r, const struct members *m)
{
    struct message *msg = NULL;
    int rc = read_prompt(r, &m->of[K_prompt]);

    r->v.suffix = text_of(&m->of[K_suffix]);
    if (rc == 0)
        rc = request_suffix(r->c, m, r->err);
    if (rc == 0)
        rc = settle_prompt(r);
    if (rc == 0 && text_of(&m->of[K_system]).len) {
        r->v.system = text_of(&m->of[K_system]);
        rc = add_said(r, ROLE_SYSTEM, r->v.system, NULL);
    }
    if (rc == 0)
        rc = add_said(r, ROLE_USER, r->v.prompt, &msg);
    if (rc == 0)
        rc = read_images(r, msg, &m->of[K_images]);
    read_ollama_options(r, m);
    return rc;
}

/* ---- Writing ---- */

int write_completions(struct writer *w)
{
    const struct conv *v = w->v;

    grow_key(&w->g, "prompt");
    grow_quote(&w->g);
    if (v->system.len) {
        grow_put(&w->g, v->system.at, v->system.len);
        grow_lit(&w->g, "\\n\\n");
    }
    grow_put(&w->g, v->prompt.at, v->prompt.len);
    grow_unquote(&w->g);
    write_text(w, "suffix", v->suffix);
    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    if (w->c->vendor_stream && !(w->c->setup.flags & AIEX_CHAT_NO_USAGE_ASK)) {
        grow_key(&w->g, "stream_options");
        grow_raw(&w->g, RAW("{\"include_usage\":true}"));
    }
    if (v->max_tokens) {
        grow_key(&w->g, "max_tokens");
        grow_int(&w->g, v->max_tokens);
    }
    write_number(w, "temperature", v->temperature);
    write_number(w, "top_p", v->top_p);
    write_number(w, "seed", v->seed);
    write_number(w, "presence_penalty", v->presence);
    write_number(w, "frequency_penalty", v->frequency);
    write_stop(w, "stop", 4);
    return 0;
}

int write_generate(struct writer *w)
{
    const struct conv *v = w->v;

    grow_key(&w->g, "prompt");
    grow_text(&w->g, v->prompt);
    write_text(w, "suffix", v->suffix);
    grow_key(&w->g, "stream");
    grow_bool(&w->g, w->c->vendor_stream);
    write_ollama_options(w);
    return 0;
}
