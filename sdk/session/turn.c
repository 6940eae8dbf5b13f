/* turn.c - the life of a turn; turn.h says which file does what. */
#include "turn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct aiex_turns *aiex_turns_new(const struct aiex_host *host, const char *service)
{
    struct aiex_turns *all = host->alloc(host, sizeof(*all));

    if (!all)
        return NULL;
    all->host = host;
    snprintf(all->service, sizeof(all->service), "%s", service);
    return all;
}

void aiex_turns_on_idle(struct aiex_turns *all, void (*fn)(void *arg), void *arg)
{
    all->idle = fn;
    all->idle_arg = arg;
}

void aiex_turns_numbers(const struct aiex_turns *all, struct aiex_turns_numbers *ret)
{
    *ret = (struct aiex_turns_numbers){all->recorded, all->failed, all->open, all->bytes};
}

/* ---- Memory ---- */

static void unlink_turn(struct aiex_turn *t)
{
    if (!t->at)
        return;
    *t->at = t->next;
    if (t->next)
        t->next->at = t->at;
    t->at = NULL;
    if (--t->all->open == 0 && t->all->idle)
        t->all->idle(t->all->idle_arg);
}

static void free_turn(struct aiex_turn *t)
{
    const struct aiex_host *host = t->all->host;

    unlink_turn(t);
    if (t->call)
        host->cancel(host, t->call);
    if (t->timer)
        host->unwatch(host, t->timer);
    if (t->gone)
        *t->gone = 1;
    heard_done(t);
    past_done(t);
    text_drop(t->all, &t->said);
    text_drop(t->all, &t->principal);
    host->release(host, t);
}

void aiex_turns_free(struct aiex_turns *all)
{
    if (!all)
        return;
    all->idle = NULL;
    while (all->first)
        free_turn(all->first);
    all->host->release(all->host, all);
}

/* ---- Questions ---- */

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct aiex_turn *t = arg;
    void (*answered)(struct aiex_turn * t, const struct aiex_answer *end) = t->answered;

    if (answer->kind != AIEX_ANSWER_END || !answered)
        return;
    t->call = 0;
    t->answered = NULL;
    answered(t, answer);
}

void turn_ask(struct aiex_turn *t, const char *method, struct aiex_slice body, uint32_t timeout_ms,
              void (*answered)(struct aiex_turn *t, const struct aiex_answer *end))
{
    const struct aiex_host *host = t->all->host;
    const struct aiex_request request = {.struct_size = sizeof(request),
                                         .flags = AIEX_CALL_IDEMPOTENT,
                                         .service = t->all->service,
                                         .method = method,
                                         .body = body,
                                         .trace = t->trace,
                                         .timeout_ms = timeout_ms};
    const struct aiex_answer busy = {.struct_size = sizeof(busy),
                                     .kind = AIEX_ANSWER_END,
                                     .code = AIEX_E_BUSY,
                                     .text = "too many calls are under way, or no memory"};
    int gone = 0, *before = t->gone;
    unsigned number = ++t->n_asks;
    uint64_t call = 0;
    int r;

    t->answered = answered;
    t->gone = &gone;
    r = method && body.len ? host->call(host, &request, on_answer, t, &call) : -ENOMEM;
    if (gone) {
        if (before)
            *before = 1;
        if (r == 0) /* it may have been given up within, and not be answered yet */
            host->cancel(host, call);
        return;
    }
    t->gone = before;
    if (r < 0)
        on_answer(t, &busy);
    else if (t->n_asks == number && t->answered) /* else it was answered within */
        t->call = call;
}

/* ---- The begin ---- */

/* The turn is over before it has begun. */
static void tell(struct aiex_turn *t, const struct aiex_turn_begun *begun)
{
    unlink_turn(t);
    t->begun(t->arg, begun);
    free_turn(t);
}

void turn_refuse(struct aiex_turn *t, const char *code, const char *format, ...)
{
    char text[400], kept[32];
    struct aiex_turn_begun begun = {.code = kept, .text = text, .session = ""};
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(kept, sizeof(kept), "%s", code);
    tell(t, &begun);
}

void turn_unrecorded(struct aiex_turn *t, const char *format, ...)
{
    char text[400];
    struct aiex_turn_begun begun = {.session = "", .trouble = text};
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    begun.history = (struct aiex_slice){(const uint8_t *)t->past.out.data, t->past.out.len};
    t->all->failed++;
    tell(t, &begun);
}

/* An answer of the same session is on its way into it. */
static int is_being_recorded(const struct aiex_turn *t)
{
    for (const struct aiex_turn *o = t->all->first; o; o = o->next)
        if (o != t && o->step == ENDING && strcmp(o->session, t->session) == 0)
            return 1;
    return 0;
}

void turn_found(struct aiex_turn *t)
{
    if (!t->history) {
        turn_go(t);
    } else if (is_being_recorded(t)) {
        t->step = WAITING;
    } else {
        t->step = FINDING;
        past_begin(t);
    }
}

static void wake(struct aiex_turns *all)
{
    for (;;) {
        struct aiex_turn *t = all->first;

        while (t && !(t->step == WAITING && !is_being_recorded(t)))
            t = t->next;
        if (!t)
            return;
        turn_found(t);
    }
}

void turn_go(struct aiex_turn *t)
{
    struct aiex_error err = {"no memory for the answer"};
    struct aiex_turn_begun begun = {.session = t->session};
    int gone = 0, *before;

    if (said_read(t, t->body, t->messages == 0, &err) < 0 || heard_init(t) < 0) {
        turn_unrecorded(t, "%s", err.text);
        return;
    }
    t->step = RUNNING;
    t->body = (struct aiex_slice){NULL, 0};
    record_begin(t);
    begun.history = (struct aiex_slice){(const uint8_t *)t->past.out.data, t->past.out.len};
    before = t->gone;
    t->gone = &gone;
    t->begun(t->arg, &begun);
    if (gone) {
        if (before)
            *before = 1;
        return;
    }
    t->gone = before;
    past_done(t);
}

static void copy_text(char *out, size_t size, struct aiex_slice text)
{
    size_t n = text.len < size - 1 ? text.len : size - 1;

    if (n)
        memcpy(out, text.data, n);
    out[n] = 0;
}

int aiex_turn_begin(struct aiex_turns *all, const struct aiex_turn_setting *setting,
                    aiex_turn_begun_fn fn, void *arg, struct aiex_turn **ret_turn)
{
    struct aiex_turn *t;

    *ret_turn = NULL;
    if (aiex_dialect_op(setting->dialect) != AIEX_OP_CHAT)
        return -EINVAL;
    t = all->host->alloc(all->host, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->all = all;
    if (text_add(all, &t->principal, setting->principal.data, setting->principal.len, 4096) < 0) {
        all->host->release(all->host, t);
        return -ENOMEM;
    }
    t->dialect = setting->dialect;
    t->stream = setting->stream;
    t->by_title = setting->by_title;
    t->history = setting->history;
    t->history_bytes = setting->history_bytes < AIEX_TURN_PAST ? setting->history_bytes
                                                               : AIEX_TURN_PAST;
    t->body = setting->body;
    t->trace = setting->trace;
    t->begun = fn;
    t->arg = arg;
    if (setting->session.len <= NAME_BYTES) /* a longer one is nobody's */
        copy_text(t->asked, sizeof(t->asked), setting->session);
    copy_text(t->title, sizeof(t->title), setting->title);
    t->next = all->first;
    if (t->next)
        t->next->at = &t->next;
    t->at = &all->first;
    all->first = t;
    all->open++;
    *ret_turn = t;
    find_begin(t);
    return 0;
}

const char *aiex_turn_session(const struct aiex_turn *t)
{
    return t->step == RUNNING || t->step == ENDING ? t->session : "";
}

/* ---- The answer ---- */

void aiex_turn_part(struct aiex_turn *t, struct aiex_slice part)
{
    if (t->step == RUNNING)
        heard_part(t, part);
}

static void note_end(struct aiex_turn *t, struct aiex_slice end)
{
    struct aiex_slice text = {NULL, 0};

    if (!end.len)
        return;
    if (aiex_get_str(end, "model", &text) == 1 && text.len)
        copy_text(t->heard.model, sizeof(t->heard.model), text);
    if (aiex_get_str(end, "provider", &text) == 1)
        copy_text(t->provider, sizeof(t->provider), text);
    aiex_get_int(end, "input_tokens", &t->heard.input_tokens);
    aiex_get_int(end, "output_tokens", &t->heard.output_tokens);
}

/* Constants only: they are kept. */
static const char *outcome_of(const char *outcome)
{
    static const char *const known[] = {"failed", "cut", "cancelled"};

    for (size_t i = 0; outcome && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(outcome, known[i]) == 0)
            return known[i];
    return outcome ? "failed" : NULL;
}

void aiex_turn_end(struct aiex_turn *t, const struct aiex_turn_end *end, aiex_turn_done_fn fn,
                   void *arg)
{
    heard_end(t);
    note_end(t, end->end);
    t->outcome = outcome_of(end->outcome);
    t->done = fn;
    t->done_arg = arg;
    t->step = ENDING;
    if (t->begin_known)
        record_end(t);
}

void aiex_turn_drop(struct aiex_turn *t)
{
    if (t && t->step == RUNNING)
        aiex_turn_end(t, &(struct aiex_turn_end){.outcome = "cancelled"}, NULL, NULL);
    else if (t && t->step != ENDING)
        free_turn(t);
}

void aiex_turn_forget(struct aiex_turn *t)
{
    t->done = NULL;
}

void turn_over(struct aiex_turn *t, const char *trouble)
{
    struct aiex_turns *all = t->all;
    aiex_turn_done_fn done = t->done;
    void *arg = t->done_arg;

    if (trouble) {
        all->failed++;
        aiex_logf(all->host, AIEX_LOG_WARN, t->trace, "%s", trouble);
    } else {
        all->recorded++;
    }
    free_turn(t);
    if (done)
        done(arg, trouble);
    wake(all);
}
