/* model_list.c - see model_list.h. */
#include "model_list.h"

#include <string.h>

void model_list_ask(struct conn *c, answer_fn fn)
{
    call_gateway(c, "gateway.models", NULL, NULL, fn);
}

int model_list_take(struct conn *c, const struct aiex_answer *answer, struct model_list *list)
{
    struct aiex_value v;

    if (answer->code) {
        error_answer(c, answer);
        return -1;
    }
    if (aiex_get(answer->body, "models", &v) != 1 || v.type != AIEX_T_ARRAY) {
        error_respond(c, 502, "upstream_error", NULL, "the gateway sent no list of models");
        return -1;
    }
    list->at = v.bytes;
    list->left = v.count;
    return 0;
}

static void read_model(struct aiex_slice entry, struct model *m)
{
    const struct aiex_slice none = {(const uint8_t *)"", 0};

    m->owned_by = m->family = m->parameters = m->quantization = none;
    if (aiex_get_str(entry, "owned_by", &m->owned_by) != 1 || !m->owned_by.len)
        aiex_get_str(entry, "provider", &m->owned_by);
    aiex_get_str(entry, "family", &m->family);
    aiex_get_str(entry, "parameters", &m->parameters);
    aiex_get_str(entry, "quantization", &m->quantization);
    aiex_get_whole(entry, "capabilities", &m->capabilities);
    aiex_get_int(entry, "created", &m->created);
    aiex_get_int(entry, "context", &m->context);
    aiex_get_int(entry, "output", &m->output);
    aiex_get_int(entry, "bytes", &m->bytes);
    aiex_get_bool(entry, "loaded", &m->loaded);
}

int model_list_next(struct model_list *list, struct model *m)
{
    while (list->left) {
        struct aiex_slice entry = list->at;

        list->left--;
        if (aiex_r_skip(&list->at) != 0)
            return 0;
        entry.len -= list->at.len;
        *m = (struct model){0};
        if (aiex_get_str(entry, "id", &m->id) != 1 || !m->id.len)
            continue;
        read_model(entry, m);
        return 1;
    }
    return 0;
}

int model_list_find(struct conn *c, struct model_list list, const char *id, struct model *m)
{
    while (*id && model_list_next(&list, m)) {
        if (aiex_slice_is(m->id, id))
            return 1;
    }
    error_respond(c, 404, "model_not_found", "model", "the model '%s' does not exist", id);
    return 0;
}
