/*
 * models.c - GET /v1/models and /v1/models/{id}, from coordinator.models.
 */
#include "server.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <string.h>

#define ID_BYTES     256
#define LIST_WAIT_MS 30000

/* One model of the coordinator's list. */
struct model {
    struct aiex_slice id, owned_by;
    int64_t created;
};

/* The list and where to go on in it. */
struct model_list {
    struct aiex_slice at;
    uint32_t left;
};

void models_begin(struct conn *c)
{
    call_plain(c, c->server->config->coordinator, "coordinator.models", LIST_WAIT_MS);
}

static int open_list(struct aiex_slice body, struct model_list *list)
{
    struct aiex_value v;

    if (aiex_get(body, "models", &v) != 1 || v.type != AIEX_T_ARRAY)
        return -1;
    list->at = v.bytes;
    list->left = v.count;
    return 0;
}

/* 1 and the next entry that has an id, 0 at the end (or where the list is broken). */
static int next_model(struct model_list *list, struct model *m)
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
        if (aiex_get_str(entry, "owned_by", &m->owned_by) != 1 || !m->owned_by.len)
            aiex_get_str(entry, "provider", &m->owned_by);
        if (aiex_get_int(entry, "created", &m->created) != 1)
            m->created = 0;
        return 1;
    }
    return 0;
}

static void write_model(struct aiex_json_out *w, const struct model *m)
{
    aiex_jw_raw(w, "{\"id\":");
    aiex_jw_strn(w, (const char *)m->id.data, m->id.len);
    aiex_jw_raw(w, ",\"object\":\"model\",\"created\":");
    aiex_jw_int(w, m->created);
    aiex_jw_raw(w, ",\"owned_by\":");
    aiex_jw_strn(w, (const char *)m->owned_by.data, m->owned_by.len);
    aiex_jw_raw(w, "}");
}

static void write_list(struct aiex_json_out *w, struct model_list list)
{
    const char *comma = "";
    struct model m;

    aiex_jw_raw(w, "{\"object\":\"list\",\"data\":[");
    while (next_model(&list, &m)) {
        aiex_jw_raw(w, comma);
        write_model(w, &m);
        comma = ",";
    }
    aiex_jw_raw(w, "]}");
}

/* The list of a good end; else the error is answered. */
static int take_list(struct conn *c, const struct aiex_answer *answer, struct model_list *list)
{
    if (answer->code) {
        error_answer(c, answer);
        return -1;
    }
    if (open_list(answer->body, list) != 0) {
        error_respond(c, 502, "upstream_error", NULL, "the coordinator sent no list of models");
        return -1;
    }
    return 0;
}

void models_answer(struct conn *c, const struct aiex_answer *answer)
{
    struct model_list list;
    struct aiex_json_out w;
    size_t need;
    uint8_t *at;

    if (answer->kind != AIEX_ANSWER_END || take_list(c, answer, &list) != 0)
        return;
    aiex_jw_init(&w, NULL, 0); /* first only to count */
    write_list(&w, list);
    need = w.len;
    if (respond_begin(c) != 0)
        return;
    at = buffer_room(&c->server->pool, &c->out, need, SIZE_MAX / 2);
    if (!at) {
        conn_close(c);
        return;
    }
    aiex_jw_init(&w, at, need);
    write_list(&w, list);
    c->out.len += need;
    respond_end(c, &(struct reply){.status = 200});
}

/* ---- One model ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX. Bytes, or -1 when it is malformed or too long. */
static int percent_decode(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; *text; text++) {
        int byte = (unsigned char)*text;

        if (*text == '%') {
            int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

            if (low < 0)
                return -1;
            byte = high << 4 | low;
            text += 2;
        }
        if (n == size)
            return -1;
        out[n++] = (char)byte;
    }
    return (int)n;
}

static int find_model(struct model_list list, const char *id, int len, struct model *m)
{
    while (len > 0 && next_model(&list, m)) {
        if (m->id.len == (size_t)len && memcmp(m->id.data, id, m->id.len) == 0)
            return 1;
    }
    return 0;
}

void model_answer(struct conn *c, const struct aiex_answer *answer)
{
    const char *asked = aiex_http1_head(c->parser)->path + strlen(c->route->path);
    struct model_list list;
    struct aiex_json_out w;
    char id[ID_BYTES], mem[8192];
    struct model m;
    int len;

    if (answer->kind != AIEX_ANSWER_END || take_list(c, answer, &list) != 0)
        return;
    len = percent_decode(asked, id, sizeof(id));
    if (!find_model(list, id, len, &m)) {
        error_respond(c, 404, "model_not_found", "model", "the model '%.*s' does not exist",
                      len > 0 ? len : 0, id);
        return;
    }
    aiex_jw_init(&w, mem, sizeof(mem));
    write_model(&w, &m);
    if (w.failed)
        error_respond(c, 502, "upstream_error", NULL, "the model's description is too long");
    else
        respond(c, &(struct reply){.status = 200}, mem, w.len);
}
