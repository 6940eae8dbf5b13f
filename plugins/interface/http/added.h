/*
 * added.h - paths that other plugins serve through this server (sdk/kinds/interface.md).
 *
 * A plugin registers with `http.route`; requests for its path become calls to it. A route goes
 * when its instance has left for good; one that restarts may come back and answer.
 */
#ifndef INTERFACE_HTTP_ADDED_H
#define INTERFACE_HTTP_ADDED_H

#include "server.h"

/* What conn.c and metrics see of all of them. */
extern const struct route added_route;

int added_init(struct server *s);
void added_done(struct server *s);
/* Answers `http.route`. */
int added_register(struct server *s, const struct aiex_message *m);
/* Looks whether an instance has left. */
void added_event(struct server *s, const struct aiex_message *m);
/* Sets c->route and which one it is. 0, or 404, 405, 204 as routes_find(). */
int added_find(struct conn *c, const struct aiex_http1_head *head);
/* "GET, HEAD" for a path; "" for an unknown one. */
void added_allow(const struct server *s, const char *path, char *out, size_t size);

#define ADDED_MAX  64  /* routes */
#define ADDED_PATH 200 /* bytes */
#define ADDED_TYPE 100

struct added {
    uint32_t serial; /* 0 = free; another one each time the place is taken */
    char method[12], path[ADDED_PATH + 1];
    int prefix; /* the path ended with '*', which is not kept */
    char service[AIEX_MAX_NAME + 1], call[AIEX_MAX_NAME + 1], instance[AIEX_MAX_NAME + 1];
    char permission[16], type[ADDED_TYPE + 1];
    int stream;
};

/* The route of this request, or NULL: it has left. */
const struct added *added_of(const struct conn *c);
/* Calls the plugin; added_call.c. */
void added_begin(struct conn *c);

#endif /* INTERFACE_HTTP_ADDED_H */
