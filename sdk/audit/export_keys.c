/* export_keys.c - see export_keys.h. */
#include "export_keys.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- The list ---- */

static int read_one(const struct aiex_json_span *item, struct key_since *out)
{
    struct aiex_json_field f[] = {{.key = "from"}, {.key = "key"}};
    const struct aiex_slice bytes = {(const uint8_t *)item->data, item->len};
    char text[AIEX_NOTE_KEY];
    struct aiex_error err;
    int64_t from;

    if (item->type != AIEX_JSON_OBJECT ||
        aiex_json_scan(bytes, 0, f, 2, NULL) != AIEX_JSON_OBJECT ||
        f[0].value.type != AIEX_JSON_NUMBER || aiex_json_int(&f[0].value, &from) != 0 || from < 0 ||
        aiex_json_text(&f[1].value, text, sizeof(text)) < 0)
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    out->from = (uint64_t)from;
    return aiex_note_key_read(&out->key, text, &err);
}

int export_keys_read(struct export_keys *k, const struct aiex_json_span *list)
{
    struct aiex_json_span item;
    size_t at = 0;

    k->n = 0;
    if (list->type != AIEX_JSON_ARRAY)
        return -EINVAL;
    while (aiex_json_next(list, &at, NULL, &item)) {
        if (k->n == AIEX_AUDIT_KEYS || read_one(&item, &k->v[k->n]) != 0 ||
            (k->n && k->v[k->n].from <= k->v[k->n - 1].from)) {
            k->n = 0;
            return -EINVAL;
        }
        k->n++;
    }
    return 0;
}

/* ---- What the log says of them ---- */

static int is_same(const struct aiex_note_key *a, const struct aiex_note_key *b)
{
    return a->type == b->type && strcmp(a->name, b->name) == 0 &&
           memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0;
}

/* Type and subject of a body. 0, or -1. */
static int read_body(struct aiex_slice body, int encoding, char type[32],
                     char subject[AIEX_NOTE_KEY])
{
    struct aiex_json_field f[] = {{.key = "type"}, {.key = "subject"}};

    if (encoding == AIEX_BODY_MSGPACK)
        return aiex_get_text(body, "type", type, 32) == 1 &&
                       aiex_get_text(body, "subject", subject, AIEX_NOTE_KEY) == 1
                   ? 0
                   : -1;
    if (aiex_json_scan(body, 0, f, 2, NULL) != AIEX_JSON_OBJECT ||
        f[0].value.type != AIEX_JSON_STRING || f[1].value.type != AIEX_JSON_STRING)
        return -1;
    return aiex_json_text(&f[0].value, type, 32) >= 0 &&
                   aiex_json_text(&f[1].value, subject, AIEX_NOTE_KEY) >= 0
               ? 0
               : -1;
}

void export_keys_entry(struct export_keys *k, uint64_t seq, struct aiex_slice body, int encoding)
{
    char type[32], subject[AIEX_NOTE_KEY];
    struct aiex_note_key key;
    struct aiex_error err;

    if (!k->n || read_body(body, encoding, type, subject) != 0 ||
        strcmp(type, AIEX_AUDIT_ROTATED) != 0 || aiex_note_key_read(&key, subject, &err) != 0)
        return;
    for (size_t i = 1; i < k->n; i++)
        if (!k->v[i].named && seq < k->v[i].from && is_same(&k->v[i].key, &key)) {
            k->v[i].named = 1;
            k->v[i].seq = seq;
        }
}

void export_keys_head(struct export_keys *k, struct aiex_slice bytes)
{
    struct aiex_checkpoint p;
    struct aiex_error err;
    struct aiex_note note;

    if (k->n < 2 || aiex_note_read(&note, bytes, &err) != 0 ||
        aiex_checkpoint_read(&p, note.text, &err) != 0)
        return;
    for (size_t i = 1; i < k->n; i++) {
        struct key_since *next = &k->v[i];

        if (next->named && !next->vouched && p.size > next->seq && p.size <= next->from)
            next->vouched = aiex_note_signed_by(&note, &k->v[i - 1].key, NULL) == 1;
    }
}

/* ---- Who is trusted ---- */

/* Size of the last head that the i-th key may sign. */
static uint64_t until(const struct export_keys *k, size_t i)
{
    return i + 1 < k->n ? k->v[i + 1].from : UINT64_MAX;
}

int export_keys_trust(struct export_keys *k, const struct aiex_note_key *known,
                      struct aiex_check *check)
{
    size_t i = 0;
    int r;

    while (i < k->n && !is_same(&k->v[i].key, known))
        i++;
    if (i == k->n)
        return aiex_check_key_until(check, known, UINT64_MAX);
    r = aiex_check_key_until(check, known, until(k, i));
    for (i++; i < k->n && r == 0; i++) {
        if (!k->v[i].vouched) {
            aiex_check_fault(
                check, "rotation", 1, k->v[i].from, k->v[i].from,
                "nothing that the former key signed names the key that signs from %" PRIu64
                " entries on",
                k->v[i].from);
            break;
        }
        r = aiex_check_key_until(check, &k->v[i].key, until(k, i));
    }
    return r;
}
