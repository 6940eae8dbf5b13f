/* files.c - a file for each response: head, checks. */
#include "responses.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC    "AIEXRSP1"
#define SUFFIX   ".resp"
#define MAX_META 1024u

static void path_of(const struct responses *r, const char *id, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s" SUFFIX, r->host->data_dir, id);
}

/* ---- The head ---- */

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t write_meta(const struct entry *e, uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", e->id);
    aiex_w_key_str(&w, "owner", e->key);
    aiex_w_key_str(&w, "previous", e->previous);
    aiex_w_key_int(&w, "created", e->created);
    return aiex_written(&w).len;
}

static void write_head(const struct entry *e, const uint8_t *meta, uint8_t head[HEAD])
{
    memcpy(head, MAGIC, 8);
    put32(head + 8, e->meta_len);
    put32(head + 12, e->input_len);
    put32(head + 16, e->response_len);
    put32(head + 20, aiex_crc32c(0, meta, e->meta_len));
    put32(head + 24, e->crc);
    put32(head + 28, aiex_crc32c(0, head, 28));
}

static int read_head(const uint8_t head[HEAD], uint64_t size, struct entry *e)
{
    if (memcmp(head, MAGIC, 8) != 0 || get32(head + 28) != aiex_crc32c(0, head, 28))
        return -EBADMSG;
    e->meta_len = get32(head + 8);
    e->input_len = get32(head + 12);
    e->response_len = get32(head + 16);
    e->crc = get32(head + 24);
    return e->meta_len <= MAX_META && entry_bytes(e) == size ? 0 : -EBADMSG;
}

static int read_meta(struct aiex_slice meta, uint32_t crc, struct entry *e)
{
    if (aiex_crc32c(0, meta.data, meta.len) != crc || !aiex_is_map(meta) ||
        aiex_get_text(meta, "id", e->id, sizeof(e->id)) != 1 ||
        aiex_get_text(meta, "owner", e->key, sizeof(e->key)) != 1 ||
        aiex_get_text(meta, "previous", e->previous, sizeof(e->previous)) != 1 ||
        aiex_get_int(meta, "created", &e->created) != 1)
        return -EBADMSG;
    return 0;
}

static int read_start(int fd, const char *id, struct entry *e)
{
    uint8_t mem[HEAD + MAX_META];
    struct stat st;
    size_t got;
    int r = fstat(fd, &st) != 0 ? -errno : aiex_file_pread(fd, mem, sizeof(mem), 0, &got);

    if (r < 0)
        return r;
    if (got < HEAD || read_head(mem, (uint64_t)st.st_size, e) != 0 || got < HEAD + e->meta_len ||
        read_meta((struct aiex_slice){mem + HEAD, e->meta_len}, get32(mem + 20), e) != 0)
        return -EBADMSG;
    return strcmp(e->id, id) == 0 ? 0 : -EBADMSG;
}

static void damaged(struct responses *r, const char *path, const char *what)
{
    r->damaged++;
    aiex_logf(r->host, AIEX_LOG_WARN, 0, "response file '%s' %s; removed", path, what);
    unlink(path);
}

/* Takes a file in. 0, -EBADMSG (removed), -ENOENT, -ENOMEM ... */
static int load(struct responses *r, const char *id)
{
    char path[PATH_MAX];
    struct entry *e = calloc(1, sizeof(*e));
    int fd, error;

    if (!e)
        return -ENOMEM;
    path_of(r, id, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    error = fd < 0 ? -errno : read_start(fd, id, e);
    if (fd >= 0)
        close(fd);
    if (error == 0)
        return index_add(r, e);
    free(e);
    if (error == -EBADMSG)
        damaged(r, path, "is torn or damaged");
    return error;
}

/* ---- The start ---- */

static int take_file(struct responses *r, const char *name)
{
    size_t n = strlen(name), suffix = sizeof(SUFFIX) - 1;
    char id[MAX_ID + 1], path[PATH_MAX];
    int error;

    if (n > 4 && strcmp(name + n - 4, ".tmp") == 0) {
        snprintf(path, sizeof(path), "%s/%s", r->host->data_dir, name);
        unlink(path);
        return 0;
    }
    if (n <= suffix || n - suffix > MAX_ID || strcmp(name + n - suffix, SUFFIX) != 0)
        return 0;
    snprintf(id, sizeof(id), "%.*s", (int)(n - suffix), name);
    if (!keep_is_id(id))
        return 0;
    error = load(r, id);
    return error == -ENOMEM ? error : 0;
}

int files_start(struct responses *r, struct aiex_error *err)
{
    DIR *dir = opendir(r->host->data_dir);
    struct dirent *file;
    int error = 0;

    if (!dir)
        return aiex_failed(err, -errno, "folder '%.300s' can not be read: %s", r->host->data_dir,
                           strerror(errno));
    while (error == 0 && (file = readdir(dir))) {
        error = take_file(r, file->d_name);
        if (r->n % 256 == 0)
            r->host->alive(r->host);
    }
    closedir(dir);
    if (error == 0)
        error = index_order(r);
    if (error < 0)
        return aiex_failed(err, error, "no memory for the index of %zu responses", r->n);
    return 0;
}

/* ---- One response ---- */

struct entry *files_find(struct responses *r, const char *id)
{
    struct entry *e = index_find(r, id);

    if (!e && load(r, id) == 0) /* a process that is being replaced may have written it */
        e = index_find(r, id);
    return e;
}

void files_remove(struct responses *r, struct entry *e)
{
    char path[PATH_MAX];

    path_of(r, e->id, path);
    unlink(path);
    index_remove(r, e);
}

int files_put(struct responses *r, struct entry *e, struct entry *old, struct aiex_slice input,
              struct aiex_slice response, struct aiex_error *err)
{
    uint8_t head[HEAD], meta[MAX_META];
    struct aiex_slice pieces[4] = {{head, HEAD}, {meta, 0}, input, response};
    char path[PATH_MAX];
    int error;

    pieces[1].len = write_meta(e, meta, sizeof(meta));
    e->meta_len = (uint32_t)pieces[1].len;
    e->input_len = (uint32_t)input.len;
    e->response_len = (uint32_t)response.len;
    e->crc = aiex_crc32c(aiex_crc32c(0, input.data, input.len), response.data, response.len);
    write_head(e, meta, head);
    path_of(r, e->id, path);
    error = aiex_file_replace(path, pieces, 4, 0, err);
    if (error < 0) {
        free(e);
        return error;
    }
    if (old)
        index_remove(r, old);
    return index_add(r, e);
}

int files_read(struct responses *r, struct entry *e, uint8_t **ret_mem,
               struct aiex_slice *ret_input, struct aiex_slice *ret_response)
{
    char path[PATH_MAX];
    struct entry now = {.id = ""};
    uint8_t *mem;
    size_t len, begin;
    int error;

    path_of(r, e->id, path);
    error = aiex_file_read(path, HEAD + MAX_META + AIEX_MAX_BODY, &mem, &len);
    if (error == -ENOENT)
        index_remove(r, e);
    if (error < 0)
        return error;
    /* the file's own head: another process may have replaced it */
    if (len < HEAD || read_head(mem, len, &now) != 0) {
        error = -EBADMSG;
    } else {
        begin = HEAD + now.meta_len;
        *ret_input = (struct aiex_slice){mem + begin, now.input_len};
        *ret_response = (struct aiex_slice){mem + begin + now.input_len, now.response_len};
        if (aiex_crc32c(0, mem + begin, now.input_len + (size_t)now.response_len) != now.crc)
            error = -EBADMSG;
    }
    if (error < 0) {
        free(mem);
        damaged(r, path, "is damaged");
        index_remove(r, e);
        return error;
    }
    *ret_mem = mem;
    return 0;
}
