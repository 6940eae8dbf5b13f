/*
 * history.c - the items of a whole chain as one JSON array.
 *
 * A response continues `previous`, so its history is the previous one's, then its own input, then
 * its output. The chain is walked back in the index, then the files are read from the oldest on.
 */
#include "responses.h"

#include <errno.h>
#include <stdlib.h>

struct text {
    char *data;
    size_t len, size;
};

static int append(struct text *t, const char *bytes, size_t n)
{
    if (n > MAX_HISTORY - t->len)
        return -EMSGSIZE;
    if (t->len + n > t->size) {
        size_t size = (t->len + n) * 2;
        char *more = realloc(t->data, size);

        if (!more)
            return -ENOMEM;
        t->data = more;
        t->size = size;
    }
    memcpy(t->data + t->len, bytes, n);
    t->len += n;
    return 0;
}

/* The items of an array, behind those that are there. */
static int append_items(struct text *t, const struct aiex_json_span *array)
{
    struct aiex_json_span item;
    size_t at = 0;
    int r = 0;

    while (r == 0 && aiex_json_next(array, &at, NULL, &item)) {
        if (t->len > 1)
            r = append(t, ",", 1);
        if (r == 0)
            r = append(t, item.data, item.len);
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

static int append_response(struct responses *r, struct entry *e, struct text *t)
{
    struct aiex_slice input, response;
    struct aiex_json_span whole, output;
    uint8_t *mem;
    int error = store_read(r, e, &mem, &input, &response);

    if (error < 0)
        return error;
    whole = span_of(AIEX_JSON_ARRAY, input);
    error = append_items(t, &whole);
    whole = span_of(AIEX_JSON_OBJECT, response);
    if (error == 0 && aiex_json_find(&whole, "output", &output) && output.type == AIEX_JSON_ARRAY)
        error = append_items(t, &output);
    free(mem);
    return error;
}

/* Entries from the newest back to the first; 0 and how many, or an error with a reason. */
static int walk(struct responses *r, struct entry *e, struct entry **chain, size_t *ret_n,
                struct aiex_error *err)
{
    const char *owner = e->owner;
    uint64_t bytes = 0;
    size_t n = 0;

    for (;;) {
        struct entry *previous;

        if (n == MAX_CHAIN)
            return aiex_failed(err, -ELOOP,
                               "the chain of responses is longer than %u; begin a new one",
                               MAX_CHAIN);
        index_touch(r, e);
        chain[n++] = e;
        bytes += e->input_len;
        if (bytes > MAX_HISTORY)
            return aiex_failed(err, -EMSGSIZE,
                               "the history is longer than 16 MiB; begin a new one");
        if (!e->previous[0])
            break;
        previous = store_find(r, e->previous);
        if (!previous || strcmp(previous->owner, owner) != 0)
            return aiex_failed(err, -ENOENT,
                               "response '%s', which '%s' continues, is not kept any more",
                               e->previous, e->id);
        e = previous;
    }
    *ret_n = n;
    return 0;
}

static int explain(int error, struct aiex_error *err)
{
    if (error == -EMSGSIZE)
        return aiex_failed(err, error, "the history is longer than 16 MiB; begin a new one");
    if (error == -ENOENT || error == -EBADMSG)
        return aiex_failed(err, -ENOENT, "a response of the chain is not kept any more");
    return aiex_failed(err, error, "the history can not be read: %s", strerror(-error));
}

int history_make(struct responses *r, struct entry *e, char **ret_json, size_t *ret_len,
                 struct aiex_error *err)
{
    struct entry **chain = calloc(MAX_CHAIN, sizeof(*chain));
    struct text t = {NULL, 0, 0};
    size_t n = 0;
    int error;

    if (!chain)
        return aiex_failed(err, -ENOMEM, "no memory for a history");
    error = walk(r, e, chain, &n, err);
    if (error == 0 && (error = append(&t, "[", 1)) == 0) {
        while (error == 0 && n)
            error = append_response(r, chain[--n], &t);
        if (error == 0)
            error = append(&t, "]", 1);
        if (error < 0)
            error = explain(error, err);
    }
    free(chain);
    if (error < 0) {
        free(t.data);
        return error;
    }
    *ret_json = t.data;
    *ret_len = t.len;
    return 0;
}
