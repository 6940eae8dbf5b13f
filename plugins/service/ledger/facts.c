/* facts.c - one pass over a usage record; a table says which key goes where. */
#include "facts.h"

#include <aiex/aiex_pack.h>
#include <errno.h>

const char *const column_names[N_COLUMNS] = {"key", "user", "team", "project", "model", "provider"};

/* Cuts between characters, so that what is shown stays UTF-8. */
static struct aiex_slice cut(struct aiex_slice s)
{
    if (s.len > MAX_COLUMN) {
        s.len = MAX_COLUMN;
        while (s.len && (s.data[s.len] & 0xc0) == 0x80)
            s.len--;
    }
    return s;
}

static int compare(struct aiex_slice a, struct aiex_slice b)
{
    int r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return r ? r : a.len < b.len ? -1 : a.len > b.len;
}

/* A tag whose name is there already takes its place. */
static void add_tag(struct facts *f, struct aiex_slice name, struct aiex_slice value)
{
    size_t i = f->n_tags;

    for (size_t k = 0; k < f->n_tags; k++)
        if (compare(f->tags[k].name, name) == 0) {
            f->tags[k].value = value;
            return;
        }
    if (f->n_tags == MAX_TAGS) {
        f->more_tags = 1;
        return;
    }
    for (; i > 0 && compare(f->tags[i - 1].name, name) > 0; i--)
        f->tags[i] = f->tags[i - 1];
    f->tags[i] = (struct tag){name, value};
    f->n_tags++;
}

static int read_tags(struct aiex_slice at, uint32_t n, struct facts *f)
{
    struct aiex_slice name, whole;
    struct aiex_value value;

    while (n--) {
        if (aiex_r_pair(&at, &name, &whole) != 0 || aiex_r_value(&whole, &value) != 0)
            return -EINVAL;
        if (value.type == AIEX_T_STR && name.len)
            add_tag(f, cut(name), cut(value.bytes));
    }
    return 0;
}

static int read_principal(struct aiex_slice at, uint32_t n, struct facts *f)
{
    struct aiex_slice name, whole;
    struct aiex_value value;

    while (n--) {
        if (aiex_r_pair(&at, &name, &whole) != 0 || aiex_r_value(&whole, &value) != 0)
            return -EINVAL;
        for (int c = COL_KEY; c <= COL_PROJECT; c++)
            if (value.type == AIEX_T_STR && aiex_slice_is(name, column_names[c]))
                f->columns[c] = cut(value.bytes);
    }
    return 0;
}

static void read_text(const struct aiex_value *v, struct aiex_slice name, struct facts *f)
{
    if (aiex_slice_is(name, "id"))
        f->id = v->bytes;
    else if (aiex_slice_is(name, "model"))
        f->columns[COL_MODEL] = cut(v->bytes);
    else if (aiex_slice_is(name, "provider"))
        f->columns[COL_PROVIDER] = cut(v->bytes);
    else if (aiex_slice_is(name, "code"))
        f->failed = (f->code = v->bytes).len != 0;
    else if (aiex_slice_is(name, "operation"))
        f->operation = cut(v->bytes);
    else if (aiex_slice_is(name, "hash"))
        f->hash = cut(v->bytes);
    else if (aiex_slice_is(name, "request_hash"))
        f->request_hash = cut(v->bytes);
    else if (aiex_slice_is(name, "answer_hash"))
        f->answer_hash = cut(v->bytes);
    else if (aiex_slice_is(name, "interface"))
        f->interface = cut(v->bytes);
    else if (aiex_slice_is(name, "price") && aiex_slice_is(v->bytes, "unknown"))
        f->sums.v[SUM_UNPRICED] = 1;
    else if (aiex_slice_is(name, "price") && aiex_slice_is(v->bytes, "free"))
        f->priced = 1;
}

/* Less than nothing is not counted. */
static void read_number(const struct aiex_value *v, struct aiex_slice name, struct facts *f)
{
    if (aiex_slice_is(name, "cost"))
        f->priced = 1;
    if (aiex_slice_is(name, "ticket"))
        f->ticket = v->i;
    else if (aiex_slice_is(name, "time"))
        f->time = v->i;
    else
        for (int i = SUM_INPUT; i <= SUM_COST; i++)
            if (aiex_slice_is(name, sum_names[i]))
                f->sums.v[i] = v->i > 0 ? v->i : 0;
}

static int read_field(struct aiex_slice name, const struct aiex_value *v, struct facts *f)
{
    switch (v->type) {
    case AIEX_T_STR:
        read_text(v, name, f);
        return 0;
    case AIEX_T_INT:
        read_number(v, name, f);
        return 0;
    case AIEX_T_BOOL:
        if (aiex_slice_is(name, "estimated"))
            f->sums.v[SUM_ESTIMATED] = v->i;
        return 0;
    case AIEX_T_MAP:
        if (aiex_slice_is(name, "principal"))
            return read_principal(v->bytes, v->count, f);
        return aiex_slice_is(name, "tags") ? read_tags(v->bytes, v->count, f) : 0;
    default:
        return 0;
    }
}

int facts_read(struct aiex_slice record, struct facts *ret)
{
    struct aiex_value map, value;
    struct aiex_slice name, whole;

    memset(ret, 0, sizeof(*ret));
    for (int c = 0; c < N_COLUMNS; c++)
        ret->columns[c].data = (const uint8_t *)"";
    if (record.len == 0 || aiex_r_value(&record, &map) != 0 || map.type != AIEX_T_MAP)
        return -EINVAL;
    while (map.count--) {
        if (aiex_r_pair(&record, &name, &whole) != 0 || aiex_r_value(&whole, &value) != 0)
            return -EINVAL;
        if (read_field(name, &value, ret) != 0)
            return -EINVAL;
    }
    if (record.len)
        return -EINVAL;
    ret->sums.v[SUM_REQUESTS] = 1;
    ret->sums.v[SUM_FAILED] = ret->failed;
    if (!ret->priced)
        ret->sums.v[SUM_UNPRICED] = 1;
    return 0;
}

struct aiex_slice facts_tag(const struct facts *f, struct aiex_slice name)
{
    for (size_t i = 0; i < f->n_tags; i++)
        if (compare(f->tags[i].name, name) == 0)
            return f->tags[i].value;
    return (struct aiex_slice){(const uint8_t *)"", 0};
}

int facts_key(const struct facts *f, struct key *k)
{
    for (int c = 0; c < N_COLUMNS; c++)
        if (key_add(k, f->columns[c].data, f->columns[c].len) != 0)
            return -1;
    for (size_t i = 0; i < f->n_tags; i++)
        if (key_add(k, f->tags[i].name.data, f->tags[i].name.len) != 0 ||
            key_add(k, f->tags[i].value.data, f->tags[i].value.len) != 0)
            return -1;
    return 0;
}

int facts_of_key(const uint8_t *key, size_t len, struct facts *ret)
{
    const uint8_t *end = key + len;
    struct tag t;

    memset(ret, 0, sizeof(*ret));
    for (int c = 0; c < N_COLUMNS; c++)
        if (!key_next(&key, end, &ret->columns[c].data, &ret->columns[c].len))
            return -1;
    while (key_next(&key, end, &t.name.data, &t.name.len)) {
        if (!key_next(&key, end, &t.value.data, &t.value.len) || ret->n_tags == MAX_TAGS)
            return -1;
        ret->tags[ret->n_tags++] = t;
    }
    return key == end ? 0 : -1;
}
