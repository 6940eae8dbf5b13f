/*
 * bench_limits.c - what this machine can do at best, measured in the same run as the
 * product: the cost of a process switch, of a system call's wake-up, of copying bytes,
 * of making a process and of losing one. Prints rows `limit.NAME value unit`.
 *
 * "same core" binds both sides to one processor, as the call benchmarks do: what is
 * measured is then the switch, not the wake-up of a sleeping virtual processor.
 */
#include "measure.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    _Alignas(128) atomic_uint ping;
    _Alignas(128) atomic_uint pong;
};

static struct shared *share(void)
{
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);

    if (p == MAP_FAILED)
        give_up("no shared memory");
    return p;
}

static void futex(atomic_uint *at, int op, unsigned value)
{
    syscall(SYS_futex, at, op, value, NULL, NULL, 0);
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void futex_pingpong(void)
{
    struct shared *s = share();
    struct series took = {0};
    pid_t pid = fork();

    if (pid == 0)
        for (unsigned i = 1;; i++) {
            while (atomic_load(&s->ping) != i)
                futex(&s->ping, FUTEX_WAIT, i - 1);
            atomic_store(&s->pong, i);
            futex(&s->pong, FUTEX_WAKE, 1);
        }
    for (unsigned i = 1; i <= (unsigned)rounds(50000, 5000); i++) {
        uint64_t t = now_ns();

        atomic_store(&s->ping, i);
        futex(&s->ping, FUTEX_WAKE, 1);
        while (atomic_load(&s->pong) != i)
            futex(&s->pong, FUTEX_WAIT, i - 1);
        series_add(&took, (double)(now_ns() - t) / 1e3);
    }
    end_child(pid);
    row("limit.futex_pingpong_same_core.p50", series_at(&took, 0.5), "us");
    row("limit.futex_pingpong_same_core.p99", series_at(&took, 0.99), "us");
    series_done(&took);
    munmap(s, sizeof(*s));
}

static void wait_on(int epoll, int fd)
{
    struct epoll_event e;
    uint64_t v;

    while (epoll_wait(epoll, &e, 1, -1) < 0 && errno == EINTR)
        ;
    if (read(fd, &v, sizeof(v)) < 0)
        _exit(1);
}

static void wake(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0)
        _exit(1);
}

/* As two event loops do it. */
static void eventfd_pingpong(void)
{
    int ping = eventfd(0, 0), pong = eventfd(0, 0);
    struct series took = {0};
    pid_t pid = fork();
    int mine = pid ? pong : ping, epoll = epoll_create1(0);

    epoll_ctl(epoll, EPOLL_CTL_ADD, mine, &(struct epoll_event){.events = EPOLLIN});
    if (pid == 0)
        for (;;) {
            wait_on(epoll, ping);
            wake(pong);
        }
    for (long i = 0; i < rounds(50000, 5000); i++) {
        uint64_t t = now_ns();

        wake(ping);
        wait_on(epoll, pong);
        series_add(&took, (double)(now_ns() - t) / 1e3);
    }
    end_child(pid);
    row("limit.eventfd_epoll_pingpong_same_core.p50", series_at(&took, 0.5), "us");
    series_done(&took);
    close(epoll);
    close(ping);
    close(pong);
}

enum { SLOTS = 1024, AHEAD = 128 };

struct ring {
    _Alignas(128) atomic_ulong tail;
    _Alignas(128) atomic_ulong head;
    char data[SLOTS][64];
};

static int ring_take(struct ring *r, unsigned long i, char *record)
{
    if (atomic_load_explicit(&r->tail, memory_order_acquire) == i)
        return 0;
    memcpy(record, r->data[i % SLOTS], sizeof(r->data[0]));
    atomic_store_explicit(&r->head, i + 1, memory_order_release);
    return 1;
}

static void ring_put(struct ring *r, unsigned long i, const char *record)
{
    memcpy(r->data[i % SLOTS], record, sizeof(r->data[0]));
    atomic_store_explicit(&r->tail, i + 1, memory_order_release);
}

/* Calls of 64 bytes and their answers between two processes that never sleep, each on a core of its
 * own, 128 in flight: pipelined calls can not be faster than this. */
static void spinning_calls(void)
{
    struct ring *r = mmap(NULL, 2 * sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0);
    unsigned long n = (unsigned long)rounds(5000000, 500000), sent = 0, done = 0;
    char record[64] = {0};
    uint64_t t;
    pid_t pid;

    if (r == MAP_FAILED || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return;
    pid = fork();
    bind_cpu(pid ? 0 : 1);
    while (pid == 0) {
        if (ring_take(&r[0], done, record))
            ring_put(&r[1], done++, record);
        if (done == n)
            _exit(0);
    }
    t = now_ns();
    while (done < n) {
        if (sent < n && sent - done < AHEAD)
            ring_put(&r[0], sent++, record);
        done += (unsigned long)ring_take(&r[1], done, record);
    }
    row("limit.spinning_calls_64B_w128", (double)n * 1e3 / (double)(now_ns() - t), "M/s");
    waitpid(pid, NULL, 0);
    munmap(r, 2 * sizeof(*r));
    bind_cpu(0);
}

static int add(int a, int b)
{
    return a + b;
}

static void raw_call(void)
{
    int (*volatile fn)(int, int) = add;
    long n = rounds(50000000, 5000000);
    int sum = 0;
    uint64_t t = now_ns();

    for (long i = 0; i < n; i++)
        sum = fn(sum, 1);
    row("limit.raw_call", (double)(now_ns() - t) / (double)n, "ns");
}

static void atomic_read(void)
{
    static atomic_long value;
    long n = rounds(200000000, 20000000);
    uint64_t t = now_ns();

    for (long i = 0; i < n; i++)
        (void)atomic_load_explicit(&value, memory_order_relaxed);
    row("limit.atomic_load", (double)n * 1e3 / (double)(now_ns() - t), "M/s");
}

static void copying(void)
{
    size_t n = 64u << 20;
    char *from = malloc(n), *to = malloc(n);
    double best = 0;

    if (!from || !to)
        give_up("no memory");
    memset(from, 1, n);
    memset(to, 2, n);
    for (long i = 0; i < rounds(8, 2); i++) {
        uint64_t t = now_ns();
        double rate;

        memcpy(to, from, n);
        __asm__ volatile("" ::: "memory");
        rate = (double)n / (double)(now_ns() - t);
        best = rate > best ? rate : best;
    }
    row("limit.memcpy_64MB", best, "GB/s");
    free(from);
    free(to);
}

static void executing(void)
{
    extern char **environ;
    char *argv[] = {"/bin/true", NULL};
    struct series took = {0};

    for (long i = 0; i < rounds(200, 20); i++) {
        uint64_t t = now_ns();
        pid_t pid;

        if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
            give_up("/bin/true can not be started");
        waitpid(pid, NULL, 0);
        series_add(&took, (double)(now_ns() - t) / 1e6);
    }
    row("limit.exec_true.p50", series_at(&took, 0.5), "ms");
    series_done(&took);
}

/* From the signal until the parent knows: what no supervisor can be faster than. */
static void dying(void)
{
    struct series took = {0};

    for (long i = 0; i < rounds(200, 20); i++) {
        pid_t pid = fork();
        struct pollfd p = {.events = POLLIN};
        uint64_t t;

        if (pid == 0) {
            signal(SIGSEGV, SIG_DFL);
            for (;;)
                pause();
        }
        p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
        pause_ms(1);
        t = now_ns();
        kill(pid, SIGSEGV);
        while (poll(&p, 1, -1) < 1)
            ;
        series_add(&took, (double)(now_ns() - t) / 1e6);
        waitpid(pid, NULL, 0);
        close(p.fd);
    }
    row("limit.sigsegv_until_pidfd.p50", series_at(&took, 0.5), "ms");
    series_done(&took);
}

int main(void)
{
    bind_cpu(0);
    futex_pingpong();
    eventfd_pingpong();
    raw_call();
    atomic_read();
    copying();
    executing();
    dying();
    spinning_calls();
    return 0;
}
