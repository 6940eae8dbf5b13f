/* acks.c - outcomes of appended lines, in order. See acks.h. */
#include "acks.h"

#include "json_out.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct ack {
    struct ack *next;
    struct append_line *line; /* NULL = could not be sent */
    uint64_t number;
    int64_t call, deadline_ms;
    size_t bytes;
    int over;
    char code[32]; /* "" = appended */
    char *text;    /* for people, or NULL */
    char *stream;  /* with line NULL, or NULL */
    uint32_t retry_after_ms;
    int64_t actual; /* version that the stream has, -1 = not told */
    int duplicate;
    struct place {
        int64_t version, sequence; /* of the last event */
    } * places;                    /* per stream of the line */
};

void acks_init(struct acks *a)
{
    memset(a, 0, sizeof(*a));
    a->end = &a->first;
}

static void ack_free(struct ack *k)
{
    append_line_free(k->line);
    free(k->places);
    free(k->text);
    free(k->stream);
    free(k);
}

void acks_done(struct acks *a)
{
    while (a->first) {
        struct ack *next = a->first->next;

        ack_free(a->first);
        a->first = next;
    }
    left_out_done(&a->left_out);
    acks_init(a);
}

static struct ack *enter(struct acks *a, uint64_t number)
{
    struct ack *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    k->number = number;
    k->actual = -1;
    *a->end = k;
    a->end = &k->next;
    return k;
}

int acks_add(struct acks *a, struct append_line *line, uint64_t number, int64_t call,
             int64_t deadline_ms)
{
    struct place *places = calloc(line->n_streams, sizeof(*places));
    struct ack *k = places ? enter(a, number) : NULL;

    if (!k) {
        free(places);
        append_line_free(line);
        return -ENOMEM;
    }
    free((void *)(uintptr_t)line->body.data); /* it is on its way */
    line->body.data = NULL;
    k->bytes = line->body.len;
    a->n_bytes += k->bytes;
    k->line = line;
    k->places = places;
    k->call = call;
    k->deadline_ms = deadline_ms;
    a->n_open++;
    return 0;
}

/* ---- Outcomes ---- */

static void note_failure(struct acks *a, const struct ack *k, enum outcome outcome)
{
    if (!a->first_fault[0]) {
        a->outcome = outcome;
        snprintf(a->first_fault, sizeof(a->first_fault), "line %" PRIu64 ": %s: %.500s", k->number,
                 k->code, k->text ? k->text : "no reason given");
    }
}

static void set_over(struct acks *a, struct ack *k, const char *code, const char *text, size_t len)
{
    k->over = 1;
    a->n_over++;
    if (!code)
        return;
    snprintf(k->code, sizeof(k->code), "%s", code);
    k->text = strndup(text, len);
}

int acks_add_fault(struct acks *a, const char *stream, uint64_t number, const char *text)
{
    struct ack *k = enter(a, number);

    if (!k)
        return -ENOMEM;
    k->stream = stream ? strdup(stream) : NULL;
    set_over(a, k, AIEX_E_INVALID, text, strlen(text));
    note_failure(a, k, OUTCOME_FAILED);
    return 0;
}

/* Of a transaction: {stream, version, sequence} of each. */
static int take_places(struct ack *k, struct aiex_slice body)
{
    struct aiex_slice item;
    struct aiex_value v;

    if (aiex_get(body, "appends", &v) != 1 || v.type != AIEX_T_ARRAY ||
        v.count != k->line->n_streams)
        return -EPROTO;
    for (uint32_t i = 0; i < v.count; i++) {
        item = v.bytes;
        if (aiex_r_skip(&v.bytes) != 0)
            return -EPROTO;
        item.len -= v.bytes.len;
        if (aiex_get_int(item, "version", &k->places[i].version) != 1 ||
            aiex_get_int(item, "sequence", &k->places[i].sequence) != 1)
            return -EPROTO;
    }
    return 0;
}

static int take_answer(struct ack *k, struct aiex_slice body)
{
    if (aiex_get_bool(body, "duplicate", &k->duplicate) < 0)
        return -EPROTO;
    if (k->line->n_streams > 1)
        return take_places(k, body);
    return aiex_get_int(body, "version", &k->places[0].version) == 1 &&
                   aiex_get_int(body, "sequence", &k->places[0].sequence) == 1
               ? 0
               : -EPROTO;
}

/* Whether the write may have been done although the answer is an error. */
static int is_unknown(const struct flight_end *end)
{
    static const char *const codes[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED, AIEX_E_CANCELLED};
    int unknown = 0;

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        unknown |= aiex_slice_is(end->code, codes[i]);
    if (!unknown)
        aiex_get_bool(end->body, "unknown", &unknown);
    return unknown;
}

/* A batch over several streams is no such thing: only one of them may be another's. */
static int is_left_out(const struct acks *a, const struct ack *k)
{
    return a->skips_denied && strcmp(k->code, AIEX_E_DENIED) == 0 && k->line &&
           k->line->n_streams == 1;
}

static void take_error(struct acks *a, struct ack *k, const struct flight_end *end)
{
    char code[32];

    snprintf(code, sizeof(code), "%.*s", (int)(end->code.len < 31 ? end->code.len : 31),
             (const char *)end->code.data);
    set_over(a, k, is_unknown(end) ? "unknown" : code, (const char *)end->text.data, end->text.len);
    k->retry_after_ms = end->retry_after_ms;
    aiex_get_int(end->body, "version", &k->actual);
    if (!is_left_out(a, k))
        note_failure(a, k, outcome_of_code(code));
}

void acks_end(struct acks *a, const struct flight_end *end)
{
    static const char broken[] = "the store's answer is broken";
    struct ack *k = a->first;

    while (k && (k->over || k->call != end->call))
        k = k->next;
    if (!k)
        return;
    a->n_open--;
    a->n_bytes -= k->bytes;
    if (end->code.len) {
        take_error(a, k, end);
    } else if (take_answer(k, end->body) != 0) {
        set_over(a, k, "unknown", broken, strlen(broken));
        note_failure(a, k, OUTCOME_FAILED);
    } else {
        set_over(a, k, NULL, NULL, 0);
    }
}

void acks_give_up(struct acks *a, const char *text)
{
    for (struct ack *k = a->first; k; k = k->next) {
        if (k->over)
            continue;
        a->n_open--;
        a->n_bytes -= k->bytes;
        set_over(a, k, "unknown", text, strlen(text));
        note_failure(a, k, OUTCOME_FAILED);
    }
}

int64_t acks_deadline(const struct acks *a)
{
    const struct ack *k = a->first;

    while (k && k->over)
        k = k->next;
    return k ? k->deadline_ms : -1;
}

/* ---- Printing ---- */

static void put_key_text(FILE *to, const char *key, const char *text)
{
    fprintf(to, "\"%s\":", key);
    json_out_string(to, text, strlen(text));
}

static void put_done(FILE *to, const struct ack *k, const struct append_event *e)
{
    const struct append_stream *s = &k->line->streams[e->stream];
    const struct place *p = &k->places[e->stream];
    int64_t behind = (int64_t)s->n_events - 1 - e->place;

    putc_unlocked('{', to);
    put_key_text(to, "stream", s->name);
    fprintf(to, ",\"version\":%" PRId64 ",\"seq\":%" PRId64 ",", p->version - behind,
            p->sequence - behind);
    put_key_text(to, "id", e->id);
    fputs(k->duplicate ? ",\"duplicate\":true}\n" : "}\n", to);
}

static void put_failed(FILE *to, const struct ack *k, const char *stream, const char *id)
{
    putc_unlocked('{', to);
    put_key_text(to, "error", k->code);
    putc_unlocked(',', to);
    put_key_text(to, "text", k->text ? k->text : "");
    if (stream) {
        putc_unlocked(',', to);
        put_key_text(to, "stream", stream);
    }
    if (k->actual >= 0)
        fprintf(to, ",\"version\":%" PRId64, k->actual);
    if (id) {
        putc_unlocked(',', to);
        put_key_text(to, "id", id);
    }
    if (k->retry_after_ms)
        fprintf(to, ",\"retry_after_ms\":%" PRIu32, k->retry_after_ms);
    fprintf(to, ",\"line\":%" PRIu64 "}\n", k->number);
}

static void put(struct acks *a, const struct ack *k, FILE *to)
{
    uint32_t n = k->line ? k->line->n_events : 1;

    a->n_events += n;
    if (is_left_out(a, k)) {
        left_out_add(&a->left_out, k->line->streams[0].name, n);
        return;
    }
    if (k->code[0])
        a->n_failed += n;
    else if (k->duplicate)
        a->n_duplicate += n;
    if (!k->code[0] && a->only_failures)
        return;
    if (!k->line)
        put_failed(to, k, k->stream, NULL);
    for (uint32_t i = 0; k->line && i < n; i++) {
        const struct append_event *e = &k->line->events[i];

        if (k->code[0])
            put_failed(to, k, k->line->streams[e->stream].name, e->id);
        else
            put_done(to, k, e);
    }
}

static int has_stream(const struct ack *k, const char *name)
{
    if (!k->line)
        return !k->stream || strcmp(k->stream, name) == 0;
    for (uint32_t i = 0; i < k->line->n_streams; i++)
        if (strcmp(k->line->streams[i].name, name) == 0)
            return 1;
    return 0;
}

/* A line that stands in the way of another: they have a stream in common. */
static int shares(const struct ack *a, const struct ack *b)
{
    if (!b->line)
        return !b->stream || has_stream(a, b->stream);
    for (uint32_t i = 0; i < b->line->n_streams; i++)
        if (has_stream(a, b->line->streams[i].name))
            return 1;
    return 0;
}

static int is_blocked(const struct acks *a, const struct ack *k)
{
    const struct ack *before = a->first;

    while (before != k && !shares(before, k))
        before = before->next;
    return before != k;
}

void acks_print(struct acks *a, FILE *to)
{
    struct ack **at = &a->first;

    while (*at && a->n_over) {
        struct ack *k = *at;

        if (!k->over || is_blocked(a, k)) {
            at = &k->next;
            continue;
        }
        put(a, k, to);
        *at = k->next;
        if (!*at)
            a->end = at;
        a->n_over--;
        ack_free(k);
    }
}
