#include "added_verbs.h"

#include "verbs.h"

#include <errno.h>
#include <stdlib.h>

struct added_verb {
    char verb[40], service[64], method[64], args[80], help[160];
};

struct added_verbs {
    size_t n;
    struct added_verb verbs[ADDED_VERBS_MAX];
};

struct added_verbs *added_verbs_new(void)
{
    return calloc(1, sizeof(struct added_verbs));
}

void added_verbs_free(struct added_verbs *v)
{
    free(v);
}

/* Copies a field. 0, or -EINVAL when it is missing though needed, too long or has controls. */
static int take(struct aiex_slice body, const char *key, int needed, char *out, size_t size)
{
    struct aiex_slice text = {NULL, 0};
    int got = aiex_get_str(body, key, &text);

    if (got < 0 || text.len >= size || (needed && text.len == 0))
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return -EINVAL;
    if (text.len)
        memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return 0;
}

static int is_word(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return *text >= 'a' && *text <= 'z' && !text[n];
}

static struct added_verb *find(struct added_verbs *v, const char *verb)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->verbs[i].verb, verb) == 0)
            return &v->verbs[i];
    return NULL;
}

static int read_verb(struct aiex_slice body, struct added_verb *verb, const char **ret_text)
{
    if (take(body, "verb", 1, verb->verb, sizeof(verb->verb)) != 0 || !is_word(verb->verb)) {
        *ret_text = "'verb' must be a word of a-z, 0-9 and - of at most 39 bytes";
        return -EINVAL;
    }
    if (take(body, "service", 1, verb->service, sizeof(verb->service)) != 0 ||
        take(body, "method", 1, verb->method, sizeof(verb->method)) != 0) {
        *ret_text = "'service' and 'method' must be names of at most 63 bytes";
        return -EINVAL;
    }
    if (take(body, "args", 0, verb->args, sizeof(verb->args)) != 0 ||
        take(body, "help", 1, verb->help, sizeof(verb->help)) != 0) {
        *ret_text = "'help' must be one line of at most 159 bytes, 'args' of at most 79";
        return -EINVAL;
    }
    return 0;
}

int added_verbs_add(struct added_verbs *v, struct aiex_slice body, const char **ret_text)
{
    struct added_verb verb;
    struct added_verb *place;
    int failed = read_verb(body, &verb, ret_text);

    if (failed)
        return failed;
    place = find(v, verb.verb);
    if (verb_is_noun(verb.verb) || (place && strcmp(place->service, verb.service) != 0)) {
        *ret_text = place ? "another service has added this verb" : "this verb is built in";
        return -EEXIST;
    }
    if (!place) {
        if (v->n == ADDED_VERBS_MAX) {
            *ret_text = "there are 128 added verbs already";
            return -ENOSPC;
        }
        place = &v->verbs[v->n++];
    }
    *place = verb;
    return 0;
}

int added_verbs_remove(struct added_verbs *v, struct aiex_slice body, const char **ret_text)
{
    struct added_verb *place;
    char verb[40];

    if (take(body, "verb", 1, verb, sizeof(verb)) != 0) {
        *ret_text = "'verb' is missing or too long";
        return -EINVAL;
    }
    place = find(v, verb);
    if (!place) {
        *ret_text = "nobody has added this verb";
        return -ENOENT;
    }
    *place = v->verbs[--v->n];
    return 0;
}

void added_verbs_write(const struct added_verbs *v, struct aiex_writer *w)
{
    aiex_w_map(w, 1);
    aiex_w_str(w, "verbs");
    aiex_w_array(w, (uint32_t)v->n);
    for (size_t i = 0; i < v->n; i++) {
        aiex_w_map(w, 5);
        aiex_w_key_str(w, "verb", v->verbs[i].verb);
        aiex_w_key_str(w, "args", v->verbs[i].args);
        aiex_w_key_str(w, "help", v->verbs[i].help);
        aiex_w_key_str(w, "service", v->verbs[i].service);
        aiex_w_key_str(w, "method", v->verbs[i].method);
    }
}
