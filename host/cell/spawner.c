/* spawner.c - see spawner.h. The zygote answers in order, so what it owes is a queue. */
#include "cell/spawner.h"

#include "base/list.h"
#include "base/log.h"
#include "channel/fdpass.h"
#include "wire/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct order {
    struct list link;
    uint8_t *message;
    size_t len;
    int fds[START_FDS];
    spawner_made_fn made;
    void *arg;
    int pid, pidfd; /* direct spawns: ready to be told */
};

struct spawner {
    struct loop *loop;
    char runner[256], preload[256];
    int want_zygote;
    int zygote_pid, zygote_sock;
    unsigned zygote_deaths;
    struct loop_watch *watch;
    struct loop_timer *soon;
    struct list owed;  /* by the zygote */
    struct list ready; /* spawned directly, to be told from the loop */
};

static void order_free(struct order *o)
{
    list_remove(&o->link);
    if (o->message)
        explicit_bzero(o->message, o->len);
    free(o->message);
    for (int i = 0; i < START_FDS; i++)
        if (o->fds[i] >= 0)
            close(o->fds[i]);
    free(o);
}

/* Runs the runner with descriptor 3 = its end of a new control socket. */
static int run_runner(struct spawner *sp, const char *mode, int *ret_sock)
{
    char *argv[] = {sp->runner, (char *)mode, sp->preload, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int pair[2], pid, r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    if (pair[1] == 3) {
        int moved = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);

        close(pair[1]);
        pair[1] = moved;
        posix_spawn_file_actions_destroy(&actions);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    }
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = posix_spawn(&pid, sp->runner, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    if (r) {
        close(pair[0]);
        return -r;
    }
    *ret_sock = pair[0];
    return pid;
}

static int pidfd_of(int pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static void spawn_directly(struct spawner *sp, struct order *o)
{
    int sock = -1, pid = run_runner(sp, "cell", &sock);

    o->pidfd = -1;
    if (pid > 0) {
        /* descriptor 3 carries the message; the control socket is among the descriptors */
        ssize_t n = fdpass_send(sock, o->message, o->len, o->fds, START_FDS);

        o->pidfd = pidfd_of(pid);
        if (n < 0 || o->pidfd < 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            if (o->pidfd >= 0)
                close(o->pidfd);
            pid = n < 0 ? (int)n : -EMFILE;
            o->pidfd = -1;
        }
        close(sock);
    }
    o->pid = pid;
    list_remove(&o->link);
    list_append(&sp->ready, &o->link);
    loop_timer_set(sp->soon, 0, 0);
}

static void tell_ready(void *arg)
{
    struct spawner *sp = arg;

    while (!list_empty(&sp->ready)) {
        struct order *o = list_of(sp->ready.next, struct order, link);
        spawner_made_fn made = o->made;
        void *made_arg = o->arg;
        int pid = o->pid, pidfd = o->pidfd;

        order_free(o);
        made(made_arg, pid, pidfd);
    }
}

static void kill_unwanted(void *arg, int pid, int pidfd)
{
    if (pid > 0)
        kill(pid, SIGKILL);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (pidfd >= 0)
        close(pidfd);
}

static void zygote_start(struct spawner *sp);

static void zygote_gone(struct spawner *sp)
{
    loop_watch_free(sp->watch);
    sp->watch = NULL;
    close(sp->zygote_sock);
    sp->zygote_sock = -1;
    kill(sp->zygote_pid, SIGKILL);
    waitpid(sp->zygote_pid, NULL, 0);
    sp->zygote_pid = 0;
    sp->zygote_deaths++;
    list_each_safe(it, next, &sp->owed)
        spawn_directly(sp, list_of(it, struct order, link));
}

static void on_zygote(void *arg, unsigned events)
{
    struct spawner *sp = arg;

    for (;;) {
        int fds[1] = {-1}, n_fds = 1, pid = 0;
        ssize_t n = fdpass_recv(sp->zygote_sock, &pid, sizeof(pid), fds, &n_fds);
        struct order *o;

        if (n == -EAGAIN)
            return;
        if (n != sizeof(pid) || list_empty(&sp->owed)) {
            if (n_fds)
                close(fds[0]);
            log_warn("the zygote ended; cells are spawned directly until a new one is up");
            zygote_gone(sp);
            if (sp->want_zygote && sp->zygote_deaths < 5)
                zygote_start(sp);
            return;
        }
        o = list_of(sp->owed.next, struct order, link);
        if (pid > 0 && n_fds == 1) {
            spawner_made_fn made = o->made;
            void *made_arg = o->arg;

            order_free(o);
            made(made_arg, pid, fds[0]);
        } else {
            spawn_directly(sp, o); /* e.g. clone3 refused by a container's filter */
        }
        if (!sp->watch)
            return;
    }
}

static void zygote_start(struct spawner *sp)
{
    int pid = run_runner(sp, "zygote", &sp->zygote_sock);

    if (pid <= 0) {
        log_warn("no zygote: %s; cells are spawned directly", strerror(-pid));
        sp->zygote_sock = -1;
        return;
    }
    sp->zygote_pid = pid;
    fcntl(sp->zygote_sock, F_SETFL, O_NONBLOCK);
    sp->watch = loop_watch_new(sp->loop, sp->zygote_sock, LOOP_READ, on_zygote, sp);
}

struct spawner *spawner_new(struct loop *loop, const char *runner, const char *preload, int zygote)
{
    struct spawner *sp = calloc(1, sizeof(*sp));

    if (!sp)
        return NULL;
    sp->loop = loop;
    sp->zygote_sock = -1;
    sp->want_zygote = zygote;
    snprintf(sp->runner, sizeof(sp->runner), "%s", runner);
    snprintf(sp->preload, sizeof(sp->preload), "%s", preload);
    list_init(&sp->owed);
    list_init(&sp->ready);
    sp->soon = loop_timer_new(loop, tell_ready, sp);
    if (zygote)
        zygote_start(sp);
    return sp;
}

void spawner_stop_zygote(struct spawner *sp)
{
    sp->want_zygote = 0;
    if (sp->zygote_pid)
        zygote_gone(sp);
}

void spawner_free(struct spawner *sp)
{
    if (!sp)
        return;
    spawner_stop_zygote(sp);
    tell_ready(sp);
    loop_timer_free(sp->soon);
    free(sp);
}

int spawner_start(struct spawner *sp, struct aiex_slice message, const int *fds,
                  spawner_made_fn made, void *arg)
{
    struct order *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    list_init(&o->link);
    /* own copies: the zygote may die with the order unfilled, after the caller closed its own */
    for (int i = 0; i < START_FDS; i++)
        o->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
    o->message = malloc(message.len);
    for (int i = 0; i < START_FDS; i++)
        if (!o->message || o->fds[i] < 0) {
            order_free(o);
            return -EMFILE;
        }
    memcpy(o->message, message.data, message.len);
    o->len = message.len;
    o->made = made;
    o->arg = arg;
    list_append(&sp->owed, &o->link);
    if (!sp->zygote_pid || fdpass_send(sp->zygote_sock, message.data, message.len, fds, START_FDS) < 0)
        spawn_directly(sp, o);
    return 0;
}

void spawner_forget(struct spawner *sp, void *arg)
{
    struct list *queues[2] = {&sp->owed, &sp->ready};

    for (int q = 0; q < 2; q++)
        list_each(it, queues[q]) {
            struct order *o = list_of(it, struct order, link);

            if (o->arg == arg)
                o->made = kill_unwanted;
        }
}

int spawner_busy(const struct spawner *sp)
{
    return !list_empty(&sp->owed) || !list_empty(&sp->ready);
}

int spawner_has_zygote(const struct spawner *sp)
{
    return sp->zygote_pid > 0;
}

int spawner_zygote_pid(const struct spawner *sp)
{
    return sp->zygote_pid;
}
