/*
 * append.c - requests that the writer answers: append, redact, head, cosign, rotate_key;
 * append_all.c has many.
 *
 * A request waits in a list by arrival until the writer gives its op back. What waits longer than
 * `deadline` is refused by the tick; its op still comes back, to nobody.
 */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ops that wait ---- */

static void remember(struct chain *c, struct op *op)
{
    op->older = c->newest;
    op->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = op;
    c->newest = op;
    c->n_waiting++;
}

static void forget(struct chain *c, struct op *op)
{
    *(op->older ? &op->older->newer : &c->oldest) = op->newer;
    *(op->newer ? &op->newer->older : &c->newest) = op->older;
    c->n_waiting--;
}

void op_free(struct op *op)
{
    free(op->note);
    free(op->cosigned);
    free(op->key);
    free(op);
}

struct op *op_new(struct chain *c, const struct aiex_message *m, enum op_kind kind)
{
    struct op *op = calloc(1, sizeof(*op) + m->body.len);

    if (!op) {
        aiex_refuse(c->host, m->id, AIEX_E_BUSY, "no memory");
        return NULL;
    }
    op->chain = c;
    op->kind = kind;
    op->id = m->id;
    op->arrived = mono_ms(c->host);
    op->entry.redacts = -1;
    op->n_bytes = m->body.len;
    if (AIEX_HAS(m, struct aiex_message, caller))
        memccpy(op->by, m->caller, 0, sizeof(op->by) - 1);
    if (m->body.len)
        memcpy(op->bytes, m->body.data, m->body.len);
    return op;
}

void refuse_act(struct chain *c, uint64_t id, int must, const char *word, const char *reason)
{
    struct aiex_writer w;
    uint8_t mem[128];
    char text[512];

    if (!id)
        return;
    snprintf(text, sizeof(text), "not recorded: %s%s", reason,
             must ? "; this act must not happen unrecorded" : "");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "act", must ? "must" : "may");
    aiex_w_key_str(&w, "reason", word);
    c->host->fail(c->host, id, AIEX_E_READ_ONLY, text, 0, aiex_written(&w));
}

/* What was not handed over, of a group or alone. */
static void give_up(struct chain *c, struct op *op, const char *reason)
{
    if (op->group) {
        op->result = -EBUSY;
        snprintf(op->why, sizeof(op->why), "%s", reason);
        group_done(op);
    } else {
        alarm_lost(c, op->must, op->id != 0);
    }
    op_free(op);
}

void append_push(struct chain *c, struct op *op)
{
    const char *reason = alarm_reason(c);

    if (reason) {
        refuse_act(c, op->id, op->must, alarm_word(c), reason);
        give_up(c, op, reason);
    } else if (writer_push(c, op) != 0) {
        aiex_refuse(c->host, op->id, AIEX_E_BUSY, "%u acts wait to be recorded", MAX_QUEUED_OPS);
        give_up(c, op, "too many acts wait to be recorded");
    } else {
        remember(c, op);
    }
}

/* ---- audit.append ---- */

struct field {
    const char *name;
    size_t offset, max;
    int required;
};

#define FIELD(f) #f, offsetof(struct entry, f)

static const struct field append_fields[] = {
    {FIELD(type), 128, 1},
    {FIELD(actor), 256, 1},
    {FIELD(subject), 1024, 0},
    {FIELD(correlation), 64, 0},
    {FIELD(writer), WRITER_NAME - 1, 0},
    {NULL, 0, 0, 0},
};
static const struct field redact_fields[] = {
    {FIELD(actor), 256, 1},
    {FIELD(reason), 1024, 1},
    {NULL, 0, 0, 0},
};

/* 0, or the request is refused. */
static int read_fields(struct op *op, const struct field *f)
{
    struct aiex_slice body = {op->bytes, op->n_bytes};
    const struct aiex_host *host = op->chain->host;

    for (; f->name; f++) {
        struct aiex_slice *out = (struct aiex_slice *)((char *)&op->entry + f->offset);
        int r = aiex_get_str(body, f->name, out);

        if (r < 0 || (r == 0 && f->required) || out->len > f->max || (f->required && !out->len)) {
            aiex_refuse(host, op->id, AIEX_E_INVALID, "field '%s' %s text of at most %zu bytes",
                        f->name, f->required ? "must be" : "is not", f->max);
            return -EINVAL;
        }
    }
    return 0;
}

/* An instance tells for itself, whatever it says; others' chains are not its to go on with. The
 * control socket may name one, and so may all where the host does not say who asks. */
static void set_writer(struct op *op)
{
    if (op->by[0] && strncmp(op->by, "host.", 5) != 0)
        op->entry.writer = (struct aiex_slice){(const uint8_t *)op->by, strlen(op->by)};
}

int append_read(struct op *op)
{
    struct aiex_slice body = {op->bytes, op->n_bytes};
    struct entry *e = &op->entry;
    int must = 0;

    e->writer = (struct aiex_slice){(const uint8_t *)"aiex", 4};
    if (read_fields(op, append_fields) != 0)
        return -EINVAL;
    set_writer(op);
    if (e->writer.len == 0 || memchr(e->writer.data, 0, e->writer.len) ||
        (e->writer.len == 5 && memcmp(e->writer.data, "audit", 5) == 0)) {
        aiex_refuse(op->chain->host, op->id, AIEX_E_INVALID,
                    "field 'writer' is empty, or 'audit', which is the log itself");
        return -EINVAL;
    }
    e->time = wall_ms();
    if (aiex_get_bytes(body, "payload", &e->payload) < 0 || e->payload.len > MAX_PAYLOAD ||
        aiex_get_int(body, "time", &e->time) < 0 || aiex_get_bool(body, "must", &must) < 0) {
        aiex_refuse(op->chain->host, op->id, AIEX_E_INVALID,
                    "field 'payload' (at most 64 KiB), 'time' or 'must' is wrong");
        return -EINVAL;
    }
    op->must = must || policy_must(op->chain->config->must, e->type);
    return 0;
}

int append_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct op *op = op_new(c, m, OP_APPEND);

    if (!op)
        return 0;
    if (!aiex_is_map(m->body)) {
        aiex_refuse(c->host, m->id, AIEX_E_INVALID, "the body is not a map");
        op_free(op);
    } else if (append_read(op) != 0) {
        op_free(op);
    } else {
        append_push(c, op);
    }
    return 0;
}

/* ---- Events that are acts ---- */

/* "host.plugin" and "started" are "host.plugin.started". */
static int read_event(struct op *op, const char *topic)
{
    struct aiex_slice body = {op->bytes, op->n_bytes}, type = {NULL, 0}, data = {NULL, 0};
    struct entry *e = &op->entry;
    char *name;

    aiex_get_str(body, "type", &type);
    aiex_get_str(body, "subject", &e->subject);
    aiex_get_str(body, "correlation", &e->correlation);
    aiex_get_str(body, "node", &e->actor);
    aiex_get_int(body, "time", &e->time);
    aiex_get_whole(body, "data", &data);
    if (type.len + strlen(topic) > 126 || e->subject.len > 1024 || e->correlation.len > 64 ||
        e->actor.len > 256)
        return -EINVAL;
    name = malloc(130);
    if (!name)
        return -ENOMEM;
    op->note = name; /* freed with the op */
    e->type = (struct aiex_slice){(uint8_t *)name,
                                  (size_t)sprintf(name, "%s%s%.*s", topic, type.len ? "." : "",
                                                  (int)type.len, (const char *)type.data)};
    e->writer = (struct aiex_slice){(const uint8_t *)"events", 6};
    if (!e->actor.len)
        e->actor = (struct aiex_slice){(const uint8_t *)"host", 4};
    if (data.len <= MAX_PAYLOAD)
        e->payload = data;
    return 0;
}

int event_take(struct chain *c, const struct aiex_message *m)
{
    struct aiex_message copy = *m;
    struct op *op;

    copy.id = 0;
    op = op_new(c, &copy, OP_APPEND);
    if (!op)
        return 0;
    op->entry.time = wall_ms();
    if (read_event(op, m->method) != 0) {
        op_free(op);
        return 0;
    }
    op->must = policy_must(c->config->must, op->entry.type);
    append_push(c, op);
    return 0;
}

/* ---- audit.redact ---- */

int redact_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct op *op = op_new(c, m, OP_REDACT);
    struct aiex_slice body;

    if (!op)
        return 0;
    body = (struct aiex_slice){op->bytes, op->n_bytes};
    op->must = 1;
    if (aiex_get_int(body, "seq", &op->target) != 1 || op->target < 0) {
        aiex_refuse(c->host, m->id, AIEX_E_INVALID, "field 'seq' must be the number of an entry");
        op_free(op);
    } else if (read_fields(op, redact_fields) != 0) {
        op_free(op);
    } else {
        op->entry.writer = (struct aiex_slice){(const uint8_t *)"audit", 5};
        op->entry.type = (struct aiex_slice){(const uint8_t *)"audit.redacted", 14};
        op->entry.time = wall_ms();
        op->entry.redacts = op->target;
        append_push(c, op);
    }
    return 0;
}

/* ---- audit.rotate_key ---- */

int rotate_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct op *op = op_new(c, m, OP_ROTATE);

    if (!op)
        return 0;
    op->must = 1;
    op->entry.time = wall_ms();
    if (read_fields(op, redact_fields) != 0)
        op_free(op);
    else
        append_push(c, op);
    return 0;
}

/* ---- audit.head, audit.cosign ---- */

int append_head(struct chain *c, uint64_t id, void (*then)(struct op *), void *arg)
{
    const struct aiex_message none = {.struct_size = sizeof(none), .id = 0};
    struct op *op = op_new(c, &none, OP_HEAD);

    if (!op)
        return -ENOMEM;
    op->id = id;
    op->then = then;
    op->arg = arg;
    if (writer_push(c, op) != 0) {
        op_free(op);
        return -EBUSY;
    }
    remember(c, op);
    return 0;
}

int head_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;

    if (append_head(c, m->id, NULL, NULL) != 0)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY, "too much waits for the audit log");
    return 0;
}

/* The witnesses whose signature is on the note. -1: one of them is wrong. */
static int count_witnesses(struct chain *c, const struct aiex_note *n)
{
    int found = 0;

    for (size_t i = 0; i < c->n_witnesses; i++) {
        int r = aiex_note_signed_by(n, &c->witnesses[i], NULL);

        if (r < 0)
            return -1;
        found += r;
    }
    return found;
}

static int read_cosigned(struct op *op)
{
    struct chain *c = op->chain;
    struct aiex_slice body = {op->bytes, op->n_bytes}, bytes;
    struct aiex_error err = {""};
    struct aiex_checkpoint p;
    struct aiex_note n;

    if (aiex_get_str(body, "note", &bytes) != 1)
        return aiex_refuse(c->host, op->id, AIEX_E_INVALID, "field 'note' must be text"), -1;
    if (aiex_note_read(&n, bytes, &err) != 0 || aiex_checkpoint_read(&p, n.text, &err) != 0)
        return aiex_refuse(c->host, op->id, AIEX_E_INVALID, "%s", err.text), -1;
    if (strcmp(p.origin, c->origin) != 0 || !keys_signed(&c->log, &n, p.size))
        return aiex_refuse(c->host, op->id, AIEX_E_INVALID, "this log did not sign the head"), -1;
    if (count_witnesses(c, &n) < 1)
        return aiex_refuse(c->host, op->id, AIEX_E_DENIED,
                           "no good signature of a witness that the option witness.NAME names"),
               -1;
    op->size = p.size;
    memcpy(op->root, p.root, AIEX_HASH);
    op->note = strndup((const char *)bytes.data, bytes.len);
    return op->note ? 0 : -1;
}

int cosign_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct op *op = op_new(c, m, OP_COSIGN);

    if (!op)
        return 0;
    if (read_cosigned(op) == 0)
        append_push(c, op);
    else
        op_free(op);
    return 0;
}

/* ---- Answers ---- */

static void write_appended(struct aiex_writer *w, const void *arg)
{
    const struct op *op = arg;

    aiex_w_map(w, 2);
    aiex_w_key_uint(w, "seq", op->entry.seq);
    aiex_w_key_bin(w, "hash", op->entry.leaf, AIEX_HASH);
}

static void write_head(struct aiex_writer *w, const void *arg)
{
    const struct op *op = arg;

    aiex_w_map(w, 5);
    aiex_w_key_uint(w, "size", op->size);
    aiex_w_key_bin(w, "root", op->root, AIEX_HASH);
    aiex_w_key_str(w, "note", op->note ? op->note : "");
    aiex_w_key_str(w, "key", op->key ? op->key : "");
    aiex_w_key_str(w, "cosigned", op->cosigned ? op->cosigned : "");
}

static void write_rotated(struct aiex_writer *w, const void *arg)
{
    const struct op *op = arg;

    aiex_w_map(w, 2);
    aiex_w_key_uint(w, "seq", op->entry.seq);
    aiex_w_key_str(w, "key", op->key ? op->key : "");
}

/* The writer could not, or would not. */
static void refuse_op(struct chain *c, struct op *op)
{
    switch (op->result) {
    case -ENOENT:
        aiex_refuse(c->host, op->id, AIEX_E_NOT_FOUND,
                    "entry %" PRId64 " is not there, or has no "
                    "payload",
                    op->target);
        break;
    case -EALREADY:
        aiex_refuse(c->host, op->id, AIEX_E_CONFLICT, "the payload of entry %" PRId64 " is gone",
                    op->target);
        break;
    case -EPERM:
        aiex_refuse(c->host, op->id, AIEX_E_DENIED, "%s", op->why);
        break;
    case -E2BIG:
    case -EINVAL:
        if (op->kind == OP_ROTATE) {
            aiex_refuse(c->host, op->id, AIEX_E_INVALID, "%s", op->why);
            break;
        }
        aiex_refuse(c->host, op->id, AIEX_E_INVALID, "%s: at most %u writers are known", op->why,
                    MAX_WRITERS);
        break;
    case -ERANGE:
        aiex_refuse(c->host, op->id, AIEX_E_CONFLICT, "%s", op->why);
        break;
    default:
        if (op->kind == OP_COSIGN && op->result == -EBADMSG) {
            aiex_refuse(c->host, op->id, AIEX_E_CONFLICT, "%s", op->why);
            break;
        }
        refuse_act(c, op->id, op->must, alarm_word(c), op->why);
        if (op->kind == OP_APPEND || op->kind == OP_REDACT || op->kind == OP_ROTATE)
            alarm_lost(c, op->must, op->id != 0);
    }
}

static void answer(struct chain *c, struct op *op)
{
    if (op->group) {
        group_done(op);
        return;
    }
    if (op->told) { /* refused as overdue, or the caller left */
        if (op->result < 0 && op->kind == OP_APPEND && !op->must)
            alarm_lost(c, 0, 0);
        return;
    }
    if (op->then)
        op->then(op);
    else if (op->result < 0)
        refuse_op(c, op);
    else if (op->kind == OP_HEAD)
        aiex_reply_by(c->host, op->id, write_head, op);
    else if (op->kind == OP_ROTATE)
        aiex_reply_by(c->host, op->id, write_rotated, op);
    else if (op->kind == OP_COSIGN)
        aiex_reply_done(c->host, op->id);
    else if (op->id)
        aiex_reply_by(c->host, op->id, write_appended, op);
}

void append_done(struct chain *c)
{
    struct op *list;

    pthread_mutex_lock(&c->writer.lock);
    list = c->writer.done;
    c->writer.done = NULL;
    c->writer.done_end = &c->writer.done;
    pthread_mutex_unlock(&c->writer.lock);
    alarm_look(c);
    while (list) {
        struct op *op = list;

        list = op->next;
        forget(c, op);
        answer(c, op);
        op_free(op);
    }
    if (c->drained && c->n_waiting == 0) {
        void (*drained)(void *) = c->drained;

        c->drained = NULL;
        drained(c->drained_arg);
    }
}

void append_cancel(struct chain *c, uint64_t id)
{
    for (struct op *op = c->oldest; op; op = op->newer)
        if (op->id == id && !op->then)
            op->told = 1;
    group_cancel(c, id);
}

void append_overdue(struct chain *c)
{
    uint64_t now = mono_ms(c->host);
    const char *reason = alarm_reason(c);
    static const char late[] = "the disk did not take it in time (it may be recorded later)";

    for (struct op *op = c->oldest; op; op = op->newer) {
        if (now - op->arrived < (uint64_t)c->config->deadline)
            break;
        if (op->told || !op->id)
            continue;
        op->told = 1;
        if (op->then) {
            op->result = -ETIMEDOUT;
            snprintf(op->why, sizeof(op->why), "%s", reason ? reason : late);
            op->then(op);
            op->then = NULL;
            continue;
        }
        refuse_act(c, op->id, op->must, alarm_word(c), reason ? reason : late);
        if (op->must)
            alarm_lost(c, 1, 1);
    }
}

void append_end(struct chain *c, int tell)
{
    while (c->oldest) {
        struct op *op = c->oldest;

        if (tell && !op->told)
            aiex_refuse(c->host, op->id, AIEX_E_UNAVAILABLE, "the audit log is stopping");
        forget(c, op);
        if (op->group)
            group_left(op);
        op_free(op);
    }
}
