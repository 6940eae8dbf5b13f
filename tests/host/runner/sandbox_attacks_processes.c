/* sandbox_attacks_processes.c - other processes, and becoming more than a cell. */
#include "sandbox_attack_list.h"

#include "runner/sandbox/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that came to be ends at once; the parent reports. */
static int born(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno;
    waitpid((pid_t)pid, NULL, 0);
    return 0;
}

static int fork_process(const struct scene *s)
{
    return born(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int fork_clone3(const struct scene *s)
{
    uint64_t args[8] = {[4] = SIGCHLD};

    return born(syscall(SYS_clone3, args, sizeof args));
}

static int fork_into_user_namespace(const struct scene *s)
{
    return born(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0));
}

static int thread_in_namespace(const struct scene *s)
{
    return attack_gate(
        syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER, 0, 0, 0, 0));
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(const struct scene *s)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, nothing, NULL);

    if (rc == 0)
        pthread_join(thread, NULL);
    return rc == EAGAIN ? EPERM : rc;
}

static int exec_program(const struct scene *s)
{
    char *argv[] = {"true", NULL};
    char *envp[] = {NULL};

    return attack_outcome(syscall(SYS_execve, "/bin/true", argv, envp));
}

static int exec_by_descriptor(const struct scene *s)
{
    return attack_gate(syscall(SYS_execveat, -1, "", NULL, NULL, AT_EMPTY_PATH));
}

static int user_namespace(const struct scene *s)
{
    return attack_outcome(unshare(CLONE_NEWUSER));
}

static int other_namespace(const struct scene *s)
{
    return attack_gate(setns(-1, 0));
}

static int change_root(const struct scene *s)
{
    return attack_outcome(chroot(s->outside));
}

static int mount_something(const struct scene *s)
{
    return attack_gate(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
}

static int set_user(const struct scene *s)
{
    return attack_outcome(syscall(SYS_setuid, getuid()));
}

static int set_groups(const struct scene *s)
{
    return attack_outcome(syscall(SYS_setgroups, 0, NULL));
}

static int raise_core(const struct scene *s)
{
    struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};

    return attack_outcome(setrlimit(RLIMIT_CORE, &lim));
}

static int set_own_limit(const struct scene *s)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim))
        return errno;
    return attack_outcome(setrlimit(RLIMIT_NOFILE, &lim));
}

static int limits_of_victim(const struct scene *s)
{
    struct rlimit lim;

    return attack_outcome(prlimit(s->victim, RLIMIT_NOFILE, NULL, &lim));
}

static int renice_victim(const struct scene *s)
{
    return attack_outcome(setpriority(PRIO_PROCESS, (id_t)s->victim, 1));
}

static int affinity_of_victim(const struct scene *s)
{
    cpu_set_t set;

    if (SANDBOX_SANITIZER)
        return EPERM;
    return attack_outcome(sched_getaffinity(s->victim, sizeof set, &set));
}

static int pin_victim(const struct scene *s)
{
    cpu_set_t set;

    memset(&set, 0xff, sizeof set);
    return attack_outcome(syscall(SYS_sched_setaffinity, s->victim, sizeof set, &set));
}

static int schedule_victim(const struct scene *s)
{
    struct sched_param p = {0};

    return attack_outcome(syscall(SYS_sched_setscheduler, s->victim, SCHED_OTHER, &p));
}

static int trace_victim(const struct scene *s)
{
    return attack_outcome(ptrace(PTRACE_SEIZE, s->victim, 0, 0));
}

static int trace_host(const struct scene *s)
{
    return attack_outcome(ptrace(PTRACE_SEIZE, s->host, 0, 0));
}

static int read_victim_memory(const struct scene *s)
{
    char here[8];
    struct iovec local = {here, sizeof here};
    struct iovec remote = {(void *)s, sizeof here}; /* same address: the victim is a fork */

    return attack_outcome(syscall(SYS_process_vm_readv, s->victim, &local, 1, &remote, 1, 0));
}

static int signal_host(const struct scene *s)
{
    return attack_outcome(kill(s->host, 0));
}

static int signal_victim(const struct scene *s)
{
    return attack_outcome(kill(s->victim, 0));
}

static int signal_everybody(const struct scene *s)
{
    return attack_outcome(kill(-1, 0));
}

static int signal_own_group(const struct scene *s)
{
    return attack_outcome(kill(0, 0));
}

static int signal_thread_of_victim(const struct scene *s)
{
    return attack_outcome(syscall(SYS_tgkill, s->victim, s->victim, 0));
}

static int queue_to_victim(const struct scene *s)
{
    siginfo_t info = {.si_code = SI_QUEUE};

    return attack_outcome(syscall(SYS_rt_sigqueueinfo, s->victim, 0, &info));
}

static int tkill_victim(const struct scene *s)
{
    return attack_outcome(syscall(SYS_tkill, s->victim, 0));
}

static int pidfd_of_victim(const struct scene *s)
{
    return attack_outcome_fd(syscall(SYS_pidfd_open, s->victim, 0));
}

static int own_descriptor_to_victim(const struct scene *s)
{
    return attack_outcome(fcntl(s->listener, F_SETOWN, s->victim));
}

static int clear_death_signal(const struct scene *s)
{
    return attack_outcome(prctl(PR_SET_PDEATHSIG, 0));
}

static int be_dumpable(const struct scene *s)
{
    return attack_outcome(prctl(PR_SET_DUMPABLE, 1));
}

static int new_session(const struct scene *s)
{
    return attack_outcome(setsid());
}

const struct attack attacks_on_processes[] = {
    {"fork", fork_process, ATTACK_SURE, 0, 0},
    {"fork by clone3", fork_clone3, ATTACK_SURE, 0, 0},
    {"fork into a user namespace", fork_into_user_namespace, 0, 0, 0},
    {"thread into a namespace", thread_in_namespace, ATTACK_SURE, 0, 0},
    {"start a thread", start_thread, ATTACK_SURE, SET_THREADS, 0},
    {"execve", exec_program, ATTACK_SURE | ATTACK_KILL, 0, 0},
    {"execveat", exec_by_descriptor, ATTACK_SURE | ATTACK_KILL, 0, 0},
    {"user namespace", user_namespace, ATTACK_KILL, 0, 0},
    {"setns", other_namespace, ATTACK_SURE | ATTACK_KILL, 0, 0},
    {"chroot", change_root, ATTACK_ROOT | ATTACK_KILL, 0, 0},
    {"mount", mount_something, ATTACK_ROOT | ATTACK_KILL, 0, 0},
    {"setuid", set_user, ATTACK_SURE, 0, 0},
    {"setgroups", set_groups, ATTACK_ROOT, 0, 0},
    {"raise the core limit", raise_core, 0, 0, 0},
    {"set a limit", set_own_limit, ATTACK_SURE, 0, 0},
    {"limits of others", limits_of_victim, ATTACK_SURE, 0, 0},
    {"renice others", renice_victim, ATTACK_SURE, 0, 0},
    {"affinity of others", affinity_of_victim, 0, SET_THREADS, 0},
    {"pin others", pin_victim, ATTACK_SURE, 0, 0},
    {"schedule others", schedule_victim, ATTACK_SURE, 0, 0},
    {"ptrace another", trace_victim, ATTACK_KILL, 0, 0},
    {"ptrace the host", trace_host, ATTACK_KILL, 0, 0},
    {"read another's memory", read_victim_memory, ATTACK_KILL, 0, 0},
    {"signal the host", signal_host, ATTACK_SURE, 0, 0},
    {"signal another", signal_victim, ATTACK_SURE, 0, 0},
    {"signal everybody", signal_everybody, 0, 0, 0},
    {"signal the group", signal_own_group, ATTACK_SURE, 0, 0},
    {"tgkill another", signal_thread_of_victim, ATTACK_SURE, 0, 0},
    {"sigqueue", queue_to_victim, ATTACK_SURE, 0, 0},
    {"tkill another", tkill_victim, ATTACK_SURE, 0, 0},
    {"pidfd of another", pidfd_of_victim, ATTACK_SURE, 0, 0},
    {"signals by F_SETOWN", own_descriptor_to_victim, ATTACK_SURE, 0, 0},
    {"outlive the host", clear_death_signal, ATTACK_SURE, 0, 0},
    {"become dumpable", be_dumpable, ATTACK_SURE, 0, 0},
    {"new session", new_session, ATTACK_SURE, 0, 0},
    {0},
};
