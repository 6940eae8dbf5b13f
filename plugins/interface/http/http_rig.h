/*
 * http_rig.h - interface_http on a fake host with real loopback sockets, for its tests.
 *
 * The test is the client, the coordinator and the clock. Nothing sleeps: what should
 * happen is waited for, what must not happen is looked for after everything that was
 * ready has been handled (rig_settle).
 */
#ifndef INTERFACE_HTTP_RIG_H
#define INTERFACE_HTTP_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

struct rig {
    struct aiex_fake_host *host;
    const struct aiex_plugin *plugin;
    void *self;
};

/* Starts the plugin with these options (NULL = defaults); fatal for the test when it fails. */
void rig_start(struct rig *r, const struct aiex_fake_pair *options);
/* Stops it and checks that nothing is left. */
void rig_stop(struct rig *r);
/* Handles everything that is ready now. */
void rig_settle(struct rig *r);

struct client {
    struct rig *rig;
    int fd;
    char *in; /* all that was received and not taken, 0-terminated */
    size_t n, cap;
    void *tls; /* the SSL of http_rig_tls.c, or NULL */
    int ended; /* the server closed */
    int reset; /* ... without taking what we sent */
};

void client_open(struct rig *r, struct client *c);
/* The same at another listener than the first. */
void client_open_at(struct rig *r, struct client *c, size_t listener);
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
void client_sendn(struct client *c, const void *bytes, size_t n);
/* Waits until that text was received. 1, or 0 when it does not come. */
int client_sees(struct client *c, const char *text);
/* Waits until one whole response is here and cuts it off: its status, 0 when it does not come. The
 * head goes to out->head, the body, without chunks, to out->body. */
struct response {
    int status;
    char head[4096];
    char *body; /* 0-terminated; free with response_done() */
    size_t n_body;
    int chunked, complete; /* of a chunked body: the last chunk came */
};
int client_response(struct client *c, struct response *out);
void response_done(struct response *r);
/* Waits for the end of the connection. 1, or 0. */
int client_ended(struct client *c);
/* What can be received now, at most n bytes, goes to c->in. Bytes. */
size_t client_read(struct client *c, size_t n);

/* Sends `request`, returns the status and checks that `in_body` (may be NULL) is in the body. */
int client_ask(struct client *c, const char *request, const char *in_body);

/* A chat request with this JSON body, as text to free. */
char *chat_request(const char *json);
/* Sends it; the call that the plugin makes, or NULL. */
const struct aiex_fake_record *chat_call(struct client *c, const char *json);
struct aiex_slice slice_of(const char *text);

/* ---- Any request ---- */

/* "POST path" with these further header lines ("" or "A: b\r\n") and this body, as text to free. */
char *post_request(const char *path, const char *headers, const char *body);
/* Sends a request and waits for the call that it leads to: that, or NULL. Frees `request`. */
const struct aiex_fake_record *call_for(struct client *c, char *request);
/* The n-th call (from 0) of that method, waited for; NULL. */
const struct aiex_fake_record *wait_for_call(struct rig *r, const char *method, size_t n);
/* Is the text or binary field of the map this? */
int field_is(struct aiex_slice body, const char *key, const char *want);

#define CHAT_UNARY  "{\"model\":\"m1\",\"messages\":[]}"
#define CHAT_STREAM "{\"model\":\"m1\",\"messages\":[],\"stream\":true}"

#endif /* INTERFACE_HTTP_RIG_H */
