/* template.c - asks for a template's text and handles the request anew; see template.h. */
#include "template.h"

#include <aiex_chat.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RENDERING 1024u
#define MAX_NAME_TEXT 64u
#define MAX_VALUES    64
#define RENDER_MS     2000u

struct rendering {
    struct rendering *next;
    struct gateway *gateway;
    struct aiex_message message; /* method and body are behind this struct */
    uint64_t call;
    int calling, over;
};

/* ---- Is there one ---- */

int template_wanted(struct aiex_slice body, struct aiex_json_span *ret)
{
    struct aiex_json_field f = {.key = "aiex_template"};

    if (body.len == 0 || !memmem(body.data, body.len, "aiex_template", 13) ||
        aiex_json_scan(body, 0, &f, 1, NULL) != AIEX_JSON_OBJECT || f.seen != 1)
        return 0;
    *ret = f.value;
    return 1;
}

/* ---- The question ---- */

static const char *write_text(struct aiex_writer *w, const struct aiex_json_span *v)
{
    char *text = malloc(v->len + 1);
    long n = text ? aiex_json_text(v, text, v->len + 1) : -1;

    if (n >= 0)
        aiex_w_strn(w, text, (size_t)n);
    free(text);
    return n < 0 ? "a value of 'aiex_template' can not be read" : NULL;
}

static const char *write_value(struct aiex_writer *w, const struct aiex_json_span *v)
{
    int64_t n;

    switch (v->type) {
    case AIEX_JSON_STRING:
        return write_text(w, v);
    case AIEX_JSON_TRUE:
    case AIEX_JSON_FALSE:
        aiex_w_bool(w, v->type == AIEX_JSON_TRUE);
        return NULL;
    case AIEX_JSON_NUMBER:
        if (aiex_json_int(v, &n) == 0) {
            aiex_w_int(w, n);
            return NULL;
        }
        /* fall through */
    default:
        return "values of 'aiex_template' are strings, whole numbers, true and false";
    }
}

static const char *write_values(struct aiex_writer *w, const struct aiex_json_span *values)
{
    struct aiex_json_span key, value;
    const char *wrong = NULL;
    uint32_t n = 0;
    size_t at = 0;

    while (aiex_json_next(values, &at, &key, &value))
        n++;
    if (n > MAX_VALUES)
        return "'aiex_template' has more than 64 values";
    aiex_w_map(w, n);
    for (at = 0; !wrong && aiex_json_next(values, &at, &key, &value);) {
        wrong = write_text(w, &key);
        if (!wrong)
            wrong = write_value(w, &value);
    }
    return wrong;
}

static const char *write_question(struct aiex_writer *w, const struct key *key,
                                  const struct aiex_json_span *wanted)
{
    struct aiex_json_span name = {0}, version = {0}, values = {0};
    char text[MAX_NAME_TEXT];
    int64_t number = 0;

    if (wanted->type != AIEX_JSON_OBJECT)
        return "'aiex_template' is not an object";
    aiex_json_find(wanted, "name", &name);
    aiex_json_find(wanted, "version", &version);
    aiex_json_find(wanted, "values", &values);
    if (name.type != AIEX_JSON_STRING || aiex_json_text(&name, text, sizeof(text)) <= 0)
        return "'aiex_template' has no 'name' of 1 to 63 bytes";
    if (version.type && (aiex_json_int(&version, &number) != 0 || number < 0))
        return "the 'version' of 'aiex_template' is not a whole number";
    if (values.type && values.type != AIEX_JSON_OBJECT)
        return "the 'values' of 'aiex_template' are not an object";
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "name", text);
    aiex_w_key_int(w, "version", number);
    aiex_w_key_str(w, "user", key->shared[SCOPE_USER] ? key->shared[SCOPE_USER]->name : "");
    aiex_w_str(w, "values");
    return write_values(w, &values);
}

/* ---- The answer ---- */

/* From here on nobody finds it: a CANCEL that comes while it is handled again is another's. */
static void take_out(struct rendering *r)
{
    struct rendering **at = &r->gateway->renderings;

    while (*at && *at != r)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = r->next;
    r->gateway->n_renderings--;
}

static void drop(struct rendering *r)
{
    take_out(r);
    if (r->calling)
        r->over = 1;
    else
        free(r);
}

/* The map of the request with another body. */
static struct aiex_slice with_body(struct aiex_slice map, struct aiex_slice body, uint8_t *mem,
                                   size_t size)
{
    struct aiex_value head, key;
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    if (aiex_r_value(&map, &head) != 0)
        return NOTHING;
    aiex_w_map(&w, head.count);
    for (uint32_t i = 0; i < head.count; i++) {
        struct aiex_slice pair = map;

        if (aiex_r_value(&map, &key) != 0 || aiex_r_skip(&map) != 0)
            return NOTHING;
        if (key.type == AIEX_T_STR && aiex_slice_is(key.bytes, "body"))
            aiex_w_key_bin(&w, "body", body.data, body.len);
        else
            aiex_w_raw(&w, pair.data, pair.len - map.len);
    }
    return aiex_written(&w);
}

/* NULL when the request was handled with the text in it, else why not. */
static const char *again(struct rendering *r, const struct ask *a, struct aiex_slice text)
{
    size_t room = a->body.len + 6 * text.len + 128, size = room + r->message.body.len + 64;
    uint8_t *mem = size <= AIEX_MAX_BODY ? malloc(room + size) : NULL;
    struct aiex_message m = r->message;
    struct aiex_json_out out;
    const char *wrong;

    if (!mem)
        return "the request is too large with its template";
    aiex_jw_init(&out, mem, room);
    wrong = template_put(aiex_dialect_of(a->dialect), a->body, text, &out);
    if (!wrong && out.failed)
        wrong = "the request is too large with its template";
    if (!wrong) {
        m.body = with_body(m.body, (struct aiex_slice){mem, out.len}, mem + room, size);
        gateway_handle(r->gateway, &m);
    }
    free(mem);
    return wrong;
}

static void refuse_render(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                          const struct aiex_answer *answer)
{
    int wrong = strcmp(answer->code, AIEX_E_INVALID) == 0,
        absent = strcmp(answer->code, AIEX_E_NOT_FOUND) == 0;
    struct refusal r;

    refuse(&r, REFUSED_INVALID, answer->code,
           wrong    ? 400
           : absent ? 404
                    : 503,
           wrong || absent ? AIEX_REASON_REQUEST : AIEX_REASON_SERVER, "the template: %s",
           answer->text && answer->text[0] ? answer->text : answer->code);
    r.retry_after_ms = answer->retry_after_ms;
    refusal_send(g, m->id, &r, a->dialect);
}

static void on_text(void *arg, const struct aiex_answer *answer)
{
    struct rendering *r = arg;
    struct gateway *g = r->gateway;
    struct aiex_slice text = NOTHING;
    const char *wrong = NULL;
    struct ask a;

    if (answer->kind != AIEX_ANSWER_END || r->over)
        return;
    take_out(r);
    r->call = 0;
    ask_read(&r->message, &a);
    if (answer->code)
        refuse_render(g, &r->message, &a, answer);
    else if (aiex_get_str(answer->body, "text", &text) != 1)
        wrong = "the service of templates gave no text";
    else
        wrong = again(r, &a, text);
    if (wrong)
        refuse_form(g, r->message.id, a.dialect, wrong);
    drop(r);
}

/* ---- Life ---- */

static int is_room_for(const struct gateway *g, const struct aiex_message *m)
{
    size_t bytes = m->body.len;

    for (const struct rendering *r = g->renderings; r; r = r->next)
        bytes += r->message.body.len;
    return g->n_renderings < MAX_RENDERING && bytes <= MAX_WAITING_BYTES;
}

static struct rendering *rendering_new(struct gateway *g, const struct aiex_message *m)
{
    size_t method = strlen(m->method) + 1;
    struct rendering *r = is_room_for(g, m) ? malloc(sizeof(*r) + method + m->body.len) : NULL;
    char *at;

    if (!r)
        return NULL;
    *r = (struct rendering){.gateway = g, .message = *m, .next = g->renderings};
    at = (char *)(r + 1);
    r->message.service = g->host->instance;
    r->message.method = memcpy(at, m->method, method);
    r->message.body.data = memcpy(at + method, m->body.data, m->body.len);
    g->renderings = r;
    g->n_renderings++;
    return r;
}

static int refuse_busy(struct gateway *g, uint64_t id, struct aiex_slice dialect)
{
    struct refusal r;

    refuse(&r, REFUSED_BUSY, AIEX_E_BUSY, 503, AIEX_REASON_OVERLOADED,
           "too many requests wait for their template");
    r.retry_after_ms = CONCURRENCY_RETRY_MS;
    return refusal_send(g, id, &r, dialect);
}

static void call_templates(struct rendering *r, struct aiex_slice question,
                           struct aiex_slice dialect)
{
    struct gateway *g = r->gateway;
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = g->config->templates,
                             .method = "templates.render",
                             .body = question,
                             .parent = r->message.id,
                             .trace = r->message.trace,
                             .timeout_ms = RENDER_MS};
    uint64_t id = r->message.id, call = 0;
    int result;

    r->calling = 1;
    result = g->host->call(g->host, &q, on_text, r, &call);
    r->calling = 0;
    r->call = call;
    if (r->over) {
        free(r);
    } else if (result < 0) {
        drop(r);
        refuse_busy(g, id, dialect);
    }
}

int template_render(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                    const struct key *key, const struct aiex_json_span *wanted)
{
    size_t size = wanted->len * 2 + 512;
    uint8_t *mem = malloc(size);
    struct rendering *r = mem ? rendering_new(g, m) : NULL;
    struct aiex_writer w;
    const char *wrong;

    if (!r) {
        free(mem);
        return refuse_busy(g, m->id, a->dialect);
    }
    aiex_writer_init(&w, mem, size);
    wrong = write_question(&w, key, wanted);
    if (wrong) {
        drop(r);
        refuse_form(g, m->id, a->dialect, wrong);
    } else {
        call_templates(r, aiex_written(&w), a->dialect);
    }
    free(mem);
    return 0;
}

void template_cancel(struct gateway *g, uint64_t id)
{
    struct rendering *r = g->renderings;

    while (r && r->message.id != id)
        r = r->next;
    if (r)
        drop(r);
}

void template_stop(struct gateway *g)
{
    while (g->renderings) {
        if (g->renderings->call)
            g->host->cancel(g->host, g->renderings->call);
        drop(g->renderings);
    }
}
