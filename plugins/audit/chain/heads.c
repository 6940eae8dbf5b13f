/* heads.c - see heads.h. */
#include "heads.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int heads_next(struct heads_reader *r, struct aiex_slice *ret_note)
{
    uint64_t left = r->end > r->at ? r->end - r->at : 0;
    size_t got, want = left < sizeof(r->mem) ? (size_t)left : sizeof(r->mem);
    const char *line;
    unsigned n;
    int e;

    if (left == 0)
        return 0;
    e = aiex_file_pread(r->fd, r->mem, want, r->at, &got);
    if (e < 0)
        return e;
    line = memchr(r->mem, '\n', got < 16 ? got : 16);
    if (!line || sscanf(r->mem, "note %u", &n) != 1 || n > AIEX_NOTE_MAX)
        return -EBADMSG;
    line++;
    if ((size_t)(line - r->mem) + n + 1 > got || line[n] != '\n')
        return -EBADMSG;
    *ret_note = (struct aiex_slice){(const uint8_t *)line, n};
    r->at += (uint64_t)(line - r->mem) + n + 1;
    return 1;
}

/* Remembers what a stored note says. 0, or -1: nothing. */
static int take(struct heads *h, struct aiex_slice bytes)
{
    struct aiex_checkpoint c;
    struct aiex_note note;
    char *copy;

    if (aiex_note_read(&note, bytes, NULL) != 0 || aiex_checkpoint_read(&c, note.text, NULL) != 0)
        return -1; /* the verification tells it */
    if (c.size >= h->size) {
        h->size = c.size;
        memcpy(h->root, c.root, AIEX_HASH);
    }
    copy = note.n > 1 ? strndup((const char *)bytes.data, bytes.len) : NULL;
    if (copy) {
        free(h->cosigned);
        h->cosigned = copy;
    }
    return 0;
}

/* All notes of the file, and where the last whole one ends. */
static int take_all(struct heads *h, uint64_t size)
{
    struct heads_reader *r = malloc(sizeof(*r));
    struct aiex_slice note;
    uint64_t begin = 0;
    int e, taken = 0;

    if (!r)
        return -ENOMEM;
    r->fd = h->fd;
    r->at = 0;
    r->end = size;
    for (; (e = heads_next(r, &note)) == 1; begin = r->at) {
        taken = take(h, note);
        h->end = taken == 0 ? r->at : begin;
    }
    if (e != 0 || taken == 0) /* else the last one is what a loss of power left */
        h->end = r->at;
    h->damaged = size - h->end;
    free(r);
    return e == -EBADMSG ? 0 : e;
}

int heads_open(struct heads *h, const char *path, struct aiex_error *err)
{
    struct stat st;
    int r;

    memset(h, 0, sizeof(*h));
    h->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->fd < 0 || fstat(h->fd, &st) != 0)
        return aiex_failed(err, -errno, "file '%s' can not be opened: %s", path, strerror(errno));
    r = take_all(h, (uint64_t)st.st_size);
    if (r < 0)
        return aiex_failed(err, r, "file '%s' can not be read: %s", path, strerror(-r));
    /* the rest of one note is what a crash leaves; more than that is damage, for the verification
     */
    if (h->damaged && h->damaged <= AIEX_NOTE_MAX + 32 && ftruncate(h->fd, (off_t)h->end) == 0)
        h->damaged = 0;
    else if (h->damaged)
        h->end = (uint64_t)st.st_size;
    return 0;
}

void heads_close(struct heads *h)
{
    if (h->fd > 0)
        close(h->fd);
    free(h->cosigned);
    memset(h, 0, sizeof(*h));
}

int heads_store(struct heads *h, struct aiex_slice note)
{
    char *mem = malloc(note.len + 32);
    int n, r;

    if (!mem)
        return -ENOMEM;
    n = sprintf(mem, "note %zu\n", note.len);
    memcpy(mem + n, note.data, note.len);
    mem[(size_t)n + note.len] = '\n';
    r = aiex_file_pwrite(h->fd, mem, (size_t)n + note.len + 1, h->end);
    if (r == 0 && fdatasync(h->fd) != 0)
        r = -errno;
    free(mem);
    if (r < 0) {
        if (ftruncate(h->fd, (off_t)h->end) != 0)
            return r; /* the next opening cuts it */
        return r;
    }
    h->end += (uint64_t)n + note.len + 1;
    take(h, note);
    return 0;
}

long heads_sign(const struct aiex_note_signer *s, uint64_t size, const uint8_t root[AIEX_HASH],
                char *out)
{
    struct aiex_checkpoint c = {.size = size};
    long n;

    strcpy(c.origin, s->key.name);
    memcpy(c.root, root, AIEX_HASH);
    n = aiex_checkpoint_write(&c, out, AIEX_NOTE_MAX);
    out[n] = '\n';
    return n + 1 +
           aiex_note_sign(s, (struct aiex_slice){(uint8_t *)out, (size_t)n}, 0, out + n + 1,
                          (size_t)(AIEX_NOTE_MAX - n - 1));
}
