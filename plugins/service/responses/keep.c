/*
 * keep.c - a response is found, read, put and removed: in the store, or in files.
 *
 * Files answer at once, the store later; either way the work goes on from its own loop (work_run),
 * so that a chain of thousands of responses needs no stack.
 */
#include "responses.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

int keep_is_id(const char *id)
{
    size_t n = strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '_' && id[i] != '-')
            return 0;
    return n > 0 && n <= MAX_ID;
}

static int in_files(const struct responses *r)
{
    return !r->config->store[0];
}

static void clear(struct work *w)
{
    w->error = 0;
    w->code[0] = 0;
    w->err.text[0] = 0;
}

static void look(struct work *w)
{
    struct responses *r = w->r;

    if (work_is_written(w, w->wanted)) {
        w->waits = 1;
        return;
    }
    clear(w);
    w->e = in_files(r) ? files_find(r, w->wanted) : index_find(r, w->wanted);
    if (w->e && room_is_over(r, w->e)) {
        r->expired++;
        keep_forget(r, w->e);
        w->e = NULL;
        work_next(w, w->then);
    } else if (w->e || in_files(r)) {
        work_next(w, w->then);
    } else {
        rows_find(w);
    }
}

void keep_find(struct work *w, const char *id, void (*then)(struct work *w))
{
    if (id != w->wanted)
        strcpy(w->wanted, id);
    w->then = then;
    work_next(w, look);
}

void keep_read(struct work *w, void (*then)(struct work *w))
{
    w->then = then;
    clear(w);
    free(w->mem);
    w->mem = NULL;
    w->len = w->cap = 0;
    if (!in_files(w->r)) {
        rows_read(w);
        return;
    }
    w->error = files_read(w->r, w->e, &w->mem, &w->input, &w->response);
    w->e = w->error == -ENOENT || w->error == -EBADMSG ? NULL : w->e;
    work_next(w, then);
}

void keep_put(struct work *w, void (*then)(struct work *w))
{
    struct entry *e = w->fresh;

    w->then = then;
    clear(w);
    if (!in_files(w->r)) {
        rows_put(w);
        return;
    }
    w->fresh = NULL;
    w->error = files_put(w->r, e, w->e, w->input, w->response, &w->err);
    work_next(w, then);
}

void keep_delete(struct work *w, void (*then)(struct work *w))
{
    w->then = then;
    clear(w);
    if (!in_files(w->r)) {
        rows_delete(w);
        return;
    }
    files_remove(w->r, w->e);
    w->e = NULL;
    work_next(w, then);
}

void keep_forget(struct responses *r, struct entry *e)
{
    if (in_files(r)) {
        files_remove(r, e);
        return;
    }
    rows_forget(r, e);
    index_remove(r, e);
}
