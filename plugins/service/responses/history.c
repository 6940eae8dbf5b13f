/*
 * history.c - the items of a whole chain as one JSON array.
 *
 * A response continues `previous`, so its history is the previous one's, then its own input, then
 * its output. The chain is walked back from its end; what each response adds is kept in that order
 * and written out the other way round when the first one has been reached.
 */
#include "responses.h"

#include <errno.h>
#include <stdlib.h>

struct chain {
    char *data; /* items of the newest response first; no brackets, commas within one */
    size_t len, size;
    uint32_t ends[MAX_CHAIN]; /* of what each response adds */
    size_t n;
    char next[MAX_ID + 1], last[MAX_ID + 1]; /* to be read; what continues it */
};

void chain_free(struct chain *c)
{
    if (c)
        free(c->data);
    free(c);
}

/* ---- What one response adds ---- */

static int append(struct chain *c, const char *bytes, size_t n)
{
    if (n > MAX_HISTORY - c->len)
        return -EMSGSIZE;
    if (c->len + n > c->size) {
        size_t size = (c->len + n) * 2;
        char *more = realloc(c->data, size);

        if (!more)
            return -ENOMEM;
        c->data = more;
        c->size = size;
    }
    memcpy(c->data + c->len, bytes, n);
    c->len += n;
    return 0;
}

static int append_items(struct chain *c, size_t begin, const struct aiex_json_span *array)
{
    struct aiex_json_span item;
    size_t at = 0;
    int r = 0;

    while (r == 0 && aiex_json_next(array, &at, NULL, &item)) {
        if (c->len > begin)
            r = append(c, ",", 1);
        if (r == 0)
            r = append(c, item.data, item.len);
    }
    return r;
}

static struct aiex_json_span span_of(int type, struct aiex_slice text)
{
    while (text.len && strchr(" \t\r\n", *text.data)) {
        text.data++;
        text.len--;
    }
    return (struct aiex_json_span){type, (const char *)text.data, text.len};
}

static int append_response(struct chain *c, struct aiex_slice input, struct aiex_slice response)
{
    const size_t begin = c->len;
    struct aiex_json_span whole = span_of(AIEX_JSON_ARRAY, input), output;
    int error = append_items(c, begin, &whole);

    whole = span_of(AIEX_JSON_OBJECT, response);
    if (error == 0 && aiex_json_find(&whole, "output", &output) && output.type == AIEX_JSON_ARRAY)
        error = append_items(c, begin, &output);
    c->ends[c->n++] = (uint32_t)c->len;
    return error;
}

/* ---- The whole ---- */

static size_t begin_of(const struct chain *c, size_t i)
{
    return i ? c->ends[i - 1] : 0;
}

static void write_items(struct aiex_writer *w, const void *arg)
{
    const struct chain *c = arg;
    size_t len = 2, parts = 0;

    for (size_t i = 0; i < c->n; i++)
        parts += c->ends[i] > begin_of(c, i);
    len += c->len + (parts ? parts - 1 : 0);
    aiex_w_map(w, 1);
    aiex_w_str(w, "items");
    aiex_w_bin_head(w, len);
    aiex_w_raw(w, "[", 1);
    for (size_t i = c->n; i-- > 0;) {
        if (c->ends[i] == begin_of(c, i))
            continue;
        aiex_w_raw(w, c->data + begin_of(c, i), c->ends[i] - begin_of(c, i));
        if (--parts)
            aiex_w_raw(w, ",", 1);
    }
    aiex_w_raw(w, "]", 1);
}

/* ---- The walk ---- */

static void on_found(struct work *w);

static void on_read(struct work *w)
{
    struct chain *c = w->chain;
    int error = w->error;

    if (error == -EIO && w->code[0]) {
        work_fail(w);
        return;
    }
    if (error == 0)
        error = append_response(c, w->input, w->response);
    if (error == -EMSGSIZE)
        work_refuse(w, AIEX_E_INVALID, "the history is longer than 16 MiB; begin a new one");
    else if (error == -ENOENT || error == -EBADMSG)
        work_refuse(w, AIEX_E_NOT_FOUND, "a response of the chain is not kept any more");
    else if (error)
        work_refuse(w, AIEX_E_INTERNAL, "the history can not be read: %s", strerror(-error));
    else if (!c->next[0])
        work_reply(w, write_items, c);
    else
        keep_find(w, c->next, on_found);
}

static void on_found(struct work *w)
{
    struct chain *c = w->chain;
    struct entry *e = w->e;

    if (w->error) {
        work_fail(w);
    } else if (!e || strcmp(e->key, w->owner) != 0) { /* another's does not exist for this one */
        if (c->n)
            work_refuse(w, AIEX_E_NOT_FOUND,
                        "response '%s', which '%s' continues, is not kept any more", c->next,
                        c->last);
        else
            work_refuse(w, AIEX_E_NOT_FOUND, "there is no response '%s'", w->name);
    } else if (c->n == MAX_CHAIN) {
        work_refuse(w, AIEX_E_INVALID, "the chain of responses is longer than %u; begin a new one",
                    MAX_CHAIN);
    } else if (e->input_len > MAX_HISTORY - c->len) {
        work_refuse(w, AIEX_E_INVALID, "the history is longer than 16 MiB; begin a new one");
    } else {
        index_touch(w->r, e);
        strcpy(c->last, e->id);
        strcpy(c->next, e->previous);
        keep_read(w, on_read);
    }
}

static void first(struct work *w)
{
    keep_find(w, w->name, on_found);
}

int history_take(void *self, const struct aiex_message *m)
{
    struct work *w = named_work(self, m, first);

    if (!w)
        return 0;
    w->chain = calloc(1, sizeof(*w->chain));
    if (!w->chain) {
        w->error = aiex_failed(&w->err, -ENOMEM, "no memory for the history");
        w->step = work_fail;
    }
    work_run(w);
    return 0;
}
