/* report.c - the list of what is wrong. */
#include "config/report.h"

#include "base/auto.h"

#include <stdarg.h>

#define LINE_BYTES 1024

void report_init(struct report *r)
{
    *r = (struct report){0};
}

void report_done(struct report *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->lines[i].text);
    free(r->lines);
    report_init(r);
}

static void add_line(struct report *r, char *text, int is_warning)
{
    if (text && r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        struct report_line *lines = realloc(r->lines, cap * sizeof(*lines));

        if (!lines) {
            free(text);
            return;
        }
        r->lines = lines;
        r->cap = cap;
    }
    if (text)
        r->lines[r->n++] = (struct report_line){text, is_warning};
}

static void add(struct report *r, struct place at, const char *section, int is_warning,
                const char *format, va_list ap)
{
    char message[LINE_BYTES], number[16] = "";
    int has_section = section && *section;
    char *text = NULL;

    if (is_warning)
        r->n_warnings++;
    else
        r->n_errors++;
    if (r->n == REPORT_MAX_LINES)
        return;
    if (at.line)
        (void)snprintf(number, sizeof(number), "%u:", at.line);
    (void)vsnprintf(message, sizeof(message), format, ap);
    if (asprintf(&text, "%s%s%s%s%s%s%s%s", at.file ? at.file : "", at.file ? ":" : "",
                 at.file ? number : "", at.file ? " " : "", has_section ? "[" : "",
                 has_section ? section : "", has_section ? "] " : "", message) < 0)
        text = NULL;
    add_line(r, text, is_warning);
}

void report_error(struct report *r, struct place at, const char *section, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    add(r, at, section, 0, format, ap);
    va_end(ap);
}

void report_warning(struct report *r, struct place at, const char *section, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    add(r, at, section, 1, format, ap);
    va_end(ap);
}

void report_print(const struct report *r, FILE *out)
{
    for (size_t i = 0; i < r->n; i++)
        fprintf(out, "%s%s\n", r->lines[i].is_warning ? "warning: " : "", r->lines[i].text);
    if (r->n < r->n_errors + r->n_warnings)
        fprintf(out, "%zu more\n", r->n_errors + r->n_warnings - r->n);
}
