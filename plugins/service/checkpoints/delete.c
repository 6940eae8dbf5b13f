/*
 * delete.c - checkpoints.delete. The manifest goes first, then the chunks that nobody names any
 * more: a crash in between leaves chunks, which the next start collects.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int remove_manifest(struct job *j, const struct about *a)
{
    struct cps *s = j->s;
    char path[500];

    snprintf(path, sizeof(path), "%s/%s", s->manifests, a->name);
    if (unlink(path) != 0 && errno != ENOENT)
        return job_fail(j, AIEX_E_INTERNAL, "'%.300s' can not be removed: %s", path,
                        strerror(errno));
    folder_sync(s->manifests);
    catalog_drop(&s->catalog, a->name);
    tell_log(j, "checkpoint.deleted", a);
    return 0;
}

struct freed {
    size_t chunks;
    int64_t bytes;
};

static void write_freed(struct aiex_writer *w, const void *arg)
{
    const struct freed *f = arg;

    aiex_w_map(w, 2);
    aiex_w_key_uint(w, "chunks", f->chunks);
    aiex_w_key_int(w, "bytes", f->bytes);
}

int run_delete(struct job *j)
{
    struct freed f = {0, 0};
    struct about about;
    char name[MAX_NAME + 1] = "";
    int r = job_text(j, "name", name, sizeof(name));

    if (r < 0)
        return r;
    if (catalog_find(&j->s->catalog, name, &about) < 0)
        return job_fail(j, AIEX_E_NOT_FOUND, "there is no checkpoint '%s'", name);
    r = remove_manifest(j, &about);
    r = r ? r : catalog_collect(j, &f.chunks, &f.bytes);
    if (r == 0)
        job_done_by(j, write_freed, &f);
    return r;
}
