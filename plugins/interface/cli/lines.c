#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536u

void lines_init(struct lines *l, int fd, size_t max)
{
    memset(l, 0, sizeof(*l));
    l->fd = fd;
    l->max = max;
}

void lines_done(struct lines *l)
{
    free(l->data);
    l->data = NULL;
}

static int make_room(struct lines *l)
{
    size_t cap = l->cap ? l->cap : READ_BYTES;
    char *grown;

    if (l->taken) {
        memmove(l->data, l->data + l->taken, l->len - l->taken);
        l->len -= l->taken;
        l->taken = 0;
    }
    while (cap - l->len < READ_BYTES)
        cap *= 2;
    if (cap == l->cap)
        return 0;
    grown = realloc(l->data, cap);
    if (!grown)
        return -ENOMEM;
    l->data = grown;
    l->cap = cap;
    return 0;
}

int lines_read(struct lines *l)
{
    int failed = make_room(l);
    ssize_t n;

    if (failed)
        return failed;
    n = read(l->fd, l->data + l->len, l->cap - l->len);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (n == 0)
        l->ended = 1;
    l->len += (size_t)n;
    return 0;
}

/* Lets go of a line's beginning that is too long already. */
static int skip(struct lines *l)
{
    l->taken = l->len;
    l->looked = 0;
    if (l->skipping)
        return 0;
    l->skipping = 1;
    l->number++;
    return -EMSGSIZE;
}

int lines_next(struct lines *l, char **ret_line, size_t *ret_len)
{
    for (;;) {
        char *line = l->data + l->taken;
        size_t held = l->len - l->taken;
        char *end = held > l->looked ? memchr(line + l->looked, '\n', held - l->looked) : NULL;
        size_t len = end ? (size_t)(end - line) : held;

        l->looked = held;
        if (!end && !(l->ended && (held || l->skipping)))
            return len > l->max ? skip(l) : 0;
        l->looked = 0;
        l->taken += len + (end != NULL);
        if (l->skipping) { /* that was its rest */
            l->skipping = 0;
            continue;
        }
        l->number++;
        if (len > l->max)
            return -EMSGSIZE;
        *ret_line = line;
        *ret_len = len;
        return 1;
    }
}
