#include "collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int collect_add(struct collect *c, const void *bytes, size_t n)
{
    size_t cap = c->cap ? c->cap : 4096;
    uint8_t *grown;

    if (n > c->max || c->len > c->max - n)
        return -EMSGSIZE;
    while (cap < c->len + n)
        cap *= 2;
    if (cap != c->cap) {
        grown = realloc(c->data, cap);
        if (!grown)
            return -ENOMEM;
        c->data = grown;
        c->cap = cap;
    }
    if (n)
        memcpy(c->data + c->len, bytes, n);
    c->len += n;
    return 0;
}

void collect_done(struct collect *c)
{
    free(c->data);
    *c = (struct collect){.max = c->max};
}
