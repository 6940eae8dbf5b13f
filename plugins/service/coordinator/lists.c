/* lists.c - which models a provider has: kept as it said them, looked up in a sorted index. */
#include "coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MODELS 8192u

static int by_id(const void *a, const void *b)
{
    const struct model_info *x = a, *y = b;

    if (x->id.len != y->id.len)
        return x->id.len < y->id.len ? -1 : 1;
    return memcmp(x->id.data, y->id.data, x->id.len);
}

static void read_info(struct aiex_slice entry, struct model_info *ret)
{
    struct aiex_value v;

    aiex_get_int(entry, "context", &ret->context);
    aiex_get_bool(entry, "loaded", &ret->loaded);
    if (aiex_get(entry, "capabilities", &v) != 1 || v.type != AIEX_T_ARRAY || v.count == 0)
        return;
    ret->known = 1;
    ret->capabilities = needs_from(v.bytes, v.count);
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
        l->infos[l->n].id = id;
        read_info(whole, &l->infos[l->n]);
        l->whole[l->n++] = whole;
    }
    if (l->n)
        qsort(l->infos, l->n, sizeof(l->infos[0]), by_id);
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
    new.infos = calloc(room, sizeof(*new.infos));
    new.whole = calloc(room, sizeof(*new.whole));
    if (new.infos &&new.whole)
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
    free(l->infos);
    free(l->whole);
    *l = (struct model_list){.mem = NULL};
}

static const struct model_info *find(const struct model_list *l, struct aiex_slice id)
{
    struct model_info key = {.id = id};

    return l->n ? bsearch(&key, l->infos, l->n, sizeof(l->infos[0]), by_id) : NULL;
}

const struct model_info *lists_find(const struct model_list *l, const char *model)
{
    return find(l, (struct aiex_slice){(const uint8_t *)model, strlen(model)});
}

enum lists lists_has(const struct model_list *l, const char *model)
{
    if (!l->mem)
        return LIST_UNKNOWN;
    return lists_find(l, model) ? LIST_WITH : LIST_WITHOUT;
}

int lists_first(const struct model_list *l, char *out, size_t size)
{
    return l->n && aiex_get_text(l->whole[0], "id", out, size) == 1;
}

static int listed_before(const struct coordinator *c, size_t member, struct aiex_slice id)
{
    for (size_t i = 0; i < member; i++)
        if (c->members[i]->present && find(&c->members[i]->models, id))
            return 1;
    return 0;
}

static int is_alias(const struct coordinator *c, struct aiex_slice id)
{
    for (size_t i = 0; i < c->plan->aliases.n; i++)
        if (aiex_slice_is(id, c->plan->aliases.list[i].name))
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

static void write_alias(struct aiex_writer *w, const struct alias *a)
{
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "id", a->name);
    aiex_w_key_str(w, "owned_by", "alias");
    aiex_w_key_str(w, "provider", "");
    aiex_w_key_bool(w, "alias", 1);
    aiex_w_str(w, "targets");
    aiex_w_array(w, (uint32_t)a->n);
    for (size_t i = 0; i < a->n; i++)
        aiex_w_str(w, a->targets[i].model);
}

static uint32_t write_union(const struct coordinator *c, struct aiex_writer *w)
{
    uint32_t count = (uint32_t)c->plan->aliases.n;

    for (size_t i = 0; i < c->plan->aliases.n; i++)
        write_alias(w, &c->plan->aliases.list[i]);
    for (size_t i = 0; i < c->n_members; i++) {
        const struct member *m = c->members[i];

        for (size_t k = 0; m->present && k < m->models.n; k++) {
            struct aiex_slice id = {NULL, 0};

            aiex_get_str(m->models.whole[k], "id", &id);
            if (listed_before(c, i, id) || is_alias(c, id))
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
