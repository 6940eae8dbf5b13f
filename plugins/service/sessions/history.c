/*
 * history.c - messages of a session, newest first, page by page.
 *
 * The history at version v is the history at v - 1 and the event v; behind a `rolled_back` event it
 * is the one of the version that it names; at the first event of a fork it goes on in the session
 * that it was forked from. So walking back follows the events themselves and needs no index: what
 * a roll back hid is jumped over, and is still there for who asks for `all`.
 *
 * A page ends when it is full, when its bytes are, or after MAX_JUMPS reads; `next` says where to
 * go on.
 */
#include "sessions.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_JUMPS   64u
#define READ_EVENTS 64

struct page {
    size_t len, size; /* of w->memory: events as callers get them, one behind the other */
    uint32_t n;
    char session[MAX_ID + 1]; /* whose stream is read */
    int64_t at;               /* version that comes next; 0 = nothing is left */
    unsigned jumps;
    int full, gap, short_of_memory, progress;
    char after[MAX_ID + 1]; /* a jump into another stream */
};

static void read_on(struct work *w);

static struct page *page_of(struct work *w)
{
    return w->reading;
}

/* ---- One event ---- */

static int room(struct work *w, size_t bytes)
{
    struct page *p = page_of(w);
    size_t size = p->size ? p->size : 16384;
    uint8_t *mem;

    if (p->len + bytes <= p->size)
        return 0;
    while (size < p->len + bytes)
        size *= 2;
    mem = realloc(w->memory, size);
    if (!mem)
        return -1;
    w->memory = mem;
    p->size = size;
    return 0;
}

static void write_event(struct aiex_writer *w, const struct page *p, struct aiex_slice event,
                        struct aiex_slice type, struct aiex_slice data)
{
    int64_t version = 0, time = 0;

    aiex_get_int(event, "version", &version);
    aiex_get_int(event, "time", &time);
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "session", p->session);
    aiex_w_key_int(w, "version", version);
    aiex_w_key_int(w, "time", time);
    aiex_w_key_strn(w, "type", (const char *)type.data, type.len);
    aiex_w_str(w, "data");
    if (aiex_is_map(data) && data.len)
        aiex_w_raw(w, data.data, data.len);
    else
        aiex_w_map(w, 0);
}

/* 1 = taken, 0 = the page is full. */
static int take_event(struct work *w, struct aiex_slice event, struct aiex_slice type,
                      struct aiex_slice data)
{
    struct page *p = page_of(w);
    struct aiex_writer out;
    size_t most = data.len + type.len + 160;

    if (p->n == (uint32_t)w->limit || (p->n && p->len + most > MAX_PAGE_BYTES))
        return 0;
    if (room(w, most) < 0) {
        p->short_of_memory = 1;
        return 0;
    }
    aiex_writer_init(&out, (uint8_t *)w->memory + p->len, p->size - p->len);
    write_event(&out, p, event, type, data);
    p->len += out.len;
    p->n++;
    return 1;
}

/* Where the walk goes on behind this event. */
static void follow(struct page *p, struct aiex_slice type, struct aiex_slice data)
{
    int64_t to = 0;

    p->at--;
    if (aiex_slice_is(type, "session.rolled_back")) {
        if (aiex_get_int(data, "to", &to) == 1 && to >= 1 && to <= p->at)
            p->at = to;
    } else if (aiex_slice_is(type, "session.created")) {
        p->at = 0;
        if (aiex_get_text(data, "origin", p->after, sizeof(p->after)) == 1 && p->after[0] &&
            aiex_get_int(data, "origin_at", &to) == 1 && to >= 1)
            p->at = to;
        else
            p->after[0] = 0;
    }
}

/* 1 = the rest of the read is of no use. */
static int walk_event(struct work *w, struct aiex_slice event)
{
    struct page *p = page_of(w);
    struct aiex_slice type = {NULL, 0}, data = {NULL, 0};
    int64_t version = 0;
    int is_message;

    aiex_get_str(event, "type", &type);
    aiex_get_bytes(event, "data", &data);
    if (aiex_get_int(event, "version", &version) != 1 || version > p->at)
        return 0; /* hidden */
    p->progress = 1;
    if (version < p->at) { /* between them something was erased */
        p->gap = 1;
        p->at = version;
    }
    is_message = aiex_slice_is(type, "session.message") || aiex_slice_is(type, "session.turn_lost");
    if ((w->all || is_message) && !take_event(w, event, type, data)) {
        p->full = 1;
        return 1;
    }
    if (w->all) {
        p->at--;
        return 0;
    }
    follow(p, type, data);
    return p->after[0] || p->at == 0;
}

/* ---- Reading ---- */

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct work *w = a->arg;
    struct page *p = page_of(w);
    struct aiex_value v, head;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0; /* asked again: what was walked has a version above `at` now */
    for (uint32_t i = 0; i < v.count && !p->full && !p->after[0] && p->at; i++) {
        struct aiex_slice one = part, peek = part;

        if (aiex_r_value(&peek, &head) != 0 || aiex_r_skip(&part) != 0)
            return 1;
        one.len -= part.len;
        if (head.type == AIEX_T_MAP && walk_event(w, one))
            return 1;
    }
    return p->full;
}

/* VERSION/SESSION/SEAL: the seal keeps callers out of streams that this history does not lead to.
 */
static void token_write(const struct work *w, const struct page *p, char out[MAX_TOKEN])
{
    char sealed[MAX_TOKEN];

    snprintf(sealed, sizeof(sealed), "%s/%lld/%s", w->row.id, (long long)p->at, p->session);
    snprintf(out, MAX_TOKEN, "%lld/%s/%016llx", (long long)p->at, p->session,
             (unsigned long long)index_seal(&w->s->index, sealed, strlen(sealed)));
}

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;
    const struct page *p = work->reading;
    char next[MAX_TOKEN];

    aiex_w_map(w, 4u + (p->at > 0));
    aiex_w_key_str(w, "session", work->row.id);
    aiex_w_key_int(w, "version", work->row.version);
    aiex_w_key_bool(w, "gap", p->gap);
    if (p->at > 0) {
        token_write(work, p, next);
        aiex_w_key_str(w, "next", next);
    }
    aiex_w_str(w, "events");
    aiex_w_array(w, p->n);
    aiex_w_raw(w, work->memory, p->len);
}

static void finish(struct work *w)
{
    const struct page *p = page_of(w);

    if (p->short_of_memory && !p->n)
        work_refuse(w, AIEX_E_BUSY, "no memory for the history");
    else
        work_reply(w, write_page, w);
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct page *p = page_of(w);

    if (end->code) {
        work_fail(w, end, "the history can not be read");
        return;
    }
    if (!p->progress) { /* what was below is erased */
        p->gap = p->at > 0;
        p->at = 0;
    }
    if (p->after[0]) {
        strcpy(p->session, p->after);
        p->after[0] = 0;
    }
    if (p->full || !p->at || ++p->jumps == MAX_JUMPS)
        finish(w);
    else
        read_on(w);
}

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct page *p = arg;
    char stream[MAX_ID + 9];

    event_stream(stream, p->session);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "stream", stream);
    aiex_w_key_int(w, "from", p->at);
    aiex_w_key_bool(w, "backwards", 1);
    aiex_w_key_int(w, "limit", READ_EVENTS);
}

static void read_on(struct work *w)
{
    page_of(w)->progress = 0;
    w->ask.method = "store.read";
    w->ask.part = on_part;
    w->ask.end = on_end;
    ask_by(&w->ask, write_read, page_of(w));
}

/* ---- The begin ---- */

/* 0, or -1: there is no such place. */
static int begin_at(struct work *w, struct page *p)
{
    char again[MAX_TOKEN], *end;
    size_t len;

    p->at = w->at ? w->at : w->row.version;
    strcpy(p->session, w->row.id);
    if (!w->next_page[0])
        return p->at <= w->row.version ? 0 : -1;
    p->at = strtoll(w->next_page, &end, 10);
    len = *end == '/' ? strcspn(end + 1, "/") : 0;
    if (p->at < 1 || !len || len > MAX_ID)
        return -1;
    memcpy(p->session, end + 1, len);
    p->session[len] = 0;
    token_write(w, p, again);
    return strcmp(again, w->next_page) == 0 ? 0 : -1;
}

static void start(struct work *w)
{
    struct sessions *s = w->s;
    struct entry *e = index_find(&s->index, w->session);

    if (may_see(w, e) < 0)
        return;
    guest_leave(s, e);
    if (work_page(w, sizeof(struct page)) < 0)
        return;
    if (begin_at(w, page_of(w)) < 0) {
        work_refuse(w, AIEX_E_INVALID,
                    "'version' or 'next' is no place in the history of session '%s'; after a "
                    "restart pages begin anew",
                    w->session);
    } else {
        read_on(w);
    }
}

void run_history(struct work *w)
{
    fetch(w, start);
}
