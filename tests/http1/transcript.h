/*
 * transcript.h - feeds a parser and writes down all it said, so that two ways of
 * cutting the same bytes can be compared as text.
 */
#ifndef AIEX_TEST_TRANSCRIPT_H
#define AIEX_TEST_TRANSCRIPT_H

#include <aiex_http1.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transcript {
    char text[65536];
    size_t len;
    int in_body;
    int stop_at_head, stop_at_body;
};

static inline void note(struct transcript *t, const char *bytes, size_t n)
{
    if (n > sizeof(t->text) - 1 - t->len)
        n = sizeof(t->text) - 1 - t->len;
    memcpy(t->text + t->len, bytes, n);
    t->len += n;
    t->text[t->len] = 0;
}

static inline void notes(struct transcript *t, const char *text)
{
    note(t, text, strlen(text));
}

static inline int note_head(void *arg, const struct aiex_http1_head *h)
{
    struct transcript *t = arg;
    char line[128];

    t->in_body = 0;
    notes(t, "[");
    notes(t, h->method);
    notes(t, " ");
    notes(t, h->path);
    notes(t, "?");
    notes(t, h->query);
    snprintf(line, sizeof(line), " %d 1.%d %lld %s%s%s%s%s%s]", h->status, h->minor,
             (long long)h->content_length, h->flags & AIEX_HTTP1_KEEP_ALIVE ? "k" : "",
             h->flags & AIEX_HTTP1_CHUNKED ? "c" : "", h->flags & AIEX_HTTP1_CONTINUE ? "e" : "",
             h->flags & AIEX_HTTP1_UPGRADE ? "u" : "", h->flags & AIEX_HTTP1_HAS_BODY ? "b" : "",
             h->flags & AIEX_HTTP1_UNTIL_EOF ? "z" : "");
    notes(t, line);
    for (size_t i = 0; i < h->n_headers; i++) {
        notes(t, h->headers[i].name);
        notes(t, "=");
        notes(t, h->headers[i].value);
        notes(t, ";");
    }
    return t->stop_at_head;
}

static inline int note_body(void *arg, const uint8_t *bytes, size_t n)
{
    struct transcript *t = arg;

    if (!t->in_body)
        notes(t, "<");
    t->in_body = 1;
    note(t, (const char *)bytes, n);
    return t->stop_at_body;
}

static const struct aiex_http1_events note_events = {note_head, note_body};

/* Feeds one piece, through all messages in it. The piece is copied into memory of exactly its
 * size, so that a read beyond it is seen. Returns the last result. */
static inline int feed_piece(struct aiex_http1 *p, struct transcript *t, const char *bytes,
                             size_t n)
{
    char *copy = malloc(n ? n : 1);
    size_t at = 0, used;
    int r = 0;

    memcpy(copy, bytes, n);
    do {
        r = aiex_http1_feed(p, copy + at, n - at, &used);
        at += used;
        if (r == AIEX_HTTP1_DONE) {
            notes(t, ">.");
            t->in_body = 0;
            aiex_http1_next(p);
        }
    } while (r == AIEX_HTTP1_DONE && at < n);
    free(copy);
    return r;
}

/* The whole story: pieces cut at `a` and `b` (or byte by byte when a is SIZE_MAX), then the end. */
static inline void tell(struct transcript *t, uint32_t kind, const char *bytes, size_t n, size_t a,
                        size_t b)
{
    struct aiex_http1 *p;
    char line[160];
    size_t at = 0, to;
    int r = 0;

    memset(t, 0, sizeof(*t));
    p = aiex_http1_new(kind, NULL, &note_events, t);
    while (at < n && r >= 0 && r != AIEX_HTTP1_STOP) {
        to = a == SIZE_MAX ? at + 1 : at < a ? a : at < b ? b : n;
        to = to > n ? n : to;
        r = feed_piece(p, t, bytes + at, to - at);
        at = to;
    }
    if (r >= 0) {
        r = aiex_http1_eof(p);
        notes(t, r == AIEX_HTTP1_DONE ? "EOF-DONE" : r == AIEX_HTTP1_MORE ? "EOF" : "");
    }
    if (r < 0) {
        snprintf(line, sizeof(line), "!%d %s", aiex_http1_status(p), aiex_http1_text(p));
        notes(t, line);
    }
    aiex_http1_free(p);
}

#endif
