/*
 * opening.c - all segments are read once, oldest first; the newest version of each key goes into
 * the index.
 *
 * Missing records are noticed by their numbers, whatever made them miss: damage, a cut, a file that
 * is lost, swapped or from elsewhere. What is in the index at that moment is older than the gap;
 * keys that were in the gap leave it.
 */
#include "cold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

void damage(struct cold *c, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    atomic_fetch_add(&c->damaged, 1);
    aiex_logf(c->host, AIEX_LOG_ERROR, 0, "%s", text);
    pthread_mutex_lock(&c->lock);
    if (!c->findings.text[0])
        snprintf(c->findings.text, sizeof(c->findings.text), "%s", text);
    pthread_mutex_unlock(&c->lock);
}

/* ---- What is doubtful ---- */

struct lost {
    const uint32_t *sums;
    uint64_t n;
};

static int is_lost(void *arg, const struct aiex_cache_view *e)
{
    const struct lost *l = arg;
    struct where w;

    memcpy(&w, e->value.data, sizeof(w));
    if (l->n > RECALL)
        return 1;
    for (uint64_t i = 0; i < l->n; i++)
        if (l->sums[i] == w.sum)
            return 1;
    return 0;
}

/* `n` records are missing, the last ones about keys with these sums. */
static void forget_lost(struct cold *c, uint64_t n, const uint32_t *sums)
{
    struct lost l = {sums, n};

    c->findings.doubtful += aiex_cache_prune(c->index, is_lost, &l, AIEX_CACHE_DELETED);
}

/* ---- One record ---- */

struct scan {
    struct cold *cold;
    struct segment *segment;
    char path[512];
    int newest;
    int first; /* nothing was seen yet */
    unsigned last_dict;
};

static int enter(struct cold *c, struct segment *s, const struct record *r,
                 const struct aiex_rlog_item *item)
{
    uint64_t now = c->host->now_ms(c->host), wall = wall_ms(c->host);
    struct where w = {.segment = s->number,
                      .offset = item->offset,
                      .bytes = item->offset + item->bytes -
                               (r->pieces ? r->first_piece : item->offset),
                      .uses_then = r->uses,
                      .sum = key_sum(r->key),
                      .value_len = r->value_len};
    struct aiex_cache_put p = {.key = r->key,
                               .value = {(const uint8_t *)&w, sizeof(w)},
                               .ttl_ms = r->expires ? r->expires - wall : 0,
                               .age_ms = wall > r->created ? wall - r->created : 0,
                               .uses = r->uses};
    int slot = r->dict ? dict_ref(c, r->dict) : -1, e;

    if (slot >= 0) {
        dict_unref(c, slot);
        s->dicts |= 1u << slot;
        atomic_store(&c->current, slot); /* of the newest value that has one */
    }
    c->findings.without_dict += r->dict && slot < 0;
    if ((r->dict && slot < 0) || (r->expires && r->expires <= wall)) {
        aiex_cache_delete(c->index, r->key, now);
        return 0;
    }
    e = aiex_cache_put(c->index, &p, now, NULL);
    if (e == 0)
        segment_live(c, s->number, (int64_t)w.bytes);
    else if (e != -EFBIG)
        return e;
    return 0;
}

static int take(struct scan *scan, const struct record *r, const struct aiex_rlog_item *item)
{
    struct cold *c = scan->cold;
    uint64_t expected = c->recall.number + 1, number = r->recall.number;
    int e = 0;

    if (c->recall.number && number > expected) {
        damage(c, "%s at %llu: the %llu records before it are missing", scan->path,
               (unsigned long long)item->offset, (unsigned long long)(number - expected));
        forget_lost(c, number - expected, r->recall.sums);
    }
    c->recall = r->recall;
    c->recall.number--;
    if (r->kind == RECORD_PUT)
        e = enter(c, scan->segment, r, item);
    else if (r->kind == RECORD_DELETE)
        aiex_cache_delete(c->index, r->key, c->host->now_ms(c->host));
    recall_add(&c->recall, r->kind == RECORD_PUT || r->kind == RECORD_DELETE ? key_sum(r->key) : 0);
    c->findings.records++;
    return e;
}

static int must_stop(struct cold *c)
{
    int stop;

    pthread_mutex_lock(&c->lock);
    stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

static int see(void *arg, int kind, const struct aiex_rlog_item *item)
{
    struct scan *scan = arg;
    struct cold *c = scan->cold;
    struct record r;
    int first = scan->first;

    scan->first = 0;
    if (kind == AIEX_RLOG_RECORD && record_parse(item->body, &r) == 0) {
        if (first && (r.kind != RECORD_SEGMENT || r.first_piece != scan->segment->number))
            return -EXDEV;
        if (c->findings.records % 1024 == 0 && must_stop(c))
            return -ECANCELED;
        return take(scan, &r, item);
    }
    if (kind == AIEX_RLOG_TORN && scan->newest)
        aiex_logf(c->host, AIEX_LOG_NOTICE, 0,
                  "%s: the last %llu bytes at %llu were never finished; cut off", scan->path,
                  (unsigned long long)item->bytes, (unsigned long long)item->offset);
    else
        damage(c, "%s is damaged: %llu bytes at %llu are skipped", scan->path,
               (unsigned long long)item->bytes, (unsigned long long)item->offset);
    return 0;
}

/* ---- One segment ---- */

static int read_sealed(struct scan *scan)
{
    struct segment *s = scan->segment;
    struct aiex_rlog_cursor cursor;
    struct aiex_rlog_item item;
    int r = aiex_rlog_read(&cursor, scan->path, NULL), kind;

    if (r < 0)
        return r;
    s->size = cursor.end;
    while (r == 0 && (kind = aiex_rlog_next(&cursor, &item)) != 0)
        r = kind < 0 ? kind : see(scan, kind, &item);
    s->log.fd = cursor.fd; /* from here on the segment's */
    s->log.salt = cursor.salt;
    s->log.end = cursor.end;
    cursor.fd = 0;
    aiex_rlog_read_done(&cursor);
    return r;
}

static int read_newest(struct scan *scan)
{
    struct segment *s = scan->segment;
    int r = aiex_rlog_open(&s->log, scan->path, 0, see, scan, NULL);

    if (r == 0)
        r = aiex_rlog_hold(&s->log);
    s->log.see = NULL;
    s->size = s->log.end;
    return r;
}

/* Not one of this store's files, or not this one: out of the way, for a person to look at. */
static int put_aside(struct cold *c, struct scan *scan, const char *why)
{
    char to[600];

    snprintf(to, sizeof(to), "%s.bad", scan->path);
    damage(c, "%s %s; it is kept as %s.bad", scan->path, why, scan->path);
    /* nothing of it was entered; what it held is missed at the next record */
    return rename(scan->path, to) == 0 ? 0 : -errno;
}

static int read_segment(struct cold *c, uint64_t number, int newest)
{
    struct scan scan = {.cold = c, .newest = newest, .first = 1};
    struct segment *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->number = number;
    atomic_store(&s->refs, 1);
    scan.segment = s;
    segment_path(c, number, scan.path);
    c->last_number = number;
    pthread_mutex_lock(&c->lock);
    c->segments[c->n_segments++] = s; /* found by segment_live() */
    pthread_mutex_unlock(&c->lock);
    r = newest ? read_newest(&scan) : read_sealed(&scan);
    if (r == 0 && scan.first && newest)
        c->sync_failed = 1; /* a crash before its first record: the next write takes a new one */
    if (r == 0) {
        atomic_fetch_add(&c->disk_bytes, s->size);
        return 0;
    }
    pthread_mutex_lock(&c->lock);
    c->n_segments--;
    pthread_mutex_unlock(&c->lock);
    if (r == -EXDEV)
        r = put_aside(c, &scan, "says that it is another segment");
    else if (r == -EBADMSG)
        r = put_aside(c, &scan, "does not begin as a segment");
    segment_unref(s);
    return r;
}

/* ---- The folder ---- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Numbers of the segments, in order. */
static int list(struct cold *c, uint64_t numbers[MAX_SEGMENTS], unsigned *ret_n)
{
    DIR *d = opendir(c->host->data_dir);
    struct dirent *e;
    unsigned n = 0;

    if (!d)
        return -errno;
    while ((e = readdir(d))) {
        unsigned long long number;
        int end = 0;

        if (sscanf(e->d_name, "%llu.seg%n", &number, &end) != 1 || !end || e->d_name[end])
            continue;
        if (n == MAX_SEGMENTS) {
            closedir(d);
            return -E2BIG;
        }
        numbers[n++] = number;
    }
    closedir(d);
    qsort(numbers, n, sizeof(*numbers), compare);
    *ret_n = n;
    return 0;
}

/* What was acknowledged and is not there: cut off, or an older copy of the file. */
static void compare_mark(struct cold *c)
{
    struct mark m;
    char path[512];

    if (mark_read(c, &m) != 0)
        return;
    segment_path(c, m.oldest, path);
    if (!c->n_segments || c->segments[0]->number > m.oldest)
        damage(c, "%s is missing", path);
    if (m.recall.number <= c->recall.number)
        return;
    segment_path(c, m.segment, path);
    damage(c, "%s must reach to %llu and does not: the last %llu records are missing", path,
           (unsigned long long)m.end, (unsigned long long)(m.recall.number - c->recall.number));
    forget_lost(c, m.recall.number - c->recall.number, m.recall.sums);
    c->recall = m.recall;
    c->sync_failed = 1; /* the next write begins a new file */
}

static int read_all(struct cold *c)
{
    uint64_t numbers[MAX_SEGMENTS];
    unsigned n = 0;
    int r = dicts_load(c);

    if (r == 0)
        r = list(c, numbers, &n);
    for (unsigned i = 0; i < n && r == 0; i++)
        r = read_segment(c, numbers[i], i == n - 1);
    if (r < 0)
        return r;
    compare_mark(c);
    if (c->findings.without_dict)
        damage(c, "%llu values in %s need a dictionary that is lost; they are lost with it",
               (unsigned long long)c->findings.without_dict, c->host->data_dir);
    if (c->findings.doubtful)
        aiex_logf(c->host, AIEX_LOG_WARN, 0,
                  "%llu entries may be older than what is missing; they are not returned",
                  (unsigned long long)c->findings.doubtful);
    dicts_retire(c);
    return 0;
}

static int open_file(const struct cold *c, const char *name, int flags)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s%s%s", c->host->data_dir, *name ? "/" : "", name);
    fd = open(path, flags | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int everything(void *arg, const struct aiex_cache_view *e)
{
    return 1;
}

void store_close(struct cold *c)
{
    clean_stop(c);
    while (c->n_segments) {
        struct segment *s = c->segments[c->n_segments - 1];

        pthread_mutex_lock(&c->lock);
        c->n_segments--;
        pthread_mutex_unlock(&c->lock);
        segment_unref(s);
    }
    dicts_free(c);
    aiex_cache_prune(c->index, everything, NULL, AIEX_CACHE_DELETED);
    atomic_store(&c->disk_bytes, 0);
    memset(&c->recall, 0, sizeof(c->recall));
    if (c->mark_fd > 0)
        close(c->mark_fd);
    if (c->folder_fd > 0)
        close(c->folder_fd);
    if (c->lock_fd > 0)
        close(c->lock_fd);
    c->mark_fd = c->folder_fd = c->lock_fd = 0;
}

int store_open(struct cold *c, struct aiex_error *err)
{
    int r;

    c->lock_fd = open_file(c, "lock", O_RDWR | O_CREAT);
    if (c->lock_fd > 0 && flock(c->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        store_close(c);
        return -EAGAIN; /* the instance that is being replaced */
    }
    c->folder_fd = open_file(c, "", O_RDONLY | O_DIRECTORY);
    c->mark_fd = open_file(c, "mark", O_RDWR | O_CREAT);
    r = c->lock_fd < 0     ? c->lock_fd
        : c->folder_fd < 0 ? c->folder_fd
        : c->mark_fd < 0   ? c->mark_fd
                           : read_all(c);
    if (r == 0)
        return 0;
    store_close(c);
    return aiex_failed(err, r, "the store in %s can not be opened: %s", c->host->data_dir,
                       strerror(-r));
}
