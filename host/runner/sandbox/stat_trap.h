/*
 * stat_trap.h - fstat() for cells that may not ask about paths.
 *
 * The C library of Debian 12 makes fstat(fd) out of newfstatat(fd, "", AT_EMPTY_PATH), which
 * dlopen() can not do without. Seccomp does not see the string, and with a path in it the same call
 * tells size, owner and times of every file. So the filter traps the call and the handler, which
 * does see it, answers through SYS_fstat or with EPERM. A plugin that takes the handler away gains
 * nothing: the filter never lets the call pass.
 *
 * A thread that blocks SIGSYS and calls fstat() dies; aiex_plugin.h says so to plugin authors.
 */
#ifndef AIEX_RUNNER_SANDBOX_STAT_TRAP_H
#define AIEX_RUNNER_SANDBOX_STAT_TRAP_H

#if defined(__x86_64__) || defined(__aarch64__)
#define STAT_TRAP 1
#else
#define STAT_TRAP 0 /* registers unknown here: AT_EMPTY_PATH is allowed, path or not */
#endif

/* Before the filter. 0 or -errno. */
int stat_trap_install(void);

#endif
