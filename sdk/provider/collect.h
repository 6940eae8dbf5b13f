/* collect.h - bytes that arrive in pieces, with a maximum. collect_done() frees. */
#ifndef PROVIDER_COLLECT_H
#define PROVIDER_COLLECT_H

#include <aiex/aiex_plugin.h>

struct collect {
    uint8_t *data;
    size_t len, cap, max;
};

/* 0, -EMSGSIZE (would exceed max; nothing was added), -ENOMEM. */
int collect_add(struct collect *c, const void *bytes, size_t n);
void collect_done(struct collect *c);
static inline struct aiex_slice collect_slice(const struct collect *c)
{
    return (struct aiex_slice){c->data, c->len};
}

#endif
