/*
 * log.h - the log of the host process: one line per entry on a descriptor (standard
 * error), as JSON, or readable with colour when that is a terminal.
 *
 * JSON keys: ts (UTC, ms), level, msg, and where known plugin (instance), cell, pid,
 * correlation (16 hex digits). Only the room that decides logs; lower rooms return
 * errors. Thread rule: loop thread only. A line longer than 4 KiB is cut.
 */
#ifndef AIEX_BASE_LOG_H
#define AIEX_BASE_LOG_H

#include <stdint.h>

enum log_form { LOG_AUTO, LOG_JSON, LOG_TEXT };

struct log_origin {
    const char *plugin; /* instance name or NULL = the host itself */
    const char *cell;   /* or NULL */
    int pid;            /* or 0 */
    uint64_t trace;     /* or 0 */
};

#define LOG_LEVEL_CONFIGURED UINT32_MAX

/* level: the lowest AIEX_LOG_* written, or LOG_LEVEL_CONFIGURED. LOG_AUTO = text on a terminal, else
 * JSON. */
void log_init(int fd, enum log_form form, uint32_t level);
/* What the configuration says; holds where log_init() was given LOG_AUTO and LOG_LEVEL_CONFIGURED.
 * Until then info is the level. */
void log_configured(enum log_form form, uint32_t level);
/* AIEX_LOG_* of a word ("debug" ...), or -1. */
int log_level_of(const char *word);
void log_write(uint32_t level, const struct log_origin *origin, const char *text);
void log_host(uint32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_for(uint32_t level, const struct log_origin *origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(...)  log_host(0, __VA_ARGS__)
#define log_info(...)   log_host(1, __VA_ARGS__)
#define log_notice(...) log_host(2, __VA_ARGS__)
#define log_warn(...)   log_host(3, __VA_ARGS__)
#define log_error(...)  log_host(4, __VA_ARGS__)

#endif
