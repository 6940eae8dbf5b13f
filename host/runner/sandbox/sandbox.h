/*
 * sandbox.h - seals a cell: pure data in, a process out that can do little.
 *
 * A library constructor already is plugin code, so the cell is sealed before dlopen():
 *
 *     sandbox_enter(spec, &report, &err)     single-threaded, nothing of the plugin mapped
 *     dlopen(plugin) ... create() ... start()
 *     sandbox_tighten(spec, &err)            no new executable memory; no files where not needed
 *     handle() ...
 *
 * Layers, each reported by name: no_new_privs, dumpable, capabilities, limits, landlock (files, TCP
 * ports, signals), seccomp (an allow list). A layer that the kernel lacks is no error: the report
 * says so and `aiex status` shows it. docs/sandbox.md has every allowance with its reason, and what
 * is not covered. Nothing can be taken back: a sealed process stays sealed until it ends.
 *
 * What is refused: EPERM (seccomp) or EACCES (Landlock). What no library does by accident
 * (execve, ptrace, bpf, a foreign architecture ...) ends the process with SIGSYS.
 *
 * Before sandbox_enter(): open and map rings, eventfds and the control socket (a stream or
 * seqpacket socket: a datagram one could be pointed elsewhere), set PR_SET_PDEATHSIG, call
 * setlocale() or whatever else reads files outside.
 * Before sandbox_tighten(): load everything that is loaded late. With AIEX_NEED_HTTP that is
 * libcurl with curl_global_init(); iconv and NSS modules can not be loaded afterwards.
 *
 * Thread rule: one thread, and sandbox_enter() wants it to be the only one.
 * Ownership: the spec and what it points at stay the caller's; nothing is kept.
 */
#ifndef AIEX_RUNNER_SANDBOX_H
#define AIEX_RUNNER_SANDBOX_H

#include <aiex/aiex_plugin.h>

struct sandbox_spec {
    const char *kind;        /* "provider/1"; a kind without a profile gets that of a service */
    uint32_t needs;          /* AIEX_NEED_*; more than the kind may have is refused (-EPERM) */
    int off;                 /* configured `sandbox = off`: only the limits below are set */
    int log;                 /* ask the kernel to log what seccomp refuses (audit log) */
    const char *plugin_path; /* the .so, readable */
    const char *plugin_dir;  /* readable with all below (its own libraries), or NULL */
    const char *http_module; /* readable with the need http, or NULL */
    const char *data_dir;    /* readable and writable with all below, or NULL; must exist */
    const char *const *read_dirs; /* files or folders, readable with all below; AIEX_NEED_READ */
    size_t n_read_dirs;
    const uint16_t *ports;      /* TCP ports that may be connected to, host order; AIEX_NEED_HTTP */
    size_t n_ports;             /* 0 = none: sockets are refused too */
    int64_t limit_memory_bytes; /* private writable memory (RLIMIT_DATA); 0 = no limit */
    int64_t limit_files;        /* open descriptors; 0 = the profile's default */
    int64_t limit_threads; /* not enforced by rlimits (they count the whole user): see the report */
    const struct sandbox_spec *next; /* another plugin of a shared cell, or NULL: allowances add up,
                                        of the limits the largest counts, `off` must be the same */
};

/* One layer as `aiex status` shows it. text: "landlock: ABI 7", "seccomp: not in this kernel". */
struct sandbox_layer {
    int active; /* 0 = missing or off: the cell is less confined than its profile says */
    char text[120];
};

#define SANDBOX_LAYERS 10u

struct sandbox_report {
    uint32_t n_layers;
    uint32_t n_missing;
    struct sandbox_layer layers[SANDBOX_LAYERS];
};

/*
 * Stage 1. The process may afterwards read its plugin and the system's libraries and map them
 * executable, and do what its profile allows. On failure the process may be half sealed: leave it
 * with AIEX_EXIT_CONFIG.
 * 0, -EINVAL (spec), -EPERM (the kind may not have that need), -ENOENT (data_dir, read_dirs,
 * plugin_path), -EBUSY (other threads run: they would stay outside Landlock), -ENOMEM, -errno.
 */
int sandbox_enter(const struct sandbox_spec *spec, struct sandbox_report *ret_report,
                  struct aiex_error *err);

/*
 * Stage 2, with the same spec, for all threads. No memory can become executable any more, no
 * library can be loaded, no further filter set; openat() goes where the profile has no files.
 * 0, -ENOMEM, -errno; nothing to do (0) when off or when the kernel has no seccomp.
 */
int sandbox_tighten(const struct sandbox_spec *spec, struct aiex_error *err);

#endif
