/*
 * rig.h - a fake host with the HTTP module, a loopback peer that the test plays, and
 * a handler that writes down what it is told.
 *
 * The clock stands still unless a test moves it; wait_for() turns the loop until something
 * is true, at most five seconds of real time.
 */
#ifndef AIEX_TEST_RIG_H
#define AIEX_TEST_RIG_H

#include <aiex_fake_host.h>
#include <aiex/aiex_http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig {
    struct aiex_fake_host *fake;
    const struct aiex_host *host;
    const struct aiex_http *http;
    int listener;
    unsigned port;
};

/* What one request saw. */
struct seen {
    struct rig *rig;
    uint64_t id;
    int n_heads, status, n_bodies, n_ends, sent;
    uint32_t result;
    char text[256], headers[2048], *body;
    size_t n_body, cap_body;
    /* What the handlers do besides. */
    int give_up_at_head, give_up_at_body, pause_at_body, cancel_at_body;
    void (*at_head)(struct seen *s), (*at_end)(struct seen *s);
    struct seen *other;
};

/* ca: certificates to trust, or NULL. */
void rig_open(struct rig *rig, const char *ca);
/* Closes all and asserts that nothing was left behind. */
void rig_close(struct rig *rig);

void seen_init(struct seen *s, struct rig *rig);
void seen_done(struct seen *s);

/* http://127.0.0.1:port/x with this body; other fields to be set by the caller. */
struct aiex_http_request rig_request(struct rig *rig, const char *body, char url[64]);
/* Sends it, asserting that it is taken. */
void rig_send(struct seen *s, const struct aiex_http_request *q);
/* The same for one that may be refused: what request() returned; a refusal has a reason. */
int rig_try(struct seen *s, const struct aiex_http_request *q);
/* The plain case: a POST of `body`. */
void rig_post(struct seen *s, const char *body);

/* One round of the loop; waits up to ms for descriptors. */
void rig_turn(struct rig *rig, int ms);
/* 1 = it became true. */
int wait_for(struct rig *rig, int (*is)(void *arg), void *arg);
int wait_end(struct seen *s);
int wait_body(struct seen *s, size_t n);

/* The peer: accepts (asserted), reads until `text` has come, writes, sees the end. */
int peer_accept(struct rig *rig);
/* 1 = nobody connects, after the loop went idle. */
int peer_is_lonely(struct rig *rig);
int peer_expect(struct rig *rig, int fd, const char *text);
void peer_say(int fd, const char *text);
void peer_write(int fd, const void *bytes, size_t n);
/* 1 = the client closed. */
int peer_sees_close(struct rig *rig, int fd);
/* Closes with a reset. */
void peer_reset(int fd);

#define OK_HEAD(n) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"

#endif
