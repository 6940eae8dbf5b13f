/* http.h - "aiex.http/1" of a world in which no peer can be reached. */
#ifndef AIEX_CHECK_HTTP_H
#define AIEX_CHECK_HTTP_H

#include <aiex_fake_host.h>

struct dead_http;

/* Registers the extension; NULL when memory is short. Free after the fake host. */
struct dead_http *dead_http_new(struct aiex_fake_host *h);
void dead_http_free(struct dead_http *d);

/* Ends every open request with AIEX_HTTP_CONNECT. Returns how many. */
size_t dead_http_run(struct dead_http *d);
/* Requests that are open. */
size_t dead_http_open(const struct dead_http *d);

#endif
