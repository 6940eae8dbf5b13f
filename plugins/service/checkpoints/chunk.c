/* chunk.c - see chunk.h. */
#include "chunk.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define MAGIC    "AIEXCHK1"
#define FORM_RAW 0u
#define FORM_ZST 1u

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- Lists ---- */

int chunk_list_add(struct chunk_list *list, const struct chunk_ref *ref)
{
    size_t size = list->size ? list->size * 2 : 16;
    struct chunk_ref *all;

    if (list->n == list->size) {
        all = realloc(list->all, size * sizeof(*all));
        if (!all)
            return -ENOMEM;
        list->all = all;
        list->size = size;
    }
    list->all[list->n++] = *ref;
    return 0;
}

void chunk_list_done(struct chunk_list *list)
{
    free(list->all);
    *list = (struct chunk_list){NULL, 0, 0};
}

/* ---- Names ---- */

static void name_of(const struct chunks *c, const uint8_t *hash, char out[512])
{
    char hex[2 * CHUNK_HASH + 1];

    sodium_bin2hex(hex, sizeof(hex), hash, CHUNK_HASH);
    snprintf(out, 512, "%s/%.2s/%s", c->dir, hex, hex);
}

static int make_folder(const char *path, struct aiex_error *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return aiex_failed(err, -errno, "folder '%.300s': %s", path, strerror(errno));
}

int chunks_open(struct chunks *c, const char *dir, int level, struct aiex_error *err)
{
    char path[512];
    int r = make_folder(dir, err);

    c->level = level;
    c->room = INT64_MAX;
    snprintf(c->dir, sizeof(c->dir), "%s", dir);
    for (unsigned i = 0; i < 256 && r == 0; i++) {
        snprintf(path, sizeof(path), "%s/%02x", c->dir, i);
        r = make_folder(path, err);
    }
    return r;
}

void chunks_done(struct chunks *c)
{
    chunk_list_done(&c->fresh);
    free(c->mem);
    c->mem = NULL;
    c->mem_size = 0;
}

static int room(struct chunks *c, size_t n)
{
    uint8_t *mem;

    if (n <= c->mem_size)
        return 0;
    mem = realloc(c->mem, n);
    if (!mem)
        return -ENOMEM;
    c->mem = mem;
    c->mem_size = n;
    return 0;
}

static void hash_of(struct aiex_slice raw, uint8_t *hash)
{
    crypto_generichash(hash, CHUNK_HASH, raw.data, raw.len, NULL, 0);
}

/* ---- Reading ---- */

static int damaged(struct aiex_error *err, const uint8_t *hash, const char *what)
{
    char hex[2 * CHUNK_HASH + 1];

    sodium_bin2hex(hex, sizeof(hex), hash, CHUNK_HASH);
    return aiex_failed(err, -EBADMSG, "chunk %.16s: %s", hex, what);
}

int chunk_file(struct chunks *c, const struct chunk_ref *ref, uint8_t **ret_file, size_t *ret_len,
               struct aiex_error *err)
{
    char path[512];
    int r;

    name_of(c, ref->hash, path);
    r = aiex_file_read(path, CHUNK_MAX + CHUNK_HEAD, ret_file, ret_len);
    if (r == -ENOENT)
        return damaged(err, ref->hash, "its file is missing"), -ENOENT;
    if (r == -EFBIG)
        return damaged(err, ref->hash, "its file is longer than any chunk");
    return r < 0 ? aiex_failed(err, r, "'%.300s': %s", path, strerror(-r)) : 0;
}

/* What a file says, into new memory; its name is not compared. */
static int unpack(struct aiex_slice file, const uint8_t *hash, uint8_t **ret_raw, size_t *ret_len,
                  struct aiex_error *err)
{
    const uint8_t *body = file.data + CHUNK_HEAD;
    size_t len, n;
    uint32_t form;

    if (file.len < CHUNK_HEAD || memcmp(file.data, MAGIC, 8) != 0)
        return damaged(err, hash, "the head of its file is damaged");
    len = get32(file.data + 8);
    form = get32(file.data + 12);
    n = file.len - CHUNK_HEAD;
    if (len > CHUNK_MAX || form > FORM_ZST || (form == FORM_RAW && n != len))
        return damaged(err, hash, "the head of its file is damaged");
    *ret_raw = malloc(len + 1);
    if (!*ret_raw)
        return aiex_failed(err, -ENOMEM, "no memory for a chunk of %zu bytes", len);
    if (form == FORM_RAW)
        memcpy(*ret_raw, body, n);
    else if (ZSTD_decompress(*ret_raw, len, body, n) != len) {
        free(*ret_raw);
        *ret_raw = NULL;
        return damaged(err, hash, "its bytes can not be unpacked");
    }
    *ret_len = len;
    return 0;
}

int chunk_get(struct chunks *c, const struct chunk_ref *ref, uint8_t **ret_raw,
              struct aiex_error *err)
{
    uint8_t hash[CHUNK_HASH], *file = NULL;
    size_t n = 0, len = 0;
    int r = chunk_file(c, ref, &file, &n, err);

    *ret_raw = NULL;
    r = r ? r : unpack((struct aiex_slice){file, n}, ref->hash, ret_raw, &len, err);
    free(file);
    if (r < 0)
        return r;
    hash_of((struct aiex_slice){*ret_raw, len}, hash);
    if (len == ref->raw && memcmp(hash, ref->hash, CHUNK_HASH) == 0)
        return 0;
    free(*ret_raw);
    *ret_raw = NULL;
    return damaged(err, ref->hash, "its bytes have another checksum");
}

/* ---- Writing ---- */

static int write_file(const char *path, struct aiex_slice bytes, struct aiex_error *err)
{
    char draft[520];
    int fd, r = 0;

    snprintf(draft, sizeof(draft), "%s.tmp", path);
    fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return aiex_failed(err, -errno, "'%.300s': %s", draft, strerror(errno));
    r = aiex_file_pwrite(fd, bytes.data, bytes.len, 0);
    if (r == 0 && fdatasync(fd) != 0)
        r = -errno;
    close(fd);
    if (r == 0 && rename(draft, path) != 0)
        r = -errno;
    if (r < 0)
        unlink(draft);
    return r < 0 ? aiex_failed(err, r, "'%.300s': %s", path, strerror(-r)) : 0;
}

/* The file's bytes in c->mem. */
static int pack(struct chunks *c, struct aiex_slice raw, struct aiex_slice *ret_file)
{
    size_t bound = ZSTD_compressBound(raw.len), n;
    int r = room(c, CHUNK_HEAD + bound);

    if (r < 0)
        return r;
    n = ZSTD_compress(c->mem + CHUNK_HEAD, bound, raw.data, raw.len, c->level);
    memcpy(c->mem, MAGIC, 8);
    put32(c->mem + 8, (uint32_t)raw.len);
    put32(c->mem + 12, FORM_ZST);
    if (ZSTD_isError(n) || n >= raw.len) {
        memcpy(c->mem + CHUNK_HEAD, raw.data, raw.len);
        put32(c->mem + 12, FORM_RAW);
        n = raw.len;
    }
    *ret_file = (struct aiex_slice){c->mem, CHUNK_HEAD + n};
    return 0;
}

/* 1 = it is there and whole. */
static int is_there(struct chunks *c, struct chunk_ref *ref)
{
    struct aiex_error err;
    struct stat st;
    uint8_t *raw = NULL;
    char path[512];
    int r;

    name_of(c, ref->hash, path);
    if (stat(path, &st) != 0)
        return 0;
    r = chunk_get(c, ref, &raw, &err);
    free(raw);
    ref->stored = (uint32_t)st.st_size;
    return r == 0;
}

static int put_file(struct chunks *c, struct aiex_slice file, struct chunk_ref *ref,
                    struct aiex_error *err)
{
    struct stat st;
    char path[512];
    int r, is_new;

    name_of(c, ref->hash, path);
    is_new = stat(path, &st) != 0; /* a damaged one that is made whole belongs to others */
    ref->stored = (uint32_t)file.len;
    if (is_new && (int64_t)file.len > c->room)
        return aiex_failed(err, -EDQUOT, "all checkpoints together would be more than max_bytes");
    if (is_new && chunk_list_add(&c->fresh, ref) < 0)
        return aiex_failed(err, -ENOMEM, "no memory for the list of chunks");
    r = write_file(path, file, err);
    if (r == 0)
        c->touched[ref->hash[0]] = 1;
    else if (is_new)
        c->fresh.n--;
    if (r == 0 && is_new)
        c->room -= (int64_t)file.len;
    return r;
}

int chunk_put(struct chunks *c, struct aiex_slice raw, struct chunk_ref *ref,
              struct aiex_error *err)
{
    struct aiex_slice file;

    hash_of(raw, ref->hash);
    ref->raw = (uint32_t)raw.len;
    ref->stored = 0;
    if (is_there(c, ref))
        return 0;
    if (pack(c, raw, &file) < 0)
        return aiex_failed(err, -ENOMEM, "no memory for a chunk of %zu bytes", raw.len);
    return put_file(c, file, ref, err);
}

int chunk_adopt(struct chunks *c, struct aiex_slice file, struct chunk_ref *ref,
                struct aiex_error *err)
{
    static const uint8_t none[CHUNK_HASH];
    uint8_t *raw = NULL;
    size_t len = 0;
    int r = unpack(file, none, &raw, &len, err);

    if (r < 0)
        return r;
    hash_of((struct aiex_slice){raw, len}, ref->hash);
    ref->raw = (uint32_t)len;
    free(raw);
    return is_there(c, ref) ? 0 : put_file(c, file, ref, err);
}

/* ---- Folders ---- */

int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (fsync(fd) != 0)
        r = -errno;
    close(fd);
    return r;
}

int chunks_sync(struct chunks *c, struct aiex_error *err)
{
    char path[512];
    int r = folder_sync(c->dir);

    for (unsigned i = 0; i < 256 && r == 0; i++) {
        if (!c->touched[i])
            continue;
        snprintf(path, sizeof(path), "%s/%02x", c->dir, i);
        r = folder_sync(path);
        c->touched[i] = 0;
    }
    return r < 0 ? aiex_failed(err, r, "folder '%.300s': %s", c->dir, strerror(-r)) : 0;
}

void chunks_keep_fresh(struct chunks *c)
{
    c->fresh.n = 0;
}

void chunks_drop_fresh(struct chunks *c)
{
    char path[512];

    while (c->fresh.n) {
        name_of(c, c->fresh.all[--c->fresh.n].hash, path);
        unlink(path);
    }
}

static void collect_one(const char *folder, const char *name,
                        int (*is_used)(void *arg, const uint8_t *hash), void *arg, size_t *n,
                        int64_t *bytes)
{
    uint8_t hash[CHUNK_HASH];
    struct stat st;
    char path[800];
    size_t len = 0;

    if (name[0] == '.')
        return;
    if (strlen(name) == 2 * CHUNK_HASH &&
        sodium_hex2bin(hash, sizeof(hash), name, 2 * CHUNK_HASH, NULL, &len, NULL) == 0 &&
        len == CHUNK_HASH && is_used(arg, hash))
        return;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (stat(path, &st) != 0 || unlink(path) != 0)
        return;
    ++*n;
    *bytes += (int64_t)st.st_size;
}

size_t chunks_collect(struct chunks *c, int (*is_used)(void *arg, const uint8_t *hash), void *arg,
                      int64_t *ret_bytes)
{
    char path[512];
    size_t n = 0;

    *ret_bytes = 0;
    for (unsigned i = 0; i < 256; i++) {
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof(path), "%s/%02x", c->dir, i);
        d = opendir(path);
        while (d && (e = readdir(d)) != NULL)
            collect_one(path, e->d_name, is_used, arg, &n, ret_bytes);
        if (d)
            closedir(d);
    }
    return n;
}

static int64_t folder_total(const char *path)
{
    int64_t bytes = 0;
    struct dirent *e;
    DIR *d = opendir(path);

    while (d && (e = readdir(d)) != NULL) {
        struct stat st;
        char file[800];

        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && stat(file, &st) == 0)
            bytes += (int64_t)st.st_size;
    }
    if (d)
        closedir(d);
    return bytes;
}

int64_t chunks_total(const struct chunks *c)
{
    int64_t bytes = 0;
    char path[512];

    for (unsigned i = 0; i < 256; i++) {
        snprintf(path, sizeof(path), "%s/%02x", c->dir, i);
        bytes += folder_total(path);
    }
    return bytes;
}
