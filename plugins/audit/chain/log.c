/* log.c - see log.h: batches, erasing, heads, single records. */
#include "log.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_EVERY 16384u

static struct segment *last_segment(struct log *l)
{
    return &l->segments[l->n_segments - 1];
}

/* What may take long is between these, so that the loop can tell that it does. */
static void disk_begin(struct log *l)
{
    __atomic_store_n(&l->disk_since, mono_ms(l->host) | 1, __ATOMIC_RELEASE);
}

static void disk_end(struct log *l)
{
    __atomic_store_n(&l->disk_since, 0, __ATOMIC_RELEASE);
}

/* Readers go on meanwhile. */
static int flush_index(struct log *l)
{
    int r = index_write(&l->index);

    if (r < 0)
        return r;
    pthread_mutex_lock(&l->lock);
    index_kept(&l->index);
    pthread_mutex_unlock(&l->lock);
    return 0;
}

/* ---- Batches ---- */

/* Salt and payload behind the body, and their commitment. 0, -EIO. */
static int put_secret(const struct entry *e, uint8_t *out, uint8_t commit[AIEX_HASH])
{
    if (getrandom(out, RECORD_SALT, 0) != RECORD_SALT)
        return -EIO;
    memcpy(out + RECORD_SALT, e->payload.data, e->payload.len);
    aiex_commit_hash((struct aiex_slice){out, RECORD_SALT}, e->payload, commit);
    return 0;
}

static int name_of(const struct entry *e, char name[WRITER_NAME])
{
    if (e->writer.len == 0 || e->writer.len >= WRITER_NAME)
        return -EINVAL;
    memcpy(name, e->writer.data, e->writer.len);
    name[e->writer.len] = 0;
    return 0;
}

int log_add(struct log *l, struct entry *e)
{
    size_t secret_len = e->payload.len ? RECORD_SALT + e->payload.len : 0;
    uint8_t secret[RECORD_SALT + MAX_PAYLOAD], commit[AIEX_HASH], *at = l->batch + l->batch_len;
    struct record r = {.seq = l->size + l->n_batch};
    char name[WRITER_NAME];
    struct writer *w;
    long body;

    if (l->n_batch == BATCH_ENTRIES || l->batch_len + MAX_RECORD > BATCH_BYTES)
        return -ENOBUFS;
    if (name_of(e, name) != 0 || (w = writers_get(&l->writers, name)) == NULL)
        return -E2BIG;
    if (e->payload.len && put_secret(e, secret, commit) != 0)
        return -EIO;
    body = body_write(e, w, e->payload.len ? commit : NULL, (char *)at + RECORD_HEAD);
    if (body < 0)
        return (int)body;
    if (secret_len)
        memcpy(at + RECORD_HEAD + body, secret, secret_len);
    r.offset = last_segment(l)->end + l->batch_len;
    r.body = (struct aiex_slice){at + RECORD_HEAD, (size_t)body};
    r.secret = (struct aiex_slice){at + RECORD_HEAD + body, secret_len};
    record_head_write(last_segment(l)->salt, &r, at);
    aiex_leaf_hash(r.body, e->leaf);
    writers_step(&l->writers, w, e->leaf);
    e->seq = r.seq;
    memcpy(l->leaves + AIEX_HASH * l->n_batch, e->leaf, AIEX_HASH);
    l->offsets[l->n_batch++] = r.offset;
    l->batch_len += RECORD_HEAD + (size_t)body + secret_len;
    return 0;
}

static void seal_batch(struct log *l)
{
    const struct segment *s = last_segment(l);

    for (size_t i = 0; i < l->n_batch; i++)
        record_seal(s->salt, l->offsets[i], (uint16_t)i, (uint16_t)l->n_batch,
                    l->batch + (l->offsets[i] - s->end));
}

static int write_batch(struct log *l)
{
    struct segment *s = last_segment(l);
    int r = flush_index(l); /* what waited must not become more */

    seal_batch(l);
    if (r == 0)
        r = aiex_file_pwrite(s->fd, l->batch, l->batch_len, s->end);
    if (r == 0 && fdatasync(s->fd) != 0)
        r = -errno;
    if (r < 0 && ftruncate(s->fd, (off_t)s->end) != 0)
        return r; /* the next write covers it, or the next opening cuts it */
    return r;
}

/* The batch is on the disk: readers may see it. */
static void show_batch(struct log *l)
{
    int r = 0;

    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->n_batch && r == 0; i++) {
        r = aiex_tree_add(&l->tree, l->leaves + AIEX_HASH * i);
        if (r == 0)
            r = index_add(&l->index, l->leaves + AIEX_HASH * i, l->offsets[i]);
    }
    last_segment(l)->end += l->batch_len;
    l->size += l->n_batch;
    pthread_mutex_unlock(&l->lock);
    if (r < 0)
        log_fault(l, "no memory for the tree behind entry %llu; restart with more",
                  (unsigned long long)l->size);
    flush_index(l); /* else it waits for the next commit */
}

int log_commit(struct log *l)
{
    int r;

    if (l->n_batch == 0)
        return 0;
    disk_begin(l);
    r = write_batch(l);
    if (r == 0)
        show_batch(l);
    disk_end(l);
    if (r == 0)
        writers_keep(&l->writers);
    else
        writers_drop(&l->writers);
    l->n_batch = l->batch_len = 0;
    if (r < 0)
        return r;
    if (last_segment(l)->end >= (uint64_t)__atomic_load_n(&l->segment_size, __ATOMIC_RELAXED))
        log_segment_new(l, l->size); /* without success this one goes on */
    if (l->size - l->state_size >= STATE_EVERY)
        log_save(l);
    return 0;
}

int log_save(struct log *l)
{
    const struct segment *s = last_segment(l);
    struct saved state = {l->size, s->first, s->end};
    char path[600];
    int r;

    if (l->faulty)
        return -EROFS;
    snprintf(path, sizeof(path), "%s/state", l->dir);
    disk_begin(l);
    r = flush_index(l);
    if (r == 0 && fdatasync(l->index.fd) != 0)
        r = -errno;
    if (r == 0)
        r = state_write(path, &state, &l->writers, &l->redactions);
    disk_end(l);
    if (r == 0)
        l->state_size = l->size;
    return r;
}

/* ---- Single records ---- */

size_t log_segment_of(const struct log *l, uint64_t seq)
{
    size_t lo = 0, hi = l->n_segments;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->segments[mid].first <= seq)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

int log_read(struct log *l, uint64_t seq, uint8_t *mem, struct record *rec, uint8_t leaf[AIEX_HASH])
{
    uint8_t item[INDEX_ITEM];
    struct segment s = {.fd = -1};
    int r = -ERANGE;

    pthread_mutex_lock(&l->lock);
    if (seq < l->size) {
        r = index_read(&l->index, seq, 1, item);
        s = l->segments[log_segment_of(l, seq)];
    }
    pthread_mutex_unlock(&l->lock);
    if (r < 0)
        return r;
    memcpy(leaf, item, AIEX_HASH);
    if (index_offset(item) == INDEX_NOWHERE)
        return -EBADMSG;
    r = record_read(s.fd, s.salt, index_offset(item), mem, rec);
    return r == 0 && rec->seq != seq ? -EBADMSG : r;
}

/* ---- Erasing ---- */

int log_can_erase(struct log *l, uint64_t seq)
{
    uint8_t *mem = malloc(MAX_RECORD), leaf[AIEX_HASH];
    struct record rec;
    int r;

    if (!mem)
        return -ENOMEM;
    r = log_read(l, seq, mem, &rec, leaf);
    if (r == -ERANGE || (r == 0 && rec.secret.len == 0))
        r = -ENOENT;
    else if (r == 0 && record_is_erased(&rec))
        r = -EALREADY;
    free(mem);
    return r;
}

static int write_zeros(struct log *l, const struct record *rec)
{
    size_t at = RECORD_HEAD + rec->body.len, n = rec->secret.len;
    int fd = l->segments[log_segment_of(l, rec->seq)].fd, r;
    uint8_t *zeros = calloc(1, n);

    if (!zeros)
        return -ENOMEM;
    disk_begin(l);
    r = aiex_file_pwrite(fd, zeros, n, rec->offset + at);
    if (r == 0 && fdatasync(fd) != 0)
        r = -errno;
    disk_end(l);
    free(zeros);
    return r;
}

/* Readers that find zeros find the redaction, too: it is made known first. */
int log_erase(struct log *l, uint64_t seq, uint64_t by)
{
    uint8_t *mem = malloc(MAX_RECORD), leaf[AIEX_HASH];
    struct record rec;
    int r = mem ? 0 : -ENOMEM;

    pthread_mutex_lock(&l->lock);
    if (r == 0)
        r = redactions_add(&l->redactions, seq, by);
    pthread_mutex_unlock(&l->lock);
    if (r == 0)
        r = log_read(l, seq, mem, &rec, leaf);
    if (r == 0 && rec.secret.len && !record_is_erased(&rec))
        r = write_zeros(l, &rec);
    free(mem);
    return r;
}

/* ---- Heads ---- */

long log_head(struct log *l, char *out, uint64_t *ret_size, uint8_t root[AIEX_HASH])
{
    long n;

    pthread_mutex_lock(&l->lock);
    aiex_tree_root(&l->tree, root);
    *ret_size = l->tree.n;
    pthread_mutex_unlock(&l->lock);
    n = heads_sign(&l->signer, *ret_size, root, out);
    if (*ret_size > l->heads.size && !l->faulty) {
        disk_begin(l);
        heads_store(&l->heads, (struct aiex_slice){(uint8_t *)out, (size_t)n});
        disk_end(l);
        pthread_mutex_lock(&l->lock);
        l->heads_end = l->heads.end;
        pthread_mutex_unlock(&l->lock);
    }
    return n;
}

/* ---- Are the files still there ---- */

static int look_at(const struct log *l, const char *name, int fd, struct aiex_error *err)
{
    struct stat mine, theirs;
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", l->dir, name);
    if (fstat(fd, &mine) != 0 || mine.st_nlink == 0)
        return aiex_failed(err, -ESTALE, "file '%s' was removed", path);
    if (stat(path, &theirs) != 0)
        return aiex_failed(err, -ESTALE, "file '%s' is not there: %s", path, strerror(errno));
    if (theirs.st_ino != mine.st_ino || theirs.st_dev != mine.st_dev)
        return aiex_failed(err, -ESTALE, "file '%s' was replaced by another one", path);
    return 0;
}

int log_look(struct log *l, struct aiex_error *err)
{
    struct segment *s = last_segment(l);
    struct stat st;
    char name[64];
    int r;

    snprintf(name, sizeof(name), "entries-%020llu", (unsigned long long)s->first);
    r = look_at(l, name, s->fd, err);
    if (r == 0)
        r = look_at(l, "index", l->index.fd, err);
    if (r == 0)
        r = look_at(l, "heads", l->heads.fd, err);
    if (r == 0 && fstat(s->fd, &st) == 0 && (uint64_t)st.st_size < s->end)
        r = aiex_failed(err, -ESTALE, "file '%s/%s' was cut from %llu to %llu bytes", l->dir, name,
                        (unsigned long long)s->end, (unsigned long long)st.st_size);
    return r;
}
