#include "fake_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_http fake_http;

static int request(const struct aiex_host *host, const struct aiex_http_request *q,
                   const struct aiex_http_handler *handler, void *arg, uint64_t *ret_id,
                   struct aiex_error *err)
{
    struct fake_http_request *r = &fake_http.requests[fake_http.n];
    size_t n = 0;

    if (fake_http.refuse) {
        snprintf(err->text, sizeof(err->text), "refused by the test");
        return fake_http.refuse;
    }
    if (fake_http.n == FAKE_HTTP_MAX)
        abort();
    *r = (struct fake_http_request){.id = (uint64_t)++fake_http.n, .open = 1, .arg = arg};
    r->q = *q;
    r->handler = *handler;
    snprintf(r->method, sizeof(r->method), "%s", q->method);
    snprintf(r->url, sizeof(r->url), "%s", q->url);
    for (size_t i = 0; i < q->n_headers; i++)
        n += (size_t)snprintf(r->headers + n, sizeof(r->headers) - n, "%s: %s\n",
                              q->headers[i].name, q->headers[i].value);
    r->body = calloc(1, q->body.len + 1);
    if (q->body.len)
        memcpy(r->body, q->body.data, q->body.len);
    *ret_id = r->id;
    return 0;
}

static struct fake_http_request *open_request(uint64_t id)
{
    if (id == 0 || id > (uint64_t)fake_http.n || !fake_http.requests[id - 1].open)
        return NULL;
    return &fake_http.requests[id - 1];
}

static int pause_reading(const struct aiex_host *host, uint64_t id, int on)
{
    struct fake_http_request *r = open_request(id);

    if (!r)
        return -ENOENT;
    r->paused = on;
    r->pauses += on;
    return 0;
}

static int cancel(const struct aiex_host *host, uint64_t id)
{
    struct fake_http_request *r = open_request(id);

    if (!r)
        return -ENOENT;
    r->open = 0;
    fake_http.cancelled++;
    return 0;
}

const struct aiex_http fake_http_table = {sizeof(fake_http_table), 0, request, pause_reading,
                                          cancel};

void fake_http_reset(void)
{
    for (int i = 0; i < fake_http.n; i++)
        free(fake_http.requests[i].body);
    memset(&fake_http, 0, sizeof(fake_http));
}

struct fake_http_request *fake_http_find(const char *url_end)
{
    for (int i = fake_http.n; i-- > 0;) {
        size_t n = strlen(fake_http.requests[i].url), m = strlen(url_end);

        if (n >= m && strcmp(fake_http.requests[i].url + n - m, url_end) == 0)
            return &fake_http.requests[i];
    }
    return NULL;
}

void fake_http_head(struct fake_http_request *r, int status, const char *headers)
{
    struct aiex_http_header list[16];
    char text[1024], *at = text;
    size_t n = 0;

    snprintf(text, sizeof(text), "%s", headers);
    for (char *line; n < 16 && (line = strsep(&at, "\n")) && *line;) {
        char *colon = strstr(line, ": ");

        if (!colon)
            abort();
        *colon = 0;
        list[n++] = (struct aiex_http_header){line, colon + 2};
    }
    if (r->open && r->handler.head(r->arg, status, list, n) != 0)
        r->gave_up = 1;
}

void fake_http_body(struct fake_http_request *r, const char *bytes, size_t n, size_t step)
{
    if (step == 0)
        step = n;
    for (size_t at = 0; at < n && r->open && !r->gave_up; at += step) {
        size_t len = n - at < step ? n - at : step;
        /* a block of its own, so that a pointer that is kept is found by the sanitizer */
        uint8_t *piece = malloc(len);

        memcpy(piece, bytes + at, len);
        r->gave_up = r->handler.body(r->arg, (struct aiex_slice){piece, len}) != 0;
        free(piece);
    }
}

void fake_http_end(struct fake_http_request *r, uint32_t result, int sent, const char *text)
{
    if (!r->open)
        return;
    r->open = 0;
    r->handler.end(r->arg, r->gave_up ? AIEX_HTTP_CANCELLED : result, sent, text);
}

void fake_http_answer(struct fake_http_request *r, int status, const char *type, const char *body)
{
    char headers[128];

    snprintf(headers, sizeof(headers), "content-type: %s\n", type);
    fake_http_head(r, status, headers);
    fake_http_body(r, body, strlen(body), 0);
    fake_http_end(r, AIEX_HTTP_OK, 1, NULL);
}
