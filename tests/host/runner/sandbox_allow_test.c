/*
 * sandbox_allow_test.c - what a profile allows must work: each case is a body that runs in a
 * process which has entered and tightened, and returns the number of the first check that failed.
 */
#include "sandbox_cell.h"
#include "test.h"

#include "runner/sandbox/landlock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A failed check prints itself; its number is the exit code. */
static int n_checks;
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        n_checks++;                                                                                \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "\n  %s:%d: %s (%s)", __FILE__, __LINE__, #condition,                  \
                    strerror(errno));                                                              \
            return n_checks;                                                                       \
        }                                                                                          \
    } while (0)

/* What the process has before it is sealed. */
struct given {
    const struct scene *scene;
    int pair[2]; /* the control socket */
    int memfd;   /* the rings */
    int client;  /* connected to the listener, not yet accepted */
    int has_openat2;
};

struct allowed {
    const char *kind;
    uint32_t needs;
    int (*body)(const struct given *given);
};

struct act {
    const struct scene *scene;
    const struct allowed *allowed;
    int only_entered; /* without sandbox_tighten() */
};

static int prepare(struct given *g)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(g->scene->good_port)};

    g->memfd = memfd_create("rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g->has_openat2 = landlock_abi(LANDLOCK_ABI_KNOWN) >= LANDLOCK_ABI_TRUNCATE;
    g->client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, g->pair) == 0);
    CHECK(g->memfd >= 0 && ftruncate(g->memfd, 8192) == 0);
    CHECK(fcntl(g->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
    CHECK(connect(g->client, (struct sockaddr *)&a, sizeof a) == 0);
    return 0;
}

static int act(void *arg)
{
    const struct act *act = arg;
    const struct cell_profile profile = {act->allowed->kind, act->allowed->needs};
    struct given given = {.scene = act->scene};
    struct sandbox_spec spec;
    int rc = prepare(&given);

    if (rc)
        return 100 + rc;
    cell_spec(&spec, &profile, act->scene);
    if (cell_enter(&spec))
        return 201;
    if (!act->only_entered && cell_tighten(&spec))
        return 202;
    n_checks = 0;
    return act->allowed->body(&given);
}

static int run(const struct scene *scene, const char *kind, uint32_t needs,
               int (*body)(const struct given *))
{
    struct allowed allowed = {kind, needs, body};
    struct act a = {scene, &allowed, 0};

    return cell_run(act, &a);
}

/* In every profile. */
static void everywhere(int (*body)(const struct given *), int expected)
{
    struct scene scene;

    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    for (const struct cell_profile *p = cell_profiles; p->kind; p++)
        CU_ASSERT_EQUAL(run(&scene, p->kind, p->needs, body), expected);
    scene_close(&scene);
}

/* In the profiles of a list that is ended by NULL. */
static void in_kinds(const char *const *kinds, uint32_t needs, int (*body)(const struct given *))
{
    struct scene scene;

    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    for (; *kinds; kinds++)
        CU_ASSERT_EQUAL(run(&scene, *kinds, needs, body), 0);
    scene_close(&scene);
}

static int loop_works(const struct given *g)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    struct epoll_event ev = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t one = 1;

    CHECK(ep >= 0 && wake >= 0 && timer >= 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, wake, &ev) == 0);
    CHECK(write(wake, &one, sizeof one) == sizeof one);
    CHECK(epoll_wait(ep, &ev, 1, 5000) == 1);
    CHECK(read(wake, &one, sizeof one) == sizeof one);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ev) == 0);
    CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0);
    CHECK(epoll_wait(ep, &ev, 1, 5000) == 1);
    CHECK(fcntl(wake, F_SETFL, O_NONBLOCK) == 0 && fcntl(wake, F_DUPFD_CLOEXEC, 0) >= 0);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int memory_works(const struct given *g)
{
    size_t size = 64u << 20;
    char *mem = malloc(size);
    int *numbers = calloc(1u << 16, sizeof *numbers);
    char *rings = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);

    CHECK(mem && numbers);
    for (size_t i = 0; i < size; i += 4096)
        mem[i] = 1;
    for (int i = 0; i < 1 << 16; i++)
        numbers[i] = -i;
    qsort(numbers, 1u << 16, sizeof *numbers, by_value);
    CHECK(numbers[0] == -65535);
    CHECK((mem = realloc(mem, 2 * size)) != NULL);
    CHECK(rings != MAP_FAILED);
    rings[0] = 1;
    CHECK(fcntl(g->memfd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    free(mem);
    free(numbers);
    return 0;
}

static int self_knowledge_works(const struct given *g)
{
    struct timespec now;
    unsigned char random[16];
    char name[16];

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(nanosleep(&(struct timespec){0, 1}, NULL) == 0);
    CHECK(getrandom(random, sizeof random, 0) == sizeof random);
    CHECK(getpid() > 0 && getppid() > 0 && sysconf(_SC_NPROCESSORS_ONLN) > 0);
    CHECK(prctl(PR_SET_NAME, "cell") == 0 && prctl(PR_GET_NAME, name) == 0);
    CHECK(strcmp(name, "cell") == 0);
    CHECK(write(STDERR_FILENO, "", 0) == 0);
    return 0;
}

static int descriptors_pass(const struct given *g)
{
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct stat before;
    struct stat after;
    int fd = -1;

    *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &g->memfd, sizeof g->memfd);
    CHECK(sendmsg(g->pair[0], &m, MSG_NOSIGNAL) == 1);
    m.msg_controllen = sizeof control.space;
    CHECK(recvmsg(g->pair[1], &m, MSG_CMSG_CLOEXEC) == 1);
    CHECK((c = CMSG_FIRSTHDR(&m)) != NULL);
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    /* fstat() of this C library may be newfstatat(): the trap has to answer. */
    CHECK(fstat(fd, &after) == 0 && fstat(g->memfd, &before) == 0);
    CHECK(after.st_ino == before.st_ino && after.st_size == 8192);
    CHECK(fstat(-1, &after) == -1 && errno == EBADF);
    CHECK(send(g->pair[0], "y", 1, MSG_NOSIGNAL) == 1 && recv(g->pair[1], &byte, 1, 0) == 1);
    CHECK(byte == 'y');
    return 0;
}

static volatile sig_atomic_t n_signals;

static void on_signal(int signo)
{
    n_signals++;
}

static int signals_work(const struct given *g)
{
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    CHECK(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
    CHECK(n_signals == 2);
    return 0;
}

static int aborts(const struct given *g)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};

    sigaction(SIGABRT, &dfl, NULL);
    abort();
}

static int faults(const struct given *g)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};

    sigaction(SIGSEGV, &dfl, NULL);
    return raise(SIGSEGV);
}

static int connects(const struct given *g)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(g->scene->good_port)};
    socklen_t len = sizeof(int);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    int on = 1;
    int error = -1;

    CHECK(fd >= 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
    CHECK(send(fd, "GET", 3, MSG_NOSIGNAL) == 3);
    CHECK(shutdown(fd, SHUT_RDWR) == 0);
    return 0;
}

static int reads_certificates(const struct given *g)
{
    static const char bundle[] = "/etc/ssl/certs/ca-certificates.crt";
    int fd = open(bundle, O_RDONLY);

    CHECK(fd >= 0 || errno == ENOENT);
    return 0;
}

static int asks_name_servers(const struct given *g)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(g->scene->udp_port)};
    struct iovec iov = {"?", 1};
    struct mmsghdr both[2] = {{.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0);
    CHECK(sendmmsg(fd, both, 2, MSG_NOSIGNAL) == 2);
    CHECK(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0);
    freeaddrinfo(found);
    CHECK(open("/etc/hosts", O_RDONLY) >= 0 || errno == ENOENT);
    /* From /etc/hosts; no name server is asked. */
    CHECK(access("/etc/hosts", R_OK) < 0 && errno == EPERM);
    CHECK(getaddrinfo("localhost", NULL, &hints, &found) == 0);
    freeaddrinfo(found);
    return 0;
}

static int accepts(const struct given *g)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    char text[4];
    int fd = accept4(g->scene->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int on = 1;

    CHECK(fd >= 0);
    CHECK(getpeername(fd, (struct sockaddr *)&peer, &len) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(send(fd, "pong", 4, MSG_NOSIGNAL) == 4);
    CHECK(recv(g->client, text, 4, MSG_WAITALL) == 4 && memcmp(text, "pong", 4) == 0);
    return 0;
}

static int own_path(const struct given *g, const char *name, char out[160])
{
    return snprintf(out, 160, "%s/%s", g->scene->data, name);
}

static int writes_own_files(const struct given *g)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat st;
    struct statvfs vfs;
    char file[160];
    char moved[160];
    char dir[160];
    char *map;
    int fd;

    own_path(g, "log", file);
    own_path(g, "dir", dir);
    own_path(g, "dir/moved", moved);
    CHECK((fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
    CHECK(write(fd, "abc", 3) == 3 && pwrite(fd, "d", 1, 3) == 1);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && ftruncate(fd, 4096) == 0);
    CHECK(posix_fallocate(fd, 0, 8192) == 0);
    CHECK(fcntl(fd, F_SETLK, &lock) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && map[3] == 'd');
    map[0] = 'A';
    CHECK(msync(map, 4096, MS_SYNC) == 0 && munmap(map, 4096) == 0);
    CHECK(mkdir(dir, 0700) == 0 && rename(file, moved) == 0);
    CHECK(stat(moved, &st) == 0 && st.st_size == 8192 && access(moved, R_OK) == 0);
    CHECK(statvfs(dir, &vfs) == 0 && vfs.f_bsize > 0);
    CHECK(unlink(moved) == 0 && rmdir(dir) == 0);
    return 0;
}

static int lists(const char *path, const char *wanted)
{
    DIR *dir = opendir(path);
    int n_found = 0;

    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));)
        n_found += strcmp(e->d_name, wanted) == 0;
    closedir(dir);
    return n_found == 1;
}

/* The way a file service must resolve names. */
static int opens_beneath(const char *dir, const char *name)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int at = open(dir, O_RDONLY | O_DIRECTORY);

    return at >= 0 && syscall(SYS_openat2, at, name, &how, sizeof how) >= 0;
}

static int reads_given_folder(const struct given *g)
{
    char path[160];
    char text[8] = "";
    FILE *f;

    snprintf(path, sizeof path, "%s/text", g->scene->shared);
    CHECK(lists(g->scene->shared, "text"));
    CHECK((f = fopen(path, "r")) != NULL);
    CHECK(fgets(text, sizeof text, f) && strcmp(text, "text") == 0);
    fclose(f);
    CHECK(!g->has_openat2 || opens_beneath(g->scene->shared, "text"));
    CHECK(open(path, O_WRONLY) < 0 && (errno == EPERM || errno == EACCES));
    return 0;
}

static void *counts(void *arg)
{
    void *mem = malloc(1000);

    free(mem);
    return mem ? arg : NULL;
}

static int runs_threads(const struct given *g)
{
    static char tokens[4];
    pthread_t ids[4];

    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&ids[i], NULL, counts, &tokens[i]) == 0);
    for (size_t i = 0; i < 4; i++) {
        void *ret = NULL;

        CHECK(pthread_join(ids[i], &ret) == 0 && ret == &tokens[i]);
    }
    return 0;
}

static int loads_libraries(const struct given *g)
{
    CHECK(dlopen(HOSTILE, RTLD_NOW | RTLD_LOCAL));
    CHECK(dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL));
    CHECK(dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL));
    return 0;
}

static int loads_nothing(const struct given *g)
{
    CHECK(!dlopen(HOSTILE, RTLD_NOW | RTLD_LOCAL));
    return 0;
}

static void libraries_load_only_before_tightening(void)
{
    struct scene scene;

    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    for (const struct cell_profile *p = cell_profiles; p->kind; p++) {
        struct allowed allowed = {p->kind, p->needs, loads_libraries};
        struct act entered = {&scene, &allowed, 1};

        CU_ASSERT_EQUAL(cell_run(act, &entered), 0);
        CU_ASSERT_EQUAL(run(&scene, p->kind, p->needs, loads_nothing), 0);
    }
    scene_close(&scene);
}

static void loop(void)
{
    everywhere(loop_works, 0);
}

static void memory(void)
{
    everywhere(memory_works, 0);
}

static void self_knowledge(void)
{
    everywhere(self_knowledge_works, 0);
}

static void descriptors(void)
{
    everywhere(descriptors_pass, 0);
}

static void own_signals(void)
{
    everywhere(signals_work, 0);
}

static void abort_ends_by_sigabrt(void)
{
    everywhere(aborts, 256 + SIGABRT);
}

static void a_fault_ends_by_sigsegv(void)
{
    everywhere(faults, 256 + SIGSEGV);
}

static void tcp_to_an_allowed_port(void)
{
    static const char *const kinds[] = {"provider/1",  "service/1", "interface/1",
                                        "discovery/1", "bridge/1",  NULL};

    in_kinds(kinds, AIEX_NEED_HTTP, connects);
    in_kinds(kinds, AIEX_NEED_HTTP, reads_certificates);
}

static void name_servers(void)
{
    static const char *const kinds[] = {"resolver/1", NULL};

    in_kinds(kinds, 0, asks_name_servers);
    in_kinds(kinds, AIEX_NEED_THREADS, asks_name_servers);
}

static void accept_on_a_passed_socket(void)
{
    static const char *const kinds[] = {"interface/1", "bridge/1", NULL};

    in_kinds(kinds, AIEX_NEED_LISTEN, accepts);
}

static void files_in_the_own_folder(void)
{
    static const char *const kinds[] = {"store/1", "audit/1", "tier/1", "service/1", NULL};

    in_kinds(kinds, AIEX_NEED_DATA, writes_own_files);
}

static void folders_to_read(void)
{
    static const char *const kinds[] = {"provider/1", "interface/1", "service/1",
                                        "store/1",    "chunker/1",   NULL};

    in_kinds(kinds, AIEX_NEED_READ, reads_given_folder);
}

static void threads(void)
{
    static const char *const kinds[] = {"provider/1", "interface/1", "service/1", "store/1",
                                        "tier/1",     "chunker/1",   NULL};

    in_kinds(kinds, AIEX_NEED_THREADS, runs_threads);
}

const struct test_case tests[] = {
    {"loop", loop},
    {"memory", memory},
    {"self knowledge", self_knowledge},
    {"descriptors", descriptors},
    {"own signals", own_signals},
    {"abort ends by SIGABRT", abort_ends_by_sigabrt},
    {"a fault ends by SIGSEGV", a_fault_ends_by_sigsegv},
    {"tcp to an allowed port", tcp_to_an_allowed_port},
    {"name servers", name_servers},
    {"accept on a passed socket", accept_on_a_passed_socket},
    {"files in the own folder", files_in_the_own_folder},
    {"folders to read", folders_to_read},
    {"threads", threads},
    {"libraries load only before tightening", libraries_load_only_before_tightening},
    {0},
};
