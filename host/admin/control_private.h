/* control_private.h - the control socket's clients and their calls; between control.c and operator.c. */
#ifndef AIEX_ADMIN_CONTROL_PRIVATE_H
#define AIEX_ADMIN_CONTROL_PRIVATE_H

#include "admin/admin_private.h"
#include "base/buf.h"

struct operator_act;

struct client_call {
    struct list link;
    struct client *client;
    int64_t id;    /* the client's */
    uint64_t call; /* the endpoint's; 0 = not begun yet */
    struct operator_act *operator_act; /* NULL: what it does is not recorded */
};

struct client {
    struct list link;
    struct control *control;
    int fd;
    struct loop_watch *watch;
    struct buf in, out;
    size_t written;
    struct list calls;
    unsigned n_calls;
    int closing; /* after its output is out */
};

struct control {
    struct admin *admin;
    int fd;
    char path[108];
    struct loop_watch *watch;
    struct list clients;
    unsigned n_clients;
};

/* control.c: makes the call, or ends and frees it with an error. */
void control_begin(struct client_call *k, const struct aiex_request *req);
void control_refuse(struct client_call *k, const char *code, const char *text);

/* ---- operator.c: calls that are acts ---- */

/* 1: the call waits for the audit log, with a copy of the request, or was refused; 0: begin it. */
int operator_asks(struct client_call *k, const struct aiex_request *req);
/* Tells what became of it; NULL is fine. */
void operator_ended(struct operator_act *act, const struct aiex_answer *end);
void operator_free(struct operator_act *act);
/* For re-exec; NULL is fine. load: 0, or -1: it had not begun, and never will. */
void operator_save(const struct operator_act *act, struct pack *out);
int operator_load(struct client_call *k, const void *doc_value);

#endif
