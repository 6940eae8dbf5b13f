/*
 * aiex_plugin.h - the contract between an Aiex host and a plugin.
 *
 * A plugin is one shared object that exports one function, aiex_plugin_entry(),
 * and imports no symbol of Aiex: everything it may ask of the host comes through
 * `struct aiex_host`, everything the host may ask of it through `struct
 * aiex_plugin`. Nothing else is needed to build a plugin than this header and a
 * C99 (or C++11) compiler.
 *
 * Life of an instance
 *   entry -> create -> start (0 = READY) -> handle* -> drain -> destroy -> process ends
 *   One configured section is one instance. Instances normally live in an
 *   operating system process of their own (a cell); a crash, a leak or an endless
 *   loop ends that cell and nothing else. The same shared object may serve several
 *   instances in one process, so keep state behind `self`, never in globals.
 *
 * Threads
 *   All callbacks of an instance come on one loop thread, never two at a time, and
 *   must not block. Host functions tagged [loop] may be called on that thread only,
 *   those tagged [any] from every thread. A plugin may start threads for blocking
 *   libraries; they come back with post().
 *
 * Memory
 *   Pointers given to a callback die when it returns. The host copies what it
 *   keeps. Neither side frees memory of the other, except through release().
 *   Neither side allocates the other's structs.
 *
 * Results
 *   Functions return 0 (or a documented positive value), or a negative errno.
 *   Errors that cross the wire are short codes (AIEX_E_*) with a text for people.
 *
 * Growth
 *   Structs grow at their end only, never inside. `struct_size` says how much of a
 *   struct the other side knows; AIEX_HAS() asks for one field. A change that old
 *   plugins could not survive raises AIEX_ABI_MAJOR; the host refuses another major
 *   with a sentence. docs/abi.md has the rules and the change log.
 */
#ifndef AIEX_PLUGIN_H
#define AIEX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_ABI_MAGIC 0x41694558u /* "AiEX" */
#define AIEX_ABI_MAJOR 1u          /* layouts changed: refused */
#define AIEX_ABI_MINOR 2u          /* fields appended: struct_size decides */

#if defined(__GNUC__)
#define AIEX_EXPORT __attribute__((visibility("default")))
#else
#define AIEX_EXPORT
#endif

/* True when table `t` of type `type` is long enough to hold `field` and it is set. */
#define AIEX_HAS(t, type, field)                                                                   \
    ((t)->struct_size >= offsetof(type, field) + sizeof((t)->field) && (t)->field != 0)

/* Limits. A body is split into ring records by the host; plugins see it whole. */
#define AIEX_MAX_BODY (32u * 1024u * 1024u) /* bytes of one request, part or answer */
#define AIEX_MAX_NAME 63u                   /* bytes of an instance, service, method or topic name */

/* Error codes on the wire. Short, stable, lower case; compare with strcmp(). */
#define AIEX_E_TIMEOUT "timeout"         /* the deadline passed */
#define AIEX_E_CRASHED "crashed"         /* the serving process died after it had begun */
#define AIEX_E_BUSY "busy"               /* a queue or limit is full; retry_after_ms may say when */
#define AIEX_E_CANCELLED "cancelled"     /* the caller or its client went away */
#define AIEX_E_UNAVAILABLE "unavailable" /* nobody serves that name now */
#define AIEX_E_INVALID "invalid"         /* the request is wrong; repeating it will not help */
#define AIEX_E_DENIED "denied"           /* not allowed */
#define AIEX_E_NOT_FOUND "not_found"     /* the method or the thing does not exist */
#define AIEX_E_CONFLICT "conflict"       /* an expected version did not hold */
#define AIEX_E_READ_ONLY "read_only"     /* writes are refused now */
#define AIEX_E_UPSTREAM "upstream"       /* a remote service failed or broke its protocol */
#define AIEX_E_INTERNAL "internal"       /* a fault of the serving plugin */

/* Exit codes of a cell that ends by itself; see docs/operations.md. */
#define AIEX_EXIT_DONE 0    /* finished; restarted only when permanent */
#define AIEX_EXIT_CONFIG 78 /* configuration can not work; not retried */

/* Bytes that someone else owns. data may be NULL when len is 0. */
struct aiex_slice {
    const uint8_t *data;
    size_t len;
};

/* The caller's storage for a reason; filled on failure, one line, no full stop. */
struct aiex_error {
    char text[512];
};

/* ---- Options: one table parses, validates, helps and documents ------------- */

/* Types of an option and what `offset` must point at in the config struct. */
#define AIEX_OPT_STRING 1u   /* const char *, never NULL ("" when unset) */
#define AIEX_OPT_INT 2u      /* int64_t */
#define AIEX_OPT_BOOL 3u     /* int64_t, 0 or 1; yes no true false on off 1 0 */
#define AIEX_OPT_SIZE 4u     /* int64_t bytes; 64k, 10M, 1G (powers of 1024) */
#define AIEX_OPT_DURATION 5u /* int64_t milliseconds; 500ms, 30s, 2m, 1h, 1d */
#define AIEX_OPT_CHOICE 6u   /* int64_t, index into choices */
#define AIEX_OPT_SECRET 7u   /* const char *; never shown, logged or put in status */
#define AIEX_OPT_REAL 8u     /* double */

#define AIEX_OPT_REQUIRED 1u   /* no default: must be configured */
#define AIEX_OPT_RELOADABLE 2u /* reload() takes a change; else the instance is replaced */

/* A name that ends in ".*" is a family: `alias.*` takes every key of the section that begins with
   "alias.", except those that the table names by themselves (of two families the longer prefix wins).
   Type STRING or SECRET, not required, no default. Its value is one text with a line
   "rest-of-key\tvalue\n" for each key, in the order in which the keys first appear; "" when there is
   none. At most 1024 keys and 64 KiB; keys have no tab, values no line break. */
struct aiex_option {
    const char *name;  /* NULL ends the table */
    const char *def;   /* as text, as in a file; NULL = unset. "${NAME}" reads the environment */
    const char *help;  /* one sentence for people */
    uint32_t type;     /* AIEX_OPT_* */
    uint32_t flags;    /* AIEX_OPT_REQUIRED | AIEX_OPT_RELOADABLE */
    int64_t min, max;  /* for INT SIZE DURATION (and whole REAL); both 0 = no limit */
    const char *const *choices; /* for CHOICE: NULL-terminated */
    size_t offset;     /* of the value in the plugin's config struct */
};

/* ---- Messages --------------------------------------------------------------- */

/* What handle() is given. */
#define AIEX_MSG_REQUEST 1u /* answer `id` with stream()* then reply() or fail(), now or later */
#define AIEX_MSG_CAST 2u    /* a request without an answer; id is 0. A cast whose body is longer than
                               16 KiB comes as a REQUEST, whose answer is dropped */
#define AIEX_MSG_CANCEL 3u  /* call `id` is over: free what belongs to it, do not answer */
#define AIEX_MSG_RESUME 4u  /* call `id`: the consumer has room again after AIEX_PAUSE */
#define AIEX_MSG_EVENT 5u   /* body is the envelope map of docs/architecture.md "Events" */

#define AIEX_MF_IDEMPOTENT 1u /* the caller allows a repeat after a crash */
#define AIEX_MF_SPLICED 2u    /* parts go straight to the caller's caller */

struct aiex_message {
    uint32_t struct_size;
    uint32_t kind;      /* AIEX_MSG_* */
    uint32_t flags;     /* AIEX_MF_* */
    uint32_t timeout_ms; /* left for the answer when the message was delivered */
    uint64_t id;        /* call to answer; unique in this process until answered */
    uint64_t trace;     /* correlation id of the whole request, for logs and child calls */
    const char *service; /* the name under which the caller found this instance */
    const char *method; /* REQUEST, CAST: "kind.verb". EVENT: the topic */
    struct aiex_slice body; /* msgpack map, keys are strings; unknown keys are to be ignored */
    /* Since 1.2. REQUEST, CAST: the instance that asks, as its section is named; "host.control" for
       the control socket, other "host." names for the host itself, "" where it is not known. It is the
       host that says so: a plugin can not claim to be another, unless both are in one cell. */
    const char *caller;
};

/* What a caller is given: PART* then exactly one END. */
#define AIEX_ANSWER_PART 1u
#define AIEX_ANSWER_END 2u

struct aiex_answer {
    uint32_t struct_size;
    uint32_t kind;           /* AIEX_ANSWER_* */
    uint64_t call;           /* as returned by call() */
    const char *code;        /* END: NULL on success, else AIEX_E_* */
    const char *text;        /* END with code: for people */
    uint32_t retry_after_ms; /* END with code: 0 = unknown */
    uint32_t flags;          /* AIEX_AF_* */
    struct aiex_slice body;  /* PART: bytes as the kind says. END: msgpack map (also with code) */
};

#define AIEX_AF_SPLICED 1u /* END copy for the middle: parts and end went to the caller's caller */

typedef void (*aiex_answer_fn)(void *arg, const struct aiex_answer *answer);

/* A call that a plugin makes. Zero the struct, set struct_size, fill what is needed. */
#define AIEX_CALL_IDEMPOTENT 1u /* may be started twice when a process dies */
#define AIEX_CALL_SPLICE 2u     /* parts and end go to the caller of `parent`; an error before the
                                   first part comes here and leaves `parent` open. After a joined
                                   end `parent` is answered; this caller gets a copy of the end */
#define AIEX_CALL_MANUAL 4u     /* credit() gives window back; else done when the callback returns */
#define AIEX_CALL_LAZY 8u       /* no hurry: delivered with the next urgent record (accounting) */

struct aiex_request {
    uint32_t struct_size;
    uint32_t flags;         /* AIEX_CALL_* */
    const char *service;    /* registered name, group or instance name */
    const char *method;
    struct aiex_slice body; /* msgpack map; at most AIEX_MAX_BODY bytes; copied */
    uint64_t parent;        /* id of the call being served, 0 = none: when that one is cancelled, this
                               one is too, without a callback */
    uint64_t trace;         /* 0 = take the parent's, or begin a new one */
    uint32_t timeout_ms;    /* 0 = the service's configured default */
    uint32_t window_bytes;  /* of parts in flight before the producer must pause; 0 = 256 KiB */
    uint32_t priority;      /* when queued for a pool: 0 normal, 1 high, 2 low */
    uint32_t reserved;
};

/* stream() and the return value of a full window. */
#define AIEX_PAUSE 1 /* the part was taken; produce no more until AIEX_MSG_RESUME */

/* An event that a plugin publishes; the host fills the rest of the envelope. */
struct aiex_event {
    uint32_t struct_size;
    uint32_t flags;
    const char *topic;      /* "provider.health": words joined by dots */
    const char *type;       /* what happened: "opened" */
    const char *subject;    /* about what, or NULL */
    struct aiex_slice data; /* msgpack, or empty */
    uint64_t trace;         /* correlation, 0 = none */
    uint64_t causation;     /* call id or event that caused it, 0 = none */
};

#define AIEX_NAME_UNIQUE 1u /* one holder; a second one gets -EEXIST */
#define AIEX_NAME_GROUP 2u  /* many holders; calls are spread over them */

#define AIEX_LOG_DEBUG 0u
#define AIEX_LOG_INFO 1u
#define AIEX_LOG_NOTICE 2u
#define AIEX_LOG_WARN 3u
#define AIEX_LOG_ERROR 4u

#define AIEX_WATCH_READ 1u
#define AIEX_WATCH_WRITE 2u

/* ---- The host's side ------------------------------------------------------- */

struct aiex_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *ctx;            /* the host's; not for plugins */
    const char *instance; /* this instance's name, e.g. "provider_openai:work" */
    const char *node;     /* this node's name */
    const char *data_dir; /* folder that only this instance may write, "" when its kind has none */

    /* [any] One line for the log; the host adds time, instance, cell. trace 0 = none. */
    void (*log)(const struct aiex_host *, uint32_t level, uint64_t trace, const char *text);
    /* [any] Zeroed memory counted to the instance; NULL when its limit is reached. */
    void *(*alloc)(const struct aiex_host *, size_t bytes);
    /* [any] Frees what alloc() gave; NULL is fine. */
    void (*release)(const struct aiex_host *, void *mem);
    /* [any] Monotonic milliseconds of the host's clock. */
    uint64_t (*now_ms)(const struct aiex_host *);
    /* [any] Feeds the watchdog during long work. */
    void (*alive)(const struct aiex_host *);
    /* [any] Runs fn(arg) on the loop thread soon: called on the loop, after the messages of this
     * turn. What has not run when the instance ends is dropped. 0, -ENOMEM. */
    int (*post)(const struct aiex_host *, void (*fn)(void *arg), void *arg);

    /* [loop] One part of the answer to `id`. 0, AIEX_PAUSE (taken; wait for RESUME), -ENOENT (the
     * call is over), -ENOBUFS (not taken: paused parts exceed 1 MiB), -EMSGSIZE. */
    int (*stream)(const struct aiex_host *, uint64_t id, struct aiex_slice part);
    /* [loop] Ends `id` with success; body is a msgpack map or empty. 0, -ENOENT, -EMSGSIZE. */
    int (*reply)(const struct aiex_host *, uint64_t id, struct aiex_slice body);
    /* [loop] Ends `id` with an error; body (a map, or empty) carries details. 0, -ENOENT. */
    int (*fail)(const struct aiex_host *, uint64_t id, const char *code, const char *text,
                uint32_t retry_after_ms, struct aiex_slice body);

    /* [loop] Starts a call. fn is called with PART* and one END, never after cancel(); it may be
     * called before call() returns when the service lives in the same cell. fn NULL = cast: nobody
     * answers. 0 and *ret_call set, or -EINVAL, -EMSGSIZE, -EBUSY (too many calls), -ENOMEM. */
    int (*call)(const struct aiex_host *, const struct aiex_request *, aiex_answer_fn fn, void *arg,
                uint64_t *ret_call);
    /* [loop] AIEX_CALL_MANUAL: `bytes` of parts were used up. 0, -ENOENT. */
    int (*credit)(const struct aiex_host *, uint64_t call, uint32_t bytes);
    /* [loop] Gives up a call; no more callbacks for it. 0, -ENOENT. */
    int (*cancel)(const struct aiex_host *, uint64_t call);

    /* [loop] Takes a name under which others call this instance (its instance name is taken
     * already). A GROUP name is lost when the process ends; a UNIQUE one waits for the instance's
     * next process, which takes it again in start() or loses it. 0, -EINVAL, -EEXIST (held by
     * another instance of this cell). A name held in another cell stays there and the host logs
     * it. */
    int (*join)(const struct aiex_host *, const char *name, uint32_t flags);
    /* [loop] Publishes to every subscriber of the topic. 0, -EINVAL, -EMSGSIZE. */
    int (*publish)(const struct aiex_host *, const struct aiex_event *);
    /* [loop] Subscribes to a topic, "a.b" exactly or "a.*" for all below; events come to handle().
     * 0, -EINVAL, -ENOSPC. */
    int (*subscribe)(const struct aiex_host *, const char *topic);
    /* [loop] 0, -ENOENT. */
    int (*unsubscribe)(const struct aiex_host *, const char *topic);

    /* [loop] Calls fn(arg) once after `after_ms`, or every `every_ms` when that is not 0. */
    int (*timer)(const struct aiex_host *, uint64_t after_ms, uint64_t every_ms,
                 void (*fn)(void *arg), void *arg, uint64_t *ret_watch);
    /* [loop] Calls fn(arg, AIEX_WATCH_*) while fd is ready. The fd stays the plugin's. */
    int (*watch)(const struct aiex_host *, int fd, uint32_t events,
                 void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret_watch);
    /* [loop] Other events for a watch; 0 events = pause it. 0, -ENOENT. */
    int (*rewatch)(const struct aiex_host *, uint64_t watch, uint32_t events);
    /* [loop] Ends a timer or watch. 0, -ENOENT. */
    int (*unwatch)(const struct aiex_host *, uint64_t watch);

    /* [loop] Services beyond the core, by id with version: "aiex.http/1" (aiex_http.h),
     * "aiex.listen/1" (aiex_listen.h), "aiex.settings/1" (aiex_settings.h). NULL = not here. */
    const void *(*extension)(const struct aiex_host *, const char *id);
};

/* ---- The plugin's side ----------------------------------------------------- */

/* What the plugin needs beyond its kind's profile; see docs/operations.md "Sandbox". */
#define AIEX_NEED_HTTP 1u   /* "aiex.http/1": outgoing TCP to configured ports */
#define AIEX_NEED_LISTEN 2u /* "aiex.listen/1": listening sockets opened by the host */
#define AIEX_NEED_DATA 4u   /* a writable folder of its own */
/* May start threads. A thread may block the signals that are sent to the process, never those that
 * it causes by itself: SIGSYS (the sandbox answers fstat() by it, which stdio, getaddrinfo() and
 * dlopen() call; a thread that blocks it dies there), SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
 * SIGABRT. */
#define AIEX_NEED_THREADS 8u
#define AIEX_NEED_READ 16u  /* may read below the folders of its option `root` */

struct aiex_plugin {
    uint32_t magic;       /* AIEX_ABI_MAGIC */
    uint32_t struct_size; /* sizeof(struct aiex_plugin) */
    uint16_t abi_major, abi_minor;
    uint32_t option_size; /* sizeof(struct aiex_option): the stride of `options` */
    const char *name;     /* kind_name, as the file: "provider_openai" */
    const char *version;  /* "1.2.3" */
    const char *summary;  /* one line for `aiex plugin list` */
    const char *kind;     /* kind and its major: "provider/1"; sdk/kinds has the contracts */
    const struct aiex_option *options; /* may be NULL */
    size_t config_size;   /* bytes of the plugin's config struct */
    uint32_t needs;       /* AIEX_NEED_* */
    uint32_t reserved;

    /* Makes an instance. `config` is constant until reload() returns or destroy(). On failure:
     * negative errno and a reason; destroy() is then called only when *ret_self was set. */
    int (*create)(const struct aiex_host *, const void *config, void **ret_self,
                  struct aiex_error *);
    /* Begins work; 0 means READY: requests follow. Optional. */
    int (*start)(void *self, struct aiex_error *);
    /* One message. A negative return fails a REQUEST with AIEX_E_INTERNAL if still unanswered;
     * return -ENOSYS for an unknown method (AIEX_E_NOT_FOUND). Optional. */
    int (*handle)(void *self, const struct aiex_message *);
    /* Takes a changed config (RELOADABLE options only); on failure the old one stays. Optional. */
    int (*reload)(void *self, const void *config, struct aiex_error *);
    /* Stop taking work, finish what runs, then call done(arg); the host kills at the deadline.
     * Optional: without it the host waits for the answers that are owed. */
    void (*drain)(void *self, void (*done)(void *arg), void *arg);
    /* Frees everything; also for a half-built self. Optional. */
    void (*destroy)(void *self);
};

/* The one exported function. Returns static storage; no side effects. The arguments tell which ABI
 * the host speaks, so that a plugin may answer with an older table. */
AIEX_EXPORT const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_PLUGIN_H */
