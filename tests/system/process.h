/* process.h - what /proc and pidfds tell about processes, and the clock of the tests. */
#ifndef AIEX_SYSTEM_PROCESS_H
#define AIEX_SYSTEM_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Monotonic milliseconds. */
int64_t now_ms(void);
/* Open descriptors of a process, -1 when it is gone. */
int process_fds(pid_t pid);
int64_t process_rss_bytes(pid_t pid);
/* Direct children, at most `max`; the number of them. */
int process_children(pid_t pid, pid_t *out, int max);
/* As kill(), but never to a group: -1 when pid is not one process. */
int process_signal(pid_t pid, int signal);
/* One letter as in /proc/PID/stat: R S D T Z ...; 0 when it is gone. */
char process_state(pid_t pid);
/* 1 when the process (a child or not) has ended within wait_ms. */
int process_gone(pid_t pid, int wait_ms);

#endif
