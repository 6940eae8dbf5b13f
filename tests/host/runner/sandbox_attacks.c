/*
 * sandbox_attacks.c - the attacks: on files, sockets, other processes, memory and the kernel.
 *
 * Most are raw system calls: the C library must not be able to take a detour. gate() stands for
 * calls that would do harm when they really work: arguments are wrong on purpose, and an answer
 * that complains about them means that the call was let in.
 */
#include "sandbox_attacks.h"

#include "runner/sandbox/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#define PROTO_MPTCP 262

static int outcome(long rc)
{
    return rc >= 0 ? 0 : errno;
}

static int gate(long rc)
{
    if (rc >= 0)
        return 0;
    switch (errno) {
    case EINVAL:
    case EFAULT:
    case EBADF:
    case ENOTTY:
    case ENOEXEC:
    case E2BIG:
        return 0;
    default:
        return errno;
    }
}

/* A descriptor that should not have come to be; closed, so that the next attack starts even. */
static int outcome_fd(long fd)
{
    if (fd < 0)
        return errno;
    close((int)fd);
    return 0;
}

/* ---- Files ---- */

static void outside(const struct scene *s, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", s->outside, name);
}

static int read_outside(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->secret, O_RDONLY));
}

static int read_through_link(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->link, O_RDONLY));
}

static int list_outside(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->outside, O_RDONLY | O_DIRECTORY));
}

static int read_passwd(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int read_host_environ(const struct scene *s)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/environ", (int)s->host);
    return outcome_fd(openat(AT_FDCWD, path, O_RDONLY));
}

static int open_path_only(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->secret, O_PATH));
}

static int old_open(const struct scene *s)
{
#ifdef SYS_open
    return outcome_fd(syscall(SYS_open, s->secret, O_RDONLY));
#else
    return ENOSYS;
#endif
}

static int openat2_outside(const struct scene *s)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};

    return outcome_fd(syscall(SYS_openat2, AT_FDCWD, s->secret, &how, sizeof how));
}

static int openat2_write(const struct scene *s)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_WRONLY, 0, 0};

    return outcome_fd(syscall(SYS_openat2, AT_FDCWD, s->secret, &how, sizeof how));
}

static int write_outside(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->secret, O_WRONLY));
}

static int append_outside(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->secret, O_RDWR | O_APPEND));
}

static int create_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "made", path);
    rc = outcome_fd(openat(AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY, 0644));
    unlink(path);
    return rc;
}

static int create_nameless(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, s->outside, O_TMPFILE | O_WRONLY, 0600));
}

static int write_in_plugin_dir(const struct scene *s)
{
    return outcome_fd(openat(AT_FDCWD, AIEX_BUILD_DIR "/tests/sandbox_hostile.so", O_WRONLY));
}

static int truncate_outside(const struct scene *s)
{
    return outcome(syscall(SYS_truncate, s->secret, 6L));
}

/* A file that some profiles may read. */
static int truncate_by_reading(const struct scene *s)
{
    char path[160];

    snprintf(path, sizeof path, "%s/text", s->shared);
    return outcome_fd(openat(AT_FDCWD, path, O_RDONLY | O_TRUNC));
}

static int truncate_by_openat2(const struct scene *s)
{
    uint64_t how[3] = {O_RDONLY | O_TRUNC, 0, 0};
    char path[160];

    snprintf(path, sizeof path, "%s/text", s->shared);
    return outcome_fd(syscall(SYS_openat2, AT_FDCWD, path, how, sizeof how));
}

static int mkdir_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "folder", path);
    rc = outcome(mkdir(path, 0755));
    rmdir(path);
    return rc;
}

static int rename_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "moved", path);
    rc = outcome(rename(s->secret, path));
    if (rc == 0)
        rename(path, s->secret);
    return rc;
}

static int unlink_outside(const struct scene *s)
{
    int rc = outcome(unlink(s->link));

    if (rc == 0 && symlink(s->secret, s->link))
        return 0;
    return rc;
}

static int made_name(const struct scene *s, long (*make)(const struct scene *, const char *))
{
    char path[160];
    int rc;

    outside(s, "name", path);
    rc = outcome(make(s, path));
    unlink(path);
    return rc;
}

static long make_symlink(const struct scene *s, const char *path)
{
    return symlink(s->secret, path);
}

static long make_link(const struct scene *s, const char *path)
{
    return link(s->secret, path);
}

static long make_fifo(const struct scene *s, const char *path)
{
    return mknodat(AT_FDCWD, path, S_IFIFO | 0600, 0);
}

static int symlink_outside(const struct scene *s)
{
    return made_name(s, make_symlink);
}

static int link_outside(const struct scene *s)
{
    return made_name(s, make_link);
}

static int fifo_outside(const struct scene *s)
{
    return made_name(s, make_fifo);
}

static int chmod_outside(const struct scene *s)
{
    return outcome(syscall(SYS_fchmodat, AT_FDCWD, s->secret, 0644));
}

static int chown_outside(const struct scene *s)
{
    return outcome(syscall(SYS_fchownat, AT_FDCWD, s->secret, getuid(), getgid(), 0));
}

static int utime_outside(const struct scene *s)
{
    return outcome(syscall(SYS_utimensat, AT_FDCWD, s->secret, NULL, 0));
}

static int xattr_outside(const struct scene *s)
{
    char value[8];

    return syscall(SYS_getxattr, s->secret, "user.x", value, sizeof value) >= 0 ||
                   errno == ENODATA || errno == EOPNOTSUPP
               ? 0
               : errno;
}

static int stat_outside(const struct scene *s)
{
    struct stat st;

    return outcome(syscall(SYS_newfstatat, AT_FDCWD, s->secret, &st, 0));
}

static int stat_by_empty_path_flag(const struct scene *s)
{
    struct stat st;

    return outcome(syscall(SYS_newfstatat, AT_FDCWD, s->secret, &st, AT_EMPTY_PATH));
}

static int stat_by_descriptor_and_path(const struct scene *s)
{
    struct stat st;

    return outcome(syscall(SYS_newfstatat, s->listener, s->secret, &st, AT_EMPTY_PATH));
}

static int old_stat(const struct scene *s)
{
#ifdef SYS_stat
    struct stat st;

    return outcome(syscall(SYS_stat, s->secret, &st));
#else
    return ENOSYS;
#endif
}

static int statx_outside(const struct scene *s)
{
    struct statx st;

    return outcome(syscall(SYS_statx, AT_FDCWD, s->secret, 0, STATX_SIZE, &st));
}

static int access_outside(const struct scene *s)
{
    return outcome(syscall(SYS_faccessat, AT_FDCWD, s->secret, R_OK));
}

static int readlink_outside(const struct scene *s)
{
    char target[128];

    return outcome(syscall(SYS_readlinkat, AT_FDCWD, s->link, target, sizeof target));
}

static int watch_outside(const struct scene *s)
{
    int fd = (int)syscall(SYS_inotify_init1, O_CLOEXEC);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(syscall(SYS_inotify_add_watch, fd, s->outside, 1));
    close(fd);
    return rc;
}

static int chdir_outside(const struct scene *s)
{
    return outcome(chdir(s->outside));
}

static int handle_of_outside(const struct scene *s)
{
    struct {
        unsigned bytes;
        int type;
        char rest[128];
    } handle = {.bytes = 128};
    int mount;

    return outcome(syscall(SYS_name_to_handle_at, AT_FDCWD, s->secret, &handle, &mount, 0));
}

static int open_by_handle(const struct scene *s)
{
    return gate(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY));
}

static int memfd(const struct scene *s)
{
    return outcome_fd(syscall(SYS_memfd_create, "x", 0));
}

/* ---- Sockets ---- */

static int open_socket(int family, int type, int protocol)
{
    return outcome_fd(socket(family, type, protocol));
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
}

static int tcp_to(uint16_t port, int protocol)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, protocol);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(connect(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_STREAM, 0);
}

static int tcp_other_port(const struct scene *s)
{
    return tcp_to(s->bad_port, 0);
}

static int mptcp(const struct scene *s)
{
    return tcp_to(s->bad_port, PROTO_MPTCP);
}

static int tcp_bind(const struct scene *s)
{
    struct sockaddr_in a = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(bind(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_listen(const struct scene *s)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(listen(fd, 1));
    close(fd);
    return rc;
}

static int tcp_fast_open(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->bad_port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_fast_open_message(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->bad_port);
    struct iovec iov = {"x", 1};
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &iov, .msg_iovlen = 1};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(sendmsg(fd, &m, MSG_FASTOPEN));
    close(fd);
    return rc;
}

static int many_messages(const struct scene *s)
{
    return gate(syscall(SYS_sendmmsg, -1, NULL, 1, MSG_FASTOPEN));
}

static int option_fast_open(const struct scene *s)
{
    int on = 1;

    return gate(setsockopt(-1, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on));
}

static int udp_send(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->udp_port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = outcome(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int udp6(const struct scene *s)
{
    return open_socket(AF_INET6, SOCK_DGRAM, 0);
}

static int raw_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int ping_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

static int packet_socket(const struct scene *s)
{
    return open_socket(AF_PACKET, SOCK_RAW, 0);
}

static int netlink_socket(const struct scene *s)
{
    return open_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int sctp_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static int vsock_socket(const struct scene *s)
{
    return open_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int crypto_socket(const struct scene *s)
{
    return open_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int unix_pair(const struct scene *s)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds))
        return errno;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int unix_to(int type, const char *path, const char *abstract)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof a;
    int fd = socket(AF_UNIX, type, 0);
    int rc;

    if (fd < 0)
        return errno;
    if (path)
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    else
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          (size_t)snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", abstract));
    rc = outcome(connect(fd, (struct sockaddr *)&a, len));
    close(fd);
    return rc;
}

static int unix_stream(const struct scene *s)
{
    return unix_to(SOCK_STREAM, s->unix_path, NULL);
}

static int unix_dgram(const struct scene *s)
{
    return unix_to(SOCK_DGRAM, s->dgram_path, NULL);
}

static int unix_abstract(const struct scene *s)
{
    return unix_to(SOCK_STREAM, NULL, s->abstract);
}

static int old_ioctl_net(const struct scene *s)
{
    return gate(ioctl(0, 0x8912 /* SIOCGIFCONF */, NULL));
}

/* ---- Other processes, and becoming more ---- */

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
    return gate(
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

    return outcome(syscall(SYS_execve, "/bin/true", argv, envp));
}

static int exec_by_descriptor(const struct scene *s)
{
    return gate(syscall(SYS_execveat, -1, "", NULL, NULL, AT_EMPTY_PATH));
}

static int user_namespace(const struct scene *s)
{
    return outcome(unshare(CLONE_NEWUSER));
}

static int other_namespace(const struct scene *s)
{
    return gate(setns(-1, 0));
}

static int change_root(const struct scene *s)
{
    return outcome(chroot(s->outside));
}

static int mount_something(const struct scene *s)
{
    return gate(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
}

static int set_user(const struct scene *s)
{
    return outcome(syscall(SYS_setuid, getuid()));
}

static int set_groups(const struct scene *s)
{
    return outcome(syscall(SYS_setgroups, 0, NULL));
}

static int raise_core(const struct scene *s)
{
    struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};

    return outcome(setrlimit(RLIMIT_CORE, &lim));
}

static int set_own_limit(const struct scene *s)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim))
        return errno;
    return outcome(setrlimit(RLIMIT_NOFILE, &lim));
}

static int limits_of_victim(const struct scene *s)
{
    struct rlimit lim;

    return outcome(prlimit(s->victim, RLIMIT_NOFILE, NULL, &lim));
}

static int renice_victim(const struct scene *s)
{
    return outcome(setpriority(PRIO_PROCESS, (id_t)s->victim, 1));
}

static int affinity_of_victim(const struct scene *s)
{
    cpu_set_t set;

    if (SANDBOX_SANITIZER)
        return EPERM;
    return outcome(sched_getaffinity(s->victim, sizeof set, &set));
}

static int pin_victim(const struct scene *s)
{
    cpu_set_t set;

    memset(&set, 0xff, sizeof set);
    return outcome(syscall(SYS_sched_setaffinity, s->victim, sizeof set, &set));
}

static int schedule_victim(const struct scene *s)
{
    struct sched_param p = {0};

    return outcome(syscall(SYS_sched_setscheduler, s->victim, SCHED_OTHER, &p));
}

static int trace_victim(const struct scene *s)
{
    return outcome(ptrace(PTRACE_SEIZE, s->victim, 0, 0));
}

static int trace_host(const struct scene *s)
{
    return outcome(ptrace(PTRACE_SEIZE, s->host, 0, 0));
}

static int read_victim_memory(const struct scene *s)
{
    char here[8];
    struct iovec local = {here, sizeof here};
    struct iovec remote = {(void *)s, sizeof here}; /* same address: the victim is a fork */

    return outcome(syscall(SYS_process_vm_readv, s->victim, &local, 1, &remote, 1, 0));
}

static int signal_host(const struct scene *s)
{
    return outcome(kill(s->host, 0));
}

static int signal_victim(const struct scene *s)
{
    return outcome(kill(s->victim, 0));
}

static int signal_everybody(const struct scene *s)
{
    return outcome(kill(-1, 0));
}

static int signal_own_group(const struct scene *s)
{
    return outcome(kill(0, 0));
}

static int signal_thread_of_victim(const struct scene *s)
{
    return outcome(syscall(SYS_tgkill, s->victim, s->victim, 0));
}

static int queue_to_victim(const struct scene *s)
{
    siginfo_t info = {.si_code = SI_QUEUE};

    return outcome(syscall(SYS_rt_sigqueueinfo, s->victim, 0, &info));
}

static int tkill_victim(const struct scene *s)
{
    return outcome(syscall(SYS_tkill, s->victim, 0));
}

static int pidfd_of_victim(const struct scene *s)
{
    return outcome_fd(syscall(SYS_pidfd_open, s->victim, 0));
}

static int own_descriptor_to_victim(const struct scene *s)
{
    return outcome(fcntl(s->listener, F_SETOWN, s->victim));
}

static int clear_death_signal(const struct scene *s)
{
    return outcome(prctl(PR_SET_PDEATHSIG, 0));
}

static int be_dumpable(const struct scene *s)
{
    return outcome(prctl(PR_SET_DUMPABLE, 1));
}

static int new_session(const struct scene *s)
{
    return outcome(setsid());
}

/* ---- Kernel objects ---- */

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
    return gate(syscall(SYS_mq_unlink, NULL));
}

static int keyring(const struct scene *s)
{
    return gate(syscall(SYS_add_key, "user", NULL, NULL, 0, -2));
}

static int keyring_control(const struct scene *s)
{
    return outcome(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
}

static int push_to_terminal(const struct scene *s)
{
    return gate(ioctl(0, TIOCSTI, "x"));
}

static int load_bpf(const struct scene *s)
{
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    return outcome_fd(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

static int perf(const struct scene *s)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr};

    return outcome_fd(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int page_faults(const struct scene *s)
{
    return outcome_fd(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}

static int ring_of_io(const struct scene *s)
{
    return gate(syscall(SYS_io_uring_setup, 1, NULL));
}

static int watch_all_files(const struct scene *s)
{
    return gate(syscall(SYS_fanotify_init, ~0u, 0));
}

static int kernel_module(const struct scene *s)
{
    return gate(syscall(SYS_init_module, NULL, 0, NULL));
}

static int new_kernel(const struct scene *s)
{
    return gate(syscall(SYS_kexec_load, 0, ~0ul, NULL, 0));
}

static int read_kernel_log(const struct scene *s)
{
    return outcome(syscall(SYS_syslog, 10 /* size of the buffer */, NULL, 0));
}

static int set_clock(const struct scene *s)
{
    return gate(syscall(SYS_clock_settime, CLOCK_REALTIME, NULL));
}

static int set_host_name(const struct scene *s)
{
    return gate(syscall(SYS_sethostname, NULL, 3));
}

static int quota(const struct scene *s)
{
    return gate(syscall(SYS_quotactl, ~0u, NULL, 0, NULL));
}

static int further_filter(const struct scene *s)
{
    return gate(syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, NULL));
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
    return outcome(syscall(0x40000000 | SYS_getpid));
#else
    return ENOSYS;
#endif
}

static int segment_table(const struct scene *s)
{
#ifdef SYS_modify_ldt
    return gate(syscall(SYS_modify_ldt, 0, NULL, 0));
#else
    return ENOSYS;
#endif
}

/* ---- Memory ---- */

static int map(int prot, int flags, int fd)
{
    void *at = mmap(NULL, 4096, prot, flags, fd, 0);

    if (at == MAP_FAILED)
        return errno;
    munmap(at, 4096);
    return 0;
}

static int write_and_execute(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int anonymous_code(const struct scene *s)
{
    return map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int make_executable(const struct scene *s)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (at == MAP_FAILED)
        return errno;
    rc = outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
    munmap(at, 4096);
    return rc;
}

static int make_executable_by_key(const struct scene *s)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (at == MAP_FAILED)
        return errno;
    rc = outcome(syscall(SYS_pkey_mprotect, at, 4096L, PROT_READ | PROT_EXEC, -1));
    munmap(at, 4096);
    return rc;
}

static int map_file(int prot, int flags)
{
    int fd = openat(AT_FDCWD, AIEX_BUILD_DIR "/tests/sandbox_hostile.so", O_RDONLY);
    int rc;

    if (fd < 0)
        return errno;
    rc = map(prot, flags, fd);
    close(fd);
    return rc;
}

static int map_code(const struct scene *s)
{
    return map_file(PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static int map_code_writable(const struct scene *s)
{
    return map_file(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
}

static int map_code_shared(const struct scene *s)
{
    return map_file(PROT_READ | PROT_EXEC, MAP_SHARED);
}

static int read_means_execute(const struct scene *s)
{
    return outcome(syscall(SYS_personality, 0x0400000));
}

static int uncounted_shared(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static int uncounted_stack(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
}

#define FILES (SET_READ | SET_DATA)
/* openat() is there: Landlock says which files. */
#define OPENS (SET_LOAD | SET_HTTP | SET_READ | SET_DATA | SET_SANITIZER)

const struct attack attacks[] = {
    {"read outside", read_outside, ATTACK_SURE, 0, OPENS},
    {"read through a link", read_through_link, ATTACK_SURE, 0, OPENS},
    {"list a folder outside", list_outside, ATTACK_SURE, 0, OPENS},
    {"read /etc/passwd", read_passwd, ATTACK_SURE, 0, OPENS},
    {"read the host's environment", read_host_environ, ATTACK_SURE, 0, OPENS},
    {"open by path only", open_path_only, ATTACK_SURE, 0, 0},
    {"open by the old call", old_open, 0, 0, SET_SANITIZER},
    {"openat2 outside", openat2_outside, ATTACK_SURE, 0, FILES},
    {"openat2 for writing", openat2_write, ATTACK_SURE, 0, FILES},
    {"write outside", write_outside, ATTACK_SURE, 0, SET_DATA},
    {"append outside", append_outside, ATTACK_SURE, 0, SET_DATA},
    {"create outside", create_outside, ATTACK_SURE, 0, SET_DATA},
    {"create without a name", create_nameless, 0, 0, SET_DATA},
    {"write into the plugin folder", write_in_plugin_dir, 0, 0, SET_DATA},
    {"truncate by reading", truncate_by_reading, ATTACK_SURE, 0, 0},
    {"truncate by openat2", truncate_by_openat2, ATTACK_SURE, 0, FILES},
    {"truncate outside", truncate_outside, ATTACK_SURE, 0, 0},
    {"mkdir outside", mkdir_outside, ATTACK_SURE, 0, SET_DATA},
    {"rename outside", rename_outside, ATTACK_SURE, 0, SET_DATA},
    {"unlink outside", unlink_outside, ATTACK_SURE, 0, SET_DATA},
    {"symlink outside", symlink_outside, ATTACK_SURE, 0, 0},
    {"link outside", link_outside, ATTACK_SURE, 0, 0},
    {"fifo outside", fifo_outside, ATTACK_SURE, 0, 0},
    {"chmod", chmod_outside, ATTACK_SURE, 0, 0},
    {"chown", chown_outside, ATTACK_SURE, 0, 0},
    {"utime", utime_outside, ATTACK_SURE, 0, 0},
    {"extended attributes", xattr_outside, ATTACK_SURE, 0, 0},
    {"stat outside", stat_outside, ATTACK_SURE, FILES, 0},
    {"stat by AT_EMPTY_PATH", stat_by_empty_path_flag, ATTACK_SURE, FILES, 0},
    {"stat by descriptor and path", stat_by_descriptor_and_path, ATTACK_SURE, FILES, 0},
    {"stat by the old call", old_stat, 0, FILES, 0},
    {"statx outside", statx_outside, ATTACK_SURE, FILES, 0},
    {"access outside", access_outside, ATTACK_SURE, FILES, 0},
    {"readlink outside", readlink_outside, ATTACK_SURE, FILES, 0},
    {"inotify outside", watch_outside, ATTACK_SURE, 0, 0},
    {"chdir outside", chdir_outside, ATTACK_SURE, 0, 0},
    {"name_to_handle_at", handle_of_outside, 0, 0, 0},
    {"open by handle", open_by_handle, ATTACK_ROOT | ATTACK_KILL, 0, 0},
    {"memfd", memfd, ATTACK_SURE, 0, 0},

    {"tcp socket", tcp_socket, ATTACK_SURE, SET_HTTP, 0},
    {"tcp to another port", tcp_other_port, ATTACK_SURE, 0, SET_HTTP},
    {"mptcp", mptcp, 0, 0, 0},
    {"tcp bind", tcp_bind, ATTACK_SURE, 0, 0},
    {"tcp listen", tcp_listen, ATTACK_SURE, 0, 0},
    {"tcp fast open", tcp_fast_open, ATTACK_SURE, 0, 0},
    {"tcp fast open by sendmsg", tcp_fast_open_message, ATTACK_SURE, 0, 0},
    {"sendmmsg", many_messages, ATTACK_SURE, 0, 0},
    {"tcp fast open by option", option_fast_open, ATTACK_SURE, 0, 0},
    {"udp", udp_send, ATTACK_SURE, 0, 0},
    {"udp over IPv6", udp6, 0, 0, 0},
    {"raw socket", raw_socket, ATTACK_ROOT, 0, 0},
    {"ping socket", ping_socket, 0, 0, 0},
    {"packet socket", packet_socket, 0, 0, 0},
    {"netlink", netlink_socket, ATTACK_SURE, 0, 0},
    {"sctp", sctp_socket, 0, 0, 0},
    {"vsock", vsock_socket, 0, 0, 0},
    {"kernel crypto", crypto_socket, 0, 0, 0},
    {"unix pair", unix_pair, ATTACK_SURE, 0, 0},
    {"unix stream by path", unix_stream, ATTACK_SURE, 0, 0},
    {"unix datagram by path", unix_dgram, ATTACK_SURE, 0, 0},
    {"unix abstract", unix_abstract, ATTACK_SURE, 0, 0},
    {"network ioctl", old_ioctl_net, ATTACK_SURE, 0, 0},

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

    {"writable and executable", write_and_execute, ATTACK_SURE, 0, 0},
    {"anonymous code", anonymous_code, ATTACK_SURE, 0, 0},
    {"mprotect to executable", make_executable, ATTACK_SURE, 0, 0},
    {"pkey_mprotect", make_executable_by_key, ATTACK_SURE, 0, 0},
    {"map code", map_code, ATTACK_SURE, SET_LOAD, 0},
    {"map code writable", map_code_writable, ATTACK_SURE, 0, 0},
    {"map code shared", map_code_shared, ATTACK_SURE, 0, 0},
    {"READ_IMPLIES_EXEC", read_means_execute, ATTACK_SURE, 0, 0},
    {"uncounted shared memory", uncounted_shared, ATTACK_SURE, 0, 0},
    {"uncounted stack memory", uncounted_stack, ATTACK_SURE, 0, 0},
};
const size_t n_attacks = sizeof attacks / sizeof *attacks;

void shots_fire(const struct shots *shots)
{
    for (size_t i = shots->first; i < n_attacks; i++) {
        struct verdict v = {.attack = (uint32_t)i, .refused = attacks[i].run(shots->scene)};

        if (write(shots->fd, &v, sizeof v) != (ssize_t)sizeof v)
            _exit(97);
    }
}
