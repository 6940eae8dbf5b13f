#include "runner/sandbox/stat_trap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if STAT_TRAP

#ifndef SYS_SECCOMP /* si_code of a trap; older C libraries do not name it */
#define SYS_SECCOMP 1
#endif

#if defined(__x86_64__)
#define ARGUMENT(uc, n)                                                                            \
    ((uc)->uc_mcontext.gregs[(const int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10}[n]])
#define RESULT(uc) ((uc)->uc_mcontext.gregs[REG_RAX])
#else
#define ARGUMENT(uc, n) ((uc)->uc_mcontext.regs[n])
#define RESULT(uc)      ((uc)->uc_mcontext.regs[0])
#endif

static void on_trap(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    int saved = errno;
    const char *path;
    long rc = -EPERM;

    if (info->si_code != SYS_SECCOMP || info->si_syscall != SYS_newfstatat)
        return;
    path = (const char *)(uintptr_t)ARGUMENT(uc, 1);
    if (((int)ARGUMENT(uc, 3) & AT_EMPTY_PATH) && path && *path == '\0')
        rc = syscall(SYS_fstat, (int)ARGUMENT(uc, 0), (void *)(uintptr_t)ARGUMENT(uc, 2)) ? -errno
                                                                                          : 0;
    RESULT(uc) = rc;
    errno = saved;
}

int stat_trap_install(void)
{
    struct sigaction act = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigset_t sys;

    sigemptyset(&sys);
    sigaddset(&sys, SIGSYS);
    sigemptyset(&act.sa_mask);
    if (sigaction(SIGSYS, &act, NULL) || sigprocmask(SIG_UNBLOCK, &sys, NULL))
        return -errno;
    return 0;
}

#else

int stat_trap_install(void)
{
    return 0;
}

#endif
