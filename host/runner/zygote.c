#include "runner/zygote.h"

#include "channel/fdpass.h"
#include "runner/runner.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long clone_beside(int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PARENT | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
    };

    return syscall(SYS_clone3, &args, sizeof(args));
}

_Noreturn void zygote_run(int sock, const char *preload)
{
    static uint8_t message[START_MAX]; /* not from the heap: cells would keep it */

    if (preload[0])
        dlopen(preload, RTLD_NOW | RTLD_LOCAL); /* a cell that needs it finds it mapped, or maps it */
    for (;;) {
        int fds[START_FDS], n_fds = START_FDS, pidfd = -1, answer;
        ssize_t n = fdpass_recv(sock, message, START_MAX, fds, &n_fds);
        long pid;

        if (n <= 0)
            _exit(0);
        if (n_fds != START_FDS)
            _exit(1);
        pid = clone_beside(&pidfd);
        if (pid == 0) {
            close(sock);
            runner_run((struct aiex_slice){message, (size_t)n}, fds);
        }
        answer = pid < 0 ? -errno : (int)pid;
        explicit_bzero(message, (size_t)n);
        fdpass_send(sock, &answer, sizeof(answer), &pidfd, pidfd >= 0 ? 1 : 0);
        if (pidfd >= 0)
            close(pidfd);
        for (int i = 0; i < n_fds; i++)
            close(fds[i]);
    }
}
