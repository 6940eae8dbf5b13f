/* body.c - what the checks need of an entry's body, in JSON or msgpack. */
#include "aiex_audit_check.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <string.h>

static int wrong(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EINVAL;
}

/* ---- JSON ---- */

enum field { WRITER, WSEQ, PREV, TIME, TYPE, ACTOR, COMMIT, REDACTS, N_FIELDS };

/* 64 hex digits in quotes. */
static int json_hash(const struct aiex_json_span *v, uint8_t out[AIEX_HASH])
{
    if (v->type != AIEX_JSON_STRING || v->len != 2 * AIEX_HASH + 2)
        return -EINVAL;
    return aiex_unhex(v->data + 1, 2 * AIEX_HASH, out, AIEX_HASH);
}

static int json_whole(const struct aiex_json_span *v, int64_t *out)
{
    return v->type == AIEX_JSON_NUMBER ? aiex_json_int(v, out) : -EINVAL;
}

static int json_optional(struct aiex_audit_body *b, const struct aiex_json_field *f,
                         const char **ret_why)
{
    b->has_commit = f[COMMIT].seen && f[COMMIT].value.type != AIEX_JSON_NULL;
    if (b->has_commit && json_hash(&f[COMMIT].value, b->commit) != 0)
        return wrong(ret_why, "its commit is not 64 hex digits");
    b->redacts = -1;
    if (f[REDACTS].seen && json_whole(&f[REDACTS].value, &b->redacts) != 0)
        return wrong(ret_why, "its redacts is not a whole number");
    return 0;
}

static int read_json(struct aiex_audit_body *b, struct aiex_slice body, const char **ret_why)
{
    struct aiex_json_field f[N_FIELDS] = {{.key = "writer"}, {.key = "wseq"},   {.key = "prev"},
                                          {.key = "time"},   {.key = "type"},   {.key = "actor"},
                                          {.key = "commit"}, {.key = "redacts"}};
    int64_t wseq;

    if (aiex_json_scan(body, 0, f, N_FIELDS, NULL) != AIEX_JSON_OBJECT)
        return wrong(ret_why, "its body is not a JSON object");
    for (int i = 0; i < N_FIELDS; i++)
        if (f[i].seen > 1)
            return wrong(ret_why, "its body has a key twice");
    if (aiex_json_text(&f[WRITER].value, b->writer, sizeof(b->writer)) < 1 ||
        strlen(b->writer) == 0)
        return wrong(ret_why, "its writer is missing or too long");
    if (json_whole(&f[WSEQ].value, &wseq) != 0 || wseq < 0)
        return wrong(ret_why, "its wseq is missing or wrong");
    b->wseq = (uint64_t)wseq;
    if (json_hash(&f[PREV].value, b->prev) != 0)
        return wrong(ret_why, "its prev is not 64 hex digits");
    if (json_whole(&f[TIME].value, &b->time) != 0)
        return wrong(ret_why, "its time is missing or wrong");
    if (f[TYPE].value.type != AIEX_JSON_STRING || f[ACTOR].value.type != AIEX_JSON_STRING)
        return wrong(ret_why, "its type or actor is missing or no text");
    return json_optional(b, f, ret_why);
}

/* ---- msgpack ---- */

/* 32 bytes, or their hex. 1, 0 (not there), -1. */
static int pack_hash(struct aiex_slice body, const char *key, uint8_t out[AIEX_HASH])
{
    struct aiex_slice bytes;
    int r = aiex_get_bytes(body, key, &bytes);

    if (r <= 0)
        return r;
    if (bytes.len == AIEX_HASH)
        memcpy(out, bytes.data, AIEX_HASH);
    else if (aiex_unhex((const char *)bytes.data, bytes.len, out, AIEX_HASH) != 0)
        return -1;
    return 1;
}

static int read_msgpack(struct aiex_audit_body *b, struct aiex_slice body, const char **ret_why)
{
    struct aiex_slice text;
    int64_t wseq;
    int r;

    if (body.len == 0 || !aiex_is_map(body))
        return wrong(ret_why, "its body is not a msgpack map");
    if (aiex_get_text(body, "writer", b->writer, sizeof(b->writer)) != 1 || !b->writer[0])
        return wrong(ret_why, "its writer is missing or too long");
    if (aiex_get_int(body, "wseq", &wseq) != 1 || wseq < 0)
        return wrong(ret_why, "its wseq is missing or wrong");
    b->wseq = (uint64_t)wseq;
    if (pack_hash(body, "prev", b->prev) != 1)
        return wrong(ret_why, "its prev is not 32 bytes");
    if (aiex_get_int(body, "time", &b->time) != 1)
        return wrong(ret_why, "its time is missing or wrong");
    if (aiex_get_str(body, "type", &text) != 1 || aiex_get_str(body, "actor", &text) != 1)
        return wrong(ret_why, "its type or actor is missing or no text");
    r = pack_hash(body, "commit", b->commit);
    b->has_commit = r == 1;
    b->redacts = -1;
    if (r < 0)
        return wrong(ret_why, "its commit is not 32 bytes");
    return aiex_get_int(body, "redacts", &b->redacts) < 0
               ? wrong(ret_why, "its redacts is not a whole number")
               : 0;
}

int aiex_audit_body_read(struct aiex_audit_body *b, struct aiex_slice body, int encoding,
                         const char **ret_why)
{
    return encoding == AIEX_BODY_JSON ? read_json(b, body, ret_why)
                                      : read_msgpack(b, body, ret_why);
}
