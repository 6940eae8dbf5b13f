/* text.c - memory of turns: it grows, within a bound of its own and one for all turns. */
#include "turn.h"

#include <errno.h>

static int grow(struct aiex_turns *all, struct text *t, size_t need, size_t max)
{
    size_t cap = t->cap ? t->cap : 1024;
    char *more;

    if (need > max)
        return -EMSGSIZE;
    while (cap < need)
        cap *= 2;
    if (all->bytes - t->cap + cap > AIEX_TURNS_BYTES)
        return -ENOMEM;
    more = all->host->alloc(all->host, cap);
    if (!more)
        return -ENOMEM;
    if (t->len)
        memcpy(more, t->data, t->len);
    all->host->release(all->host, t->data);
    all->bytes += cap - t->cap;
    t->data = more;
    t->cap = cap;
    return 0;
}

int text_add(struct aiex_turns *all, struct text *t, const void *bytes, size_t n, size_t max)
{
    int r = n > t->cap - t->len || t->len + n > max ? grow(all, t, t->len + n, max) : 0;

    if (r < 0)
        return r;
    if (n)
        memcpy(t->data + t->len, bytes, n);
    t->len += n;
    return 0;
}

int text_add_string(struct aiex_turns *all, struct text *t, const struct aiex_json_span *string,
                    size_t max)
{
    size_t n = string->type == AIEX_JSON_STRING && string->len >= 2 ? string->len - 2 : 0;
    int r = n > t->cap - t->len ? grow(all, t, t->len + n, max + n) : 0;

    if (r < 0)
        return r;
    if (n)
        n = aiex_json_unescape(string->data + 1, n, t->data + t->len);
    if (t->len + n > max)
        return -EMSGSIZE;
    t->len += n;
    return 0;
}

int text_add_cut(struct aiex_turns *all, struct text *t, const struct aiex_json_span *string,
                 size_t max)
{
    int r = text_add_string(all, t, string, max);

    if (r != -EMSGSIZE || t->cap <= max)
        return r;
    for (t->len = max; t->len && ((uint8_t)t->data[t->len] & 0xc0) == 0x80;)
        t->len--; /* to the begin of a character */
    return r;
}

int text_add_quoted(struct aiex_turns *all, struct text *t, const char *bytes, size_t n, size_t max)
{
    struct aiex_json_out w;
    int r;

    aiex_jw_init(&w, NULL, 0); /* first only to count */
    aiex_jw_strn(&w, bytes, n);
    if (t->len + w.len > max)
        return -EMSGSIZE;
    r = w.len > t->cap - t->len ? grow(all, t, t->len + w.len, max) : 0;
    if (r < 0)
        return r;
    aiex_jw_init(&w, t->data + t->len, t->cap - t->len);
    aiex_jw_strn(&w, bytes, n);
    t->len += w.len;
    return 0;
}

void text_drop(struct aiex_turns *all, struct text *t)
{
    all->host->release(all->host, t->data);
    all->bytes -= t->cap;
    *t = (struct text){NULL, 0, 0};
}
