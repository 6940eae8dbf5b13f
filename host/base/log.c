#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <aiex/aiex_plugin.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "notice", "warn", "error"};
static const char *const level_colours[] = {"\033[2m", "", "\033[36m", "\033[33m", "\033[31m"};

static struct {
    int fd;
    int text, colour;
    uint32_t level;
    int any_form, any_level; /* the configuration may say */
} out = {.fd = 2, .level = AIEX_LOG_INFO};

static void set_form(enum log_form form)
{
    out.text = form == LOG_TEXT || (form == LOG_AUTO && isatty(out.fd));
    out.colour = out.text && isatty(out.fd);
}

void log_init(int fd, enum log_form form, uint32_t level)
{
    out.fd = fd;
    out.any_form = form == LOG_AUTO;
    out.any_level = level == LOG_LEVEL_CONFIGURED;
    out.level = out.any_level ? AIEX_LOG_INFO : level;
    set_form(form);
}

void log_configured(enum log_form form, uint32_t level)
{
    if (out.any_form)
        set_form(form);
    if (out.any_level)
        out.level = level;
}

int log_level_of(const char *word)
{
    for (int i = 0; i < 5; i++)
        if (!strcmp(word, level_names[i]))
            return i;
    return -1;
}

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for bytes that are no character */

/* Appends text as the inside of a JSON string, as much as fits whole. */
static size_t json_text(char *to, size_t room, const char *text)
{
    size_t n = 0;

    while (*text && n + 7 < room) {
        unsigned char c = (unsigned char)*text;
        size_t bytes = text_utf8(text);

        if (c == '"' || c == '\\')
            n += (size_t)snprintf(to + n, room - n, "\\%c", c);
        else if (c == '\n' || c == '\t')
            n += (size_t)snprintf(to + n, room - n, "\\%c", c == '\n' ? 'n' : 't');
        else if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", c);
        else
            n += (size_t)snprintf(to + n, room - n, "%.*s", bytes ? (int)bytes : 3, bytes ? text : REPLACEMENT);
        text += bytes ? bytes : 1;
    }
    to[n] = 0;
    return n;
}

/* The same for a terminal: what could move its cursor or begin another line is shown as '?'. */
static size_t plain_text(char *to, size_t room, const char *text)
{
    size_t n = 0;

    while (*text && n + 5 < room) {
        unsigned char c = (unsigned char)*text;
        size_t bytes = text_utf8(text);
        int control = c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0);

        if (!bytes || control)
            to[n++] = c == '\n' || c == '\t' ? ' ' : '?';
        for (size_t i = 0; bytes && !control && i < bytes; i++)
            to[n++] = text[i];
        text += bytes ? bytes : 1;
    }
    to[n] = 0;
    return n;
}

#define ORIGIN_ROOM 256u /* bytes of a plugin's or cell's name in a line */

static size_t json_field(char *to, size_t room, const char *key, const char *value)
{
    size_t n = (size_t)snprintf(to, room, ",\"%s\":\"", key);

    n += json_text(to + n, ORIGIN_ROOM, value);
    return n + (size_t)snprintf(to + n, room - n, "\"");
}

static size_t as_json(char *line, size_t size, uint32_t level, const struct log_origin *o,
                      const char *text)
{
    char when[25];
    size_t n;

    clock_iso(clock_wall_ms(), when);
    n = (size_t)snprintf(line, size, "{\"ts\":\"%s\",\"level\":\"%s\"", when, level_names[level]);
    if (o && o->plugin)
        n += json_field(line + n, size - n, "plugin", o->plugin);
    if (o && o->cell)
        n += json_field(line + n, size - n, "cell", o->cell);
    if (o && o->pid)
        n += (size_t)snprintf(line + n, size - n, ",\"pid\":%d", o->pid);
    if (o && o->trace)
        n += (size_t)snprintf(line + n, size - n, ",\"correlation\":\"%016llx\"",
                              (unsigned long long)o->trace);
    n += (size_t)snprintf(line + n, size - n, ",\"msg\":\"");
    n += json_text(line + n, size - n - 4, text);
    n += (size_t)snprintf(line + n, size - n, "\"}\n");
    return n;
}

static size_t as_text(char *line, size_t size, uint32_t level, const struct log_origin *o,
                      const char *text)
{
    char when[25], trace[24] = "", who[ORIGIN_ROOM], said[3600];
    size_t n;

    clock_iso(clock_wall_ms(), when);
    if (o && o->trace)
        snprintf(trace, sizeof(trace), " %016llx", (unsigned long long)o->trace);
    plain_text(who, sizeof(who), o && o->plugin ? o->plugin : "host");
    plain_text(said, sizeof(said), text);
    n = (size_t)snprintf(line, size, "%s%.12s %-6s %s%s%s %s%s\n",
                         out.colour ? level_colours[level] : "", when + 11, level_names[level], who,
                         trace, ":", said, out.colour ? "\033[0m" : "");
    return n < size ? n : size - 1;
}

void log_write(uint32_t level, const struct log_origin *origin, const char *text)
{
    char line[4096];
    size_t n;

    if (level > 4)
        level = 4;
    if (level < out.level)
        return;
    n = out.text ? as_text(line, sizeof(line), level, origin, text)
                 : as_json(line, sizeof(line), level, origin, text);
    if (write(out.fd, line, n) < 0) {
        /* nowhere left to say so */
    }
}

void log_for(uint32_t level, const struct log_origin *origin, const char *format, ...)
{
    char text[3072];
    va_list ap;

    if (level < out.level)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    log_write(level, origin, text);
}

void log_host(uint32_t level, const char *format, ...)
{
    char text[3072];
    va_list ap;

    if (level < out.level)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    log_write(level, NULL, text);
}
