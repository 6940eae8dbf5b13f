/* head.h - the heads of answers, for respond.c. */
#ifndef INTERFACE_HTTP_HEAD_H
#define INTERFACE_HTTP_HEAD_H

#include "server.h"

/* 204 and 304 have none, nor a length of one. */
int head_has_body(int status);
/* Of a whole answer with a body of that length. */
void head_write(struct conn *c, struct aiex_http1_writer *w, const struct reply *r, size_t length);
/* Of a stream. */
void head_write_stream(struct conn *c, struct aiex_http1_writer *w, const char *type);

#endif /* INTERFACE_HTTP_HEAD_H */
