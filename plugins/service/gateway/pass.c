/* pass.c - what is checked and handed on without counting: token counts, models, who am I. */
#include "gateway.h"

#include <aiex_chat.h>
#include <stdlib.h>
#include <string.h>

int pass_count(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    const char *wrong;
    struct key *key;
    struct ask a;

    wrong = ask_read(m, &a);
    if (!wrong)
        wrong = ask_chat(&a);
    if (wrong)
        return refuse_form(g, m->id, a.dialect, wrong);
    key = who(g, &a, MAY_CHAT, &r);
    if (!key || who_model(key, a.model, &r) < 0)
        return refusal_send(g, m->id, &r, a.dialect);
    return chat_pass(g, m, &a, key, "coordinator.count", 0);
}

/* ---- Models ---- */

int pass_models(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    struct key *key;
    struct ask a;
    const char *wrong = ask_read(m, &a);

    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    key = who(g, &a, MAY_MODELS, &r);
    if (!key)
        return refusal_send(g, m->id, &r, a.dialect);
    return chat_pass(g, m, &a, key, "coordinator.models", key->models != NULL);
}

/* By its own name, or as provider/model. */
static int may_see(const struct key *key, struct aiex_slice entry)
{
    struct aiex_slice id = NOTHING, provider = NOTHING;
    uint8_t both[AIEX_MAX_NAME + 1 + MAX_MODEL];

    if (aiex_get_str(entry, "id", &id) != 1)
        return 0;
    if (key_may_use(key, id))
        return 1;
    if (aiex_get_str(entry, "provider", &provider) != 1 || provider.len > AIEX_MAX_NAME ||
        id.len > MAX_MODEL)
        return 0;
    memcpy(both, provider.data, provider.len);
    both[provider.len] = '/';
    memcpy(both + provider.len + 1, id.data, id.len);
    return key_may_use(key, (struct aiex_slice){both, provider.len + 1 + id.len});
}

/* Writes the entries that the key may see; returns how many. */
static uint32_t write_visible(struct aiex_writer *w, const struct key *key,
                              const struct aiex_value *list)
{
    struct aiex_slice at = list->bytes;
    uint32_t n = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        struct aiex_slice entry = at;

        if (aiex_r_skip(&at) != 0)
            break;
        entry.len -= at.len;
        if (!may_see(key, entry))
            continue;
        aiex_w_raw(w, entry.data, entry.len);
        n++;
    }
    return n;
}

void pass_filtered(struct gateway *g, uint64_t request, const struct key *key,
                   struct aiex_slice body)
{
    struct aiex_writer count, w;
    struct aiex_value list;
    uint8_t *mem = malloc(body.len + 32);

    if (!mem || aiex_get(body, "models", &list) != 1 || list.type != AIEX_T_ARRAY) {
        g->host->fail(g->host, request, AIEX_E_INTERNAL,
                      mem ? "the coordinator's list of models can not be read" : "no memory", 0,
                      NOTHING);
        free(mem);
        return;
    }
    aiex_writer_init(&count, NULL, 0);
    aiex_writer_init(&w, mem, body.len + 32);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, write_visible(&count, key, &list));
    write_visible(&w, key, &list);
    g->host->reply(g->host, request, aiex_written(&w));
    free(mem);
}

/* ---- Who am I ---- */

int pass_check(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_slice name = {(const uint8_t *)"chat", 4};
    uint8_t mem[WARNINGS_BYTES + 1024];
    struct aiex_writer w;
    struct refusal r;
    struct key *key;
    struct ask a;
    int need;
    const char *wrong = ask_read(m, &a);

    if (!wrong && aiex_get_str(m->body, "permission", &name) < 0)
        wrong = "field 'permission' is no str";
    need = name_index(permission_names, N_PERMISSIONS, name);
    if (!wrong && need < 0)
        wrong = "field 'permission' is not one of chat, models, usage, admin";
    if (wrong)
        return refuse_form(g, m->id, a.dialect, wrong);
    key = who(g, &a, (enum permission)need, &r);
    if (!key)
        return refusal_send(g, m->id, &r, a.dialect);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_str(&w, "principal");
    aiex_w_raw(&w, key->principal, key->principal_len);
    warnings_write(&w, key);
    g->host->reply(g->host, m->id, aiex_written(&w));
    return 0;
}
