/* spawner_test.c - processes that appear, never were, are not wanted any more. */
#include "base/clock.h"
#include "base/log.h"
#include "cell/cell.h"
#include "cell/spawner.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNER   AIEX_BUILD_DIR "/bin/aiex-runner"
#define LIMIT_MS 30000

static struct loop *loop;
static struct spawner *sp;
static struct {
    unsigned n;
    int pid, pidfd;
} made;

static void on_made(void *arg, int pid, int pidfd)
{
    made.n++;
    made.pid = pid;
    made.pidfd = pidfd;
}

static void begin(const char *runner, int zygote)
{
    loop = loop_new();
    sp = spawner_new(loop, runner, "", zygote);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sp);
    memset(&made, 0, sizeof(made));
}

static void finish(void)
{
    spawner_free(sp);
    loop_free(loop);
}

static int order(void)
{
    int fds[START_FDS], r;

    for (int i = 0; i < START_FDS; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* a message nobody understands: the process ends by itself */
    r = spawner_start(sp, (struct aiex_slice){(const uint8_t *)"x", 1}, fds, on_made, &made);
    for (int i = 0; i < START_FDS; i++)
        close(fds[i]);
    return r;
}

static void wait_for(unsigned n)
{
    uint64_t began = clock_ms();

    while ((made.n < n || spawner_busy(sp)) && clock_ms() - began < LIMIT_MS)
        loop_once(loop, 100);
}

/* The process is a child of ours and its end is seen through the pidfd. */
static void reap(void)
{
    struct pollfd p = {.fd = made.pidfd, .events = POLLIN};
    int status = 0;

    CU_ASSERT_FATAL(made.pid > 0);
    CU_ASSERT_FATAL(made.pidfd >= 0);
    CU_ASSERT_EQUAL(poll(&p, 1, LIMIT_MS), 1);
    CU_ASSERT_EQUAL(waitpid(made.pid, &status, 0), made.pid);
    CU_ASSERT(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    close(made.pidfd);
}

static void test_missing_runner(void)
{
    for (int zygote = 0; zygote < 2; zygote++) {
        log_init(2, LOG_JSON, AIEX_LOG_ERROR);
        begin("/nowhere/aiex-runner", zygote);
        CU_ASSERT_EQUAL(spawner_has_zygote(sp), 0);
        CU_ASSERT_EQUAL(order(), 0);
        CU_ASSERT_EQUAL(made.n, 0); /* told from the loop, not from within */
        CU_ASSERT_EQUAL(spawner_busy(sp), 1);
        wait_for(1);
        CU_ASSERT_EQUAL(made.n, 1);
        CU_ASSERT_EQUAL(made.pid, -ENOENT);
        CU_ASSERT_EQUAL(made.pidfd, -1);
        finish();
    }
}

static void test_directly(void)
{
    begin(RUNNER, 0);
    CU_ASSERT_EQUAL(order(), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(made.n, 1);
    reap();
    finish();
}

static void test_zygote(void)
{
    begin(RUNNER, 1);
    CU_ASSERT_EQUAL(spawner_has_zygote(sp), 1);
    for (unsigned i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(order(), 0);
        wait_for(i);
        CU_ASSERT_EQUAL(made.n, i);
        CU_ASSERT_NOT_EQUAL(made.pid, spawner_zygote_pid(sp));
        reap();
    }
    finish();
}

/* It dies with an order unfilled: the order is filled all the same, and another zygote comes. */
static void test_zygote_dies(void)
{
    int old;

    log_init(2, LOG_JSON, AIEX_LOG_ERROR);
    begin(RUNNER, 1);
    old = spawner_zygote_pid(sp);
    CU_ASSERT_EQUAL(kill(old, SIGSTOP), 0);
    CU_ASSERT_EQUAL(order(), 0);
    CU_ASSERT_EQUAL(kill(old, SIGKILL), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(made.n, 1);
    reap();
    CU_ASSERT_EQUAL(spawner_has_zygote(sp), 1);
    CU_ASSERT_NOT_EQUAL(spawner_zygote_pid(sp), old);
    CU_ASSERT_EQUAL(order(), 0);
    wait_for(2);
    CU_ASSERT_EQUAL(made.n, 2);
    reap();
    spawner_stop_zygote(sp);
    CU_ASSERT_EQUAL(spawner_has_zygote(sp), 0);
    finish();
}

static void test_forgotten(void)
{
    begin(RUNNER, 0);
    CU_ASSERT_EQUAL(order(), 0);
    spawner_forget(sp, &made);
    wait_for(0);
    CU_ASSERT_EQUAL(made.n, 0);
    CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1); /* killed and reaped: no child is left */
    CU_ASSERT_EQUAL(errno, ECHILD);
    finish();
}

static void test_bad_descriptor(void)
{
    int fds[START_FDS] = {-1, -1, -1, -1, -1, -1};

    begin(RUNNER, 0);
    CU_ASSERT_EQUAL(
        spawner_start(sp, (struct aiex_slice){(const uint8_t *)"x", 1}, fds, on_made, &made),
        -EMFILE);
    CU_ASSERT_EQUAL(spawner_busy(sp), 0);
    finish();
}

/* ---- A cell without a process ---- */

static struct {
    unsigned exits, records;
    struct cell_exit last;
} seen;

static void on_record(void *arg, const struct record *head, const uint8_t *body)
{
    seen.records++;
}

static void on_broken(void *arg, const char *why)
{
}

static void on_hung(void *arg)
{
}

static void on_output(void *arg, const char *line)
{
}

static void on_listen(void *arg, unsigned instance, const char *address)
{
}

static void on_exited(void *arg, const struct cell_exit *e)
{
    seen.exits++;
    seen.last = *e;
}

static void test_cell_without_runner(void)
{
    static const struct cell_ops ops = {on_record, on_broken, on_hung,
                                        on_output, on_listen, on_exited, NULL};
    struct start_instance instance = {.name = "x", .path = "", .data_dir = "", .kind = "service"};
    struct start start = {.cell = "x",
                          .node = "n",
                          .http_module = "",
                          .plugin_dir = "",
                          .n_instances = 1,
                          .instances = &instance};
    uint64_t began = clock_ms();
    struct cell_env env;
    struct cell *cell = NULL;
    struct hub *hub;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    begin("/nowhere/aiex-runner", 0);
    memset(&seen, 0, sizeof(seen));
    hub = hub_new(loop);
    env = (struct cell_env){loop, hub, sp, fd, NULL};
    CU_ASSERT_EQUAL_FATAL(cell_new(&env, &start, 1000, &ops, NULL, &cell), 0);
    CU_ASSERT_EQUAL(cell_pid(cell), 0);
    while (!seen.exits && clock_ms() - began < LIMIT_MS)
        loop_once(loop, 100);
    loop_once(loop, 0);
    CU_ASSERT_EQUAL(seen.exits, 1);
    CU_ASSERT_EQUAL(seen.last.spawn_error, -ENOENT);
    cell_free(cell);
    /* and one that is freed before its process appeared */
    CU_ASSERT_EQUAL_FATAL(cell_new(&env, &start, 1000, &ops, NULL, &cell), 0);
    cell_free(cell);
    loop_once(loop, 0);
    loop_once(loop, 0);
    CU_ASSERT_EQUAL(seen.exits, 1);
    hub_free(hub);
    finish();
    close(fd);
}

const struct test_case tests[] = {
    {"missing_runner", test_missing_runner},
    {"directly", test_directly},
    {"zygote", test_zygote},
    {"zygote_dies", test_zygote_dies},
    {"forgotten", test_forgotten},
    {"bad_descriptor", test_bad_descriptor},
    {"cell_without_runner", test_cell_without_runner},
    {0},
};
