/*
 * load.h - calls that are in flight all the time while a case does something else:
 * short ones, ones that take a few milliseconds and streams. None may fail.
 */
#ifndef AIEX_SYSTEM_LOAD_H
#define AIEX_SYSTEM_LOAD_H

#include "rig.h"

#define LOAD_WINDOW 48

struct load {
    const char *service;
    struct client *client;
    int64_t sent, ended, failed, twice;
    uint8_t *open; /* by id: 1 while it is */
    int64_t cap;
    char error[700];
};

/* A connection of its own with LOAD_WINDOW calls to `service` under way. */
void load_start(struct load *l, struct rig *rig, const char *service);
/* Lets `more` calls end and follows each with another. */
void load_run(struct load *l, int64_t more);
/* Waits for the rest; asserts that each ended once and none failed. */
void load_finish(struct load *l);

#endif
