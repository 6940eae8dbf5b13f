/*
 * responses_show.c - what was stored: GET, DELETE, input_items and cancel below /v1/responses/.
 *
 * Each asks the gateway who is there, then the service, which knows nothing of other people's
 * responses. Nothing is made in the background here, so nothing can be cancelled; that is said in
 * OpenAI's words.
 */
#include "server.h"

#include <string.h>

#define ID_BYTES        128
#define PRINCIPAL_BYTES 2048
#define WAIT_MS         10000

static void not_found(struct conn *c, const char *id)
{
    error_respond(c, 404, "response_not_found", "response_id", "Response with id '%s' not found.",
                  id);
}

/* The id in the path. 0, or -1: answered. */
static int read_id(struct conn *c, char *id)
{
    if (routes_rest(c, id, ID_BYTES + 1) > 0 && !strchr(id, '/'))
        return 0;
    not_found(c, "");
    return -1;
}

/* The error of the service; 1 when there was one. */
static int failed(struct conn *c, const struct aiex_answer *answer)
{
    char id[ID_BYTES + 1];

    if (!answer->code)
        return 0;
    if (strcmp(answer->code, AIEX_E_NOT_FOUND) != 0 &&
        strcmp(answer->code, AIEX_E_UNAVAILABLE) != 0)
        error_answer(c, answer);
    else if (read_id(c, id) == 0)
        not_found(c, id);
    return 1;
}

static void ask_service(struct conn *c, const char *method, struct aiex_slice principal,
                        answer_fn fn)
{
    uint8_t mem[ID_BYTES + PRINCIPAL_BYTES + 64];
    char id[ID_BYTES + 1];
    struct aiex_writer w;

    if (read_id(c, id) != 0)
        return;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", id);
    aiex_w_str(&w, "principal");
    aiex_w_raw(&w, principal.data, principal.len);
    if (w.failed)
        error_respond(c, 502, "upstream_error", NULL, "the gateway's principal is too long");
    else
        call_plain(c, c->server->config->responses, method, aiex_written(&w), WAIT_MS, fn);
}

/* ---- GET /v1/responses/{id} ---- */

static void on_get(struct conn *c, const struct aiex_answer *answer)
{
    struct aiex_slice response;

    if (answer->kind != AIEX_ANSWER_END || failed(c, answer))
        return;
    if (aiex_get_bytes(answer->body, "response", &response) == 1)
        respond(c, &(struct reply){.status = 200}, response.data, response.len);
    else
        error_respond(c, 502, "upstream_error", NULL, "the stored response is missing");
}

static void ask_get(struct conn *c, struct aiex_slice principal)
{
    ask_service(c, "responses.get", principal, on_get);
}

void responses_show(struct conn *c)
{
    call_check(c, "chat", ask_get);
}

/* ---- DELETE /v1/responses/{id} ---- */

static void write_deleted(struct aiex_json_out *w, const void *id)
{
    aiex_jw_raw(w, "{\"id\":");
    aiex_jw_str(w, id);
    aiex_jw_raw(w, ",\"object\":\"response\",\"deleted\":true}");
}

static void on_delete(struct conn *c, const struct aiex_answer *answer)
{
    char id[ID_BYTES + 1];

    if (answer->kind != AIEX_ANSWER_END || failed(c, answer) || read_id(c, id) != 0)
        return;
    respond_json(c, &(struct reply){.status = 200}, write_deleted, id);
}

static void ask_delete(struct conn *c, struct aiex_slice principal)
{
    ask_service(c, "responses.delete", principal, on_delete);
}

void responses_delete(struct conn *c)
{
    call_check(c, "chat", ask_delete);
}

/* ---- GET /v1/responses/{id}/input_items ---- */

static void write_id_or_null(struct aiex_json_out *w, const struct aiex_json_span *item)
{
    struct aiex_json_span id;

    if (item->type == AIEX_JSON_OBJECT && aiex_json_find(item, "id", &id) &&
        id.type == AIEX_JSON_STRING)
        aiex_jw_rawn(w, id.data, id.len);
    else
        aiex_jw_raw(w, "null");
}

static void write_items(struct aiex_json_out *w, const void *arg)
{
    const struct aiex_json_span *list = arg;
    struct aiex_json_span item, first = {0}, last = {0};
    size_t at = 0;

    while (aiex_json_next(list, &at, NULL, &item)) {
        first = first.type ? first : item;
        last = item;
    }
    aiex_jw_raw(w, "{\"object\":\"list\",\"data\":");
    aiex_jw_rawn(w, list->data, list->len);
    aiex_jw_raw(w, ",\"first_id\":");
    write_id_or_null(w, &first);
    aiex_jw_raw(w, ",\"last_id\":");
    write_id_or_null(w, &last);
    aiex_jw_raw(w, ",\"has_more\":false}");
}

static void on_items(struct conn *c, const struct aiex_answer *answer)
{
    struct aiex_json_span list = {.type = AIEX_JSON_ARRAY};
    struct aiex_slice items;

    if (answer->kind != AIEX_ANSWER_END || failed(c, answer))
        return;
    if (aiex_get_bytes(answer->body, "items", &items) != 1 ||
        aiex_json_scan(items, 0, NULL, 0, NULL) != AIEX_JSON_ARRAY) {
        error_respond(c, 502, "upstream_error", NULL, "the stored input can not be read");
        return;
    }
    while (*items.data != '[') {
        items.data++;
        items.len--;
    }
    list.data = (const char *)items.data;
    list.len = items.len;
    respond_json(c, &(struct reply){.status = 200}, write_items, &list);
}

static void ask_items(struct conn *c, struct aiex_slice principal)
{
    ask_service(c, "responses.items", principal, on_items);
}

void responses_items(struct conn *c)
{
    call_check(c, "chat", ask_items);
}

/* ---- POST /v1/responses/{id}/cancel ---- */

static void on_cancel(struct conn *c, const struct aiex_answer *answer)
{
    if (answer->kind != AIEX_ANSWER_END || failed(c, answer))
        return;
    error_respond(c, 400, NULL, "response_id", "Cannot cancel a synchronous response.");
}

static void ask_cancel(struct conn *c, struct aiex_slice principal)
{
    ask_service(c, "responses.get", principal, on_cancel);
}

void responses_cancel(struct conn *c)
{
    call_check(c, "chat", ask_cancel);
}
