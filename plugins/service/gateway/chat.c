/*
 * chat.c - gateway.chat, complete and embed: from the caller to the coordinator.
 *
 *     check the key -> (wait for the ledger) -> estimate -> (ask the price) -> admit -> call
 *
 * What stands in brackets happens for keys with a budget only. The call is a SPLICE: parts and a
 * good end go straight to the caller, a copy of the end comes here; an error before the first part
 * comes here alone and is passed on. A job (asynchronous request) has no caller: parts and end
 * come here and go to jobs.h.
 */
#include "gateway.h"
#include "jobs.h"
#include "template.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_BYTES (64u * 1024u)
#define CALLING       UINT64_MAX

/* ---- The end of a flight ---- */

/* Frees it, or lets it wait for its record. While call() is on the stack this is put off. */
static void land(struct flight *f)
{
    struct gateway *g = f->gateway;
    const struct use nothing = {0, 0};

    if (f->calling) {
        f->over = 1;
        return;
    }
    flight_forget_request(&g->flights, f);
    f->state = FLIGHT_ENDED;
    admit_leave(g, f);
    if (!f->admitted || f->settled) {
        flight_release(&g->flights, f);
    } else if (f->nothing_used) {
        admit_settle(g, f, &nothing, f->begun_wall_ms);
        flight_haunt(&g->flights, f); /* its record is still to be told to the ledger */
    } else {
        settle_later(g, f);
    }
    gateway_maybe_drained(g);
}

/* A refusal before anything was called. */
static void refused(struct flight *f, const struct refusal *r, struct aiex_slice dialect)
{
    struct gateway *g = f->gateway;
    uint64_t id = f->id;

    f->nothing_used = 1;
    if (f->job) {
        job_refused(g, f->job, r, dialect);
        f->job = NULL;
    }
    refusal_send(g, id, r, dialect);
    land(f);
}

/* ---- Answers of the coordinator ---- */

/* A vendor may say any number. */
static int64_t believable(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens > MAX_LIMIT ? MAX_LIMIT : tokens;
}

/* One walk, which ends where both numbers are known. */
static void note_usage(struct flight *f, struct aiex_slice body)
{
    struct aiex_value head;
    struct aiex_entry e;
    int64_t input = 0, output = 0;
    int seen = 0;

    if (body.len == 0 || aiex_r_value(&body, &head) != 0 || head.type != AIEX_T_MAP)
        return;
    for (uint32_t i = 0; i < head.count && seen != 3 && aiex_r_entry(&body, &e) == 0; i++) {
        if (e.v.type != AIEX_T_INT)
            continue;
        if (aiex_slice_is(e.key, "input_tokens")) {
            input = e.v.i;
            seen |= 1;
        } else if (aiex_slice_is(e.key, "output_tokens")) {
            output = e.v.i;
            seen |= 2;
        }
    }
    if (!seen)
        return;
    f->tokens_known = 1;
    f->input = believable(input);
    f->output = believable(output);
}

/* Did anything happen that could cost? Not when nobody served the name of the coordinator, and not
 * when the coordinator says that no attempt was begun. */
static void note_error(struct flight *f, const struct aiex_answer *a)
{
    int started = 0;
    int64_t attempts = 0;

    if (f->forwarded || (a->flags & AIEX_AF_SPLICED))
        return;
    aiex_get_bool(a->body, "started", &started);
    aiex_get_int(a->body, "attempts", &attempts);
    if (attempts == 0 && !started && strcmp(a->code, AIEX_E_CRASHED) != 0 &&
        strcmp(a->code, AIEX_E_TIMEOUT) != 0)
        f->nothing_used = 1;
}

/* The coordinator's error as it came; one of the host's own, which says nothing to a client, gets
 * a document. */
static void pass_error(struct flight *f, const struct aiex_answer *a)
{
    struct aiex_slice body = a->body, dialect = {f->dialect, f->dialect_len};
    uint8_t mem[REFUSAL_BODY];
    int64_t status;

    if (aiex_get_int(body, "http_status", &status) != 1)
        body = refusal_of_host(a->code, a->text, dialect, mem, sizeof(mem));
    f->gateway->host->fail(f->gateway->host, f->id, a->code, a->text ? a->text : "",
                           a->retry_after_ms, body);
}

/* While call() is on the stack nobody knows the call's number yet; make_call() gives it up then. */
void chat_give_up(struct flight *f)
{
    const struct aiex_host *host = f->gateway->host;

    if (f->call == CALLING)
        return;
    if (f->call)
        host->cancel(host, f->call);
    f->call = 0;
}

static void give_part(struct flight *f, struct aiex_slice part)
{
    const struct aiex_host *host = f->gateway->host;

    f->forwarded = 1;
    if (f->job) {
        job_part(f->gateway, f->job, part);
        return;
    }
    if (host->stream(host, f->id, part) >= 0)
        return;
    host->fail(host, f->id, AIEX_E_INTERNAL, "a part of the answer could not be handed on", 0,
               NOTHING);
    chat_give_up(f);
    land(f);
}

static void give_end(struct flight *f, const struct aiex_answer *a)
{
    const struct aiex_host *host = f->gateway->host;
    struct job *job = f->job;

    f->job = NULL;
    if (job)
        job_end(f->gateway, job, a);
    else if (a->flags & AIEX_AF_SPLICED)
        return;
    else if (a->code)
        pass_error(f, a);
    else if (f->filtered)
        pass_filtered(f->gateway, f->id, f->key, a->body);
    else
        host->reply(host, f->id, a->body);
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct flight *f = arg;

    if (f->over || f->state != FLIGHT_RUNNING)
        return;
    if (a->kind == AIEX_ANSWER_PART) {
        give_part(f, a->body);
        return;
    }
    note_usage(f, a->body);
    if (a->code)
        note_error(f, a);
    f->call = 0;
    admit_leave(f->gateway, f); /* first: who is told of the end may begin the next at once */
    give_end(f, a);
    land(f);
}

/* ---- The call ---- */

static void write_request(struct aiex_writer *w, const struct flight *f, const struct ask *a)
{
    const struct gateway *g = f->gateway;

    aiex_w_map(w, a->n_passed + (f->admitted ? 3 : 1));
    for (uint32_t i = 0; i < a->n_passed; i++)
        aiex_w_raw(w, a->passed[i].data, a->passed[i].len);
    aiex_w_str(w, "principal");
    aiex_w_raw(w, f->key->principal, f->key->principal_len);
    if (!f->admitted)
        return;
    aiex_w_key_int(w, "ticket", flight_ticket(&g->flights, f));
    aiex_w_key_str(w, "settle", g->host->instance);
}

/* Memory for the packed request: the kept piece, unless it is too small or in use further up the
 * stack. */
static uint8_t *packing_memory(struct gateway *g, size_t need, int *ret_kept)
{
    *ret_kept = !g->scratch_used && need <= SCRATCH_BYTES;
    if (!*ret_kept)
        return malloc(need);
    if (!g->scratch)
        g->scratch = malloc(SCRATCH_BYTES);
    g->scratch_used = g->scratch != NULL;
    return g->scratch;
}

static int make_call(struct flight *f, struct aiex_slice body)
{
    struct gateway *g = f->gateway;
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = f->job || f->filtered ? 0 : AIEX_CALL_SPLICE,
                             .service = g->config->coordinator,
                             .method = f->method,
                             .body = body,
                             .parent = f->id,
                             .trace = f->trace,
                             .timeout_ms = f->timeout_ms};
    uint64_t call = 0;
    int r;

    f->state = FLIGHT_RUNNING;
    f->call = CALLING;
    f->calling = 1;
    r = g->host->call(g->host, &q, on_answer, f, &call);
    f->calling = 0;
    if (f->call == CALLING)
        f->call = r == 0 ? call : 0;
    if (f->over)
        chat_give_up(f);
    return r;
}

static void call_coordinator(struct flight *f, const struct ask *a)
{
    struct gateway *g = f->gateway;
    size_t need = a->passed_bytes + f->key->principal_len + strlen(g->host->instance) + 64;
    struct aiex_writer w;
    struct refusal r;
    int kept, result = -ENOMEM;
    uint8_t *mem = packing_memory(g, need, &kept);

    if (mem) {
        aiex_writer_init(&w, mem, need);
        write_request(&w, f, a);
        result = w.failed ? -EMSGSIZE : make_call(f, aiex_written(&w));
    }
    if (kept)
        g->scratch_used = 0;
    else
        free(mem);
    if (f->over) {
        land(f);
    } else if (result < 0) {
        refuse(&r, REFUSED_BUSY, result == -EMSGSIZE ? AIEX_E_INVALID : AIEX_E_BUSY,
               result == -EMSGSIZE ? 413 : 503,
               result == -EMSGSIZE ? AIEX_REASON_REQUEST : AIEX_REASON_OVERLOADED,
               result == -EMSGSIZE ? "the request is too large" : "too many requests are running");
        refused(f, &r, a->dialect);
    }
}

/* ---- Admission ---- */

void chat_admit(struct flight *f, const struct ask *a)
{
    struct gateway *g = f->gateway;
    struct use want = {f->input + f->output, f->price};
    struct refusal r;
    int result = 0;

    if (f->pricing && !f->price_known && g->config->unknown_price == PRICE_REFUSE)
        result = refuse(&r, REFUSED_PRICE, AIEX_E_DENIED, 402, AIEX_REASON_QUOTA,
                        "the price of the model '%.*s' is not known, and this key has a budget",
                        (int)a->model.len, (const char *)a->model.data);
    if (result == 0)
        result = admit(g, f, &want, &r);
    if (result < 0)
        refused(f, &r, a->dialect);
    else
        call_coordinator(f, a);
}

/* ---- The beginning ---- */

static const struct {
    const char *asked, *method;
} methods[] = {{"gateway.chat", "coordinator.chat"},
               {"gateway.complete", "coordinator.complete"},
               {"gateway.embed", "coordinator.embed"}};

/* "gateway.chat" or "chat"; NULL = none of them. */
static const char *method_of(struct aiex_slice asked)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (aiex_slice_is(asked, methods[i].asked) ||
            aiex_slice_is(asked, methods[i].asked + sizeof("gateway.") - 1))
            return methods[i].method;
    return NULL;
}

static struct flight *make_flight(struct gateway *g, const struct aiex_message *m,
                                  const struct ask *a, struct key *key, struct refusal *r)
{
    struct flight *f = flight_new(g, &g->flights, m->id);

    if (!f) {
        refuse(r, REFUSED_BUSY, AIEX_E_BUSY, 503, AIEX_REASON_OVERLOADED,
               "too many requests are running");
        r->retry_after_ms = CONCURRENCY_RETRY_MS;
        return NULL;
    }
    f->key = key;
    f->trace = m->trace;
    f->timeout_ms = m->timeout_ms;
    f->content = content_promised(g, m->trace, a->content);
    if (a->dialect.len)
        memcpy(f->dialect, a->dialect.data, a->dialect.len);
    f->dialect_len = (uint8_t)a->dialect.len;
    return f;
}

/* From here the flight answers for itself. */
static void launch(struct flight *f, const struct ask *a, struct aiex_slice message)
{
    struct refusal r;
    int result = 1;

    if (admit_needs_tokens(f->key))
        admit_estimate(f->gateway, a, &f->input, &f->output);
    if (admit_needs_price(f->key))
        result = quote_ask(f, a, message);
    if (f->over) {
        land(f);
    } else if (result < 0) {
        refuse(&r, REFUSED_BUSY, AIEX_E_BUSY, 503, AIEX_REASON_OVERLOADED, "no memory");
        refused(f, &r, a->dialect);
    } else if (result > 0) {
        chat_admit(f, a);
    }
}

int chat_templated(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                   const struct key *key)
{
    struct aiex_json_span wanted;

    if (a->template == 0 || strcmp(g->config->templates, "none") == 0 ||
        !template_wanted(a->body, &wanted))
        return 0;
    template_render(g, m, a, key, &wanted);
    return 1;
}

int chat_begin(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    struct flight *f;
    const char *wrong;
    struct key *key;
    struct ask a;

    wrong = ask_read(m, &a);
    if (!wrong)
        wrong = ask_chat(&a);
    if (wrong)
        return refuse_form(g, m->id, a.dialect, wrong);
    key = who(g, &a, MAY_CHAT, &r);
    if (!key || who_model(key, a.model, &r) < 0)
        return refusal_send(g, m->id, &r, a.dialect);
    if (!g->ledger_ready && admit_needs_price(key))
        return spent_park(g, m, &r) < 0 ? refusal_send(g, m->id, &r, a.dialect) : 0;
    if (chat_templated(g, m, &a, key))
        return 0;
    f = make_flight(g, m, &a, key, &r);
    if (!f)
        return refusal_send(g, m->id, &r, a.dialect);
    f->method = method_of((struct aiex_slice){(const uint8_t *)m->method, strlen(m->method)});
    launch(f, &a, m->body);
    return 0;
}

int chat_pass(struct gateway *g, const struct aiex_message *m, const struct ask *a, struct key *key,
              const char *method, int filtered)
{
    struct refusal r;
    struct flight *f = make_flight(g, m, a, key, &r);

    if (!f)
        return refusal_send(g, m->id, &r, a->dialect);
    f->method = method;
    f->filtered = filtered != 0;
    f->nothing_used = 1;
    call_coordinator(f, a);
    return 0;
}

int chat_submit(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                struct key *key, struct job *job, struct refusal *r)
{
    struct flight *f = make_flight(g, m, a, key, r);

    if (!f)
        return -1;
    f->method = method_of(a->method);
    f->job = job;
    job_begun(job, f);
    launch(f, a, m->body);
    return 0;
}

int chat_method_known(struct aiex_slice asked)
{
    return method_of(asked) != NULL;
}

/* ---- Given up ---- */

void chat_cancel(struct gateway *g, uint64_t id)
{
    struct flight *f = flight_of_request(&g->flights, id);

    if (f)
        land(f); /* what it had called, the host cancels */
}

void chat_abort(struct flight *f)
{
    f->job = NULL;
    chat_give_up(f);
    land(f);
}
