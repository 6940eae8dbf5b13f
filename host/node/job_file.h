/*
 * job_file.h - DATA/run/jobs: when each job ran last, so that a restart of the host runs
 * none twice and forgets none. One line of text per job:
 *
 *     NAME SINCE_MS LAST_MS ZONE CRON
 *
 * LAST_MS is when the job ran last (0 = never); what was due until SINCE_MS is settled: the host
 * first saw the job with this CRON and ZONE then, or skipped a run. Both are wall clock. The file
 * is replaced as a whole: written beside, fsync, rename. The disk may be slow, so that a thread of
 * its own does it; the loop is woken when it is done.
 *
 * Thread rule: loop thread; one write at a time.
 */
#ifndef AIEX_NODE_JOB_FILE_H
#define AIEX_NODE_JOB_FILE_H

#include "base/buf.h"
#include "loop/loop.h"

#include <aiex/aiex_plugin.h>

#define JOB_FILE_MAX (1024u * 1024u) /* bytes */

struct job_file;

struct job_line {
    const char *name, *zone, *cron;
    int64_t since_ms, last_ms;
};

/* NULL: no memory. The loop must outlive it. */
struct job_file *job_file_new(struct loop *loop, const char *path);
/* Waits for a write that is under way. */
void job_file_free(struct job_file *f);

/* The whole text, 0-terminated, the caller's to free; NULL = there is none, or it can not be read
 * (then err has the reason; else it is empty). */
char *job_file_read(const struct job_file *f, struct aiex_error *err);
/* Finds the line of a job with this zone and cron in such a text. 0 and the times in *line,
 * -ENOENT. Lines that are not understood are passed over. */
int job_file_find(const char *text, struct job_line *line);
/* 0, -EMSGSIZE, -ENOMEM. */
int job_file_add(struct buf *text, const struct job_line *line);

/* Begins to write; the text is copied. 0, -ENOMEM, -EBUSY (one is under way). */
int job_file_write(struct job_file *f, const struct buf *text);
/* 1 while a write is under way whose end job_file_finished() has not told. */
int job_file_busy(const struct job_file *f);
/* 1 once when the write has ended: *ret is 0, or a negative errno and err has the reason. */
int job_file_finished(struct job_file *f, int *ret, struct aiex_error *err);

#endif
