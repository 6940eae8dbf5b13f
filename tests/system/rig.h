/*
 * rig.h - the real aiex-host in a folder of its own, for tests through the doors that
 * users have: the command line, signals, the configuration folder and the control
 * socket.
 *
 * A rig is started with the text of an .ini file ("[host]" and a short backoff window
 * are the case's own business) and ends with rig_end(), which expects a clean exit. A
 * case that fails fatally leaves its rig behind: the next rig_start(), or the end of
 * the program, kills it; and a host dies with the test program in any case. Waiting is
 * always for a sign (a notification, an event, a pidfd) with a deadline.
 */
#ifndef AIEX_SYSTEM_RIG_H
#define AIEX_SYSTEM_RIG_H

#include "client.h"
#include "process.h"

#define RIG_WAIT_MS 20000 /* long enough for a loaded machine with sanitizers */

/* 1 when host and cells run under AddressSanitizer, which costs time and memory. */
#ifdef __SANITIZE_ADDRESS__
#define RIG_SANITIZED 1
#else
#define RIG_SANITIZED 0
#endif

struct rig {
    pid_t pid; /* of the host, 0 once it was waited for */
    char dir[64];
    char config[80], data[80], socket[96], log[80];
    char plugins[256];
    int notify;            /* NOTIFY_SOCKET of the host */
    struct client *client; /* for the case */
    struct client *watch;  /* streams the host's events: what waiting waits for */
    int64_t watch_id;
};

/* A running host whose instances are all up, or a fatal failure of the case. */
struct rig *rig_start(const char *ini);
/* The same without waiting for the instances. */
struct rig *rig_start_raw(const char *ini, const char *plugins);
/* A new host in the folders of one that has ended. */
void rig_again(struct rig *rig);
/* SIGKILL and wait. */
void rig_kill(struct rig *rig);
/* SIGTERM and wait: exit code, 128 + signal, or -1 when it had to be killed. */
int rig_stop(struct rig *rig);
/* rig_stop() with an expected 0, then everything is freed and the folder removed. */
void rig_end(struct rig *rig);
/* Frees a rig whose host has ended, or is to be killed. */
void rig_drop(struct rig *rig);

/* Writes config/NAME. */
void rig_write(struct rig *rig, const char *name, const char *text);
/* SIGHUP, until the host says that it is done. */
void rig_reload(struct rig *rig);
/* SIGUSR2, until the new image of the host says that it goes on; 0 when it does not say so. */
int rig_upgrade(struct rig *rig);
/* Runs aiex-host with these arguments to its end; its output (both streams) and exit code. */
int rig_run(char *const argv[], char *out, size_t size);
/* aiex-host --check on one file 10.ini. */
int rig_check(const char *ini, const char *plugins, char *out, size_t size);
/* What the host logged so far; the caller frees. */
char *rig_log(struct rig *rig);

/* ---- Calls ---- */

struct answer {
    int got; /* 0 = no end came in time */
    int n_parts;
    size_t part_bytes;
    char code[32], text[600];
    int64_t retry_after_ms;
    uint8_t mem[4096]; /* a body that fits */
    struct aiex_slice body;
};

/* Calls {n, text} and waits for the end; parts are credited and counted. */
struct answer rig_call(struct rig *rig, const char *service, const char *method, int64_t n,
                       const char *text);
struct answer rig_ask(struct rig *rig, const char *service, const char *method,
                      struct aiex_slice body, uint32_t timeout_ms);
/* 1 when `service` answers an echo. */
int rig_echo(struct rig *rig, const char *service);
/* An integer of an answer's body, INT64_MIN when it is not there. */
int64_t answer_int(const struct answer *a, const char *key);

/* ---- Instances ---- */

struct plugin {
    int found;
    char name[64], state[16], reason[128], last_exit[512];
    pid_t pid;
    int64_t restarts, rss_bytes, in_flight, next_try_ms, uptime_ms;
};

struct plugin rig_plugin(struct rig *rig, const char *name);
/* All of them, in the host's order; how many there are. */
int rig_plugins(struct rig *rig, struct plugin *out, int max);
/* Waits until `test` holds; 1, or 0 when RIG_WAIT_MS went by. */
int rig_until(struct rig *rig, int (*test)(struct rig *rig, void *arg), void *arg);
int rig_until_state(struct rig *rig, const char *name, const char *state);
/* Up, with at least `restarts` behind it and another process than `not_pid`. */
int rig_until_back(struct rig *rig, const char *name, int64_t restarts, pid_t not_pid);
/* host.reload, host.config_reload ...: 1 when the answer says ok. */
int rig_host(struct rig *rig, const char *method, const char *key, const char *value,
             struct answer *ret);

#endif
