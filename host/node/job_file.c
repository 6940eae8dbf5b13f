#include "node/job_file.h"

#include "base/auto.h"
#include "base/err.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct job_file {
    struct loop *loop;
    char path[600];
    /* One write: the thread owns these until `ended` is set. */
    char *text;
    size_t len;
    int result;
    struct aiex_error err;
    _Atomic int ended;
    pthread_t thread;
    int busy, has_thread;
};

struct job_file *job_file_new(struct loop *loop, const char *path)
{
    struct job_file *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->loop = loop;
    snprintf(f->path, sizeof(f->path), "%s", path);
    return f;
}

void job_file_free(struct job_file *f)
{
    if (!f)
        return;
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    free(f->text);
    free(f);
}

/* ---- Reading ---- */

char *job_file_read(const struct job_file *f, struct aiex_error *err)
{
    auto_close int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    auto_free char *text = malloc(JOB_FILE_MAX + 1);
    size_t n = 0;
    ssize_t got;

    err->text[0] = 0;
    if (fd < 0) {
        if (errno != ENOENT)
            (void)fail(err, 0, "%s: %s", f->path, strerror(errno));
        return NULL;
    }
    if (!text) {
        (void)fail(err, 0, "%s: no memory to read it", f->path);
        return NULL;
    }
    while (n < JOB_FILE_MAX && (got = read(fd, text + n, JOB_FILE_MAX - n)) != 0) {
        if (got < 0) {
            (void)fail(err, 0, "%s: %s", f->path, strerror(errno));
            return NULL;
        }
        n += (size_t)got;
    }
    text[n] = 0;
    return take(text);
}

/* Reads one line "NAME SINCE LAST ZONE CRON"; 1 when it is the one of this job. */
static int is_line_of(const char *text, size_t len, struct job_line *line)
{
    size_t name_len = strlen(line->name);
    char copy[512], zone[64];
    int64_t since, last;
    int at = 0;

    if (len >= sizeof(copy) || len <= name_len || strncmp(text, line->name, name_len) ||
        text[name_len] != ' ')
        return 0;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (sscanf(copy + name_len, " %" SCNd64 " %" SCNd64 " %63s %n", &since, &last, zone, &at) !=
            3 ||
        !at || strcmp(zone, line->zone) || strcmp(copy + name_len + at, line->cron) || since < 0 ||
        last < 0)
        return 0;
    line->since_ms = since;
    line->last_ms = last;
    return 1;
}

int job_file_find(const char *text, struct job_line *line)
{
    while (text && *text) {
        const char *end = text + strcspn(text, "\n");

        if (!*end)
            return -ENOENT; /* cut off in its last line: that can not be trusted */
        if (is_line_of(text, (size_t)(end - text), line))
            return 0;
        text = end + 1;
    }
    return -ENOENT;
}

int job_file_add(struct buf *text, const struct job_line *line)
{
    return buf_addf(text, "%s %" PRId64 " %" PRId64 " %s %s\n", line->name, line->since_ms,
                    line->last_ms, line->zone, line->cron);
}

/* ---- Writing ---- */

/* The new name is only kept by a power cut when the folder is written, too. */
static void sync_folder(const char *path)
{
    char copy[600];
    int fd;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static int write_all(const char *path, const char *text, size_t len, struct aiex_error *err)
{
    auto_close int fd = -1;
    char beside[620];
    size_t done = 0;

    snprintf(beside, sizeof(beside), "%s.new", path);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, -errno, "%s: %s", beside, strerror(errno));
    while (done < len) {
        ssize_t n = write(fd, text + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(err, -errno, "%s: %s", beside, strerror(errno));
        done += (size_t)n;
    }
    if (fsync(fd) < 0)
        return fail(err, -errno, "%s: %s", beside, strerror(errno));
    if (rename(beside, path) < 0)
        return fail(err, -errno, "%s: %s", path, strerror(errno));
    sync_folder(path);
    return 0;
}

static void *write_thread(void *arg)
{
    struct job_file *f = arg;

    f->result = write_all(f->path, f->text, f->len, &f->err);
    atomic_store(&f->ended, 1);
    loop_wake(f->loop);
    return NULL;
}

int job_file_write(struct job_file *f, const struct buf *text)
{
    if (f->busy)
        return -EBUSY;
    free(f->text);
    f->text = malloc(text->len + 1);
    if (!f->text)
        return -ENOMEM;
    if (text->len)
        memcpy(f->text, text->data, text->len);
    f->len = text->len;
    f->err.text[0] = 0;
    atomic_store(&f->ended, 0);
    f->busy = 1;
    f->has_thread = pthread_create(&f->thread, NULL, write_thread, f) == 0;
    if (!f->has_thread)
        write_thread(f); /* slower for the loop, but written */
    return 0;
}

int job_file_busy(const struct job_file *f)
{
    return f->busy;
}

int job_file_finished(struct job_file *f, int *ret, struct aiex_error *err)
{
    if (!f->busy || !atomic_load(&f->ended))
        return 0;
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    f->has_thread = f->busy = 0;
    *ret = f->result;
    *err = f->err;
    return 1;
}
