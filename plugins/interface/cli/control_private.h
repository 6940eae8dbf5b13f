/*
 * control_private.h - a connection's inside, for the two ways to use one: control.c has one call at
 * a time and waits for it, flight.c has many.
 */
#ifndef AIEX_CLI_CONTROL_PRIVATE_H
#define AIEX_CLI_CONTROL_PRIVATE_H

#include "control.h"
#include "frame.h"

#define READ_BYTES 65536

struct control {
    int fd; /* non-blocking */
    int64_t last_id;
    int torn; /* a frame went out in part: nothing can follow it */
    struct frame_reader reader;
    char path[1024];
    uint8_t bytes[READ_BYTES];
};

/* Becomes readable when a signal came; -1 before control_catch_interrupt(). */
int control_interrupt_fd(void);
/* Monotonic milliseconds. */
int64_t control_now_ms(void);
/* The sentences for a host that closed, and for bytes that are no protocol; they return the code.
 */
int control_gone(const struct control *c, struct aiex_error *err);
int control_broken(const struct control *c, int got, struct aiex_error *err);

#endif
