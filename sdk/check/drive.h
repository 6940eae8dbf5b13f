/*
 * drive.h - one instance of the plugin in a fake host whose world answers by itself:
 * called services are away, HTTP peers can not be reached, timers fire.
 */
#ifndef AIEX_CHECK_DRIVE_H
#define AIEX_CHECK_DRIVE_H

#include "config.h"
#include "http.h"

struct drive {
    struct check *c;
    struct aiex_fake_host *host;
    struct dead_http *http;
    void *self;
    size_t n_answered; /* records of kind CALL that were looked at */
};

/* Host, create, start. 0; or what the plugin said, with its reason. After an error drive_end() is
 * still due. */
int drive_begin(struct drive *d, struct check *c, const struct config *config,
                struct aiex_error *err);
/* The host alone, for checks that call create themselves. */
void drive_host(struct drive *d, struct check *c);
/* One turn of the world. Returns how much happened. */
size_t drive_turn(struct drive *d);
/* Turns until request `id` has its answer; NULL when it has none after 5 s. */
const struct aiex_fake_record *drive_settle(struct drive *d, uint64_t id);
/* Turns until nothing happens any more. */
void drive_quiet(struct drive *d);
/* destroy() when there is an instance, and the balance: every leak is a finding named by `when`. */
void drive_end(struct drive *d, const char *when);

/* drive_begin() with the default configuration. 0; else it has noted or found why not, and the
 * check is over. */
int drive_default(struct drive *d, struct check *c);

#endif
