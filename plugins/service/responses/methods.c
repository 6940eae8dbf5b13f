/* methods.c - what callers say, checked, and what they are told. */
#include "responses.h"

#include <aiex_metrics.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_PUTS 3 /* tries against another process that writes the same */

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
    if (aiex_get_text(body, key, id, MAX_ID + 1) < 0 || (id[0] && !keep_is_id(id)))
        return aiex_failed(err, -EINVAL, "'%s' must be letters, digits, '_', '-', at most %u bytes",
                           key, MAX_ID);
    return 0;
}

struct work *named_work(struct responses *r, const struct aiex_message *m,
                        void (*step)(struct work *w))
{
    char id[MAX_ID + 1], owner[MAX_OWNER + 1];
    struct aiex_error err = {""};
    struct work *w;

    if (read_owner(m->body, owner, &err) != 0 || read_id(m->body, "id", id, &err) != 0) {
        aiex_refuse(r->host, m->id, AIEX_E_INVALID, "%s", err.text);
        return NULL;
    }
    if (!id[0]) {
        aiex_refuse(r->host, m->id, AIEX_E_NOT_FOUND, "there is no response ''");
        return NULL;
    }
    w = work_new(r, m, step);
    if (!w)
        return NULL;
    strcpy(w->name, id);
    strcpy(w->owner, owner);
    return w;
}

/* 1 = it is there and its owner asks; another's does not exist. Else the work is ended. */
static int may_have(struct work *w)
{
    if (w->error) {
        work_fail(w);
        return 0;
    }
    if (w->e && strcmp(w->e->key, w->owner) == 0) {
        index_touch(w->r, w->e);
        return 1;
    }
    work_refuse(w, AIEX_E_NOT_FOUND, "there is no response '%s'", w->name);
    return 0;
}

/* ---- responses.put ---- */

static int is_json(struct aiex_slice text, int type)
{
    return text.len && aiex_json_scan(text, AIEX_JSON_MAX_DEPTH, NULL, 0, NULL) == type;
}

static int read_put(struct entry *e, struct aiex_slice body, struct aiex_slice *ret_input,
                    struct aiex_slice *ret_response, struct aiex_error *err)
{
    if (read_owner(body, e->key, err) != 0 || read_id(body, "id", e->id, err) != 0 ||
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

static void find_place(struct work *w);

/* Who put it does not wait for the answer: it is said here, too. */
static void fail_put(struct work *w)
{
    w->r->not_kept++;
    aiex_logf(w->r->host, AIEX_LOG_WARN, w->trace,
              "response '%s' is not kept, nothing can continue it: %s", w->name, w->err.text);
    work_fail(w);
}

static void on_put(struct work *w)
{
    struct responses *r = w->r;

    if (w->error == -ESTALE && w->tries++ < MAX_PUTS) {
        keep_find(w, w->name, find_place);
        return;
    }
    r->trouble[0] = 0;
    if (!w->error) {
        work_reply(w, NULL, NULL);
        return;
    }
    if (w->error != -ESTALE)
        snprintf(r->trouble, sizeof(r->trouble), "%s", w->err.text);
    fail_put(w);
}

static void find_place(struct work *w)
{
    if (w->error) {
        on_put(w);
        return;
    }
    if (w->e && strcmp(w->e->key, w->owner) != 0) {
        work_refuse(w, AIEX_E_CONFLICT, "the id '%s' is taken", w->name);
        return;
    }
    w->error = room_make(w->r, w->fresh, w->e, &w->err);
    if (w->error)
        fail_put(w);
    else
        keep_put(w, on_put);
}

/* Ids are new but for rare cases: the store says when this one is not. */
static void put_first(struct work *w)
{
    struct responses *r = w->r;

    if (!r->config->store[0] || index_find(r, w->name) || work_is_written(w, w->name)) {
        keep_find(w, w->name, find_place);
        return;
    }
    w->e = NULL;
    find_place(w);
}

/* Behind the message's end: what is not written at once must be kept. */
static int keep_content(struct work *w)
{
    const size_t n = w->input.len + w->response.len;

    if (n > MAX_STORED)
        return aiex_failed(&w->err, -EFBIG, "a response of %zu bytes is longer than %u MiB", n,
                           MAX_STORED >> 20);
    w->mem = w->r->pending + n <= MAX_PENDING ? malloc(n + 1) : NULL;
    if (!w->mem) {
        strcpy(w->code, AIEX_E_BUSY);
        return aiex_failed(&w->err, -ENOMEM, "too many responses are being written");
    }
    memcpy(w->mem, w->input.data, w->input.len);
    memcpy(w->mem + w->input.len, w->response.data, w->response.len);
    w->input.data = w->mem;
    w->response.data = w->mem + w->input.len;
    w->pending = n;
    w->r->pending += n;
    return 0;
}

int put_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    struct entry *e = calloc(1, sizeof(*e));
    struct aiex_error err = {""};
    struct aiex_slice input, response;
    struct work *w;
    int error;

    if (!e)
        return -ENOMEM;
    e->created = wall_ms();
    error = read_put(e, m->body, &input, &response, &err);
    if (error < 0)
        aiex_refuse(r->host, m->id, AIEX_E_INVALID, "%s", err.text);
    w = error == 0 ? work_new(r, m, put_first) : NULL;
    if (!w) {
        free(e);
        return 0;
    }
    w->fresh = e;
    w->writes = 1;
    w->input = input;
    w->response = response;
    strcpy(w->name, e->id);
    strcpy(w->owner, e->key);
    e->meta_len = (uint32_t)(strlen(e->id) + strlen(e->key) + strlen(e->previous) + 40);
    e->input_len = (uint32_t)input.len;
    e->response_len = (uint32_t)response.len;
    w->error = r->config->store[0] ? keep_content(w) : 0;
    if (w->error)
        work_next(w, fail_put);
    else
        work_run(w);
    return 0;
}

/* ---- responses.get, items, delete ---- */

void bytes_write(struct aiex_writer *w, const void *arg)
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

static void on_read(struct work *w)
{
    struct bytes b = {w->wants_items ? "items" : "response",
                      w->wants_items ? w->input : w->response, w->wants_items ? NULL : w->fresh};

    if (w->error == -ENOENT || w->error == -EBADMSG)
        work_refuse(w, AIEX_E_NOT_FOUND, "the response is not kept any more");
    else if (w->error == -EIO && w->code[0])
        work_fail(w);
    else if (w->error)
        work_refuse(w, AIEX_E_INTERNAL, "the response can not be read: %s", strerror(-w->error));
    else
        work_reply(w, bytes_write, &b);
}

/* What is told besides is kept: the entry may go while the rest is read. */
static void get_found(struct work *w)
{
    if (!may_have(w))
        return;
    w->fresh = malloc(sizeof(*w->fresh));
    if (!w->fresh) {
        work_refuse(w, AIEX_E_INTERNAL, "no memory for the response");
        return;
    }
    *w->fresh = *w->e;
    keep_read(w, on_read);
}

static void get_first(struct work *w)
{
    keep_find(w, w->name, get_found);
}

static int get_by(struct responses *r, const struct aiex_message *m, int wants_items)
{
    struct work *w = named_work(r, m, get_first);

    if (!w)
        return 0;
    w->wants_items = wants_items;
    work_run(w);
    return 0;
}

int get_take(void *self, const struct aiex_message *m)
{
    return get_by(self, m, 0);
}

int items_take(void *self, const struct aiex_message *m)
{
    return get_by(self, m, 1);
}

static void delete_found(struct work *w);

static void on_deleted(struct work *w)
{
    if (w->error == -ESTALE && w->tries++ < MAX_PUTS)
        keep_find(w, w->name, delete_found);
    else if (w->error)
        work_fail(w);
    else
        work_reply(w, NULL, NULL);
}

static void delete_found(struct work *w)
{
    if (may_have(w))
        keep_delete(w, on_deleted);
}

static void delete_first(struct work *w)
{
    keep_find(w, w->name, delete_found);
}

int delete_take(void *self, const struct aiex_message *m)
{
    struct work *w = named_work(self, m, delete_first);

    if (!w)
        return 0;
    w->writes = 1;
    work_run(w);
    return 0;
}

/* ---- How it is ---- */

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct responses *r = arg;

    aiex_w_map(w, 8);
    aiex_w_key_uint(w, "responses", r->n);
    aiex_w_key_uint(w, "bytes", r->bytes);
    aiex_w_key_uint(w, "evicted", r->evicted);
    aiex_w_key_uint(w, "expired", r->expired);
    aiex_w_key_uint(w, "damaged", r->damaged);
    aiex_w_key_uint(w, "pending_bytes", r->pending);
    aiex_w_key_uint(w, "to_remove", r->n_doomed);
    aiex_w_key_bool(w, "loaded", r->loaded);
}

int status_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;

    return aiex_reply_by(r->host, m->id, write_status, r);
}

int metrics_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    const struct {
        const char *name, *type, *help;
        double value;
    } all[] = {
        {"aiex_responses_kept", "gauge", "Responses that are kept.", (double)r->n},
        {"aiex_responses_kept_bytes", "gauge", "Bytes of them.", (double)r->bytes},
        {"aiex_responses_pending_bytes", "gauge", "Bytes on their way to the store.",
         (double)r->pending},
        {"aiex_responses_evicted_total", "counter", "Responses that went for want of room.",
         (double)r->evicted},
        {"aiex_responses_expired_total", "counter", "Responses whose time was over.",
         (double)r->expired},
        {"aiex_responses_damaged_total", "counter", "Responses that were damaged.",
         (double)r->damaged},
        {"aiex_responses_not_kept_total", "counter", "Responses that could not be written.",
         (double)r->not_kept},
    };
    struct aiex_metrics page;

    aiex_metrics_begin(&page, r->host);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        aiex_metrics_one(&page, all[i].name, all[i].type, all[i].help, all[i].value);
    return aiex_metrics_reply(&page, m->id);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct responses *r = self;
    char reason[300] = "responses are kept";

    if (r->trouble[0])
        snprintf(reason, sizeof(reason), "the last response could not be written: %s", r->trouble);
    else if (!r->loaded)
        snprintf(reason, sizeof(reason), "the store '%.64s' has not answered yet",
                 r->config->store);
    return aiex_reply_health(r->host, m->id, !r->trouble[0] && r->loaded, reason);
}
