/*
 * carry.c - a checkpoint as one file: checkpoints.export and checkpoints.import.
 *
 *     "AIEXCPX1", then records: letter, length u32 little-endian, bytes
 *         C  a chunk, as its file is          M  the manifest          E  BLAKE2b-256 of all before
 *
 * An export streams it, each chunk once. An import comes in pieces, which are gathered in a draft
 * of this service's folder; with the last one the draft is read: every chunk is checked and put,
 * and when all that the manifest names are there, the manifest is written. The bytes are a
 * stranger's: nothing of them is believed.
 */
#include "checkpoints.h"

#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC     "AIEXCPX1"
#define RECORD    5u
#define SAY_BYTES (256u << 10)

static void put32(uint8_t *p, size_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- Export ---- */

struct export
{
    struct job *job;
    struct manifest m;
    crypto_generichash_state hash;
    struct chunk_list done; /* sorted */
    int64_t bytes, chunks;
};

static int say(struct export *x, const uint8_t *bytes, size_t n)
{
    int r = 0;

    crypto_generichash_update(&x->hash, bytes, n);
    x->bytes += (int64_t)n;
    for (size_t at = 0; at < n && r == 0; at += SAY_BYTES)
        r = job_say(x->job,
                    (struct aiex_slice){bytes + at, n - at < SAY_BYTES ? n - at : SAY_BYTES});
    return r;
}

static int say_record(struct export *x, char letter, const uint8_t *bytes, size_t n)
{
    uint8_t head[RECORD];
    int r;

    head[0] = (uint8_t)letter;
    put32(head + 1, n);
    r = say(x, head, RECORD);
    return r ? r : say(x, bytes, n);
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, CHUNK_HASH);
}

static int add_list(struct export *x, const struct chunk_list *list)
{
    int r = 0;

    for (size_t i = 0; i < list->n && r == 0; i++)
        r = chunk_list_add(&x->done, &list->all[i]);
    return r;
}

static int say_chunks(struct export *x)
{
    struct aiex_error err = {""};
    int r = 0;

    if (x->done.n)
        qsort(x->done.all, x->done.n, sizeof(*x->done.all), by_hash);
    for (size_t i = 0; i < x->done.n && r == 0; i++) {
        uint8_t *raw = NULL, *file = NULL;
        size_t n = 0;

        if (i && by_hash(&x->done.all[i], &x->done.all[i - 1]) == 0)
            continue;
        r = chunk_get(&x->job->s->chunks, &x->done.all[i], &raw, &err);
        free(raw); /* only a whole one leaves the house */
        r = r ? r : chunk_file(&x->job->s->chunks, &x->done.all[i], &file, &n, &err);
        r = r ? job_errno(x->job, r, err.text) : say_record(x, 'C', file, n);
        free(file);
        x->chunks++;
    }
    return r;
}

static int say_manifest(struct export *x)
{
    uint8_t *bytes = NULL, hash[CHUNK_HASH];
    size_t n = 0;
    int r = manifest_pack(&x->m, &bytes, &n);

    r = r ? job_errno(x->job, r, "the manifest") : say_record(x, 'M', bytes, n);
    free(bytes);
    crypto_generichash_final(&x->hash, hash, CHUNK_HASH);
    crypto_generichash_init(&x->hash, NULL, 0, CHUNK_HASH);
    return r ? r : say_record(x, 'E', hash, CHUNK_HASH);
}

static void write_exported(struct aiex_writer *w, const void *arg)
{
    const struct export *x = arg;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "name", x->m.about.name);
    aiex_w_key_int(w, "bytes", x->bytes);
    aiex_w_key_int(w, "chunks", x->chunks);
}

int run_export(struct job *j)
{
    struct export x = {.job = j};
    int r = job_manifest(j, "name", &x.m);

    crypto_generichash_init(&x.hash, NULL, 0, CHUNK_HASH);
    r = r ? r : add_list(&x, &x.m.events);
    r = r ? r : add_list(&x, &x.m.heads);
    for (int64_t i = 0; i < x.m.about.n_tables && r == 0; i++)
        r = add_list(&x, &x.m.tables[i].chunks);
    r = r ? r : say(&x, (const uint8_t *)MAGIC, 8);
    r = r ? r : say_chunks(&x);
    r = r ? r : say_manifest(&x);
    r = r ? job_errno(j, r, "the export") : job_end_by(j, write_exported, &x);
    chunk_list_done(&x.done);
    manifest_done(&x.m);
    return r;
}

/* ---- Import: pieces into a draft ---- */

static int64_t draft_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static size_t count_drafts(struct cps *s)
{
    DIR *d = opendir(s->imports);
    struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

void carry_clean(struct cps *s)
{
    DIR *d = opendir(s->imports);
    struct dirent *e;
    char path[800];

    while (d && (e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", s->imports, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
}

static int append_piece(struct job *j, const char *path, struct aiex_slice data, int64_t offset)
{
    int64_t size = draft_size(path);
    int fd, r;

    if (size < 0 && offset == 0 && count_drafts(j->s) >= MAX_UPLOADS)
        return job_fail(j, AIEX_E_BUSY, "%u imports are under way already", MAX_UPLOADS);
    if (offset > (size < 0 ? 0 : size))
        return job_fail(j, AIEX_E_CONFLICT,
                        "a piece at byte %lld, but %lld bytes are here; begin again",
                        (long long)offset, (long long)(size < 0 ? 0 : size));
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (offset ? 0 : O_TRUNC), 0600);
    if (fd < 0)
        return job_errno(j, -errno, strerror(errno));
    r = aiex_file_pwrite(fd, data.data, data.len, (uint64_t)offset);
    close(fd);
    if (r < 0)
        unlink(path);
    return r < 0 ? job_errno(j, r, "the import can not be kept; begin again") : 0;
}

/* ---- Import: the draft is read ---- */

struct import {
    struct job *job;
    int fd;
    uint64_t at;
    crypto_generichash_state hash;
    uint8_t *mem;
    size_t len;
    char letter;
    int64_t chunks;
    struct manifest m;
    int has_manifest;
};

static int read_exact(struct import *x, uint8_t *out, size_t n)
{
    size_t got = 0;
    int r = aiex_file_pread(x->fd, out, n, x->at, &got);

    if (r < 0)
        return job_errno(x->job, r, "the draft of the import can not be read");
    if (got < n)
        return job_fail(x->job, AIEX_E_INVALID, "the file ends at byte %llu, in the middle",
                        (unsigned long long)(x->at + got));
    x->at += n;
    return 0;
}

static int read_record(struct import *x)
{
    uint8_t head[RECORD];
    uint64_t place = x->at;
    size_t max;
    int r = read_exact(x, head, RECORD);

    if (r < 0)
        return r;
    x->letter = (char)head[0];
    x->len = get32(head + 1);
    max = x->letter == 'C' ? CHUNK_MAX + CHUNK_HEAD : x->letter == 'M' ? MAX_MANIFEST : CHUNK_HASH;
    if (!strchr("CME", x->letter) || !x->letter || x->len > max)
        return job_fail(x->job, AIEX_E_INVALID, "what stands at byte %llu is no part of an export",
                        (unsigned long long)place);
    free(x->mem);
    x->mem = malloc(x->len + 1);
    if (!x->mem)
        return job_errno(x->job, -ENOMEM, "a part of the import");
    r = read_exact(x, x->mem, x->len);
    if (r == 0 && x->letter != 'E') {
        crypto_generichash_update(&x->hash, head, RECORD);
        crypto_generichash_update(&x->hash, x->mem, x->len);
    }
    return r;
}

static int wrong(struct import *x, const struct aiex_error *err, int r)
{
    if (r == -EBADMSG)
        return job_fail(x->job, AIEX_E_INVALID, "the file is damaged: %.400s", err->text);
    return job_errno(x->job, r, err->text);
}

static int take_record(struct import *x)
{
    const struct aiex_slice bytes = {x->mem, x->len};
    struct aiex_error err = {""};
    struct chunk_ref ref;
    int r;

    if (x->letter == 'C') {
        r = chunk_adopt(&x->job->s->chunks, bytes, &ref, &err);
        x->chunks++;
        return r < 0 ? wrong(x, &err, r) : 0;
    }
    if (x->has_manifest)
        return job_fail(x->job, AIEX_E_INVALID, "the file has two manifests");
    x->has_manifest = 1;
    r = manifest_unpack(bytes, &x->m, &err);
    return r < 0 ? wrong(x, &err, r) : 0;
}

static int check_end(struct import *x)
{
    uint8_t hash[CHUNK_HASH];

    crypto_generichash_final(&x->hash, hash, CHUNK_HASH);
    if (x->len != CHUNK_HASH || memcmp(hash, x->mem, CHUNK_HASH) != 0)
        return job_fail(x->job, AIEX_E_INVALID, "the checksum of the file is another");
    if (!x->has_manifest)
        return job_fail(x->job, AIEX_E_INVALID, "the file has no manifest");
    return 0;
}

static int read_draft(struct import *x)
{
    uint8_t magic[8];
    int r = read_exact(x, magic, 8);

    if (r == 0 && memcmp(magic, MAGIC, 8) != 0)
        r = job_fail(x->job, AIEX_E_INVALID, "the file is no exported checkpoint");
    crypto_generichash_init(&x->hash, NULL, 0, CHUNK_HASH);
    crypto_generichash_update(&x->hash, magic, 8);
    while (r == 0 && (r = read_record(x)) == 0 && x->letter != 'E')
        r = take_record(x);
    return r ? r : check_end(x);
}

/* ---- Import: it becomes a checkpoint ---- */

static int has_all(struct import *x, const struct chunk_list *list)
{
    struct aiex_error err = {""};
    int r = 0;

    for (size_t i = 0; i < list->n && r == 0; i++) {
        uint8_t *raw = NULL;

        r = chunk_get(&x->job->s->chunks, &list->all[i], &raw, &err);
        free(raw);
        if (r == -ENOENT || r == -EBADMSG)
            r = job_fail(x->job, AIEX_E_INVALID, "the file is not complete: %.400s", err.text);
    }
    return r;
}

static int adopt(struct import *x)
{
    struct cps *s = x->job->s;
    struct about other;
    struct aiex_error err = {""};
    char name[MAX_NAME + 1] = "";
    int r = job_text(x->job, "name", name, sizeof(name));

    if (r < 0)
        return r;
    if (name[0] && !name_is_good(name))
        return job_fail(x->job, AIEX_E_INVALID, "'%s' is no name of a checkpoint", name);
    if (name[0])
        strcpy(x->m.about.name, name);
    if (catalog_find(&s->catalog, x->m.about.name, &other) == 0)
        return job_fail(x->job, AIEX_E_CONFLICT,
                        "there is a checkpoint '%s' already; import it under another name",
                        x->m.about.name);
    r = has_all(x, &x->m.events);
    r = r ? r : has_all(x, &x->m.heads);
    for (int64_t i = 0; i < x->m.about.n_tables && r == 0; i++)
        r = has_all(x, &x->m.tables[i].chunks);
    if (r == 0 && catalog_reserve(&s->catalog) < 0)
        r = job_errno(x->job, -ENOMEM, "the catalog");
    r = r ? r : chunks_sync(&s->chunks, &err);
    r = r ? r : manifest_write(s->manifests, &x->m, &err);
    if (r < 0)
        return job_errno(x->job, r, err.text);
    chunks_keep_fresh(&s->chunks);
    catalog_add(&s->catalog, &x->m.about);
    return 0;
}

static void write_imported(struct aiex_writer *w, const void *arg)
{
    about_write(w, arg);
}

static int finish(struct job *j, const char *path)
{
    struct import x = {.job = j};
    int r;

    x.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (x.fd < 0)
        return job_errno(j, -errno, "the draft of the import is gone; begin again");
    r = read_draft(&x);
    r = r ? r : adopt(&x);
    if (r < 0)
        chunks_drop_fresh(&j->s->chunks);
    close(x.fd);
    unlink(path);
    free(x.mem);
    if (r == 0) {
        job_done_by(j, write_imported, &x.m.about);
        tell_log(j, "checkpoint.imported", &x.m.about);
    }
    manifest_done(&x.m);
    return r;
}

int run_import(struct job *j)
{
    struct aiex_slice data = {NULL, 0};
    char upload[33] = "", path[500];
    int64_t offset = 0;
    int end = 0, r = job_text(j, "upload", upload, sizeof(upload));

    if (r < 0)
        return r;
    if (!name_is_good(upload))
        return job_fail(j, AIEX_E_INVALID, "field 'upload' must be 1 to 32 letters and digits");
    if (aiex_get_bytes(j->body, "data", &data) < 0 || data.len > MAX_PIECE ||
        aiex_get_int(j->body, "offset", &offset) < 0 || offset < 0)
        return job_fail(j, AIEX_E_INVALID,
                        "'data' must have at most %u bytes, 'offset' say where they belong",
                        MAX_PIECE);
    r = job_bool(j, "end", &end);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/%s", j->s->imports, upload);
    r = append_piece(j, path, data, offset);
    return r < 0 || !end ? r : finish(j, path);
}
