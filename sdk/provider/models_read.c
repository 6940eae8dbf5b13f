/* models_read.c - lists of models that vendors send, and the fields of their entries. */
#include "aiex_provider.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct aiex_provider_model *aiex_provider_list_add(struct aiex_provider_list *l)
{
    struct aiex_provider_model *grown;

    if (l->n == AIEX_PROVIDER_MAX_LIST)
        return NULL;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;

        grown = realloc(l->models, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        l->models = grown;
        l->cap = cap;
    }
    grown = &l->models[l->n++];
    memset(grown, 0, sizeof(*grown));
    grown->loaded = -1;
    return grown;
}

struct aiex_provider_model *aiex_provider_list_find(const struct aiex_provider_list *l,
                                                    const char *id)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcmp(l->models[i].id, id) == 0)
            return &l->models[i];
    return NULL;
}

void aiex_provider_take_text(const struct aiex_json_span *object, const char *key, char *out,
                             size_t size)
{
    struct aiex_json_span v;
    long n = -1;

    if (aiex_json_find(object, key, &v) && v.type == AIEX_JSON_STRING)
        n = aiex_json_text(&v, out, size);
    if (n < 0 || memchr(out, 0, (size_t)n))
        out[0] = 0;
}

int64_t aiex_provider_take_int(const struct aiex_json_span *object, const char *key)
{
    struct aiex_json_span v;
    int64_t n;

    return aiex_json_find(object, key, &v) && aiex_json_int(&v, &n) == 0 && n > 0 ? n : 0;
}

/* Servers name the size of the context differently. */
static int64_t context_of(const struct aiex_json_span *model)
{
    static const char *const keys[] = {"context_length", "max_model_len", "context_window",
                                       "max_context_length", "max_input_tokens"};
    struct aiex_json_span meta;
    int64_t n;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        n = aiex_provider_take_int(model, keys[i]);
        if (n)
            return n;
    }
    /* llama.cpp */
    return aiex_json_find(model, "meta", &meta) ? aiex_provider_take_int(&meta, "n_ctx_train") : 0;
}

int aiex_provider_openai_models(struct aiex_provider_turn *t)
{
    struct aiex_json_field data = {.key = "data"};
    struct aiex_json_span model;
    size_t at = 0;

    if (aiex_json_scan(t->body, 0, &data, 1, NULL) != AIEX_JSON_OBJECT ||
        data.value.type != AIEX_JSON_ARRAY)
        return -EINVAL;
    while (aiex_json_next(&data.value, &at, NULL, &model)) {
        struct aiex_provider_model *e = aiex_provider_list_add(t->list);

        if (!e)
            return t->list->n == AIEX_PROVIDER_MAX_LIST ? 0 : -ENOMEM;
        aiex_provider_take_text(&model, "id", e->id, sizeof(e->id));
        if (!e->id[0]) {
            t->list->n--; /* no usable name: left out */
            continue;
        }
        e->created = aiex_provider_take_int(&model, "created");
        aiex_provider_take_text(&model, "owned_by", e->owned_by, sizeof(e->owned_by));
        e->context = context_of(&model);
        e->output = aiex_provider_take_int(&model, "max_completion_tokens");
    }
    return 0;
}
