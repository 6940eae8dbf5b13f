/* scan_marks.c - events by their correlation or type: the index first, then each event. */
#include "scan.h"

#include "bytes.h"

#include <errno.h>

#define SLICE_STEPS 2048u

static size_t mark_prefix(const struct scan *c, uint8_t *key)
{
    int by_type = scan_way(&c->filter) == BY_TYPE;
    const char *text = by_type ? c->filter.type : c->filter.correlation;
    size_t n = strlen(text);

    key[0] = by_type ? 't' : 'c';
    memcpy(key + 1, text, n + 1);
    return n + 2;
}

/* 0, -ENOENT: no mark is left. */
static int mark_seek(struct env *e, DBC *cursor, struct scan *c, DBT *k, size_t prefix)
{
    DBT none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    int r;

    put_be((uint8_t *)k->data + prefix, c->backwards ? c->at + 1 : c->at, 8);
    k->size = (uint32_t)prefix + 8;
    r = env_errno(e, cursor->get(cursor, k, &none, DB_SET_RANGE));
    if (!c->backwards)
        return r;
    if (r == -ENOENT)
        return env_errno(e, cursor->get(cursor, k, &none, DB_LAST));
    return r < 0 ? r : env_errno(e, cursor->get(cursor, k, &none, DB_PREV));
}

static int take_mark(struct job *j, struct scan *c, const DBT *k, const uint8_t *prefix, size_t n)
{
    const uint8_t *key = k->data;
    uint64_t sequence = k->size == n + 8 ? get_be(key + n, 8) : 0;
    int r;

    if (!sequence || memcmp(key, prefix, n) != 0 ||
        (c->backwards ? sequence < c->to : sequence > c->to)) {
        c->end = 1;
        return SCAN_FULL;
    }
    r = scan_sequence(j, c, sequence);
    if (r == 0)
        c->at = c->backwards ? sequence - 1 : sequence + 1;
    return r;
}

int scan_marks(struct job *j, struct scan *c)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, MARKS);
    uint8_t key[2 + MAX_CORRELATION + 8 + MAX_TYPE], prefix[2 + MAX_CORRELATION + MAX_TYPE];
    size_t n = mark_prefix(c, prefix);
    DBT k = env_room(key, sizeof(key)), none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    DBC *cursor;
    int r;

    if (c->backwards ? c->at < c->to || !c->at : c->at > c->to) {
        c->end = 1;
        return 0;
    }
    r = env_errno(e, db->cursor(db, j->reader->txn, &cursor, 0));
    if (r < 0)
        return r;
    memcpy(key, prefix, n);
    r = mark_seek(e, cursor, c, &k, n);
    for (unsigned i = 0; i < SLICE_STEPS && r == 0 && j->part_len < PART_BYTES; i++) {
        r = take_mark(j, c, &k, prefix, n);
        env_look(MARKS);
        if (r == 0)
            r = env_errno(e, cursor->get(cursor, &k, &none, c->backwards ? DB_PREV : DB_NEXT));
    }
    cursor->close(cursor);
    if (r == -ENOENT)
        c->end = 1;
    return r == -ENOENT ? 0 : r;
}
