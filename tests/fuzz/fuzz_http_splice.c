/* link: aiex_http_splice aiex_sdk_json */
/*
 * fuzz_http_splice.c - a client's request for responses, and a stored history. The first byte says
 * how many of the others are history. Whatever both are: a changed document is again one JSON
 * object, has its history before its own items, and no previous_response_id.
 */
#include <splice.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static struct aiex_slice join(const struct splice *s)
{
    size_t n = 0;
    uint8_t *out;

    check(s->n <= SPLICE_PIECES);
    for (size_t i = 0; i < s->n; i++)
        n += s->pieces[i].len;
    out = malloc(n + 1);
    check(out != NULL);
    n = 0;
    for (size_t i = 0; i < s->n; i++) {
        memcpy(out + n, s->pieces[i].data, s->pieces[i].len);
        n += s->pieces[i].len;
    }
    return (struct aiex_slice){out, n};
}

static size_t count(const struct aiex_json_span *list)
{
    struct aiex_json_span value;
    size_t at = 0, n = 0;

    while (aiex_json_next(list, &at, NULL, &value))
        n++;
    return n;
}

static size_t own_items(const struct aiex_json_span *input)
{
    return input->type == AIEX_JSON_STRING ? 1 : input->type == AIEX_JSON_ARRAY ? count(input) : 0;
}

static void try_history(struct aiex_slice doc, struct aiex_slice items)
{
    struct aiex_json_field f[] = {{.key = "input"}, {.key = "previous_response_id"}}, g[2];
    struct aiex_json_span old = {AIEX_JSON_ARRAY, (const char *)items.data, items.len};
    struct aiex_slice made;
    struct splice s;

    if (aiex_json_scan(doc, 60, f, 2, NULL) != AIEX_JSON_OBJECT || f[0].seen > 1 ||
        f[1].seen != 1 || splice_history(doc, &f[0].value, &f[1].value, items, &s) != 0)
        return;
    made = join(&s);
    memcpy(g, f, sizeof(g));
    check(aiex_json_scan(made, AIEX_JSON_MAX_DEPTH, g, 2, NULL) == AIEX_JSON_OBJECT);
    check(g[0].seen == 1 && g[1].seen == 0 && g[0].value.type == AIEX_JSON_ARRAY);
    while (old.len && *old.data != '[') {
        old.data++;
        old.len--;
    }
    check(count(&g[0].value) == count(&old) + own_items(&f[0].value));
    free((void *)(uintptr_t)made.data);
}

static void try_rename(struct aiex_slice doc)
{
    struct aiex_json_field f[] = {{.key = "prompt"}, {.key = "input"}}, g[2];
    struct aiex_slice made;
    struct splice s;

    if (aiex_json_scan(doc, 0, f, 2, NULL) != AIEX_JSON_OBJECT || f[0].seen != 1 || f[1].seen)
        return;
    check(splice_rename(doc, &f[0].value, "input", &s) == 0);
    made = join(&s);
    memcpy(g, f, sizeof(g));
    check(aiex_json_scan(made, 0, g, 2, NULL) == AIEX_JSON_OBJECT);
    check(g[0].seen == 0 && g[1].seen == 1 && g[1].value.len == f[0].value.len);
    free((void *)(uintptr_t)made.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n;

    if (!size)
        return 0;
    n = data[0] < size - 1 ? data[0] : size - 1;
    try_history((struct aiex_slice){data + 1 + n, size - 1 - n}, (struct aiex_slice){data + 1, n});
    try_rename((struct aiex_slice){data + 1, size - 1});
    return 0;
}
