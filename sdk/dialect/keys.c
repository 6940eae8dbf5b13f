#include "keys.h"

#include <string.h>

struct name {
    const char *text;
    size_t len;
};

static const struct name names[N_KEYS] = {
#define KEY(name) {#name, sizeof(#name) - 1},
    KEYS(KEY)
#undef KEY
};

const char *key_name(enum key key)
{
    return key < N_KEYS ? names[key].text : "";
}

/* The table is sorted: halves, by bytes. */
static enum key find(const char *text, size_t len)
{
    unsigned low = 0, high = N_KEYS;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        size_t n = names[mid].len < len ? names[mid].len : len;
        int order = n ? (unsigned char)*text - (unsigned char)*names[mid].text : 0;

        if (order == 0) /* most steps end at the first letter */
            order = memcmp(text, names[mid].text, n);

        if (order == 0 && len == names[mid].len)
            return (enum key)mid;
        if (order < 0 || (order == 0 && len < names[mid].len))
            high = mid;
        else
            low = mid + 1;
    }
    return N_KEYS;
}

enum key key_of(const struct aiex_json_span *name)
{
    char plain[64];
    enum key k;
    long n;

    if (name->type != AIEX_JSON_STRING || name->len < 2)
        return N_KEYS;
    k = find(name->data + 1, name->len - 2);
    if (k != N_KEYS || !memchr(name->data, '\\', name->len))
        return k;
    n = aiex_json_text(name, plain, sizeof(plain));
    return n < 0 ? N_KEYS : find(plain, (size_t)n);
}

void members_init(struct members *m)
{
    memset(m, 0, sizeof(*m));
    m->doubled = N_KEYS;
}

void members_add(struct members *m, const struct aiex_json_span *key,
                 const struct aiex_json_span *value)
{
    enum key k = key_of(key);

    if (k == N_KEYS)
        return;
    if (m->of[k].type && m->doubled == N_KEYS)
        m->doubled = k;
    m->of[k] = *value;
}

/* Bytes up to the closing brace; the object may be followed by anything. */
static size_t read_object(const struct aiex_json_span *object, struct members *ret)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    while (aiex_json_next(object, &at, &key, &value))
        members_add(ret, &key, &value);
    return at;
}

void members_read(const struct aiex_json_span *object, struct members *ret)
{
    members_init(ret);
    ret->type = object->type;
    if (object->type == AIEX_JSON_OBJECT)
        read_object(object, ret);
}

int members_next(const struct aiex_json_span *array, size_t *at, struct members *ret,
                 struct aiex_json_span *string)
{
    struct aiex_json_span item = {0};

    if (array->type != AIEX_JSON_ARRAY)
        return 0;
    if (*at == 0)
        *at = 1;
    while (*at < array->len && memchr(" ,\n\r\t", array->data[*at], 5))
        ++*at;
    members_init(ret);
    *string = item;
    if (*at < array->len && array->data[*at] == '{') {
        item = (struct aiex_json_span){AIEX_JSON_OBJECT, array->data + *at, array->len - *at};
        ret->type = item.type;
        *at += read_object(&item, ret) + 1;
        return 1;
    }
    if (!aiex_json_next(array, at, NULL, &item))
        return 0;
    ret->type = item.type;
    if (item.type == AIEX_JSON_STRING)
        *string = item;
    return 1;
}
