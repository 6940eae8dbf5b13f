/*
 * screen.h - where output goes and how it may look: whether there is a terminal, how wide it is,
 * whether colours are wanted, and text from strangers made harmless for a terminal.
 */
#ifndef AIEX_CLI_SCREEN_H
#define AIEX_CLI_SCREEN_H

#include <stddef.h>
#include <stdio.h>

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_GREEN, PAINT_YELLOW };

struct screen {
    int out_terminal; /* standard output is a terminal */
    int err_terminal;
    int out_colour;
    int err_colour;
    size_t width; /* columns of standard output; 0 = no terminal, no limit */
    int quiet;
    int open_line; /* the terminal's line has text: a message must begin a new one */
};

/* when: "always", "never", or NULL and "auto" = a terminal, unless NO_COLOR is set (and not empty)
 * or TERM is dumb. The width is the terminal's, else COLUMNS, else 80. */
void screen_init(struct screen *s, const char *when, int quiet);

/* The escape that begins a paint, and "" without colour; screen_end() is the one that ends it. */
const char *screen_begin(int colour, enum paint paint);
const char *screen_end(int colour, enum paint paint);

/* State between the pieces of one text. Zero it. */
struct cleaner {
    int after_c2; /* the byte C2 was held back: it may begin a C1 control */
};

/* Writes text without its control characters except newline and tab, so that an answer can not
 * send escapes to the terminal. UTF-8 passes through. The number of bytes dropped. */
size_t clean_write(struct cleaner *c, FILE *to, const void *text, size_t len);

/* "aiex: ..." on standard error, always. Controls in the text are dropped. */
void complain(struct screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A notice on standard error unless quiet. */
void notice(struct screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends an open line on the terminal; nothing is written to a standard output that is none. */
void screen_close_line(struct screen *s);

#endif
