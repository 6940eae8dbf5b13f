/* lists.c - which models a provider has: kept as it said them, looked up in a sorted index. */
#include "coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MODELS 8192u

static int by_id(const void *a, const void *b)
{
    const struct aiex_slice *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->data, y->data, x->len);
}

/* Entries without a usable id are left out. */
static int index_list(struct model_list *l, struct aiex_slice at, uint32_t count)
{
    for (uint32_t i = 0; i < count && l->n < MAX_MODELS; i++) {
        struct aiex_slice whole = at, id = {NULL, 0};

        if (aiex_r_skip(&at) != 0)
            return -EINVAL;
        whole.len -= at.len;
        if (aiex_get_str(whole, "id", &id) != 1 || id.len == 0 || id.len > MAX_MODEL)
            continue;
        l->ids[l->n] = id;
        l->whole[l->n++] = whole;
    }
    if (l->n)
        qsort(l->ids, l->n, sizeof(l->ids[0]), by_id);
    return 0;
}

int lists_take(struct model_list *l, struct aiex_slice answer)
{
    struct model_list new = {.mem = malloc(answer.len + 1)};
    struct aiex_value v;
    size_t room;
    int r = -ENOMEM;

    if (!new.mem)
        return r;
    memcpy(new.mem, answer.data, answer.len);
    answer.data = new.mem;
    if (aiex_get(answer, "models", &v) != 1 || v.type != AIEX_T_ARRAY) {
        free(new.mem);
        return -EINVAL;
    }
    room = (v.count < MAX_MODELS ? v.count : MAX_MODELS) + 1u;
    new.ids = calloc(room, sizeof(*new.ids));
    new.whole = calloc(room, sizeof(*new.whole));
    if (new.ids &&new.whole)
        r = index_list(&new, v.bytes, v.count);
    if (r != 0) {
        lists_done(&new);
        return r;
    }
    lists_done(l);
    *l = new;
    return 0;
}

void lists_done(struct model_list *l)
{
    free(l->mem);
    free(l->ids);
    free(l->whole);
    *l = (struct model_list){.mem = NULL};
}

static int has(const struct model_list *l, struct aiex_slice id)
{
    return l->n && bsearch(&id, l->ids, l->n, sizeof(l->ids[0]), by_id) != NULL;
}

enum lists lists_has(const struct model_list *l, const char *model)
{
    if (!l->mem)
        return LIST_UNKNOWN;
    return has(l, (struct aiex_slice){(const uint8_t *)model, strlen(model)}) ? LIST_WITH
                                                                              : LIST_WITHOUT;
}

int lists_first(const struct model_list *l, char *out, size_t size)
{
    return l->n && aiex_get_text(l->whole[0], "id", out, size) == 1;
}

static int listed_before(const struct coordinator *c, size_t member, struct aiex_slice id)
{
    for (size_t i = 0; i < member; i++)
        if (c->members[i]->present && has(&c->members[i]->models, id))
            return 1;
    return 0;
}

/* The provider's entry with `provider` added. */
static void write_entry(struct aiex_writer *w, struct aiex_slice whole, const char *provider)
{
    struct aiex_slice rest = whole;
    struct aiex_value head;

    if (aiex_r_value(&rest, &head) != 0)
        return;
    aiex_w_map(w, head.count + 1);
    aiex_w_raw(w, rest.data, rest.len);
    aiex_w_key_str(w, "provider", provider);
}

static uint32_t write_union(const struct coordinator *c, struct aiex_writer *w)
{
    uint32_t count = 0;

    for (size_t i = 0; i < c->n_members; i++) {
        const struct member *m = c->members[i];

        for (size_t k = 0; m->present && k < m->models.n; k++) {
            struct aiex_slice id = {NULL, 0};

            aiex_get_str(m->models.whole[k], "id", &id);
            if (listed_before(c, i, id))
                continue;
            write_entry(w, m->models.whole[k], m->name);
            count++;
        }
    }
    return count;
}

int lists_reply(struct coordinator *c, uint64_t id)
{
    struct aiex_writer w;
    uint32_t count;
    size_t cap;
    uint8_t *mem;

    aiex_writer_init(&w, NULL, 0);
    count = write_union(c, &w);
    cap = w.len + 32;
    mem = malloc(cap);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, count);
    write_union(c, &w);
    c->host->reply(c->host, id, aiex_written(&w));
    free(mem);
    return 0;
}
