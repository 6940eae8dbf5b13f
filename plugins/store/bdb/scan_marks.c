/* scan_marks.c - events by their correlation or type: the index first, then each event. */
#include "scan.h"

#include "bytes.h"

#include <errno.h>
#include <string.h>

#define SLICE_PIECES 256u

static size_t mark_prefix(const struct scan *c, uint8_t *key)
{
    int by_type = scan_way(&c->filter) == BY_TYPE;
    const char *text = by_type ? c->filter.type : c->filter.correlation;
    size_t n = strlen(text);

    key[0] = by_type ? 't' : 'c';
    memcpy(key + 1, text, n + 1);
    return n + 2;
}

/* At the piece that has `at`, or else the first one behind or before it. 0, -ENOENT. */
static int mark_seek(struct env *e, DBC *cursor, struct scan *c, DBT *k, DBT *v, size_t prefix)
{
    uint8_t wanted[MARK_PREFIX];
    int r;

    memcpy(wanted, k->data, prefix);
    put_be((uint8_t *)k->data + prefix, c->at, 8);
    k->size = (uint32_t)prefix + 8;
    r = env_errno(e, cursor->get(cursor, k, v, DB_SET_RANGE));
    if (!c->backwards)
        return r;
    if (r == -ENOENT)
        return env_errno(e, cursor->get(cursor, k, v, DB_LAST));
    if (r == 0 && (k->size != prefix + 8 || memcmp(k->data, wanted, prefix) != 0))
        r = env_errno(e, cursor->get(cursor, k, v, DB_PREV));
    return r;
}

static int over(struct scan *c)
{
    c->end = 1;
    return SCAN_FULL;
}

/* One sequence of a piece; those that the scan is past are none. */
static int take_mark(struct job *j, struct scan *c, uint64_t sequence)
{
    int r;

    if (c->backwards ? sequence > c->at : sequence < c->at)
        return 0;
    if (c->backwards ? sequence < c->to : sequence > c->to)
        return over(c);
    if (j->part_len >= PART_BYTES)
        return SCAN_FULL;
    r = scan_sequence(j, c, sequence);
    if (r == 0)
        c->at = c->backwards ? sequence - 1 : sequence + 1;
    return r;
}

static int take_piece(struct job *j, struct scan *c, const DBT *k, const DBT *v,
                      const uint8_t *prefix, size_t n)
{
    struct piece piece;
    int r;

    if (k->size != n + 8 || memcmp(k->data, prefix, n) != 0)
        return over(c);
    r = piece_read(k, v, &piece);
    for (unsigned i = 0; i < piece.n && r == 0; i++)
        r = take_mark(j, c, piece.sequences[c->backwards ? piece.n - 1 - i : i]);
    return r;
}

int scan_marks(struct job *j, struct scan *c)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, MARKS);
    uint8_t key[MARK_KEY], prefix[MARK_PREFIX], value[PIECE_BYTES];
    size_t n = mark_prefix(c, prefix);
    DBT k = env_room(key, sizeof(key)), v = env_room(value, sizeof(value));
    DBC *cursor;
    int r;

    if (c->backwards ? c->at < c->to || !c->at : c->at > c->to)
        return over(c);
    r = env_errno(e, db->cursor(db, j->reader->txn, &cursor, 0));
    if (r < 0)
        return r;
    memcpy(key, prefix, n);
    r = mark_seek(e, cursor, c, &k, &v, n);
    for (unsigned i = 0; i < SLICE_PIECES && r == 0 && j->part_len < PART_BYTES; i++) {
        r = take_piece(j, c, &k, &v, prefix, n);
        env_look(MARKS);
        if (r == 0)
            r = env_errno(e, cursor->get(cursor, &k, &v, c->backwards ? DB_PREV : DB_NEXT));
    }
    cursor->close(cursor);
    return r == -ENOENT ? over(c) : r;
}
