/* record.c - see record.h. */
#include "record.h"

#include <aiex_crc32c.h>
#include <aiex_file.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC    "AIEXAUD1"
#define MEM_SIZE (1u << 20)

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

int record_is_erased(const struct record *r)
{
    for (size_t i = 0; i < r->secret.len; i++)
        if (r->secret.data[i])
            return 0;
    return r->secret.len != 0;
}

void segment_head_write(uint64_t salt, uint64_t first, uint8_t out[SEGMENT_HEAD])
{
    memset(out, 0, SEGMENT_HEAD);
    memcpy(out, MAGIC, 8);
    put64(out + 8, salt);
    put64(out + 16, first);
    put32(out + 24, aiex_crc32c(0, out, 24));
}

int segment_head_read(const uint8_t head[SEGMENT_HEAD], uint64_t *ret_salt, uint64_t *ret_first)
{
    if (memcmp(head, MAGIC, 8) != 0 || get32(head + 24) != aiex_crc32c(0, head, 24))
        return -EBADMSG;
    *ret_salt = get64(head + 8);
    *ret_first = get64(head + 16);
    return 0;
}

static uint32_t checksum(uint64_t salt, uint64_t offset, const uint8_t *head,
                         struct aiex_slice body)
{
    uint8_t seed[36];

    put64(seed, salt);
    put64(seed + 8, offset);
    memcpy(seed + 16, head + 4, 8);
    memcpy(seed + 24, head + 16, 12);
    return aiex_crc32c(aiex_crc32c(0, seed, sizeof(seed)), body.data, body.len);
}

void record_head_write(uint64_t salt, const struct record *r, uint8_t out[RECORD_HEAD])
{
    put32(out, (uint32_t)salt);
    put32(out + 4, (uint32_t)r->body.len);
    put32(out + 8, (uint32_t)r->secret.len);
    put64(out + 16, r->seq);
    put32(out + 24, (uint32_t)r->at | (uint32_t)r->count << 16);
    put32(out + 12, checksum(salt, r->offset, out, r->body));
}

void record_seal(uint64_t salt, uint64_t offset, uint16_t at, uint16_t count, uint8_t *bytes)
{
    put32(bytes + 24, (uint32_t)at | (uint32_t)count << 16);
    put32(bytes + 12, checksum(salt, offset, bytes,
                               (struct aiex_slice){bytes + RECORD_HEAD, get32(bytes + 4)}));
}

/* The lengths of a head can be those of a record. */
static int head_fits(uint64_t salt, const uint8_t *head, size_t *ret_bytes)
{
    uint32_t body = get32(head + 4), secret = get32(head + 8);

    if (get32(head) != (uint32_t)salt || body == 0 || body > MAX_BODY ||
        (secret && (secret <= RECORD_SALT || secret > RECORD_SALT + MAX_PAYLOAD)))
        return 0;
    *ret_bytes = RECORD_HEAD + (size_t)body + secret;
    return 1;
}

/* Bytes that begin at `offset` of the segment. */
static int take(uint64_t salt, uint64_t offset, const uint8_t *bytes, size_t n, struct record *r)
{
    size_t body = get32(bytes + 4);

    r->seq = get64(bytes + 16);
    r->at = (uint16_t)get32(bytes + 24);
    r->count = (uint16_t)(get32(bytes + 24) >> 16);
    r->offset = offset;
    r->bytes = n;
    r->body = (struct aiex_slice){bytes + RECORD_HEAD, body};
    r->secret = (struct aiex_slice){bytes + RECORD_HEAD + body, n - RECORD_HEAD - body};
    return checksum(salt, offset, bytes, r->body) == get32(bytes + 12) ? 0 : -EBADMSG;
}

int record_read(int fd, uint64_t salt, uint64_t offset, uint8_t *mem, struct record *r)
{
    size_t got, n;
    int e = aiex_file_pread(fd, mem, RECORD_HEAD, offset, &got);

    if (e < 0)
        return e;
    if (got < RECORD_HEAD || !head_fits(salt, mem, &n))
        return -EBADMSG;
    e = aiex_file_pread(fd, mem + RECORD_HEAD, n - RECORD_HEAD, offset + RECORD_HEAD, &got);
    if (e < 0)
        return e;
    return got == n - RECORD_HEAD ? take(salt, offset, mem, n, r) : -EBADMSG;
}

/* ---- Scanning ---- */

int scan_begin(struct scan *s, int fd, uint64_t salt, uint64_t at, uint64_t end)
{
    *s = (struct scan){.fd = fd, .salt = salt, .at = at, .end = end, .mem = malloc(MEM_SIZE)};
    return s->mem ? 0 : -ENOMEM;
}

void scan_done(struct scan *s)
{
    free(s->mem);
    s->mem = NULL;
}

/* Up to n bytes at `at`; *ret_n less only at the end. */
static int look(struct scan *s, uint64_t at, size_t n, const uint8_t **ret, size_t *ret_n)
{
    uint64_t left = s->end > at ? s->end - at : 0;
    int r = 0;

    if (n > left)
        n = (size_t)left;
    if (at < s->mem_at || at + n > s->mem_at + s->mem_len) {
        s->mem_at = at;
        r = aiex_file_pread(s->fd, s->mem, left < MEM_SIZE ? (size_t)left : MEM_SIZE, at,
                            &s->mem_len);
        if (r < 0)
            s->mem_len = 0;
        if (n > s->mem_len)
            n = s->mem_len;
    }
    *ret = s->mem + (at - s->mem_at);
    *ret_n = n;
    return r;
}

/* 1: a whole record stands at `at`. 0: none does. */
static int try_at(struct scan *s, uint64_t at, struct record *r)
{
    const uint8_t *p;
    size_t n, bytes;
    int e = look(s, at, RECORD_HEAD, &p, &n);

    if (e < 0 || n < RECORD_HEAD || !head_fits(s->salt, p, &bytes))
        return e < 0 ? e : 0;
    e = look(s, at, bytes, &p, &n);
    if (e < 0 || n < bytes)
        return e < 0 ? e : 0;
    return take(s->salt, at, p, bytes, r) == 0;
}

/* The next whole record behind damage. 1 and s->at is there; 0. */
static int find_next(struct scan *s, struct record *r)
{
    uint8_t mark[4];
    const uint8_t *p, *hit;
    uint64_t at = s->at + 1;
    size_t n;
    int e;

    put32(mark, (uint32_t)s->salt);
    while (at < s->end) {
        e = look(s, at, MEM_SIZE, &p, &n);
        if (e < 0)
            return e;
        hit = n >= 4 ? memmem(p, n, mark, 4) : NULL;
        if (!hit && n < 4)
            return 0;
        if (!hit) {
            at += n - 3;
            continue;
        }
        at += (uint64_t)(hit - p);
        e = try_at(s, at, r);
        if (e != 0) {
            s->at = at;
            return e;
        }
        at++;
    }
    return 0;
}

int scan_next(struct scan *s, struct record *r)
{
    uint64_t begin = s->at;
    int e;

    if (s->at >= s->end)
        return 0;
    e = try_at(s, s->at, r);
    if (e < 0)
        return e;
    if (e == 1) {
        s->at += r->bytes;
        return SCAN_RECORD;
    }
    e = find_next(s, r);
    if (e < 0)
        return e;
    if (e == 0)
        s->at = s->end;
    memset(r, 0, sizeof(*r));
    r->offset = begin;
    r->bytes = s->at - begin;
    return e == 1 ? SCAN_HOLE : SCAN_TORN;
}
