/*
 * cell.h - one process that runs plugins, seen from the host: its channel, control
 * socket, captured output, process handle and watchdog.
 *
 * Life: cell_new() -> (process appears) -> HELLO record -> ... -> exited() -> cell_free().
 * exited() comes exactly once, after every record and line that the process published
 * before it died has been handed over. A cell that is freed before is killed.
 *
 * Thread rule: loop thread. Not to be freed from within its own callbacks, except
 * exited().
 */
#ifndef AIEX_CELL_H
#define AIEX_CELL_H

#include "cell/spawner.h"
#include "channel/channel.h"
#include "channel/inside.h"
#include "wire/start.h"

struct cell;

/* How the process ended. */
struct cell_exit {
    int code;   /* exit code, when signal is 0 */
    int signal; /* or 0 */
    int spawn_error; /* negative errno: there never was a process */
    uint64_t lifetime_ms;
    char last_words[256]; /* last line on standard error, "" = none */
};

struct cell_ops {
    void (*record)(void *arg, const struct record *head, const uint8_t *body);
    void (*broken)(void *arg, const char *why);
    /* No progress for hang_ms while awake. Called once. */
    void (*hung)(void *arg);
    /* A line the plugin wrote to stdout or stderr; 0-terminated, at most 1023 bytes. */
    void (*output)(void *arg, const char *line);
    /* The plugin asks for a listening socket: answer with cell_answer_listen(). */
    void (*listen)(void *arg, unsigned instance, const char *address);
    void (*exited)(void *arg, const struct cell_exit *exit);
    /* The same as listen for a cell inside the host: answers at once with a descriptor of its own. */
    int (*listen_inside)(void *arg, unsigned instance, const char *address, struct aiex_error *err);
};

struct cell_env {
    struct loop *loop;
    struct hub *hub;
    struct spawner *spawner;
    int settings_fd; /* read-only descriptor of the settings page */
    const struct cell_inside *inside; /* NULL = a process */
};

/* start->ring_bytes 0 = default. 0, -ENOMEM, -EMFILE, -EMSGSIZE. */
int cell_new(const struct cell_env *env, const struct start *start, uint32_t hang_ms,
             const struct cell_ops *ops, void *arg, struct cell **ret);
void cell_free(struct cell *cell);
void cell_kill(struct cell *cell);
struct channel *cell_channel(struct cell *cell);
int cell_pid(const struct cell *cell); /* 0 = not yet */
void cell_answer_listen(struct cell *cell, int fd, const char *error);
/* Looks at the progress words; to be called several times per hang_ms. */
void cell_watch(struct cell *cell, uint64_t now_ms);
/* Resident bytes now, 0 when unknown. */
uint64_t cell_rss_bytes(const struct cell *cell);

/* ---- For a host that executes a new image of itself ---- */

struct pack;
/* -EBUSY: the process has not appeared yet, or records wait for room in its ring. Descriptors are
 * made to survive execve(). */
int cell_save(struct cell *cell, struct pack *out);
/* Undoes that when execve() failed. */
void cell_keep(struct cell *cell);
int cell_load(const struct cell_env *env, const void *doc_value, const struct cell_ops *ops, void *arg,
              struct cell **ret);

#define CELL_RING_DEFAULT (256u * 1024u)

#endif
