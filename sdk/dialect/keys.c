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
        int order = memcmp(text, names[mid].text, n);

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
    long n;

    if (name->type != AIEX_JSON_STRING || name->len < 2)
        return N_KEYS;
    if (!memchr(name->data, '\\', name->len))
        return find(name->data + 1, name->len - 2);
    n = aiex_json_text(name, plain, sizeof(plain));
    return n < 0 ? N_KEYS : find(plain, (size_t)n);
}

void members_read(const struct aiex_json_span *object, struct members *ret)
{
    struct aiex_json_span name, value;
    size_t at = 0;

    memset(ret, 0, sizeof(*ret));
    ret->doubled = N_KEYS;
    if (object->type != AIEX_JSON_OBJECT)
        return;
    while (aiex_json_next(object, &at, &name, &value)) {
        enum key key = key_of(&name);

        if (key == N_KEYS)
            continue;
        if (ret->of[key].type && ret->doubled == N_KEYS)
            ret->doubled = (int)key;
        ret->of[key] = value;
    }
}
