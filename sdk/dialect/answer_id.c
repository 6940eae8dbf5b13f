/* answer_id.c - ids that must be made up: the same for one answer, different between answers. */
#include "answer.h"

/* splitmix64: a good spread from any seed. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void answer_put_id(struct answer *a, struct bytes *b, const char *prefix, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    char text[24];
    uint64_t v = 0;

    for (size_t i = 0; i < sizeof(text); i++) {
        if (i % 16 == 0)
            v = mix(a->c->setup.random ^ mix(number * 2 + i / 16 + 1));
        text[i] = digits[v & 15];
        v >>= 4;
    }
    bytes_str(b, prefix);
    bytes_add(b, text, sizeof(text));
}

void answer_put_model(struct answer *a, struct bytes *b)
{
    bytes_str(b, "\"");
    if (a->model.len)
        bytes_slice(b, a->model);
    else
        bytes_escape(b, a->c->model);
    bytes_str(b, "\"");
}
