/* sandbox_attacks_kernel.c - objects and services of the kernel. */
#include "sandbox_attack_list.h"

#include "runner/sandbox/profile.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int shared_memory(const struct scene *s)
{
    int id = (int)syscall(SYS_shmget, 0, 4096, 0600);

    if (id < 0)
        return errno;
    syscall(SYS_shmctl, id, 0, NULL);
    return 0;
}

static int message_queue(const struct scene *s)
{
    int id = (int)syscall(SYS_msgget, 0, 0600);

    if (id < 0)
        return errno;
    syscall(SYS_msgctl, id, 0, NULL);
    return 0;
}

static int semaphores(const struct scene *s)
{
    int id = (int)syscall(SYS_semget, 0, 1, 0600);

    if (id < 0)
        return errno;
    syscall(SYS_semctl, id, 0, 0, 0);
    return 0;
}

static int posix_queue(const struct scene *s)
{
    return attack_gate(syscall(SYS_mq_unlink, NULL));
}

static int keyring(const struct scene *s)
{
    return attack_gate(syscall(SYS_add_key, "user", NULL, NULL, 0, -2));
}

static int keyring_control(const struct scene *s)
{
    return attack_outcome(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
}

static int push_to_terminal(const struct scene *s)
{
    return attack_gate(ioctl(0, TIOCSTI, "x"));
}

static int load_bpf(const struct scene *s)
{
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    return attack_outcome_fd(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

static int perf(const struct scene *s)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr};

    return attack_outcome_fd(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int page_faults(const struct scene *s)
{
    return attack_outcome_fd(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}

static int ring_of_io(const struct scene *s)
{
    return attack_gate(syscall(SYS_io_uring_setup, 1, NULL));
}

static int watch_all_files(const struct scene *s)
{
    return attack_gate(syscall(SYS_fanotify_init, ~0u, 0));
}

static int kernel_module(const struct scene *s)
{
    return attack_gate(syscall(SYS_init_module, NULL, 0, NULL));
}

static int new_kernel(const struct scene *s)
{
    return attack_gate(syscall(SYS_kexec_load, 0, ~0ul, NULL, 0));
}

static int read_kernel_log(const struct scene *s)
{
    return attack_outcome(syscall(SYS_syslog, 10 /* size of the buffer */, NULL, 0));
}

static int set_clock(const struct scene *s)
{
    return attack_gate(syscall(SYS_clock_settime, CLOCK_REALTIME, NULL));
}

static int set_host_name(const struct scene *s)
{
    return attack_gate(syscall(SYS_sethostname, NULL, 3));
}

static int quota(const struct scene *s)
{
    return attack_gate(syscall(SYS_quotactl, ~0u, NULL, 0, NULL));
}

static int further_filter(const struct scene *s)
{
    return attack_gate(syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, NULL));
}

static int foreign_numbers(const struct scene *s)
{
#ifdef __x86_64__
    int rc;

    __asm__ volatile("int $0x80"
                     : "=a"(rc)
                     : "a"(20 /* getpid of i386 */)
                     : "memory", "r8", "r9", "r10", "r11");
    return rc > 0 ? 0 : -rc;
#else
    return ENOSYS;
#endif
}

static int x32_numbers(const struct scene *s)
{
#ifdef __x86_64__
    return attack_outcome(syscall(0x40000000 | SYS_getpid));
#else
    return ENOSYS;
#endif
}

static int segment_table(const struct scene *s)
{
#ifdef SYS_modify_ldt
    return attack_gate(syscall(SYS_modify_ldt, 0, NULL, 0));
#else
    return ENOSYS;
#endif
}

const struct attack attacks_on_kernel[] = {
    {"SysV shared memory", shared_memory, 0, 0, 0},
    {"SysV messages", message_queue, 0, 0, 0},
    {"SysV semaphores", semaphores, 0, 0, 0},
    {"POSIX queue", posix_queue, 0, 0, 0},
    {"keyring", keyring, 0, 0, 0},
    {"keyring control", keyring_control, 0, 0, 0},
    {"TIOCSTI", push_to_terminal, 0, 0, 0},
    {"bpf", load_bpf, ATTACK_KILL, 0, 0},
    {"perf", perf, ATTACK_KILL, 0, 0},
    {"userfaultfd", page_faults, ATTACK_KILL, 0, 0},
    {"io_uring", ring_of_io, 0, 0, 0},
    {"fanotify", watch_all_files, 0, 0, 0},
    {"load a module", kernel_module, ATTACK_KILL, 0, 0},
    {"kexec", new_kernel, ATTACK_KILL, 0, 0},
    {"kernel log", read_kernel_log, 0, 0, 0},
    {"set the clock", set_clock, ATTACK_SURE, 0, 0},
    {"set the host name", set_host_name, ATTACK_ROOT, 0, 0},
    {"quota", quota, 0, 0, 0},
    {"another filter", further_filter, ATTACK_SURE, SET_LOAD, 0},
    {"int 0x80", foreign_numbers, ATTACK_KILL, 0, 0},
    {"x32 numbers", x32_numbers, ATTACK_KILL, 0, 0},
    {"modify_ldt", segment_table, ATTACK_KILL, 0, 0},
    {0},
};
