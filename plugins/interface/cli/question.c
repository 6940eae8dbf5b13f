/*
 * question.c - serving one cli.ask (question.h).
 *
 * request -> chat_request -> gateway.chat -> server-sent events -> parts {text}, {reasoning}.
 * A question of a session waits until the session has been found and its history read; what was
 * said is recorded before the caller hears the end. The question ends by exactly one of: the chat's
 * end, an error event in the stream, bytes that are no chat, or question_free(). Because an answer
 * may arrive while host->call() still runs, freeing is put off until no function of this file is on
 * the stack (`busy`).
 */
#include "question.h"

#include "asked.h"
#include "chat_event.h"

#include <aiex/aiex_pack.h>
#include <aiex_session.h>
#include <aiex_sse.h>
#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PART_BYTES 512 /* a part's map around its text */

struct question {
    struct question_setting setting;
    char gateway[AIEX_MAX_NAME + 1]; /* the configuration's may be gone by then */
    uint64_t id;                     /* of the request served */
    uint64_t trace;
    uint64_t chat; /* the running call; 0 = none */
    int stream;    /* the caller wants parts */
    int paused;
    uint64_t owed; /* credit kept back while paused */
    int ended;     /* the chat has */
    unsigned busy; /* functions of this file on the stack */
    int over;      /* answered */
    struct aiex_sse sse;
    char *kept; /* the answer so far, when it is not streamed */
    size_t kept_len, kept_cap;
    char model[128], finish[32];
    int64_t input_tokens, output_tokens;
    struct aiex_turn *turn; /* NULL: it is of no session, or over */
    struct bound *bound;    /* while its session is being found */
    char session[AIEX_SESSION_ID + 1];
    uint8_t end[1600]; /* the answer, while it is being recorded */
    size_t end_len;
};

/* The request, kept until its session has been found. */
struct bound {
    struct asked asked;
    char *document;
    uint8_t body[]; /* behind it the texts of the configuration, which may be gone by then */
};

static const struct aiex_slice empty = {NULL, 0};

/* ---- Ending ---- */

static void drop_bound(struct question *q)
{
    if (q->bound)
        free(q->bound->document);
    free(q->bound);
    q->bound = NULL;
}

static void free_question(struct question *q)
{
    aiex_sse_done(&q->sse);
    if (q->turn) { /* if it is being recorded already, nobody is told */
        aiex_turn_forget(q->turn);
        aiex_turn_drop(q->turn);
    }
    drop_bound(q);
    free(q->kept);
    free(q);
}

static void drop_chat(struct question *q)
{
    if (q->chat)
        q->setting.host->cancel(q->setting.host, q->chat);
    q->chat = 0;
}

/* The last thing that a function of this file does with q. */
static void leave(struct question *q)
{
    if (--q->busy || !q->over)
        return;
    if (q->setting.over)
        q->setting.over(q->setting.arg, q);
    free_question(q);
}

static void end_failed(struct question *q, const char *code, const char *text, uint32_t retry_ms)
{
    if (q->over)
        return;
    q->over = 1;
    drop_chat(q);
    if (q->turn && aiex_turn_session(q->turn)[0]) {
        aiex_turn_end(q->turn, &(struct aiex_turn_end){.outcome = q->ended ? "failed" : "cut"},
                      NULL, NULL);
        q->turn = NULL;
    }
    q->setting.host->fail(q->setting.host, q->id, code, text, retry_ms, empty);
}

/* ---- Parts to the caller ---- */

static void send_part(struct question *q, const char *key, const char *text, size_t len)
{
    const struct aiex_host *host = q->setting.host;
    uint8_t *mem = malloc(len + PART_BYTES);
    struct aiex_writer w;
    int result;

    if (!mem) {
        end_failed(q, AIEX_E_INTERNAL, "out of memory for a part", 0);
        return;
    }
    aiex_writer_init(&w, mem, len + PART_BYTES);
    aiex_w_map(&w, 1);
    aiex_w_key_strn(&w, key, text, len);
    result = host->stream(host, q->id, aiex_written(&w));
    free(mem);
    if (result == AIEX_PAUSE)
        q->paused = 1;
    else if (result < 0 && result != -ENOENT)
        end_failed(q, AIEX_E_BUSY, "the caller does not take the answer", 0);
}

static void keep(struct question *q, const char *text, size_t len)
{
    if (q->kept_len + len > (size_t)q->setting.max_answer_bytes) {
        end_failed(q, AIEX_E_UPSTREAM, "the answer is larger than max_answer", 0);
        return;
    }
    if (q->kept_len + len > q->kept_cap) {
        size_t cap = q->kept_cap ? q->kept_cap * 2 : 4096;
        char *grown;

        while (cap < q->kept_len + len)
            cap *= 2;
        grown = realloc(q->kept, cap);
        if (!grown) {
            end_failed(q, AIEX_E_INTERNAL, "out of memory for the answer", 0);
            return;
        }
        q->kept = grown;
        q->kept_cap = cap;
    }
    memcpy(q->kept + q->kept_len, text, len);
    q->kept_len += len;
}

/* The characters of a JSON string to the caller. */
static void pass_text(struct question *q, const char *key, const struct aiex_json_span *span)
{
    char *text;
    long len;

    if (!span->type || span->len <= 2)
        return;
    text = malloc(span->len + 1);
    len = text ? aiex_json_text(span, text, span->len + 1) : -ENOMEM;
    if (len < 0)
        end_failed(q, AIEX_E_INTERNAL, "out of memory for a part", 0);
    else if (!q->stream && strcmp(key, "text") == 0)
        keep(q, text, (size_t)len);
    else if (len > 0)
        send_part(q, key, text, (size_t)len);
    free(text);
}

/* ---- The chat's stream ---- */

static int on_event(void *arg, const struct aiex_sse_event *event)
{
    struct question *q = arg;
    struct chat_event e;
    char reason[256] = "the provider reported an error in its stream";

    if (chat_event_read(event->data, &e) != 0) {
        end_failed(q, AIEX_E_UPSTREAM, "the provider sent an event that is no JSON object", 0);
        return 1;
    }
    if (e.failed) {
        if (e.error.type && aiex_json_text(&e.error, reason, sizeof(reason)) == -ENOSPC)
            snprintf(reason, sizeof(reason), "%.*s...", 240, e.error.data + 1);
        end_failed(q, AIEX_E_UPSTREAM, reason, 0);
        return 1;
    }
    if (e.model.type)
        aiex_json_text(&e.model, q->model, sizeof(q->model));
    if (e.finish.type)
        aiex_json_text(&e.finish, q->finish, sizeof(q->finish));
    if (e.input_tokens >= 0)
        q->input_tokens = e.input_tokens;
    if (e.output_tokens >= 0)
        q->output_tokens = e.output_tokens;
    pass_text(q, "reasoning", &e.reasoning);
    if (!q->over)
        pass_text(q, "text", &e.text);
    return q->over;
}

static void on_chat_part(struct question *q, struct aiex_slice part)
{
    const struct aiex_host *host = q->setting.host;
    int result;

    if (q->turn)
        aiex_turn_part(q->turn, part);
    result = aiex_sse_feed(&q->sse, part, on_event, q);
    if (result < 0)
        end_failed(q, AIEX_E_UPSTREAM,
                   result == -EMSGSIZE ? "the provider sent an event that is too long"
                                       : "out of memory for an event",
                   0);
    if (q->over)
        return;
    if (q->paused)
        q->owed += part.len;
    else
        host->credit(host, q->chat, (uint32_t)part.len);
}

/* What the end says, else what the stream said, else nil. */
static void put_text(struct aiex_writer *w, struct aiex_slice end, const char *key,
                     const char *seen)
{
    struct aiex_slice text = {(const uint8_t *)seen, strlen(seen)};

    aiex_get_str(end, key, &text);
    aiex_w_str(w, key);
    if (text.len)
        aiex_w_strn(w, (const char *)text.data, text.len < 256 ? text.len : 256);
    else
        aiex_w_nil(w);
}

static void put_count(struct aiex_writer *w, struct aiex_slice end, const char *key, int64_t seen)
{
    aiex_get_int(end, key, &seen);
    aiex_w_str(w, key);
    if (seen >= 0)
        aiex_w_int(w, seen);
    else
        aiex_w_nil(w);
}

/* What `aiex route show` takes, and the header x-request-id of HTTP. */
static void put_id(struct aiex_writer *w, uint64_t trace)
{
    char id[17];

    snprintf(id, sizeof(id), "%016llx", (unsigned long long)trace);
    aiex_w_key_str(w, "id", id);
}

static void reply(struct question *q)
{
    const struct aiex_host *host = q->setting.host;

    if (q->over)
        return;
    q->over = 1;
    host->reply(host, q->id, (struct aiex_slice){q->end, q->end_len});
}

static void on_recorded(void *arg, const char *trouble)
{
    struct question *q = arg;

    q->busy++;
    q->turn = NULL;
    if (trouble)
        send_part(q, "notice", trouble, strlen(trouble));
    reply(q);
    leave(q);
}

static void end_well(struct question *q, struct aiex_slice end)
{
    struct aiex_writer w;
    int offline = 0;

    if (!q->stream && q->kept_len)
        send_part(q, "text", q->kept, q->kept_len);
    if (q->over)
        return;
    aiex_get_bool(end, "offline", &offline);
    aiex_writer_init(&w, q->end, sizeof(q->end));
    aiex_w_map(&w, q->session[0] ? 10 : 9);
    if (q->session[0])
        aiex_w_key_str(&w, "session", q->session);
    put_id(&w, q->trace);
    put_text(&w, end, "model", q->model);
    put_text(&w, end, "provider", "");
    put_text(&w, end, "finish", q->finish);
    put_text(&w, end, "cached", "");
    put_count(&w, end, "input_tokens", q->input_tokens);
    put_count(&w, end, "output_tokens", q->output_tokens);
    put_count(&w, end, "cost", -1);
    aiex_w_key_bool(&w, "offline", offline);
    q->end_len = w.failed ? 0 : w.len;
    if (q->turn)
        aiex_turn_end(q->turn, &(struct aiex_turn_end){.end = end}, on_recorded, q);
    else
        reply(q);
}

/* The host's own word about a name that nobody serves: the gateway's errors have a status. */
static int is_absent(const struct aiex_answer *answer)
{
    int64_t status;

    return strcmp(answer->code, AIEX_E_UNAVAILABLE) == 0 &&
           aiex_get_int(answer->body, "http_status", &status) != 1;
}

static void end_badly(struct question *q, const struct aiex_answer *answer)
{
    const char *text = answer->text ? answer->text : "";
    char longer[400];

    if (is_absent(answer)) {
        snprintf(longer, sizeof(longer),
                 "%.200s; every question goes through the gateway: configure [service_gateway], or "
                 "see `aiex plugin list` for why it is down",
                 text);
        text = longer;
    }
    end_failed(q, answer->code, text, answer->retry_after_ms);
}

static void on_chat_end(struct question *q, const struct aiex_answer *answer)
{
    q->chat = 0;
    q->ended = 1;
    if (answer->code)
        end_badly(q, answer);
    else if (aiex_sse_pending(&q->sse))
        end_failed(q, AIEX_E_UPSTREAM, "the answer ends in the middle of an event", 0);
    else
        end_well(q, answer->body);
}

static void on_chat(void *arg, const struct aiex_answer *answer)
{
    struct question *q = arg;

    q->busy++;
    if (!q->over && answer->kind == AIEX_ANSWER_PART) {
        q->chat = answer->call; /* the first part may come before call() returned */
        on_chat_part(q, answer->body);
    } else if (!q->over) {
        on_chat_end(q, answer);
    }
    leave(q);
}

/* ---- Beginning ---- */

/* Calls the gateway; end_failed() when that can not be done. */
static void start_call(struct question *q, const char *gateway, struct aiex_slice body)
{
    const struct aiex_host *host = q->setting.host;
    const struct aiex_request request = {.struct_size = sizeof(request),
                                         .flags = AIEX_CALL_MANUAL,
                                         .service = gateway,
                                         .method = "gateway.chat",
                                         .body = body,
                                         .parent = q->id,
                                         .trace = q->trace,
                                         .timeout_ms = (uint32_t)q->setting.timeout_ms};
    uint64_t call = 0;
    int result = host->call(host, &request, on_chat, q, &call);

    if (result == 0 && !q->ended) /* it may have ended during call() */
        q->chat = call;
    else if (result == -EBUSY)
        end_failed(q, AIEX_E_BUSY, "too many calls are running", 1000);
    else if (result)
        end_failed(q, AIEX_E_INTERNAL, "the gateway could not be called", 0);
}

static void start_chat(struct question *q, const struct asked *a, const char *gateway)
{
    struct aiex_slice body;
    uint8_t *mem = NULL;
    int result = asked_pack(a, q->setting.host->instance, &mem, &body);

    if (result == 0)
        start_call(q, gateway, body);
    else if (result == -EMSGSIZE)
        end_failed(q, AIEX_E_INVALID, "prompt and files are larger than 32 MiB together", 0);
    else
        end_failed(q, AIEX_E_INTERNAL, "out of memory for the request", 0);
    free(mem);
}

/* ---- Its session ---- */

static void on_found(void *arg, const struct aiex_turn_begun *begun)
{
    struct question *q = arg;
    struct bound *b = q->bound;

    q->busy++;
    if (begun->code || !begun->session[0])
        q->turn = NULL;
    if (begun->code) {
        end_failed(q, begun->code, begun->text, 0);
    } else {
        if (begun->trouble)
            send_part(q, "notice", begun->trouble, strlen(begun->trouble));
        strcpy(q->session, begun->session);
        if (q->session[0])
            b->asked.session = (struct aiex_slice){(const uint8_t *)q->session, strlen(q->session)};
        b->asked.request.history = begun->history;
        if (!q->over)
            start_chat(q, &b->asked, q->gateway);
    }
    drop_bound(q);
    leave(q);
}

/* The request outlives its message: its session is asked for first. */
static void bind_session(struct question *q, const struct asked_defaults *defaults,
                         struct aiex_slice body)
{
    struct aiex_turn_setting turn = {
        .dialect = AIEX_OPENAI_CHAT, .stream = 1, .by_title = 1, .trace = q->trace};
    const size_t n_model = strlen(defaults->model) + 1, n_system = strlen(defaults->system) + 1;
    struct bound *b = calloc(1, sizeof(*b) + body.len + n_model + n_system);
    int result = b ? 0 : -ENOMEM;

    q->bound = b;
    if (b) {
        struct asked_defaults own = *defaults;

        memcpy(b->body, body.data, body.len);
        own.model = memcpy(b->body + body.len, defaults->model, n_model);
        own.system = memcpy(b->body + body.len + n_model, defaults->system, n_system);
        asked_read(&b->asked, (struct aiex_slice){b->body, body.len}, &own);
        result = asked_document(&b->asked, &b->document, &turn.body);
    }
    if (result == 0) {
        turn.session = b->asked.session;
        turn.history = b->asked.history > 0;
        turn.history_bytes = (size_t)b->asked.history;
        result = aiex_turn_begin(q->setting.turns, &turn, on_found, q, &q->turn);
    }
    if (result == -EMSGSIZE)
        end_failed(q, AIEX_E_INVALID, "prompt and files are larger than 32 MiB together", 0);
    else if (result < 0)
        end_failed(q, AIEX_E_INTERNAL, "out of memory for the session", 0);
}

static void begin(struct question *q, const struct question_setting *setting,
                  struct aiex_slice body)
{
    const struct asked_defaults defaults = {setting->model, setting->system,
                                            setting->history_bytes};
    struct asked *asked = calloc(1, sizeof(*asked));
    const char *wrong = asked ? asked_read(asked, body, &defaults) : NULL;

    q->stream = asked && asked->stream;
    if (!asked)
        end_failed(q, AIEX_E_INTERNAL, "out of memory for the request", 0);
    else if (wrong)
        end_failed(q, AIEX_E_INVALID, wrong, 0);
    else if (asked->session.len)
        bind_session(q, &defaults, body);
    else
        start_chat(q, asked, setting->gateway);
    free(asked);
}

int question_new(const struct question_setting *setting, const struct aiex_message *m,
                 struct question **ret_question)
{
    struct question *q = calloc(1, sizeof(*q));

    *ret_question = NULL;
    if (!q)
        return -ENOMEM;
    q->setting = *setting;
    snprintf(q->gateway, sizeof(q->gateway), "%s", setting->gateway);
    q->setting.gateway = q->gateway;
    q->setting.model = q->setting.system = NULL; /* of `setting`, for begin() alone */
    q->setting.over = NULL;                      /* nobody knows it yet */
    q->id = m->id;
    q->trace = m->trace;
    q->input_tokens = q->output_tokens = -1;
    q->busy = 1;
    aiex_sse_init(&q->sse, AIEX_SSE_MAX_EVENT);
    begin(q, setting, m->body);
    if (!q->over) {
        q->setting.over = setting->over;
        *ret_question = q;
    }
    leave(q);
    return 0;
}

void question_free(struct question *q)
{
    if (!q)
        return;
    drop_chat(q);
    free_question(q);
}

uint64_t question_id(const struct question *q)
{
    return q->id;
}

void question_resume(struct question *q)
{
    const struct aiex_host *host = q->setting.host;
    uint64_t owed = q->owed;

    q->paused = 0;
    q->owed = 0;
    if (owed && q->chat)
        host->credit(host, q->chat, (uint32_t)owed);
}
