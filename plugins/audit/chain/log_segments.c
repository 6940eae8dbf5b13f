/* log_segments.c - the files of entries: found, opened, begun. */
#include "log.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

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

int segments_open(struct log *l)
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
