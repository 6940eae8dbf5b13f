/* record_frame.h - head of a record log and frame of a record, between its reader and writer. */
#ifndef RECORD_FRAME_H
#define RECORD_FRAME_H

#include "aiex_crc32c.h"
#include "aiex_record_log.h"

#include <string.h>

#define RECORD_MAGIC "AIEXLOG1"

static inline void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* The checksum of a record begins with these. */
static inline uint32_t record_seed(uint64_t salt, uint64_t offset, uint32_t len)
{
    uint8_t b[20];

    put64(b, salt);
    put64(b + 8, offset);
    put32(b + 16, len);
    return aiex_crc32c(0, b, sizeof(b));
}

/* Reads the head: 0 and the salt, -ENODATA (a crash left it unfinished: shorter than a head),
 * -EBADMSG, other errno. record_read.c */
int aiex_rlog_head(int fd, uint64_t *ret_salt);
/* open(2), never descriptor 0, which says "none". record_read.c */
int aiex_rlog_open_file(const char *path, int flags);

#endif
