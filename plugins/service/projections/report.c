/*
 * report.c - session_usage.report: the rows of some days, summed by what the caller wants to see.
 *
 * The rows come from the store page by page; a page that fails ends the report with the store's
 * code, and the caller asks again.
 */
#include "projections.h"

#include <errno.h>
#include <stdio.h>

#define MAX_REPORTS 32u
#define MAX_GROUPS  1000u
#define SLOTS       2048u
#define PAGE_MS     10000u
#define MAX_TOKEN   512u
#define DAY_MS      86400000

enum { BY_DAY = 1, BY_USER = 2, BY_MODEL = 4 };

struct report {
    struct projections *p;
    struct report *next, **at;
    uint64_t id, trace, call;
    unsigned by;
    char user[MAX_USER + 1], model[MAX_MODEL + 1];
    int one_user, one_model; /* only these */
    int truncated, wrong;
    char table[AIEX_PROJECTION_TABLE_SIZE];
    uint8_t from[64], to[64], token[MAX_TOKEN];
    size_t n_from, n_to, n_token;
    uint16_t slots[SLOTS]; /* 0 = empty, else 1 + index */
    uint32_t n;
    struct usage groups[MAX_GROUPS]; /* in the order of their first rows: by day, user, model */
};

static void next_page(struct report *r);

static void free_report(struct report *r)
{
    const struct aiex_host *host = r->p->host;

    if (r->call)
        host->cancel(host, r->call);
    *r->at = r->next;
    if (r->next)
        r->next->at = r->at;
    r->p->n_reports--;
    host->release(host, r);
}

void report_cancel(struct projections *p, uint64_t id)
{
    struct report *r = p->reports;

    while (r && r->id != id)
        r = r->next;
    if (r)
        free_report(r);
}

void reports_drop(struct projections *p)
{
    while (p->reports) {
        aiex_refuse(p->host, p->reports->id, AIEX_E_UNAVAILABLE, "the projections have ended");
        free_report(p->reports);
    }
}

/* ---- Sums ---- */

static uint32_t hash_of(const struct usage *u)
{
    const char *const texts[] = {u->day, u->user, u->model};
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < 3; i++)
        for (const char *c = texts[i];; c++) {
            h = (h ^ (unsigned char)*c) * 16777619u;
            if (!*c)
                break;
        }
    return h;
}

/* The group of a row, its own fields left empty. NULL: there are too many. */
static struct usage *group_of(struct report *r, const struct usage *row)
{
    struct usage name = {.day = ""};
    uint32_t at;

    if (r->by & BY_DAY)
        strcpy(name.day, row->day);
    if (r->by & BY_USER)
        strcpy(name.user, row->user);
    if (r->by & BY_MODEL)
        strcpy(name.model, row->model);
    for (at = hash_of(&name) % SLOTS; r->slots[at]; at = (at + 1) % SLOTS) {
        struct usage *u = &r->groups[r->slots[at] - 1];

        if (strcmp(u->day, name.day) == 0 && strcmp(u->user, name.user) == 0 &&
            strcmp(u->model, name.model) == 0)
            return u;
    }
    if (r->n == MAX_GROUPS)
        return NULL;
    r->slots[at] = (uint16_t)++r->n;
    r->groups[r->n - 1] = name;
    return &r->groups[r->n - 1];
}

static void add_row(struct report *r, struct aiex_slice value)
{
    struct usage row, *sum;

    if (usage_read(value, &row) != 0) {
        r->wrong = 1;
        return;
    }
    if ((r->one_user && strcmp(row.user, r->user) != 0) ||
        (r->one_model && strcmp(row.model, r->model) != 0))
        return;
    sum = group_of(r, &row);
    if (!sum) {
        r->truncated = 1;
        return;
    }
    sum->messages += row.messages;
    sum->answers += row.answers;
    sum->failed += row.failed;
    sum->input_tokens += row.input_tokens;
    sum->output_tokens += row.output_tokens;
}

static void add_rows(struct report *r, struct aiex_slice part)
{
    struct aiex_slice one, value;
    struct aiex_value v;

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < v.count; i++) {
        one = part;
        if (aiex_r_skip(&part) != 0)
            return;
        one.len -= part.len;
        if (aiex_get_bytes(one, "value", &value) == 1)
            add_row(r, value);
    }
}

/* ---- The end ---- */

static void write_group(struct aiex_writer *w, const struct report *r, const struct usage *u)
{
    aiex_w_map(w, 5u + !!(r->by & BY_DAY) + !!(r->by & BY_USER) + !!(r->by & BY_MODEL));
    if (r->by & BY_DAY)
        aiex_w_key_str(w, "day", u->day);
    if (r->by & BY_USER)
        aiex_w_key_str(w, "user", u->user);
    if (r->by & BY_MODEL)
        aiex_w_key_str(w, "model", u->model);
    aiex_w_key_int(w, "messages", u->messages);
    aiex_w_key_int(w, "answers", u->answers);
    aiex_w_key_int(w, "failed", u->failed);
    aiex_w_key_int(w, "input_tokens", u->input_tokens);
    aiex_w_key_int(w, "output_tokens", u->output_tokens);
}

static void write_report(struct aiex_writer *w, const void *arg)
{
    const struct report *r = arg;
    struct aiex_projection_state state = {.position = 0, .lag = -1};

    aiex_projection_state(r->p->all, session_usage.name, &state);
    aiex_w_map(w, 4);
    aiex_w_str(w, "rows");
    aiex_w_array(w, r->n);
    for (uint32_t i = 0; i < r->n; i++)
        write_group(w, r, &r->groups[i]);
    aiex_w_key_bool(w, "truncated", r->truncated);
    aiex_w_key_int(w, "position", state.position);
    aiex_w_key_int(w, "lag", state.lag);
}

static void end(struct report *r, const char *code, const char *text)
{
    if (code)
        aiex_refuse(r->p->host, r->id, code, "%s", text);
    else if (r->wrong)
        aiex_refuse(r->p->host, r->id, AIEX_E_INTERNAL,
                    "a row can not be read; aiex projection rebuild %s", session_usage.name);
    else
        aiex_reply_by(r->p->host, r->id, write_report, r);
    free_report(r);
}

/* ---- Pages ---- */

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct report *r = arg;
    struct aiex_slice next = {NULL, 0};

    if (answer->kind != AIEX_ANSWER_END) {
        add_rows(r, answer->body);
        return;
    }
    r->call = 0;
    if (answer->code) {
        end(r, answer->code, answer->text ? answer->text : "the store has failed");
        return;
    }
    r->n_token = 0;
    if (aiex_get_bytes(answer->body, "next", &next) == 1 && next.len <= sizeof(r->token)) {
        memcpy(r->token, next.data, next.len);
        r->n_token = next.len;
    }
    if (r->n_token)
        next_page(r);
    else
        end(r, NULL, NULL);
}

static void next_page(struct report *r)
{
    const struct aiex_host *host = r->p->host;
    struct aiex_request rq = {.struct_size = sizeof(rq),
                              .flags = AIEX_CALL_IDEMPOTENT,
                              .service = r->p->config->store,
                              .method = "store.range",
                              .trace = r->trace,
                              .timeout_ms = PAGE_MS};
    uint8_t mem[1024];
    struct aiex_writer w;
    uint64_t call = 0, id = r->id;
    struct projections *p = r->p;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3u + (r->n_token != 0));
    aiex_w_key_str(&w, "table", r->table);
    aiex_w_key_bin(&w, "from", r->from, r->n_from);
    aiex_w_key_bin(&w, "to", r->to, r->n_to);
    if (r->n_token)
        aiex_w_key_bin(&w, "token", r->token, r->n_token);
    rq.body = aiex_written(&w);
    if (host->call(host, &rq, on_answer, r, &call) != 0) {
        end(r, AIEX_E_BUSY, "too many calls are under way");
        return;
    }
    for (struct report *o = p->reports; o; o = o->next) /* it may have ended within */
        if (o == r && o->id == id && !r->call && call)
            r->call = call;
}

/* ---- The request ---- */

static int read_by(struct aiex_slice body, unsigned *ret)
{
    static const struct {
        const char *name;
        unsigned bit;
    } columns[] = {{"day", BY_DAY}, {"user", BY_USER}, {"model", BY_MODEL}};
    char text[64] = "day", *rest = text, *word;

    *ret = 0;
    if (aiex_get_text(body, "by", text, sizeof(text)) < 0)
        return -EINVAL;
    while ((word = strsep(&rest, ", "))) {
        unsigned bit = 0;

        for (size_t i = 0; i < 3; i++)
            if (strcmp(word, columns[i].name) == 0)
                bit = columns[i].bit;
        if (*word && !bit)
            return -EINVAL;
        *ret |= bit;
    }
    return *ret ? 0 : -EINVAL;
}

/* Keys of the first day and of that behind the last one. */
static int read_days(struct report *r, struct aiex_slice body)
{
    int64_t from = 0, to = INT64_C(7258118400000); /* 2200 */
    char day[DAY_BYTES];
    int n;

    if (aiex_get_int(body, "from", &from) < 0 || aiex_get_int(body, "to", &to) < 0 || from < 0 ||
        to < from)
        return -EINVAL;
    usage_day(from, day);
    n = aiex_projection_place(r->p->all, session_usage.name,
                              (struct aiex_slice){(uint8_t *)day, strlen(day)}, r->table, r->from,
                              sizeof(r->from));
    if (n < 0)
        return n;
    r->n_from = (size_t)n;
    usage_day(to + DAY_MS - 1, day); /* the rest of a day that has begun counts */
    n = aiex_projection_place(r->p->all, session_usage.name,
                              (struct aiex_slice){(uint8_t *)day, strlen(day)}, r->table, r->to,
                              sizeof(r->to));
    if (n < 0)
        return n;
    r->n_to = (size_t)n;
    return 0;
}

static int read_report(struct report *r, struct aiex_slice body, struct aiex_error *err)
{
    int n, days;

    if (read_by(body, &r->by) != 0)
        return aiex_failed(err, -EINVAL, "'by' must be day, user, model, or some of them");
    n = aiex_get_text(body, "user", r->user, sizeof(r->user));
    r->one_user = n == 1;
    if (n >= 0)
        n = aiex_get_text(body, "model", r->model, sizeof(r->model));
    r->one_model = n == 1;
    if (n < 0)
        return aiex_failed(err, -EINVAL, "'user' and 'model' must be short texts");
    days = read_days(r, body);
    if (days == -ENOENT)
        return aiex_failed(err, -EAGAIN,
                           "the statistics are still being built; see aiex projection list");
    return days < 0 ? aiex_failed(err, -EINVAL, "'from' and 'to' must be wall milliseconds") : 0;
}

int report_take(void *self, const struct aiex_message *m)
{
    struct projections *p = self;
    struct aiex_error err = {""};
    struct report *r;
    int error;

    if (p->n_reports == MAX_REPORTS)
        return aiex_refuse(p->host, m->id, AIEX_E_BUSY, "%u reports are being made already",
                           MAX_REPORTS);
    r = p->host->alloc(p->host, sizeof(*r));
    if (!r)
        return aiex_refuse(p->host, m->id, AIEX_E_BUSY, "no memory for a report");
    r->p = p;
    r->id = m->id;
    r->trace = m->trace;
    r->at = &p->reports;
    r->next = p->reports;
    if (r->next)
        r->next->at = &r->next;
    p->reports = r;
    p->n_reports++;
    error = read_report(r, m->body, &err);
    if (error)
        end(r, error == -EAGAIN ? AIEX_E_UNAVAILABLE : AIEX_E_INVALID, err.text);
    else
        next_page(r);
    return 0;
}
