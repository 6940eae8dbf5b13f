/* check_life.c - many lives, failing memory, drain: nothing may be left behind. */
#include "check.h"

#include "drive.h"
#include "kinds.h"

#include <dirent.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#define LIVES   100
#define WARM_UP 10 /* lives before growth counts: libraries keep caches */
#define MAX_NTH 400
#define SLACK   (64 * 1024) /* bytes of the heap that 90 lives may gain */

/* Present when a sanitizer that finds leaks is linked. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct usage {
    size_t heap, fds, threads;
};

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A joined thread may stay listed for a moment. */
static size_t count_threads(size_t expected)
{
    struct timespec pause = {.tv_nsec = 2000000};
    size_t n = count_entries("/proc/self/task");

    for (int i = 0; i < 250 && n > expected; i++) {
        nanosleep(&pause, NULL);
        n = count_entries("/proc/self/task");
    }
    return n;
}

static struct usage measure(size_t expected_threads)
{
    struct usage u;

    u.threads = count_threads(expected_threads);
    u.fds = count_entries("/proc/self/fd");
    u.heap = mallinfo2().uordblks;
    return u;
}

static void compare(struct check *c, const struct usage *before, const struct usage *after)
{
    if (after->fds > before->fds)
        finding(c, "close in destroy() what was opened", "%zu file descriptors more after %d lives",
                after->fds - before->fds, LIVES - WARM_UP);
    if (after->threads > before->threads)
        finding(c, "join in destroy() what was started", "%zu threads more after %d lives",
                after->threads - before->threads, LIVES - WARM_UP);
    if (after->heap > before->heap + SLACK)
        finding(c, "free in destroy() what was allocated; -fsanitize=address names it",
                "%zu bytes of heap more after %d lives", after->heap - before->heap,
                LIVES - WARM_UP);
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        finding(c, "see the leak report on stderr", "memory was lost in %d lives", LIVES);
}

void check_life(struct check *c)
{
    struct usage before = {0}, after;
    size_t threads = count_entries("/proc/self/task");
    struct drive d;

    for (int i = 0; i < LIVES && !c->n_findings; i++) {
        if (i == WARM_UP)
            before = measure(threads);
        if (drive_default(&d, c) < 0)
            return;
        at(c, "destroy in life %d", i + 1);
        drive_end(&d, "destroy");
    }
    if (c->n_findings)
        return;
    after = measure(before.threads);
    compare(c, &before, &after);
}

/* ---- Failing memory ---- */

/* One life with one request in which the n-th allocation fails. 1 = that many were made. */
static int life_without_nth(struct check *c, const struct kind_method *m, size_t nth)
{
    struct aiex_error err = {""};
    struct config config;
    struct drive d;
    size_t counted;
    int result;

    config_fill(c, &config);
    drive_host(&d, c);
    at(c, "a life in which allocation %zu fails", nth);
    aiex_fake_fail_alloc(d.host, nth);
    result = aiex_fake_start(d.host, c->plugin, config.pairs, &d.self, &err);
    if (result == 0 && m) {
        uint64_t id = aiex_fake_request(d.host, c->plugin, d.self, m->method, kind_request(m), 0);

        if (!drive_settle(&d, id))
            finding(c, "fail the request with busy", "%s is not answered when allocation %zu fails",
                    m->method, nth);
    }
    counted = aiex_fake_fail_alloc(d.host, 0);
    drive_end(&d, "a failed allocation");
    return counted >= nth;
}

void check_memory(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);
    const struct kind_method *m = k ? k->methods : NULL;
    struct drive d;
    size_t nth = 1;

    if (drive_default(&d, c) < 0)
        return;
    drive_end(&d, "destroy");
    while (nth < MAX_NTH && !c->n_findings && life_without_nth(c, m, nth))
        nth++;
}

/* ---- Drain ---- */

void check_drain(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);
    struct drive d;
    int done;

    if (drive_default(&d, c) < 0)
        return;
    at(c, "drain with a request open");
    if (k && k->methods)
        aiex_fake_request(d.host, c->plugin, d.self, k->methods->method, kind_request(k->methods),
                          0);
    done = aiex_fake_drain(d.host, c->plugin, d.self);
    for (int turn = 0; turn < 1000 && !done; turn++) {
        struct aiex_fake_live live;

        if (drive_turn(&d) == 0)
            aiex_fake_poll(d.host, 1);
        aiex_fake_live(d.host, &live);
        done = aiex_fake_drained(d.host) ||
               (!AIEX_HAS(c->plugin, struct aiex_plugin, drain) && live.requests == 0);
    }
    if (!done)
        finding(c, "call done() when the last answer is sent",
                "drain() did not end although nothing was left to wait for");
    at(c, "destroy after drain");
    drive_end(&d, "drain and destroy");
}
