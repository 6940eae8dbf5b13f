#include "request_rig.h"

#include "arena.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

char *rig_quotes(const char *text)
{
    char *copy = strdup(text);

    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

struct aiex_json_span rig_span(const void *text, size_t len)
{
    int type = aiex_json_scan((struct aiex_slice){text, len}, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL);

    return (struct aiex_json_span){type < 0 ? 0 : type, text, len};
}

static int same_text(const struct aiex_json_span *a, const struct aiex_json_span *b)
{
    char *x = malloc(a->len + 4), *y = malloc(b->len + 4);
    size_t n = aiex_json_unescape(a->data + 1, a->len - 2, x);
    int same = n == aiex_json_unescape(b->data + 1, b->len - 2, y) && memcmp(x, y, n) == 0;

    free(x);
    free(y);
    return same;
}

static size_t count(const struct aiex_json_span *s)
{
    struct aiex_json_span key, value;
    size_t at = 0, n = 0;

    while (aiex_json_next(s, &at, &key, &value))
        n++;
    return n;
}

static int same_object(const struct aiex_json_span *a, const struct aiex_json_span *b)
{
    struct aiex_json_span key, value, other;
    char name[256];
    size_t at = 0;

    while (aiex_json_next(a, &at, &key, &value)) {
        if (aiex_json_text(&key, name, sizeof(name)) < 0 || !aiex_json_find(b, name, &other) ||
            !rig_same(&value, &other))
            return 0;
    }
    return count(a) == count(b);
}

static int same_array(const struct aiex_json_span *a, const struct aiex_json_span *b)
{
    struct aiex_json_span x, y;
    size_t i = 0, k = 0;

    while (aiex_json_next(a, &i, NULL, &x))
        if (!aiex_json_next(b, &k, NULL, &y) || !rig_same(&x, &y))
            return 0;
    return !aiex_json_next(b, &k, NULL, &y);
}

int rig_same(const struct aiex_json_span *a, const struct aiex_json_span *b)
{
    if (a->type != b->type)
        return 0;
    if (a->type == AIEX_JSON_STRING)
        return same_text(a, b);
    if (a->type == AIEX_JSON_OBJECT)
        return same_object(a, b);
    if (a->type == AIEX_JSON_ARRAY)
        return same_array(a, b);
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

int rig_convert(struct aiex_chat *c, int client, int vendor, const char *model, const char *in,
                size_t len, struct aiex_error *err)
{
    char *body = malloc(len ? len : 1); /* exactly as long, so that a sanitizer sees reads behind */
    int rc;

    memcpy(body, in, len);
    memset(c, 0, sizeof(*c));
    err->text[0] = 0;
    c->setup = (struct aiex_chat_setup){
        .struct_size = sizeof(c->setup), .client = client, .vendor = vendor, .stream = -1};
    c->setup.model = (struct aiex_slice){(const uint8_t *)model, strlen(model)};
    rc = request_convert(c, (struct aiex_slice){(const uint8_t *)body, len}, err);
    free(body); /* nothing of it may be needed any more */
    return rc;
}

void rig_done(struct aiex_chat *c)
{
    arena_free(c->arena);
    free(c->request);
    memset(c, 0, sizeof(*c));
}

static int row_is_right(const struct row *r)
{
    char *in = rig_quotes(r->in), *out = rig_quotes(r->out);
    struct aiex_json_span want = rig_span(out, strlen(out)), got = {0};
    struct aiex_error err;
    struct aiex_chat c;
    int rc = rig_convert(&c, r->client, r->vendor, r->model, in, strlen(in), &err), same;

    if (rc == 0)
        got = rig_span(c.request, c.request_len);
    same = rc == 0 && want.type && rig_same(&want, &got);
    if (!same)
        printf("line %d: %s -> %s gives %d %s\n%.*s\nbut it should be%s\n%s\n", r->line,
               aiex_dialect_name(r->client), aiex_dialect_name(r->vendor), rc, err.text,
               (int)c.request_len, c.request ? (char *)c.request : "",
               want.type ? "" : " (which is no JSON)", out);
    rig_done(&c);
    free(in);
    free(out);
    return same;
}

int rig_rows(const struct row *rows, size_t n)
{
    int wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong += !row_is_right(&rows[i]);
    return wrong;
}

int rig_refusals(const struct row *rows, size_t n, int error)
{
    int wrong = 0;

    for (size_t i = 0; i < n; i++) {
        char *in = rig_quotes(rows[i].in);
        struct aiex_error err;
        struct aiex_chat c;
        int rc = rig_convert(&c, rows[i].client, rows[i].vendor, rows[i].model, in, strlen(in),
                             &err);

        if (rc != error || !strstr(err.text, rows[i].out)) {
            printf("line %d: gives %d '%s', not '%s'\n", rows[i].line, rc, err.text, rows[i].out);
            wrong++;
        }
        rig_done(&c);
        free(in);
    }
    return wrong;
}
