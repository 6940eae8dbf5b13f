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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
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

/* ---- Segments ---- */

static int add_segment(struct log *l, const struct segment *s)
{
    struct segment *grown;

    if (l->n_segments == MAX_SEGMENTS)
        return -ENOSPC;
    pthread_mutex_lock(&l->lock);
    grown = realloc(l->segments, (l->n_segments + 1) * sizeof(*grown));
    if (grown) {
        l->segments = grown;
        l->segments[l->n_segments++] = *s;
    }
    pthread_mutex_unlock(&l->lock);
    return grown ? 0 : -ENOMEM;
}

static void sync_folder(const struct log *l)
{
    int fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int log_segment_new(struct log *l, uint64_t first)
{
    struct segment s = {.first = first, .end = SEGMENT_HEAD};
    uint8_t head[SEGMENT_HEAD];
    char path[600];
    int r;

    if (getrandom(&s.salt, sizeof(s.salt), 0) != sizeof(s.salt))
        return -EIO;
    snprintf(path, sizeof(path), "%s/entries-%020" PRIu64, l->dir, first);
    s.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s.fd < 0)
        return -errno;
    segment_head_write(s.salt, first, head);
    r = aiex_file_pwrite(s.fd, head, sizeof(head), 0);
    if (r == 0 && fdatasync(s.fd) != 0)
        r = -errno;
    if (r == 0)
        r = add_segment(l, &s);
    if (r < 0) {
        close(s.fd);
        unlink(path);
        return r;
    }
    sync_folder(l);
    return 0;
}

static int open_segment(struct log *l, uint64_t first, int is_last)
{
    struct segment s = {.first = first};
    uint8_t head[SEGMENT_HEAD];
    struct stat st;
    uint64_t said = 0;
    char path[600];
    size_t got = 0;
    int r;

    snprintf(path, sizeof(path), "%s/entries-%020" PRIu64, l->dir, first);
    s.fd = open(path, O_RDWR | O_CLOEXEC);
    if (s.fd < 0 || fstat(s.fd, &st) != 0)
        return -errno;
    s.end = (uint64_t)st.st_size;
    r = aiex_file_pread(s.fd, head, sizeof(head), 0, &got);
    if (r == 0 && is_last && l->n_segments && s.end <= sizeof(head) &&
        (got < sizeof(head) || segment_head_read(head, &s.salt, &said) != 0)) {
        /* a crash left it unfinished; nothing was in it */
        close(s.fd);
        return unlink(path) == 0 ? 0 : -errno;
    }
    if (r == 0 && (got < sizeof(head) || segment_head_read(head, &s.salt, &said) != 0)) {
        log_fault(l,
                  "the head of segment '%s' is damaged; its entries from %" PRIu64
                  " on can not be read",
                  path, first);
        s.end = 0; /* nothing to scan */
    } else if (r == 0 && said != first) {
        log_fault(l, "segment '%s' is another one: it begins with entry %" PRIu64, path, said);
        s.end = 0;
    }
    return r == 0 ? add_segment(l, &s) : r;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int list_segments(struct log *l, uint64_t *first, size_t *ret_n)
{
    DIR *d = opendir(l->dir);
    struct dirent *e;
    size_t n = 0;

    if (!d)
        return -errno;
    while ((e = readdir(d)) != NULL) {
        char *end;

        if (strncmp(e->d_name, "entries-", 8) != 0 || strlen(e->d_name) != 28)
            continue;
        if (n == MAX_SEGMENTS) {
            closedir(d);
            return -E2BIG;
        }
        first[n] = strtoull(e->d_name + 8, &end, 10);
        n += !*end;
    }
    closedir(d);
    qsort(first, n, sizeof(*first), compare);
    *ret_n = n;
    return 0;
}

static int open_segments(struct log *l)
{
    uint64_t *first = calloc(MAX_SEGMENTS, sizeof(*first));
    size_t n = 0;
    int r = first ? list_segments(l, first, &n) : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++)
        r = open_segment(l, first[i], i + 1 == n);
    free(first);
    if (r == 0 && l->n_segments == 0)
        r = log_segment_new(l, 0);
    return r;
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

/* ---- The torn tail ---- */

/* Where the whole batches of the last segment end, and whether one stands behind what is not whole.
 */
struct tail {
    uint64_t end, seq;    /* bytes and entries of whole batches in a row */
    uint64_t begin, next; /* the batch that is being looked at: its first seq, the next one of it */
    int in_batch, is_broken, goes_on;
};

/* A record that is whole. */
static void tail_record(struct tail *t, const struct record *r)
{
    int follows = t->in_batch && r->seq == t->next && r->at == r->seq - t->begin;

    if (r->at == 0) {
        t->is_broken |= t->in_batch || (r->seq != t->seq && !t->is_broken);
        t->begin = r->seq;
        t->in_batch = 1;
    } else if (!follows) {
        t->is_broken = 1;
        t->in_batch = 0;
        return;
    }
    t->next = r->seq + 1;
    if ((uint32_t)r->at + 1 < r->count)
        return;
    t->in_batch = 0;
    if (t->is_broken) {
        t->goes_on = 1; /* a whole batch behind damage: that was no loss of power */
    } else {
        t->end = r->offset + r->bytes;
        t->seq = t->next;
    }
}

static int look_at_tail(const struct segment *s, struct tail *t)
{
    struct record rec;
    struct scan scan;
    int kind = 0, r = scan_begin(&scan, s->fd, s->salt, t->end, s->end);

    while (r == 0 && (kind = scan_next(&scan, &rec)) > 0) {
        if (kind == SCAN_RECORD) {
            tail_record(t, &rec);
        } else {
            t->is_broken = 1;
            t->in_batch = 0;
        }
    }
    scan_done(&scan);
    return r < 0 ? r : kind < 0 ? kind : 0;
}

/* Cuts off what a crash or a loss of power left of the last batch, unless something says that there
 * was more. `from` and `seq` are where reading begins. */
static int cut_tail(struct opening *o, struct segment *s, uint64_t from, uint64_t seq)
{
    struct tail t = {.end = from, .seq = seq};
    struct log *l = o->l;
    int r = s->end > from ? look_at_tail(s, &t) : 0;

    if (r < 0 || t.end >= s->end || t.goes_on || l->faulty || t.seq < o->indexed ||
        t.seq < l->heads.size)
        return r;
    aiex_logf(l->host, AIEX_LOG_NOTICE, 0,
              "audit log: %" PRIu64 " bytes of a write that never finished are cut off",
              s->end - t.end);
    if (ftruncate(s->fd, (off_t)t.end) != 0)
        return -errno;
    s->end = t.end;
    return 0;
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
            r = cut_tail(o, s, from, l->size);
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
    r = open_segments(l);
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
    aiex_note_wipe(&l->signer, sizeof(l->signer));
}
