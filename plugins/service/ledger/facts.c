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
    struct aiex_entry e;

    while (n--) {
        if (aiex_r_entry(&at, &e) != 0)
            return -EINVAL;
        if (e.v.type == AIEX_T_STR && e.key.len)
            add_tag(f, cut(e.key), cut(e.v.bytes));
    }
    return 0;
}

static int read_principal(struct aiex_slice at, uint32_t n, struct facts *f)
{
    struct aiex_entry e;

    while (n--) {
        if (aiex_r_entry(&at, &e) != 0)
            return -EINVAL;
        for (int c = COL_KEY; c <= COL_PROJECT; c++)
            if (e.v.type == AIEX_T_STR && aiex_slice_is(e.key, column_names[c]))
                f->columns[c] = cut(e.v.bytes);
    }
    return 0;
}

/* ---- The fields ---- */

enum kind {
    TEXT,   /* cut */
    WHOLE,  /* a text as it came */
    NUMBER, /* as it came */
    SUM,    /* less than nothing is not counted */
    FLAG,
    PRICE,
    PRINCIPAL,
    TAGS,
    NOTHING /* not for the ledger */
};

#define AT_COLUMN(c) (offsetof(struct facts, columns) + (c) * sizeof(struct aiex_slice))
#define AT_SUM(s)    (offsetof(struct facts, sums) + (s) * sizeof(int64_t))

/* All of a record's, in the order in which the coordinator writes them: so each one is found at
 * once behind the one before. */
static const struct field {
    struct aiex_key key;
    enum kind kind;
    size_t offset;
} fields[] = {
    {AIEX_KEY("id"), WHOLE, offsetof(struct facts, id)},
    {AIEX_KEY("input_tokens"), SUM, AT_SUM(SUM_INPUT)},
    {AIEX_KEY("output_tokens"), SUM, AT_SUM(SUM_OUTPUT)},
    {AIEX_KEY("cached_tokens"), SUM, AT_SUM(SUM_CACHED)},
    {AIEX_KEY("cache_write_tokens"), NOTHING, 0},
    {AIEX_KEY("reasoning_tokens"), NOTHING, 0},
    {AIEX_KEY("cost"), SUM, AT_SUM(SUM_COST)},
    {AIEX_KEY("price"), PRICE, 0},
    {AIEX_KEY("time"), NUMBER, offsetof(struct facts, time)},
    {AIEX_KEY("ticket"), NUMBER, offsetof(struct facts, ticket)},
    {AIEX_KEY("operation"), TEXT, offsetof(struct facts, operation)},
    {AIEX_KEY("asked"), NOTHING, 0},
    {AIEX_KEY("stream"), NOTHING, 0},
    {AIEX_KEY("dialect"), NOTHING, 0},
    {AIEX_KEY("interface"), TEXT, offsetof(struct facts, interface)},
    {AIEX_KEY("principal"), PRINCIPAL, 0},
    {AIEX_KEY("tags"), TAGS, 0},
    {AIEX_KEY("alias"), NOTHING, 0},
    {AIEX_KEY("strategy"), NOTHING, 0},
    {AIEX_KEY("provider"), TEXT, AT_COLUMN(COL_PROVIDER)},
    {AIEX_KEY("model"), TEXT, AT_COLUMN(COL_MODEL)},
    {AIEX_KEY("code"), WHOLE, offsetof(struct facts, code)},
    {AIEX_KEY("http_status"), NOTHING, 0},
    {AIEX_KEY("finish"), NOTHING, 0},
    {AIEX_KEY("estimated"), FLAG, AT_SUM(SUM_ESTIMATED)},
    {AIEX_KEY("first_ms"), NOTHING, 0},
    {AIEX_KEY("total_ms"), NOTHING, 0},
    {AIEX_KEY("cached"), NOTHING, 0},
    {AIEX_KEY("offline"), NOTHING, 0},
    {AIEX_KEY("why"), NOTHING, 0},
    {AIEX_KEY("hash"), TEXT, offsetof(struct facts, hash)},
    {AIEX_KEY("request_hash"), TEXT, offsetof(struct facts, request_hash)},
    {AIEX_KEY("answer_hash"), TEXT, offsetof(struct facts, answer_hash)},
    {AIEX_KEY("attempts"), NOTHING, 0},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static void read_price(const struct aiex_value *v, struct facts *f)
{
    if (aiex_slice_is(v->bytes, "unknown"))
        f->sums.v[SUM_UNPRICED] = 1;
    else if (aiex_slice_is(v->bytes, "free"))
        f->priced = 1;
}

/* What is of another type than it should be counts as not told. */
static int read_field(const struct field *row, const struct aiex_value *v, struct facts *f)
{
    static const uint32_t types[] = {
        [TEXT] = AIEX_T_STR,      [WHOLE] = AIEX_T_STR, [NUMBER] = AIEX_T_INT,
        [SUM] = AIEX_T_INT,       [FLAG] = AIEX_T_BOOL, [PRICE] = AIEX_T_STR,
        [PRINCIPAL] = AIEX_T_MAP, [TAGS] = AIEX_T_MAP,  [NOTHING] = AIEX_T_EXT};
    void *at = (uint8_t *)f + row->offset;

    if (v->type != types[row->kind])
        return 0;
    switch (row->kind) {
    case TEXT:
        *(struct aiex_slice *)at = cut(v->bytes);
        return 0;
    case WHOLE:
        *(struct aiex_slice *)at = v->bytes;
        return 0;
    case SUM:
        f->priced |= row->offset == AT_SUM(SUM_COST);
        *(int64_t *)at = v->i > 0 ? v->i : 0;
        return 0;
    case NUMBER:
    case FLAG:
        *(int64_t *)at = v->i;
        return 0;
    case PRICE:
        read_price(v, f);
        return 0;
    case PRINCIPAL:
        return read_principal(v->bytes, v->count, f);
    case TAGS:
        return read_tags(v->bytes, v->count, f);
    case NOTHING:
        return 0;
    }
    return 0;
}

static int read_fields(struct aiex_slice *record, uint32_t n, struct facts *ret)
{
    struct aiex_slice key, whole;
    struct aiex_value v;
    size_t row, next = 0;

    while (n--) {
        if (aiex_r_key(record, &key) != 0)
            return -EINVAL;
        row = aiex_row_of(fields, sizeof(fields[0]), N_FIELDS, next, key);
        next = row < N_FIELDS ? row + 1 : next;
        if (row == N_FIELDS || fields[row].kind == NOTHING) {
            if (aiex_r_skip(record) != 0)
                return -EINVAL;
        } else if (aiex_r_whole(record, &whole, &v) != 0 ||
                   read_field(&fields[row], &v, ret) != 0) {
            return -EINVAL;
        }
    }
    return record->len ? -EINVAL : 0;
}

int facts_read(struct aiex_slice record, struct facts *ret)
{
    struct aiex_value map;

    memset(ret, 0, offsetof(struct facts, tags));
    memset((uint8_t *)ret + offsetof(struct facts, n_tags), 0,
           sizeof(*ret) - offsetof(struct facts, n_tags)); /* tags are counted */
    for (int c = 0; c < N_COLUMNS; c++)
        ret->columns[c].data = (const uint8_t *)"";
    if (record.len == 0 || aiex_r_value(&record, &map) != 0 || map.type != AIEX_T_MAP ||
        read_fields(&record, map.count, ret) != 0)
        return -EINVAL;
    ret->failed = ret->code.len != 0;
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
