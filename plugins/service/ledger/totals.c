/* totals.c - counting a day; writing it down and reading it back, checked. */
#include "totals.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION 1
#define BATCH   65536u
#define ROW_MAX (1u + N_SUMS * 9u + 5u) /* without its key */

void totals_init(struct totals *t, size_t max_rows)
{
    memset(t, 0, sizeof(*t));
    t->whole = 1;
    table_init(&t->rows, max_rows);
    table_init(&t->spent, SPENT_NAMES);
}

void totals_done(struct totals *t)
{
    table_done(&t->rows);
    table_done(&t->spent);
}

unsigned spent_add(struct table *spent, const struct facts *f)
{
    unsigned lacking = 0;

    for (uint8_t c = 0; c < N_SCOPES; c++) {
        uint8_t name[1 + MAX_COLUMN] = {c};
        size_t n = f->columns[c].len;
        struct row *row;

        if (!n)
            continue;
        memcpy(name + 1, f->columns[c].data, n);
        row = table_at(spent, name, 1 + n);
        if (row)
            sums_add(&row->sums, &f->sums);
        else
            lacking++;
    }
    return lacking;
}

/* Too many rows: better none than some; reports of this day read the segment then. */
static void give_up_rows(struct totals *t)
{
    t->whole = 0;
    table_done(&t->rows);
}

void totals_add(struct totals *t, const struct facts *f, const struct aiex_rlog_item *item)
{
    struct row *row = NULL;
    struct key k;

    if (t->count % MARK_EVERY == 0)
        t->marks[t->count / MARK_EVERY % MARKS] = item->offset;
    t->count++;
    t->covered = item->offset + item->bytes;
    t->last_offset = item->offset;
    t->last_crc = item->crc;
    t->unnamed += spent_add(&t->spent, f);
    if (!t->whole)
        return;
    k.len = 0;
    if (!f->more_tags && facts_key(f, &k) == 0)
        row = table_at(&t->rows, k.data, k.len);
    if (row)
        sums_add(&row->sums, &f->sums);
    else
        give_up_rows(t);
}

uint64_t totals_recent_from(const struct totals *t)
{
    uint64_t newest;

    if (t->count <= (uint64_t)MARK_EVERY * (MARKS - 1))
        return 0;
    newest = (t->count - 1) / MARK_EVERY;
    return t->marks[(newest + 1) % MARKS];
}

/* ---- The file: one record with the numbers, then batches of rows ---- */

static size_t write_head(const struct totals *t, uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 11);
    aiex_w_key_uint(&w, "version", VERSION);
    aiex_w_key_uint(&w, "salt", t->salt);
    aiex_w_key_uint(&w, "covered", t->covered);
    aiex_w_key_uint(&w, "count", t->count);
    aiex_w_key_uint(&w, "last_offset", t->last_offset);
    aiex_w_key_uint(&w, "last_crc", t->last_crc);
    aiex_w_key_bool(&w, "whole", t->whole);
    aiex_w_key_uint(&w, "unnamed", t->unnamed);
    aiex_w_key_uint(&w, "rows", t->rows.used);
    aiex_w_key_uint(&w, "spent", t->spent.used);
    aiex_w_str(&w, "marks");
    aiex_w_array(&w, MARKS);
    for (unsigned i = 0; i < MARKS; i++)
        aiex_w_uint(&w, t->marks[i]);
    return aiex_written(&w).len;
}

static void write_row(struct aiex_writer *w, const struct row *row, char kind)
{
    aiex_w_byte(w, (unsigned char)kind);
    for (int s = 0; s < N_SUMS; s++)
        aiex_w_int(w, row->sums.v[s]);
    aiex_w_bin(w, row->key, row->len);
}

static int flush(struct aiex_rlog *log, struct aiex_writer *w)
{
    struct aiex_slice body = aiex_written(w);
    int r = body.len ? aiex_rlog_add(log, &body, 1, NULL, NULL) : 0;

    aiex_writer_init(w, w->data, w->cap);
    return r;
}

/* As many rows as fit into a batch make one record. */
static int write_rows(struct aiex_rlog *log, const struct table *table, char kind)
{
    uint8_t *mem = malloc(BATCH);
    struct aiex_writer w;
    int r = mem ? 0 : -ENOMEM;

    aiex_writer_init(&w, mem, BATCH);
    for (size_t i = 0; i < table->size && r == 0; i++) {
        if (!table->slots[i])
            continue;
        if (w.len + ROW_MAX + table->slots[i]->len > BATCH)
            r = flush(log, &w);
        write_row(&w, table->slots[i], kind);
    }
    if (r == 0)
        r = flush(log, &w);
    free(mem);
    return r;
}

int totals_write(const struct totals *t, const char *path, struct aiex_error *err)
{
    char tmp[PATH_MAX];
    uint8_t head[512];
    struct aiex_slice piece = {head, write_head(t, head, sizeof(head))};
    struct aiex_rlog log;
    int r;

    snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid()); /* a predecessor may write, too */
    unlink(tmp);
    r = aiex_rlog_open(&log, tmp, 0, NULL, NULL, err);
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    r = aiex_rlog_add(&log, &piece, 1, NULL, NULL);
    if (r == 0)
        r = write_rows(&log, &t->rows, 'R');
    if (r == 0)
        r = write_rows(&log, &t->spent, 'S');
    aiex_rlog_close(&log);
    if (r == 0 && rename(tmp, path) != 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        snprintf(err->text, sizeof(err->text), "summary '%.300s' can not be written: %s", path,
                 strerror(-r));
    }
    return r;
}

static uint64_t get_uint(struct aiex_slice head, const char *key)
{
    struct aiex_value v = {0};

    return aiex_get(head, key, &v) == 1 && (v.type == AIEX_T_INT || v.type == AIEX_T_UINT) ? v.u
                                                                                           : 0;
}

static int read_head(struct totals *t, struct aiex_slice head, uint64_t *ret_rows,
                     uint64_t *ret_spent)
{
    struct aiex_value marks, mark;

    if (get_uint(head, "version") != VERSION)
        return -EBADMSG;
    t->salt = get_uint(head, "salt");
    t->covered = get_uint(head, "covered");
    t->count = get_uint(head, "count");
    t->last_offset = get_uint(head, "last_offset");
    t->last_crc = (uint32_t)get_uint(head, "last_crc");
    t->unnamed = get_uint(head, "unnamed");
    if (aiex_get_bool(head, "whole", &t->whole) != 1 || aiex_get(head, "marks", &marks) != 1 ||
        marks.type != AIEX_T_ARRAY || marks.count != MARKS)
        return -EBADMSG;
    for (unsigned i = 0; i < MARKS; i++) {
        if (aiex_r_value(&marks.bytes, &mark) != 0 || mark.type != AIEX_T_INT)
            return -EBADMSG;
        t->marks[i] = mark.u;
    }
    *ret_rows = get_uint(head, "rows");
    *ret_spent = get_uint(head, "spent");
    return 0;
}

/* The first row of what is left of a batch. */
static int read_row(struct totals *t, struct aiex_slice *at)
{
    struct table *table = *at->data == 'R' ? &t->rows : &t->spent;
    struct aiex_value v;
    struct row *row;
    struct sums s;

    at->data++;
    at->len--;
    for (int i = 0; i < N_SUMS; i++) {
        if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_INT)
            return -EBADMSG;
        s.v[i] = v.i;
    }
    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_BIN)
        return -EBADMSG;
    if (table == &t->rows && !t->whole) /* the bound was lowered */
        return 0;
    row = table_at(table, v.bytes.data, v.bytes.len);
    if (!row && table == &t->rows) {
        give_up_rows(t);
        return 0;
    }
    if (!row)
        return -ENOMEM;
    row->sums = s;
    return 0;
}

static int read_batch(struct totals *t, struct aiex_slice body, uint64_t *seen)
{
    int r = 0;

    while (r == 0 && body.len) {
        r = read_row(t, &body);
        ++*seen;
    }
    return r;
}

static int read_all(struct totals *t, struct aiex_rlog_cursor *c)
{
    uint64_t rows, spent, seen = 0;
    struct aiex_rlog_item item;
    int kind = aiex_rlog_next(c, &item), r;

    if (kind != AIEX_RLOG_RECORD)
        return kind < 0 ? kind : -EBADMSG;
    r = read_head(t, item.body, &rows, &spent);
    while (r == 0 && (kind = aiex_rlog_next(c, &item)) == AIEX_RLOG_RECORD)
        r = read_batch(t, item.body, &seen);
    if (r == 0 && kind != 0)
        r = kind < 0 ? kind : -EBADMSG;
    return r == 0 && seen != rows + spent ? -EBADMSG : r;
}

int totals_read(struct totals *t, const char *path)
{
    size_t max = t->rows.max;
    struct aiex_rlog_cursor c;
    int r = aiex_rlog_read(&c, path, NULL);

    if (r < 0)
        return r;
    r = read_all(t, &c);
    aiex_rlog_read_done(&c);
    if (r < 0) {
        totals_done(t);
        totals_init(t, max);
    }
    return r;
}

int totals_fit(const struct totals *t, const char *segment, uint64_t *ret_size)
{
    struct aiex_rlog_cursor c;
    struct aiex_rlog_item item;
    int fits;

    if (aiex_rlog_read(&c, segment, NULL) != 0)
        return 0;
    *ret_size = c.end;
    fits = c.salt == t->salt && t->covered <= c.end;
    if (fits && t->count) {
        c.at = t->last_offset;
        c.end = t->covered;
        fits = aiex_rlog_next(&c, &item) == AIEX_RLOG_RECORD && item.offset == t->last_offset &&
               item.crc == t->last_crc && item.offset + item.bytes == t->covered;
    }
    aiex_rlog_read_done(&c);
    return fits;
}
