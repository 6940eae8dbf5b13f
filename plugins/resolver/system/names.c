/* names.c - the table of names; see names.h. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct name *names_find(struct names *t, const char *host)
{
    struct name **at = &t->first, *n;

    for (; (n = *at) != NULL; at = &n->next) {
        if (strcmp(n->host, host) == 0) {
            *at = n->next; /* to the front: the least used one is last */
            n->next = t->first;
            t->first = n;
            return n;
        }
    }
    return NULL;
}

static int make_room(struct names *t)
{
    struct name **at, **victim = NULL, *n;

    if (t->n < t->max)
        return 0;
    for (at = &t->first; *at; at = &(*at)->next) {
        if (!(*at)->asking)
            victim = at;
    }
    if (!victim)
        return -EBUSY;
    n = *victim;
    *victim = n->next;
    free(n);
    t->n--;
    return 0;
}

struct name *names_add(struct names *t, const char *host)
{
    struct name *n = make_room(t) == 0 ? calloc(1, sizeof(*n)) : NULL;

    if (!n)
        return NULL;
    strcpy(n->host, host);
    n->next = t->first;
    t->first = n;
    t->n++;
    return n;
}

struct waiter *names_take_waiter(struct names *t, uint64_t call)
{
    for (struct name *n = t->first; n; n = n->next) {
        for (struct waiter **at = &n->waiters, *w; (w = *at) != NULL; at = &w->next) {
            if (w->call == call) {
                *at = w->next;
                return w;
            }
        }
    }
    return NULL;
}

void names_done(struct names *t)
{
    while (t->first) {
        struct name *n = t->first;

        t->first = n->next;
        free(n);
    }
    t->n = 0;
}

int name_clean(struct aiex_slice text, char *out)
{
    size_t n = text.len;

    if (n && text.data[n - 1] == '.')
        n--;
    if (n == 0 || n > 253)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        char c = (char)text.data[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
              c == '_' || c == ':'))
            return -EINVAL;
        out[i] = c;
    }
    out[n] = 0;
    return 0;
}
