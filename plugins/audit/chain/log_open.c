/*
 * log_open.c - what is in the folder. From the place that the file `state` names (else from the
 * first segment) every record is read, its leaf compared with the index or added to it, its
 * writer's chain taken up. Everything before is taken from the index, which the verification
 * compares with the rest.
 */
#include "log.h"

#include <aiex_audit_check.h>
#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LEAVES_AT_ONCE 4096u

struct opening {
    struct log *l;
    const int *stop;
    uint64_t indexed; /* entries of the index as it was found */
    struct record rec;
};

void log_fault(struct log *l, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (l->n_faults++ == 0)
        strcpy(l->fault, text);
    l->faulty = 1;
    if (l->n_faults <= 100)
        aiex_logf(l->host, AIEX_LOG_ERROR, 0, "audit log: %s", text);
}

static int is_stopped(const struct opening *o)
{
    return __atomic_load_n(o->stop, __ATOMIC_ACQUIRE);
}

int log_lock(struct log *l, struct aiex_error *err)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/lock", l->dir);
    if (l->lock_fd <= 0)
        l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0)
        return aiex_failed(err, -errno, "file '%s' can not be opened: %s", path, strerror(errno));
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return aiex_failed(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
                       "the log in '%s' is held by another process", l->dir);
}

/* ---- Entries ---- */

static int get_leaves(void *arg, uint64_t first, uint32_t n, uint8_t *out)
{
    uint8_t items[256 * INDEX_ITEM];
    struct log *l = arg;
    int r = index_read(&l->index, first, n, items);

    for (uint32_t i = 0; i < n && r == 0; i++)
        memcpy(out + (size_t)AIEX_HASH * i, items + (size_t)INDEX_ITEM * i, AIEX_HASH);
    return r;
}

/* The tree of entries 0 .. n - 1, from the index. */
static int tree_from_index(struct opening *o, uint64_t n)
{
    struct log *l = o->l;
    uint8_t *items = malloc((size_t)LEAVES_AT_ONCE * INDEX_ITEM);
    int r = items ? 0 : -ENOMEM;

    while (r == 0 && l->tree.n < n && !is_stopped(o)) {
        uint64_t left = n - l->tree.n;
        size_t k = left < LEAVES_AT_ONCE ? (size_t)left : LEAVES_AT_ONCE;

        r = index_read(&l->index, l->tree.n, k, items);
        for (size_t i = 0; i < k && r == 0; i++)
            r = aiex_tree_add(&l->tree, items + INDEX_ITEM * i);
    }
    free(items);
    return is_stopped(o) ? -EINTR : r;
}

/* Entry l->size has this leaf, and stands at this offset. */
static int add_leaf(struct log *l, const uint8_t *leaf, uint64_t offset)
{
    int r = index_add(&l->index, leaf, offset);

    if (r == 0 && l->index.n - l->index.written >= LEAVES_AT_ONCE)
        r = index_flush(&l->index);
    if (r == 0)
        r = aiex_tree_add(&l->tree, leaf);
    l->size++;
    return r;
}

/* The same when the index has it: that is the one which was recorded. leaf NULL = not known. */
static int compare_leaf(struct log *l, const uint8_t *leaf, uint64_t offset)
{
    uint8_t item[INDEX_ITEM];
    int r = leaf ? index_mend(&l->index, l->size, leaf, offset) : 1;

    if (r == -EBADMSG)
        log_fault(l, "seq=%" PRIu64 ": the entry is not the one that was recorded", l->size);
    else if (r < 0)
        return r;
    r = index_read(&l->index, l->size, 1, item);
    if (r == 0)
        r = aiex_tree_add(&l->tree, item);
    l->size++;
    return r;
}

static int take_leaf(struct opening *o, const uint8_t *leaf, uint64_t offset)
{
    static const uint8_t unknown[AIEX_HASH];

    if (o->l->size < o->indexed)
        return compare_leaf(o->l, leaf, offset);
    return add_leaf(o->l, leaf ? leaf : unknown, offset);
}

static int take_missing(struct opening *o, uint64_t upto, const char *why)
{
    struct log *l = o->l;
    int r = 0;

    log_fault(l, "%" PRIu64 "..%" PRIu64 ": %s", l->size, upto - 1, why);
    while (r == 0 && l->size < upto)
        r = take_leaf(o, NULL, INDEX_NOWHERE);
    return r;
}

/* The chain of its writer, and what it took away. */
static int take_body(struct opening *o, const uint8_t *leaf)
{
    struct log *l = o->l;
    struct aiex_audit_body b;
    struct writer *w = NULL;
    const char *why;
    uint64_t seq = o->rec.seq;

    if (aiex_audit_body_read(&b, o->rec.body, AIEX_BODY_JSON, &why) == 0)
        w = strlen(b.writer) < WRITER_NAME ? writers_get(&l->writers, b.writer) : NULL;
    if (!w) {
        log_fault(l, "seq=%" PRIu64 ": the entry is not readable", seq);
        return 0;
    }
    if (!l->faulty && (b.wseq != w->next || memcmp(b.prev, w->chain, AIEX_HASH) != 0))
        log_fault(l, "seq=%" PRIu64 ": the chain of writer '%s' is broken before it", seq, w->name);
    w->next = b.wseq;
    memcpy(w->chain, b.prev, AIEX_HASH);
    writers_step(&l->writers, w, leaf);
    return b.redacts >= 0 ? redactions_add(&l->redactions, (uint64_t)b.redacts, seq) : 0;
}

static int take_record(struct opening *o)
{
    struct log *l = o->l;
    uint8_t leaf[AIEX_HASH];
    uint64_t seq = o->rec.seq;
    int r = 0;

    if (seq < l->size) {
        log_fault(l, "seq=%" PRIu64 ": the entry stands behind entry %" PRIu64, seq, l->size - 1);
        return 0;
    }
    if (seq > l->size && seq - l->size > (1u << 20) && seq >= o->indexed) {
        log_fault(l,
                  "seq=%" PRIu64 ": an entry with this number stands where %" PRIu64 " was to come",
                  seq, l->size);
        return 0;
    }
    if (seq > l->size)
        r = take_missing(o, seq, "the entries are missing or damaged");
    aiex_leaf_hash(o->rec.body, leaf);
    if (r == 0)
        r = take_body(o, leaf);
    writers_keep(&l->writers);
    return r == 0 ? take_leaf(o, leaf, o->rec.offset) : r;
}

static int take_torn(struct opening *o, const struct segment *s)
{
    log_fault(o->l,
              "seq=%" PRIu64
              ": the entry is damaged, and nothing whole is behind it in the segment "
              "of entry %" PRIu64,
              o->l->size, s->first);
    return 0;
}

static int scan_segment(struct opening *o, struct segment *s, uint64_t from)
{
    struct scan scan;
    int kind, r;

    r = scan_begin(&scan, s->fd, s->salt, from, s->end);
    while (r == 0 && !is_stopped(o) && (kind = scan_next(&scan, &o->rec)) != 0) {
        if (kind < 0)
            r = kind;
        else if (kind == SCAN_RECORD)
            r = take_record(o);
        else if (kind == SCAN_TORN)
            r = take_torn(o, s);
        else
            log_fault(o->l,
                      "%" PRIu64 " damaged bytes at byte %" PRIu64
                      " of the segment of entry %" PRIu64,
                      o->rec.bytes, o->rec.offset, s->first);
    }
    scan_done(&scan);
    return is_stopped(o) ? -EINTR : r;
}

static int scan_all(struct opening *o, const struct saved *state)
{
    struct log *l = o->l;
    int r = 0;

    for (size_t i = 0; i < l->n_segments && r == 0; i++) {
        struct segment *s = &l->segments[i];
        uint64_t from = s->first == state->segment && state->size ? state->offset : SEGMENT_HEAD;

        if (s->first < state->segment && state->size)
            continue;
        if (from == SEGMENT_HEAD && s->first > l->size)
            r = take_missing(o, s->first, "the segment with these entries is missing or cut");
        if (r == 0 && i + 1 == l->n_segments)
            r = tail_cut(l, s, from, o->indexed);
        if (r == 0 && s->end > from)
            r = scan_segment(o, s, from);
    }
    return r;
}

/* The state speaks of this log, as far as can be seen at once. */
static int state_fits(const struct log *l, const struct saved *s)
{
    for (size_t i = 0; i < l->n_segments; i++)
        if (l->segments[i].first == s->segment)
            return s->size <= l->index.n && s->offset <= l->segments[i].end &&
                   s->offset >= SEGMENT_HEAD && s->size >= s->segment;
    return 0;
}

static int compare_heads(struct opening *o)
{
    struct log *l = o->l;
    uint8_t root[AIEX_HASH];
    int r;

    if (l->size < o->indexed)
        r = take_missing(o, o->indexed,
                         "the index has these entries, the segments do not: cut off");
    else if (l->size < l->heads.size)
        return log_fault(l,
                         "%" PRIu64 "..%" PRIu64
                         ": a signed head has these entries, the segments do "
                         "not: cut off",
                         l->size, l->heads.size - 1),
               0;
    else
        r = 0;
    if (r == 0 && l->heads.size && l->heads.size <= l->size) {
        r = aiex_tree_root_at(&l->tree, l->heads.size, root);
        if (r == 0 && memcmp(root, l->heads.root, AIEX_HASH) != 0)
            log_fault(l, "0..%" PRIu64 ": the entries are not those of the last signed head",
                      l->heads.size - 1);
    }
    return r;
}

/* A crash between the entry that says so and the erasing itself. */
static int finish_erasing(struct log *l)
{
    for (size_t i = 0; i < l->redactions.n && !l->faulty; i++)
        if (l->redactions.v[i].by >= l->state_size) {
            int r = log_erase(l, l->redactions.v[i].seq, l->redactions.v[i].by);

            if (r < 0 && r != -EBADMSG && r != -ERANGE)
                return r;
        }
    return 0;
}

static int open_files(struct log *l, struct aiex_error *err)
{
    char path[600];
    int r;

    aiex_tree_init(&l->tree, AIEX_TREE_BLOCK, get_leaves, l);
    l->batch = malloc(BATCH_BYTES);
    l->leaves = malloc((size_t)BATCH_ENTRIES * AIEX_HASH);
    l->offsets = malloc(BATCH_ENTRIES * sizeof(*l->offsets));
    if (!l->batch || !l->leaves || !l->offsets || writers_init(&l->writers) != 0)
        return aiex_failed(err, -ENOMEM, "no memory for the log in '%s'", l->dir);
    snprintf(path, sizeof(path), "%s/index", l->dir);
    r = index_open(&l->index, path, err);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/heads", l->dir);
    r = heads_open(&l->heads, path, err);
    if (r < 0)
        return r;
    l->heads_end = l->heads.end;
    r = segments_open(l);
    return r < 0 ? aiex_failed(err, r, "the segments in '%s' can not be opened: %s", l->dir,
                               strerror(-r))
                 : 0;
}

int log_open(struct log *l, const int *stop, struct aiex_error *err)
{
    struct opening o = {.l = l, .stop = stop};
    struct saved state = {0, 0, 0};
    char path[600];
    int r = open_files(l, err);

    if (r < 0)
        return r;
    o.indexed = l->index.n;
    snprintf(path, sizeof(path), "%s/state", l->dir);
    if (state_read(path, &state, &l->writers, &l->redactions) != 0)
        memset(&state, 0, sizeof(state));
    if (state.size && !state_fits(l, &state)) {
        log_fault(l,
                  "the index or the segments are shorter than the %" PRIu64
                  " entries that the file 'state' speaks of",
                  state.size);
        memset(&state, 0, sizeof(state));
        writers_done(&l->writers);
        l->redactions.n = 0;
        if (writers_init(&l->writers) != 0)
            return -ENOMEM;
    }
    r = tree_from_index(&o, state.size);
    l->size = l->state_size = state.size;
    if (r == 0)
        r = scan_all(&o, &state);
    if (r == 0)
        r = compare_heads(&o);
    if (r == 0 && !l->faulty)
        r = index_flush(&l->index);
    if (r == 0)
        r = finish_erasing(l);
    if (r < 0)
        return aiex_failed(err, r, "the log in '%s' can not be taken in: %s", l->dir, strerror(-r));
    return 0;
}

void log_close(struct log *l)
{
    for (size_t i = 0; i < l->n_segments; i++)
        close(l->segments[i].fd);
    free(l->segments);
    aiex_tree_done(&l->tree);
    index_close(&l->index);
    heads_close(&l->heads);
    writers_done(&l->writers);
    free(l->redactions.v);
    free(l->batch);
    free(l->leaves);
    free(l->offsets);
    if (l->lock_fd > 0)
        close(l->lock_fd);
    keys_close(l);
}
