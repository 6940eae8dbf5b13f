/*
 * fake_http.h - extension "aiex.http/1" that a test plays by hand: requests are
 * recorded, heads, bodies and ends come when the test says so.
 */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include <aiex/aiex_http.h>

struct fake_http_request {
    uint64_t id;
    int open, paused, pauses, gave_up;
    char method[8], url[256], headers[1024]; /* "name: value\n" each */
    char *body;                              /* 0-terminated */
    struct aiex_http_request q;              /* limits and flags; pointers are dead */
    struct aiex_http_handler handler;
    void *arg;
};

#define FAKE_HTTP_MAX 64

struct fake_http {
    struct fake_http_request requests[FAKE_HTTP_MAX];
    int n, cancelled;
    int refuse; /* request() fails with this */
};

extern struct fake_http fake_http;
extern const struct aiex_http fake_http_table;

void fake_http_reset(void);
/* The last request whose url ends with this, or NULL. */
struct fake_http_request *fake_http_find(const char *url_end);
/* `headers`: "name: value\n" lines. */
void fake_http_head(struct fake_http_request *r, int status, const char *headers);
/* In pieces of `step` bytes (0 = at once); stops when the plugin gives up. */
void fake_http_body(struct fake_http_request *r, const char *bytes, size_t n, size_t step);
void fake_http_end(struct fake_http_request *r, uint32_t result, int sent, const char *text);
/* All of it: status, one content-type, body, proper end. */
void fake_http_answer(struct fake_http_request *r, int status, const char *type, const char *body);

#endif
