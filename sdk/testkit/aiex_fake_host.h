/*
 * aiex_fake_host.h - a host that a unit test drives by hand.
 *
 * It gives a plugin the same `struct aiex_host` as the real one and lets the test play
 * everything around it: callers, called services, clock, memory limit, sockets. So a
 * plugin is tested through its descriptor, as a host uses it:
 *
 *     struct aiex_fake_host *h = aiex_fake_host_new("service_hello");
 *     const struct aiex_plugin *p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
 *     void *self;
 *     uint64_t id;
 *
 *     aiex_fake_start(h, p, (struct aiex_fake_pair[]){{"greeting", "hello"}, {0}}, &self, &err);
 *     id = aiex_fake_request(h, p, self, "hello.greet", body, 0);
 *     aiex_fake_answer(h, id)->body ...
 *     aiex_fake_stop(h, p, self);
 *     CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);      nothing was leaked
 *
 * Everything the plugin does is recorded in order with copies of all texts and bodies;
 * records live until aiex_fake_host_free(). Nothing happens by itself: no clock runs, no
 * callback comes, except inside the functions below.
 *
 * Threads: all functions here belong to the test's thread (which plays the loop thread).
 * A plugin's own threads may call what the contract tags [any]; a [loop] function called on
 * another thread is counted as misuse. Link: aiex::testkit (static, needs libc only).
 */
#ifndef AIEX_FAKE_HOST_H
#define AIEX_FAKE_HOST_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aiex_fake_host;

/* ---- Life ------------------------------------------------------------------- */

/* `instance` is copied; node is "fake", data_dir "". Ends the program when memory is short. */
struct aiex_fake_host *aiex_fake_host_new(const char *instance);
/* Prints what was left behind to stderr, frees it, and returns how much it was: allocations,
 * timers, watches, posts not run, requests not answered, misuse. NULL is fine (0). */
size_t aiex_fake_host_free(struct aiex_fake_host *h);
/* What the plugin gets; valid until aiex_fake_host_free(). */
const struct aiex_host *aiex_fake_host_table(struct aiex_fake_host *h);
/* The other way round, for extensions that a test registers. */
struct aiex_fake_host *aiex_fake_host_of(const struct aiex_host *table);
/* data_dir of the table; before create. Copied. */
void aiex_fake_data_dir(struct aiex_fake_host *h, const char *path);

/* What lives now: equal before create and after destroy. */
struct aiex_fake_live {
    size_t allocs, alloc_bytes; /* from alloc(), not yet released */
    size_t timers, watches, posts;
    size_t requests; /* delivered, not ended */
    size_t calls;    /* made by the plugin, not ended */
    size_t misuse;   /* [loop] functions on other threads, release() of foreign memory */
};
void aiex_fake_live(struct aiex_fake_host *h, struct aiex_fake_live *ret_live);

/* ---- Configuration: name and text pairs through the plugin's option table ------ */

struct aiex_fake_pair {
    const char *name; /* NULL ends the list */
    const char *text;
};

/* A config struct with defaults and the pairs (NULL = defaults only), parsed as the host does. NULL
 * and a reason in err (may be NULL) when a name is unknown, a value is wrong or a required one
 * missing. Free with aiex_fake_config_free(). */
void *aiex_fake_config(const struct aiex_plugin *p, const struct aiex_fake_pair *pairs,
                       struct aiex_error *err);
void aiex_fake_config_free(void *config);
/* Writes one value: `out` is int64_t *, double * or const char ** as the type says; a string points
 * into `text`. "${NAME}" and "${NAME:-default}" must be expanded before. 0, -EINVAL. */
int aiex_fake_option_parse(const struct aiex_option *o, const char *text, void *out,
                           struct aiex_error *err);
/* "${NAME}" = environment or "", "${NAME:-text}" = text when unset or empty. Caller frees; NULL and
 * a reason when a brace is missing. */
char *aiex_fake_expand(const char *text, struct aiex_error *err);

/* Config, create and start; the config is freed with the host. 0, or what create or start returned
 * (destroy was then called), or -EINVAL from the options. */
int aiex_fake_start(struct aiex_fake_host *h, const struct aiex_plugin *p,
                    const struct aiex_fake_pair *pairs, void **ret_self, struct aiex_error *err);
/* A reload() with these pairs; when it returns 0 the new config stays and the one before is freed,
 * as the host does. -ENOSYS without reload(). */
int aiex_fake_reload(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                     const struct aiex_fake_pair *pairs, struct aiex_error *err);
/* Calls drain(). 1 = done was called (at once), 0 = not yet: aiex_fake_drained() tells later.
 * Without drain(): 1 when no request is open. */
int aiex_fake_drain(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self);
int aiex_fake_drained(struct aiex_fake_host *h);
/* destroy(); posts that were not run are dropped, as when a cell ends. */
void aiex_fake_stop(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self);

/* The plugin of a shared object, for tests that have real services beside the plugin that they
 * test: give it a host of its own and carry calls between the two. Stays loaded. NULL and a reason.
 */
const struct aiex_plugin *aiex_fake_load(const char *path, struct aiex_error *err);

/* ---- Playing the callers of the plugin ----------------------------------------- */

/* Delivers a request to handle() and returns its id (never 0). `body` may be empty; `flags` are
 * AIEX_MF_*; 30 s are left. A negative return of handle() on an unanswered request is recorded as
 * AIEX_FAKE_FAIL by the host: -ENOSYS "not_found", others "internal". */
uint64_t aiex_fake_request(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                           const char *method, struct aiex_slice body, uint32_t flags);
/* The same with all fields of the message chosen; kind, id and struct_size are filled in; trace and
 * timeout_ms when they are 0; service when it is NULL; caller ("host.control") when it is NULL. */
uint64_t aiex_fake_deliver(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                           const struct aiex_message *m);
/* A request without an answer. Returns what handle() returned. */
int aiex_fake_cast(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                   const char *method, struct aiex_slice body);
/* The caller gave up: CANCEL to the plugin, then its open child calls (`parent`) are cancelled as
 * well, without a callback (recorded as AIEX_FAKE_CANCEL, by_host). -ENOENT when it is over. */
int aiex_fake_cancel(struct aiex_fake_host *h, uint64_t id);
/* The consumer took all parts: the window is empty again, RESUME if stream() had said AIEX_PAUSE.
 * 1 = RESUME was delivered, 0 = it was not paused, -ENOENT. */
int aiex_fake_resume(struct aiex_fake_host *h, uint64_t id);
/* An event; `envelope` is the whole envelope map. Returns what handle() returned. */
int aiex_fake_event(struct aiex_fake_host *h, const struct aiex_plugin *p, void *self,
                    const char *topic, struct aiex_slice envelope);
/* stream() says AIEX_PAUSE once that many bytes of one answer are not taken; 0 (the default) =
 * never. 1 MiB beyond it stream() says -ENOBUFS. */
void aiex_fake_window(struct aiex_fake_host *h, size_t bytes);

/* ---- Playing the services that the plugin calls --------------------------------- */

/* Answers a recorded call (record->id). 0, or -ENOENT when it is over or cancelled.
 * For an AIEX_CALL_SPLICE call these do what the host does: parts go to the parent (recorded as
 * its STREAM, by_host), an error before the first part goes to the plugin and leaves the parent
 * open, every other end also ends the parent and the plugin gets a copy with AIEX_AF_SPLICED. */
int aiex_fake_answer_part(struct aiex_fake_host *h, uint64_t call, struct aiex_slice part);
int aiex_fake_answer_ok(struct aiex_fake_host *h, uint64_t call, struct aiex_slice body);
int aiex_fake_answer_error(struct aiex_fake_host *h, uint64_t call, const char *code,
                           const char *text, uint32_t retry_after_ms, struct aiex_slice body);
/* Bytes of parts that an AIEX_CALL_MANUAL call did not credit yet; 0 for others. */
size_t aiex_fake_uncredited(struct aiex_fake_host *h, uint64_t call);

struct aiex_fake_record;
/* Called inside call(), after recording, with the id already in *ret_call: may answer at once with
 * the functions above. A negative return makes call() return that. fn NULL = none (the default):
 * calls stay open until the test answers. */
typedef int (*aiex_fake_call_fn)(void *arg, struct aiex_fake_host *h,
                                 const struct aiex_fake_record *call);
void aiex_fake_on_call(struct aiex_fake_host *h, aiex_fake_call_fn fn, void *arg);
/* Called inside stream(), after recording, as a consumer in the same cell is: it may cancel or ask
 * for more. stream() returns 0 when it has cancelled. fn NULL = none (the default). */
typedef void (*aiex_fake_part_fn)(void *arg, struct aiex_fake_host *h,
                                  const struct aiex_fake_record *part);
void aiex_fake_on_part(struct aiex_fake_host *h, aiex_fake_part_fn fn, void *arg);

/* ---- What the plugin did --------------------------------------------------------- */

#define AIEX_FAKE_ANY         0u
#define AIEX_FAKE_LOG         1u  /* level, trace, text */
#define AIEX_FAKE_STREAM      2u  /* id, body */
#define AIEX_FAKE_REPLY       3u  /* id, body */
#define AIEX_FAKE_FAIL        4u  /* id, code, text, retry_after_ms, body */
#define AIEX_FAKE_CALL        5u  /* id, service, name = method, body, flags, parent, ... */
#define AIEX_FAKE_CAST        6u  /* the same without id */
#define AIEX_FAKE_CREDIT      7u  /* id, bytes */
#define AIEX_FAKE_CANCEL      8u  /* id */
#define AIEX_FAKE_JOIN        9u  /* name, flags */
#define AIEX_FAKE_PUBLISH     10u /* name = topic, type, subject, body = data, trace, causation */
#define AIEX_FAKE_SUBSCRIBE   11u /* name = topic */
#define AIEX_FAKE_UNSUBSCRIBE 12u /* name = topic */
#define AIEX_FAKE_ALIVE       13u

struct aiex_fake_record {
    uint32_t kind; /* AIEX_FAKE_* */
    uint32_t flags;
    int result;  /* what the plugin was told; a refused action is recorded too */
    int by_host; /* the host did it: negative return of handle(), splice */
    uint32_t level, retry_after_ms, timeout_ms, window_bytes, priority, bytes;
    uint64_t id, parent, trace, causation;
    const char *service, *name, *type, *subject, *code, *text; /* "" when there is none */
    struct aiex_slice body;
};

size_t aiex_fake_count(struct aiex_fake_host *h, uint32_t kind);
/* The n-th of a kind in order of time, from 0; NULL when there are fewer. */
const struct aiex_fake_record *aiex_fake_nth(struct aiex_fake_host *h, uint32_t kind, size_t n);
const struct aiex_fake_record *aiex_fake_last(struct aiex_fake_host *h, uint32_t kind);
/* The n-th of a kind whose name (method, topic, joined name) is this; for LOG: whose text has it.
 */
const struct aiex_fake_record *aiex_fake_find(struct aiex_fake_host *h, uint32_t kind,
                                              const char *name, size_t n);
/* The REPLY or FAIL that ended a request; NULL while it is open. */
const struct aiex_fake_record *aiex_fake_answer(struct aiex_fake_host *h, uint64_t id);
/* All parts of an answer one behind the other; owned by the host. */
struct aiex_slice aiex_fake_parts(struct aiex_fake_host *h, uint64_t id);
/* Forgets all records (their pointers die); what is open stays open. */
void aiex_fake_forget(struct aiex_fake_host *h);

/* ---- Clock, posts, sockets --------------------------------------------------------- */

/* Moves the clock and fires the timers that become due, in order of their time; a timer sees the
 * time it was due. Returns how many fired. */
size_t aiex_fake_advance(struct aiex_fake_host *h, uint64_t ms);
/* Moves the clock without firing anything. */
void aiex_fake_set_now(struct aiex_fake_host *h, uint64_t now_ms);
/* Runs what post() queued, also what these post. Returns how many ran. */
size_t aiex_fake_run_posts(struct aiex_fake_host *h);
/* Real poll() over the watched descriptors and the post queue, then the callbacks. Returns at once
 * when something is ready; timeout_ms of real time, -1 = wait. Returns how many callbacks ran. */
size_t aiex_fake_poll(struct aiex_fake_host *h, int timeout_ms);
/* Polls until until(arg) is not 0. 0, or -ETIMEDOUT after timeout_ms of real time. */
int aiex_fake_poll_until(struct aiex_fake_host *h, int (*until)(void *arg), void *arg,
                         int timeout_ms);

/* ---- Failures and extensions -------------------------------------------------------- */

/* The n-th (1 = the next) alloc(), post(), call(), timer() or watch() fails for lack of memory,
 * once; 0 = none. Returns how many were counted since the last setting. */
size_t aiex_fake_fail_alloc(struct aiex_fake_host *h, size_t n);
/* Answers extension(id) with this table; NULL table = not here. `id` is copied, the table is not.
 */
void aiex_fake_extension(struct aiex_fake_host *h, const char *id, const void *table);
/* "aiex.listen/1" is built in: a TCP address opens a real socket on the same loopback address, on
 * a port that the system chooses; "unix:/path" opens that path. The port of the n-th open() from 0
 * (0 = none or unix). */
uint16_t aiex_fake_listen_port(struct aiex_fake_host *h, size_t n);
/* The following open() fail with this negative errno; 0 = work again. */
void aiex_fake_listen_fail(struct aiex_fake_host *h, int error);
/* "aiex.settings/1" is built in: sets or changes a value; find() gives whole numbers only. */
void aiex_fake_setting(struct aiex_fake_host *h, const char *name, const char *text);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_FAKE_HOST_H */
