/* methods.c - what callers say, checked, and what they are told. */
#include "responses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Whose it is: the id of the key, `local`, or `open`. */
static int read_owner(struct aiex_slice body, char owner[MAX_OWNER + 1], struct aiex_error *err)
{
    struct aiex_slice principal;

    if (aiex_get_whole(body, "principal", &principal) != 1 ||
        aiex_get_text(principal, "key", owner, MAX_OWNER + 1) != 1 || !owner[0])
        return aiex_failed(err, -EINVAL,
                           "'principal' must be a map with 'key', a text of 1 to %u bytes",
                           MAX_OWNER);
    return 0;
}

static int read_id(struct aiex_slice body, const char *key, char id[MAX_ID + 1],
                   struct aiex_error *err)
{
    id[0] = 0;
    if (aiex_get_text(body, key, id, MAX_ID + 1) < 0 || (id[0] && !store_is_id(id)))
        return aiex_failed(err, -EINVAL, "'%s' must be letters, digits, '_', '-', at most %u bytes",
                           key, MAX_ID);
    return 0;
}

static int refuse(struct responses *r, const struct aiex_message *m, int error,
                  const struct aiex_error *err)
{
    const char *code = error == -EINVAL || error == -EMSGSIZE || error == -ELOOP ? AIEX_E_INVALID
                       : error == -EFBIG                                         ? AIEX_E_INVALID
                       : error == -ENOENT                                        ? AIEX_E_NOT_FOUND
                       : error == -ENOSPC || error == -EDQUOT ? AIEX_E_UNAVAILABLE
                                                              : AIEX_E_INTERNAL;

    return aiex_refuse(r->host, m->id, code, "%s", err->text);
}

/* The entry that a request names and may see; else it was refused and the result is NULL. */
static struct entry *named(struct responses *r, const struct aiex_message *m)
{
    char id[MAX_ID + 1], owner[MAX_OWNER + 1];
    struct aiex_error err = {""};
    struct entry *e;

    if (read_owner(m->body, owner, &err) != 0 || read_id(m->body, "id", id, &err) != 0) {
        refuse(r, m, -EINVAL, &err);
        return NULL;
    }
    e = id[0] ? store_find(r, id) : NULL;
    if (!e || strcmp(e->owner, owner) != 0) { /* another's does not exist for this one */
        aiex_refuse(r->host, m->id, AIEX_E_NOT_FOUND, "there is no response '%s'", id);
        return NULL;
    }
    index_touch(r, e);
    return e;
}

static int is_json(struct aiex_slice text, int type)
{
    return text.len && aiex_json_scan(text, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL) == type;
}

static int read_put(struct entry *e, struct aiex_slice body, struct aiex_slice *ret_input,
                    struct aiex_slice *ret_response, struct aiex_error *err)
{
    if (read_owner(body, e->owner, err) != 0 || read_id(body, "id", e->id, err) != 0 ||
        read_id(body, "previous", e->previous, err) != 0)
        return -EINVAL;
    if (!e->id[0])
        return aiex_failed(err, -EINVAL, "responses.put needs 'id'");
    if (strcmp(e->id, e->previous) == 0)
        return aiex_failed(err, -EINVAL, "response '%s' can not continue itself", e->id);
    if (aiex_get_bytes(body, "input", ret_input) != 1 || !is_json(*ret_input, AIEX_JSON_ARRAY))
        return aiex_failed(err, -EINVAL, "'input' must be a JSON array");
    if (aiex_get_bytes(body, "response", ret_response) != 1 ||
        !is_json(*ret_response, AIEX_JSON_OBJECT))
        return aiex_failed(err, -EINVAL, "'response' must be a JSON object");
    return 0;
}

int put_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    struct entry *e = calloc(1, sizeof(*e)), *old;
    struct aiex_slice input, response;
    struct aiex_error err = {""};
    int error;

    if (!e)
        return -ENOMEM;
    e->created = wall_ms();
    error = read_put(e, m->body, &input, &response, &err);
    if (error < 0) {
        free(e);
        return refuse(r, m, error, &err);
    }
    old = store_find(r, e->id);
    if (old && strcmp(old->owner, e->owner) != 0) {
        error = aiex_refuse(r->host, m->id, AIEX_E_CONFLICT, "the id '%s' is taken", e->id);
        free(e);
        return error;
    }
    error = store_put(r, e, input, response, &err);
    return error < 0 ? refuse(r, m, error, &err) : aiex_reply_done(r->host, m->id);
}

/* A reply of one or two byte strings. */
struct bytes {
    const char *key;
    struct aiex_slice value;
    const struct entry *e; /* NULL, or what is told besides */
};

static void write_bytes(struct aiex_writer *w, const void *arg)
{
    const struct bytes *b = arg;

    aiex_w_map(w, b->e ? 4 : 1);
    if (b->e) {
        aiex_w_key_str(w, "id", b->e->id);
        aiex_w_key_str(w, "previous", b->e->previous);
        aiex_w_key_int(w, "created", b->e->created);
    }
    aiex_w_key_bin(w, b->key, b->value.data, b->value.len);
}

static int reply_from_file(struct responses *r, const struct aiex_message *m, int want_input)
{
    struct entry *e = named(r, m);
    struct aiex_slice input, response;
    uint8_t *mem;
    int error;

    if (!e)
        return 0;
    error = store_read(r, e, &mem, &input, &response);
    if (error == -ENOENT || error == -EBADMSG)
        return aiex_refuse(r->host, m->id, AIEX_E_NOT_FOUND, "the response is not kept any more");
    if (error < 0)
        return aiex_refuse(r->host, m->id, AIEX_E_INTERNAL, "the response can not be read: %s",
                           strerror(-error));
    error = aiex_reply_by(r->host, m->id, write_bytes,
                          &(struct bytes){want_input ? "items" : "response",
                                          want_input ? input : response, want_input ? NULL : e});
    free(mem);
    return error == -ENOMEM ? error : 0;
}

int get_take(void *self, const struct aiex_message *m)
{
    return reply_from_file(self, m, 0);
}

int items_take(void *self, const struct aiex_message *m)
{
    return reply_from_file(self, m, 1);
}

int delete_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    struct entry *e = named(r, m);

    if (!e)
        return 0;
    store_remove(r, e);
    return aiex_reply_done(r->host, m->id);
}

int history_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    struct entry *e = named(r, m);
    struct aiex_error err = {""};
    char *json;
    size_t len;
    int error;

    if (!e)
        return 0;
    error = history_make(r, e, &json, &len, &err);
    if (error < 0)
        return refuse(r, m, error, &err);
    error = aiex_reply_by(r->host, m->id, write_bytes,
                          &(struct bytes){"items", {(const uint8_t *)json, len}, NULL});
    free(json);
    return error == -ENOMEM ? error : 0;
}

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct responses *r = arg;

    aiex_w_map(w, 5);
    aiex_w_key_uint(w, "responses", r->n);
    aiex_w_key_uint(w, "bytes", r->bytes);
    aiex_w_key_uint(w, "evicted", r->evicted);
    aiex_w_key_uint(w, "expired", r->expired);
    aiex_w_key_uint(w, "damaged", r->damaged);
}

int status_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;

    return aiex_reply_by(r->host, m->id, write_status, r);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    char reason[200] = "responses are kept";

    if (r->write_error)
        snprintf(reason, sizeof(reason), "the last response could not be written: %s",
                 strerror(-r->write_error));
    return aiex_reply_health(r->host, m->id, !r->write_error, reason);
}
