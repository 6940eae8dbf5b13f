#include "screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int colour_wanted(const char *when, int terminal)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (when && strcmp(when, "always") == 0)
        return 1;
    if (when && strcmp(when, "never") == 0)
        return 0;
    return terminal && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

static size_t terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long n;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    n = columns ? strtol(columns, NULL, 10) : 0;
    return n > 0 && n < 10000 ? (size_t)n : 80;
}

void screen_init(struct screen *s, const char *when, int quiet)
{
    s->out_terminal = isatty(STDOUT_FILENO);
    s->err_terminal = isatty(STDERR_FILENO);
    s->out_colour = colour_wanted(when, s->out_terminal);
    s->err_colour = colour_wanted(when, s->err_terminal);
    s->width = s->out_terminal ? terminal_width() : 0;
    s->quiet = quiet;
}

const char *screen_begin(int colour, enum paint paint)
{
    static const char *const escapes[] = {
        [PAINT_NONE] = "",        [PAINT_BOLD] = "\033[1m",   [PAINT_DIM] = "\033[2m",
        [PAINT_RED] = "\033[31m", [PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m",
    };

    return colour ? escapes[paint] : "";
}

const char *screen_end(int colour, enum paint paint)
{
    return colour && paint != PAINT_NONE ? "\033[0m" : "";
}

size_t clean_write(struct cleaner *c, FILE *to, const void *text, size_t len)
{
    const unsigned char *p = text;
    size_t dropped = 0;

    for (size_t i = 0; i < len; i++) {
        if (c->after_c2) {
            c->after_c2 = 0;
            if (p[i] >= 0x80 && p[i] < 0xa0) {
                dropped += 2;
                continue;
            }
            putc_unlocked(0xc2, to);
        }
        if (p[i] == 0xc2)
            c->after_c2 = 1;
        else if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
            dropped++;
        else
            putc_unlocked(p[i], to);
    }
    return dropped;
}

void screen_close_line(struct screen *s)
{
    fflush(stdout);
    if (s->open_line && s->err_terminal)
        putc('\n', stderr);
    s->open_line = 0;
}

static void say(struct screen *s, const char *before, enum paint paint, const char *format,
                va_list ap)
{
    struct cleaner cleaner = {0};
    char text[2048];

    vsnprintf(text, sizeof(text), format, ap);
    screen_close_line(s);
    fprintf(stderr, "%s%s", screen_begin(s->err_colour, paint), before);
    clean_write(&cleaner, stderr, text, strlen(text));
    fprintf(stderr, "%s\n", screen_end(s->err_colour, paint));
}

void complain(struct screen *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(s, "aiex: ", PAINT_RED, format, ap);
    va_end(ap);
}

void notice(struct screen *s, const char *format, ...)
{
    va_list ap;

    if (s->quiet)
        return;
    va_start(ap, format);
    say(s, "", PAINT_DIM, format, ap);
    va_end(ap);
}
