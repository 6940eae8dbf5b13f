/*
 * aiex_service.h - what every service plugin repeats, said once.
 *
 * A table of methods instead of a chain of strcmp(), answers built by one function that
 * is asked again when its memory was too small, errors and log lines with a format:
 *
 *     static const struct aiex_method methods[] = {
 *         {"ledger.show", on_show},
 *         {"service.health", on_health},
 *         {0},
 *     };
 *     case AIEX_MSG_CAST:
 *     case AIEX_MSG_REQUEST:
 *         return aiex_dispatch(methods, self, m);
 *
 * Static library aiex_sdk_service (alias aiex::service); next to it stand aiex_file.h (small
 * files, replaced whole), aiex_record_log.h (checked append-only files) and aiex_crc32c.h.
 * Threads: the loop thread, as the host functions that are used. Nothing is kept.
 */
#ifndef AIEX_SERVICE_H
#define AIEX_SERVICE_H

#include <aiex/aiex_pack.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One method; `fn` gets what handle() got and returns what handle() returns. */
struct aiex_method {
    const char *name; /* NULL ends the table */
    int (*fn)(void *self, const struct aiex_message *m);
};

/* Calls the method's function; -ENOSYS when the table lacks it (the host says not_found). */
int aiex_dispatch(const struct aiex_method *methods, void *self, const struct aiex_message *m);

/* Writes one msgpack map. Called twice when the answer is longer than 4 KiB: it must write the same
 * both times. */
typedef void (*aiex_write_fn)(struct aiex_writer *w, const void *arg);

/* Ends `id` with what `write` writes; a cast (id 0) is not answered. 0, -ENOMEM, or what reply()
 * returned (-EMSGSIZE: ended as internal). */
int aiex_reply_by(const struct aiex_host *host, uint64_t id, aiex_write_fn write, const void *arg);

/* The same bytes on the heap: free() *ret_body.data. 0, -ENOMEM. */
int aiex_write_alloc(aiex_write_fn write, const void *arg, struct aiex_slice *ret_body);

/* Ends `id` with an empty map. */
int aiex_reply_done(const struct aiex_host *host, uint64_t id);

/* The answer to service.health. `reason` is cut at 400 bytes. */
int aiex_reply_health(const struct aiex_host *host, uint64_t id, int healthy, const char *reason);

/* Ends `id` with an error whose text is at most 511 bytes; a cast is not answered. Returns 0, so
 * that a method can `return aiex_refuse(...)`. */
int aiex_refuse(const struct aiex_host *host, uint64_t id, const char *code, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* One log line of at most 511 bytes. */
void aiex_logf(const struct aiex_host *host, uint32_t level, uint64_t trace, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Fills err (may be NULL) and returns `error`, so that a failure is one statement. */
int aiex_failed(struct aiex_error *err, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif /* AIEX_SERVICE_H */
