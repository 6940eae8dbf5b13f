/*
 * rules.c - the allow list of all profiles. docs/sandbox.md gives the reason of each set.
 *
 * To read it: rows of SET_BASE hold in every cell; the others add to it. SET_LOAD is gone after
 * sandbox_tighten(), which installs the same table a second time without it (the kernel then
 * applies the stricter answer of both). Seccomp sees numbers, never what pointers point at: a call
 * whose danger is in memory (a path, a struct) is allowed as a whole or not at all.
 */
#include "runner/sandbox/rules.h"

#include "runner/sandbox/profile.h"
#include "runner/sandbox/stat_trap.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define INT_MASK    0xffffffffu
#define SET_FILES   (SET_READ | SET_DATA)
#define SET_OUT     (SET_HTTP | SET_NAMES)
#define SET_SOCKETS (SET_OUT | SET_LISTEN)

/* clang-format off */
/* Conditions on argument n. */
#define IS(n, number)     {.arg = (n), .mask = INT_MASK, .value = (uint32_t)(number)}
#define NONE_OF(n, bits)  {.arg = (n), .mask = (uint32_t)(bits), .value = 0}
#define BITS(n, bits, v)  {.arg = (n), .mask = (uint32_t)(bits), .value = (uint32_t)(v)}
#define ZERO(n)           {.arg = (n), .mask = UINT64_MAX, .value = 0}
#define SELF(n)           {.arg = (n), .mask = INT_MASK, .self = 1}
/* Row shapes. */
#define WHEN(name, set, ...) {.call = (name), .sets = (set), .when = {__VA_ARGS__}}
#define FREE(name, set)      {.call = (name), .sets = (set)}
#define KILL(name)           {.call = (name), .sets = SET_BASE, .action = RULE_KILL}
#define NOSYS(name, except)  {.call = (name), .sets = SET_BASE, .unless = (except), .action = RULE_NOSYS}
/* clang-format on */

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | TMPFILE_BIT)
/* O_PATH opens anything without a check by Landlock, and fstat() then works on it. */
#define OPEN_READS(n) NONE_OF(n, OPEN_WRITES | O_PATH)

/* Not counted by RLIMIT_DATA: shared anonymous memory, stacks by MAP_GROWSDOWN, huge pages. */
#define MAP_UNCOUNTED (MAP_GROWSDOWN | MAP_HUGETLB)
#define MAP_OWN       (MAP_PRIVATE | MAP_ANONYMOUS)
#define MAP_KIND      (MAP_TYPE | MAP_ANONYMOUS | MAP_UNCOUNTED)

#define SOCKET_TYPE (INT_MASK & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC))
#define TCP(family, protocol)                                                                      \
    WHEN("socket", SET_OUT, IS(0, family), BITS(1, SOCKET_TYPE, SOCK_STREAM), IS(2, protocol))
#define UDP(family, protocol)                                                                      \
    WHEN("socket", SET_NAMES, IS(0, family), BITS(1, SOCKET_TYPE, SOCK_DGRAM), IS(2, protocol))
#define OPTION(level, name) WHEN("setsockopt", SET_SOCKETS, IS(1, level), IS(2, name))
#define CONTROL(name)       WHEN("fcntl", SET_BASE, IS(1, name))
#define LOCK(name)          WHEN("fcntl", SET_DATA, IS(1, name))

/* What pthread_create() of glibc asks for: a thread, no namespace, no other parent. */
#define CLONE_AS_THREAD                                                                            \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

const struct rule sandbox_rules[] = {
    /* Memory. Never writable and executable at once, in no stage. */
    FREE("brk", SET_BASE),
    FREE("munmap", SET_BASE),
    FREE("mremap", SET_BASE),
    FREE("madvise", SET_BASE),
    FREE("mlock", SET_BASE), /* pages with keys; RLIMIT_MEMLOCK bounds it */
    FREE("munlock", SET_BASE),
    WHEN("mprotect", SET_BASE, NONE_OF(2, PROT_EXEC)),
    WHEN("mmap", SET_BASE, NONE_OF(2, PROT_EXEC), BITS(3, MAP_KIND, MAP_OWN)),
    WHEN("mmap", SET_BASE, NONE_OF(2, PROT_EXEC), NONE_OF(3, MAP_ANONYMOUS | MAP_UNCOUNTED)),
    WHEN("mmap", SET_LOAD, BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
         BITS(3, MAP_KIND, MAP_PRIVATE)),

    /* Descriptors that the cell already has. */
    FREE("read", SET_BASE),
    FREE("readv", SET_BASE),
    FREE("pread64", SET_BASE),
    FREE("preadv", SET_BASE),
    FREE("write", SET_BASE),
    FREE("writev", SET_BASE),
    FREE("lseek", SET_BASE),
    FREE("close", SET_BASE),
    FREE("close_range", SET_BASE),
    FREE("dup", SET_BASE),
    FREE("dup2", SET_BASE),
    FREE("dup3", SET_BASE),
    FREE("fstat", SET_BASE),
    /* Not F_SETOWN, F_SETSIG (signals to others), F_SETLEASE, F_NOTIFY. */
    CONTROL(F_DUPFD),
    CONTROL(F_DUPFD_CLOEXEC),
    CONTROL(F_GETFD),
    CONTROL(F_SETFD),
    CONTROL(F_GETFL),
    CONTROL(F_SETFL),
    CONTROL(F_GET_SEALS),
    WHEN("ioctl", SET_BASE, IS(1, FIONBIO)),
    WHEN("ioctl", SET_BASE, IS(1, FIONREAD)),

    /* The control socket (arenas, passed listeners) and connected sockets. MSG_FASTOPEN would
     * connect where Landlock does not look. */
    FREE("recvfrom", SET_BASE),
    FREE("recvmsg", SET_BASE),
    WHEN("sendto", SET_BASE, NONE_OF(3, MSG_FASTOPEN)),
    WHEN("sendmsg", SET_BASE, NONE_OF(2, MSG_FASTOPEN)),
    FREE("shutdown", SET_BASE),

    /* The loop. */
    FREE("epoll_create", SET_BASE),
    FREE("epoll_create1", SET_BASE),
    FREE("epoll_ctl", SET_BASE),
    FREE("epoll_wait", SET_BASE),
    FREE("epoll_pwait", SET_BASE),
    FREE("epoll_pwait2", SET_BASE),
    FREE("poll", SET_BASE),
    FREE("ppoll", SET_BASE),
    FREE("select", SET_BASE),
    FREE("pselect6", SET_BASE),
    FREE("eventfd2", SET_BASE),
    FREE("timerfd_create", SET_BASE),
    FREE("timerfd_settime", SET_BASE),
    FREE("timerfd_gettime", SET_BASE),
    FREE("futex", SET_BASE),
    FREE("membarrier", SET_BASE),
    FREE("sched_yield", SET_BASE),
    FREE("restart_syscall", SET_BASE),

    /* Time, chance, and what a process may know about itself. */
    FREE("clock_gettime", SET_BASE),
    FREE("clock_getres", SET_BASE),
    FREE("clock_nanosleep", SET_BASE),
    FREE("nanosleep", SET_BASE),
    FREE("gettimeofday", SET_BASE),
    FREE("time", SET_BASE),
    FREE("times", SET_BASE),
    FREE("getrandom", SET_BASE),
    FREE("getpid", SET_BASE),
    FREE("gettid", SET_BASE),
    FREE("getppid", SET_BASE),
    FREE("getuid", SET_BASE),
    FREE("geteuid", SET_BASE),
    FREE("getgid", SET_BASE),
    FREE("getegid", SET_BASE),
    FREE("uname", SET_BASE),
    FREE("sysinfo", SET_BASE), /* qsort() asks how much memory there is */
    FREE("getrlimit", SET_BASE),
    WHEN("prlimit64", SET_BASE, IS(0, 0), ZERO(2)),
    WHEN("prlimit64", SET_BASE, SELF(0), ZERO(2)),
    WHEN("getrusage", SET_BASE, IS(0, 0)),
    WHEN("sched_getaffinity", SET_BASE, IS(0, 0)),
    WHEN("prctl", SET_BASE, IS(0, PR_SET_NAME)),
    WHEN("prctl", SET_BASE, IS(0, PR_GET_NAME)),
    WHEN("prctl", SET_BASE, IS(0, PR_SET_VMA)),

    /* Signals: its own only, so that abort() ends with SIGABRT. */
    FREE("rt_sigaction", SET_BASE),
    FREE("rt_sigprocmask", SET_BASE),
    FREE("rt_sigpending", SET_BASE),
    FREE("rt_sigtimedwait", SET_BASE),
    FREE("rt_sigreturn", SET_BASE),
    FREE("sigaltstack", SET_BASE),
    WHEN("tgkill", SET_BASE, SELF(0)),
    WHEN("kill", SET_BASE, SELF(0)),
    FREE("exit", SET_BASE),
    FREE("exit_group", SET_BASE),

/* fstat() of glibc 2.33 to 2.38 is newfstatat(fd, "", AT_EMPTY_PATH), and that flag does not
 * forbid a path: the trap looks at the string and calls fstat. */
#if STAT_TRAP
    {.call = "newfstatat", .sets = SET_BASE, .unless = SET_FILES, .action = RULE_TRAP},
#else
    {.call = "newfstatat",
     .sets = SET_BASE,
     .unless = SET_FILES,
     .when = {BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)}},
#endif

    /* Loading a library, and the second filter. */
    WHEN("openat", SET_LOAD | SET_OUT | SET_READ, OPEN_READS(2)),
    FREE("seccomp", SET_LOAD),

    /* TCP to a port that Landlock lets through. Not UDP, not MPTCP, not TCP_FASTOPEN_CONNECT. */
    TCP(AF_INET, 0),
    TCP(AF_INET, IPPROTO_TCP),
    TCP(AF_INET6, 0),
    TCP(AF_INET6, IPPROTO_TCP),
    FREE("connect", SET_OUT),

    /* Name servers. The C library sends both questions at once and wants to hear of errors. */
    UDP(AF_INET, 0),
    UDP(AF_INET, IPPROTO_UDP),
    UDP(AF_INET6, 0),
    UDP(AF_INET6, IPPROTO_UDP),
    WHEN("sendmmsg", SET_NAMES, NONE_OF(3, MSG_FASTOPEN)),
    WHEN("setsockopt", SET_NAMES, IS(1, IPPROTO_IP), IS(2, IP_RECVERR)),
    WHEN("setsockopt", SET_NAMES, IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVERR)),

    /* Listening sockets come from the host, ready. */
    FREE("accept4", SET_LISTEN),
    FREE("accept", SET_LISTEN),

    FREE("getsockname", SET_SOCKETS),
    FREE("getpeername", SET_SOCKETS),
    WHEN("getsockopt", SET_SOCKETS, IS(1, SOL_SOCKET)),
    WHEN("getsockopt", SET_SOCKETS, IS(1, IPPROTO_TCP)),
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_LINGER),
    OPTION(SOL_SOCKET, SO_SNDBUF),
    OPTION(SOL_SOCKET, SO_RCVBUF),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_QUICKACK),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),

    /* Looking at files. Landlock guards contents and listings, not metadata. */
    FREE("newfstatat", SET_FILES),
    FREE("stat", SET_FILES),
    FREE("lstat", SET_FILES),
    FREE("statx", SET_FILES),
    FREE("access", SET_FILES),
    FREE("faccessat", SET_FILES),
    FREE("faccessat2", SET_FILES),
    FREE("readlink", SET_FILES),
    FREE("readlinkat", SET_FILES),
    FREE("getdents64", SET_FILES),
    FREE("getcwd", SET_FILES),
    FREE("fadvise64", SET_FILES),
    FREE("openat2", SET_BENEATH),
    NOSYS("openat2", SET_BENEATH),
    NOSYS("statx", SET_FILES),

    /* An own folder: databases and logs. No chmod, chown, utime, links, pipes, devices. */
    WHEN("openat", SET_DATA, BITS(2, O_ACCMODE | O_PATH, O_WRONLY)),
    WHEN("openat", SET_DATA, BITS(2, O_ACCMODE | O_PATH, O_RDWR)),
    /* Reading and O_TRUNC empties a readable file where Landlock is older than ABI 3. */
    WHEN("openat", SET_DATA, NONE_OF(2, O_ACCMODE | O_PATH | O_TRUNC)),
    FREE("pwrite64", SET_DATA),
    FREE("pwritev", SET_DATA),
    FREE("fsync", SET_DATA),
    FREE("fdatasync", SET_DATA),
    FREE("sync_file_range", SET_DATA),
    FREE("msync", SET_DATA),
    FREE("ftruncate", SET_DATA),
    FREE("fallocate", SET_DATA),
    FREE("flock", SET_DATA),
    LOCK(F_GETLK),
    LOCK(F_SETLK),
    LOCK(F_SETLKW),
    LOCK(F_OFD_GETLK),
    LOCK(F_OFD_SETLK),
    LOCK(F_OFD_SETLKW),
    FREE("rename", SET_DATA),
    FREE("renameat", SET_DATA),
    FREE("renameat2", SET_DATA),
    FREE("unlink", SET_DATA),
    FREE("unlinkat", SET_DATA),
    FREE("mkdir", SET_DATA),
    FREE("mkdirat", SET_DATA),
    FREE("rmdir", SET_DATA),
    FREE("statfs", SET_DATA),
    FREE("fstatfs", SET_DATA),

    /* Threads, never processes. clone3 hides its flags in memory. */
    WHEN("clone", SET_THREADS, IS(0, CLONE_AS_THREAD)),
    FREE("set_robust_list", SET_THREADS),
    FREE("rseq", SET_THREADS),
    FREE("sched_getaffinity", SET_THREADS | SET_SANITIZER),
    NOSYS("clone3", 0),

    /* A sanitizer's runtime: it reads its own maps and writes reports. */
    WHEN("open", SET_SANITIZER, OPEN_READS(1)),
    WHEN("openat", SET_SANITIZER, OPEN_READS(2)),
    FREE("mincore", SET_SANITIZER),
    FREE("pipe", SET_SANITIZER),
    FREE("pipe2", SET_SANITIZER),

    /* No library does these by accident. */
    KILL("execve"),
    KILL("execveat"),
    KILL("ptrace"),
    KILL("process_vm_readv"),
    KILL("process_vm_writev"),
    KILL("pidfd_getfd"),
    KILL("kcmp"),
    KILL("bpf"),
    KILL("perf_event_open"),
    KILL("userfaultfd"),
    KILL("open_by_handle_at"),
    KILL("init_module"),
    KILL("finit_module"),
    KILL("delete_module"),
    KILL("kexec_load"),
    KILL("kexec_file_load"),
    KILL("mount"),
    KILL("umount2"),
    KILL("pivot_root"),
    KILL("move_mount"),
    KILL("open_tree"),
    KILL("fsopen"),
    KILL("fsmount"),
    KILL("mount_setattr"),
    KILL("chroot"),
    KILL("unshare"),
    KILL("setns"),
    KILL("reboot"),
    KILL("swapon"),
    KILL("swapoff"),
    KILL("modify_ldt"),
    KILL("ioperm"),
    KILL("iopl"),
    {0},
};
