/*
 * http1_body.c - framing of bodies: a told length, chunks, or until the end.
 *
 * Chunk lines are read by an own, strict automaton (RFC 9112 7.1): hexadecimal digits
 * without sign, space or prefix, at most 15 of them; CR LF everywhere; extensions and
 * trailers are held to the same bytes as headers, counted and dropped.
 */
#include "http1_parser.h"

#define SIZE_DIGITS 15u

/* Hands on up to n bytes of what is left. */
static int give(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took)
{
    if (n > p->left)
        n = (size_t)p->left;
    p->left -= n;
    *took = n;
    if (n && p->events.body && p->events.body(p->arg, (const uint8_t *)bytes, n) != 0)
        return AIEX_HTTP1_STOP;
    return 0;
}

static int bad_chunk(struct aiex_http1 *p)
{
    return http1_refuse(p, -EPROTO, 400, "a malformed chunk");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte of an extension or a trailer: printable, tab or above ASCII. */
static int plain(char c)
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static int chunk_sized(struct aiex_http1 *p)
{
    if (p->left > p->limits.body_bytes - p->body_seen)
        return http1_refuse(p, -EMSGSIZE, 413, "the body is too large");
    p->body_seen += p->left;
    p->chunk = p->left ? CHUNK_DATA : CHUNK_TRAILER;
    p->n_digits = 0;
    return 0;
}

static int on_size(struct aiex_http1 *p, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (++p->n_digits > SIZE_DIGITS)
            return bad_chunk(p);
        p->left = p->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (p->n_digits == 0 || (c != '\r' && c != ';'))
        return bad_chunk(p);
    p->chunk = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT;
    return 0;
}

/* One byte of framing. 0, 1 = the message is complete, or an error. */
static int on_byte(struct aiex_http1 *p, char c)
{
    switch (p->chunk) {
    case CHUNK_SIZE:
        return on_size(p, c);
    case CHUNK_EXT:
        if (c == '\r')
            p->chunk = CHUNK_SIZE_LF;
        return c == '\r' || plain(c) ? 0 : bad_chunk(p);
    case CHUNK_SIZE_LF:
        return c == '\n' ? chunk_sized(p) : bad_chunk(p);
    case CHUNK_DATA_CR:
        p->chunk = CHUNK_DATA_LF;
        return c == '\r' ? 0 : bad_chunk(p);
    case CHUNK_DATA_LF:
        p->chunk = CHUNK_SIZE;
        return c == '\n' ? 0 : bad_chunk(p);
    case CHUNK_TRAILER:
        p->chunk = c == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_LINE;
        return c == '\r' || (plain(c) && c != ' ' && c != '\t' && c != ':') ? 0 : bad_chunk(p);
    case CHUNK_TRAILER_LINE:
        if (c == '\r')
            p->chunk = CHUNK_TRAILER_LF;
        return c == '\r' || plain(c) ? 0 : bad_chunk(p);
    case CHUNK_TRAILER_LF:
        p->chunk = CHUNK_TRAILER;
        return c == '\n' ? 0 : bad_chunk(p);
    case CHUNK_LAST_LF:
        return c == '\n' ? 1 : bad_chunk(p);
    default:
        return bad_chunk(p);
    }
}

/* A whole line of a size and nothing else, as nearly all are: its bytes, or 0: byte by byte. */
static size_t size_line(const char *bytes, size_t n, uint64_t *ret_size)
{
    uint64_t size = 0;
    size_t i = 0;
    int digit;

    for (; i < n && i <= SIZE_DIGITS && (digit = hex_digit(bytes[i])) >= 0; i++)
        size = size << 4 | (uint64_t)digit;
    if (i == 0 || i > SIZE_DIGITS || n - i < 2 || bytes[i] != '\r' || bytes[i + 1] != '\n')
        return 0;
    *ret_size = size;
    return i + 2;
}

static int chunks_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took)
{
    size_t i = 0, used = 0;
    int r = 0;

    while (i < n && r == 0) {
        if (p->chunk == CHUNK_DATA) {
            r = give(p, bytes + i, n - i, &used);
            i += used;
            if (p->left == 0)
                p->chunk = CHUNK_DATA_CR;
            continue;
        }
        if (p->chunk == CHUNK_DATA_CR && n - i >= 2 && memcmp(bytes + i, "\r\n", 2) == 0) {
            p->chunk = CHUNK_SIZE;
            i += 2;
            continue;
        }
        if (p->chunk == CHUNK_SIZE && p->n_digits == 0 &&
            (used = size_line(bytes + i, n - i, &p->left)) != 0) {
            i += used;
            r = chunk_sized(p);
            continue;
        }
        if (p->chunk == CHUNK_EXT || p->chunk >= CHUNK_TRAILER)
            p->trailer_seen++;
        if (p->trailer_seen > p->limits.head_bytes)
            return http1_refuse(p, -EMSGSIZE, 431,
                                "too many bytes of chunk extensions or trailers");
        r = on_byte(p, bytes[i++]);
    }
    *took = i;
    if (r == 1)
        p->phase = PHASE_DONE;
    return r;
}

static int until_eof_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took)
{
    if (n > p->limits.body_bytes - p->body_seen)
        return http1_refuse(p, -EMSGSIZE, 413, "the body is too large");
    p->body_seen += n;
    p->left = n;
    return give(p, bytes, n, took);
}

int http1_body_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took)
{
    int r;

    *took = 0;
    if (p->phase == PHASE_CHUNKS)
        return chunks_feed(p, bytes, n, took);
    if (p->phase == PHASE_UNTIL_EOF)
        return until_eof_feed(p, bytes, n, took);
    r = give(p, bytes, n, took);
    if (r == 0 && p->left == 0) {
        p->phase = PHASE_DONE;
        return 1;
    }
    return r;
}
