/* loop_test.c - the order of a turn, timers, wake-ups from elsewhere. */
#include "base/clock.h"
#include "loop/loop.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char log_text[256];
static struct loop *loop;
static int want_more, sleep_refusals;

static void note(char c)
{
    size_t n = strlen(log_text);

    if (n + 1 < sizeof(log_text)) {
        log_text[n] = c;
        log_text[n + 1] = 0;
    }
}

static void on_awake(void *arg)
{
    note('a');
}

static int on_work(void *arg)
{
    note('w');
    return want_more > 0 ? want_more-- : 0;
}

static int on_may_sleep(void *arg)
{
    note('s');
    return sleep_refusals-- <= 0;
}

static const struct loop_hooks hooks = {on_awake, on_work, on_may_sleep};

static void begin(void)
{
    loop = loop_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(loop);
    loop_hook(loop, &hooks, NULL);
    log_text[0] = 0;
    want_more = sleep_refusals = 0;
}

static void on_io(void *arg, unsigned events)
{
    char byte;

    note(events & LOOP_READ ? 'r' : 'o');
    if (events & LOOP_READ)
        CU_ASSERT_EQUAL(read(*(int *)arg, &byte, 1), 1);
}

static void on_time(void *arg)
{
    note('t');
}

/* awake, then callbacks, then work; may_sleep before the poll. */
static void test_order(void)
{
    int pipes[2];
    struct loop_watch *watch;
    struct loop_timer *timer;

    begin();
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    watch = loop_watch_new(loop, pipes[0], LOOP_READ, on_io, &pipes[0]);
    timer = loop_timer_new(loop, on_time, NULL);
    loop_timer_set(timer, 0, 0);
    CU_ASSERT_EQUAL(write(pipes[1], "x", 1), 1);
    loop_once(loop, 100);
    CU_ASSERT(!strcmp(log_text, "satrw") || !strcmp(log_text, "sartw"));
    log_text[0] = 0;
    loop_once(loop, 0); /* nothing to do */
    CU_ASSERT_STRING_EQUAL(log_text, "saw");
    loop_watch_free(watch);
    loop_timer_free(timer);
    close(pipes[0]);
    close(pipes[1]);
    loop_free(loop);
}

/* Work that has more to do turns again at once and does not ask whether it may sleep. */
static void test_more_work(void)
{
    uint64_t began = clock_ms();

    begin();
    want_more = 2;
    sleep_refusals = 1; /* the first turn must not block either */
    loop_once(loop, 60000);
    CU_ASSERT_STRING_EQUAL(log_text, "saw");
    loop_once(loop, 60000);
    loop_once(loop, 60000);
    CU_ASSERT_STRING_EQUAL(log_text, "sawawaw");
    CU_ASSERT(clock_ms() - began < 30000);
    loop_free(loop);
}

static void test_refused_sleep(void)
{
    uint64_t began = clock_ms();

    begin();
    sleep_refusals = 3;
    for (int i = 0; i < 3; i++)
        loop_once(loop, 60000);
    CU_ASSERT_STRING_EQUAL(log_text, "sawsawsaw");
    CU_ASSERT(clock_ms() - began < 30000);
    loop_free(loop);
}

static void test_hooks_are_optional(void)
{
    begin();
    loop_hook(loop, &(struct loop_hooks){.work = on_work}, NULL);
    loop_once(loop, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "w");
    loop_hook(loop, NULL, NULL);
    loop_once(loop, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "w");
    loop_free(loop);
    loop_free(NULL);
}

/* ---- Timers ---- */

static struct loop_timer *self_made;

static void free_itself(void *arg)
{
    note('f');
    loop_timer_free(self_made);
}

static int ticks;

static void stop_at_three(void *arg)
{
    if (++ticks == 3)
        loop_timer_stop(*(struct loop_timer **)arg);
}

static void test_timers(void)
{
    struct loop_timer *timer, *late;
    uint64_t began;

    begin();
    loop_hook(loop, NULL, NULL);
    self_made = loop_timer_new(loop, free_itself, NULL);
    loop_timer_set(self_made, 1, 1);
    late = loop_timer_new(loop, on_time, NULL);
    loop_timer_set(late, 60000, 0);
    ticks = 0;
    timer = loop_timer_new(loop, stop_at_three, &timer);
    loop_timer_set(timer, 5, 2);
    began = clock_ms();
    while (ticks < 3 && clock_ms() - began < 20000)
        loop_once(loop, 1000);
    CU_ASSERT_EQUAL(ticks, 3);
    CU_ASSERT(clock_ms() - began >= 9);
    CU_ASSERT_STRING_EQUAL(log_text, "f");
    /* set anew: the old time is forgotten */
    loop_timer_set(late, 0, 0);
    loop_once(loop, 1000);
    CU_ASSERT_STRING_EQUAL(log_text, "ft");
    loop_once(loop, 0);
    CU_ASSERT_EQUAL(ticks, 3); /* stopped is stopped */
    CU_ASSERT_STRING_EQUAL(log_text, "ft");
    loop_timer_free(timer);
    loop_timer_free(late);
    loop_timer_free(NULL);
    loop_free(loop);
}

/* A time asked for right before blocking is not the time after it. */
static uint64_t before_sleep, after_sleep;

static int ask_before_sleep(void *arg)
{
    before_sleep = loop_now_ms(loop);
    return 1;
}

static void ask_after_sleep(void *arg)
{
    after_sleep = loop_now_ms(loop);
    CU_ASSERT_EQUAL(after_sleep, loop_now_ms(loop)); /* once per turn */
}

static int no_work(void *arg)
{
    return 0;
}

static void test_now(void)
{
    struct loop_timer *timer;

    begin();
    loop_hook(loop, &(struct loop_hooks){.work = no_work, .may_sleep = ask_before_sleep}, NULL);
    timer = loop_timer_new(loop, ask_after_sleep, NULL);
    loop_timer_set(timer, 30, 0);
    after_sleep = 0;
    for (int i = 0; i < 100 && !after_sleep; i++)
        loop_once(loop, 1000);
    CU_ASSERT(after_sleep >= before_sleep + 20);
    loop_timer_free(timer);
    loop_free(loop);
}

/* ---- Watches ---- */

static void stop_watching(void *arg, unsigned events)
{
    note('x');
    loop_watch_set(*(struct loop_watch **)arg, 0);
}

static struct loop_watch *self_watch;

static void free_watch(void *arg, unsigned events)
{
    note('f');
    loop_watch_free(self_watch);
}

static void test_watches(void)
{
    struct loop_watch *watch;
    int pipes[2];

    begin();
    loop_hook(loop, NULL, NULL);
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    watch = loop_watch_new(loop, pipes[1], 0, stop_watching, &watch);
    loop_once(loop, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "");
    loop_watch_set(watch, LOOP_WRITE);
    loop_watch_set(watch, LOOP_WRITE);
    loop_once(loop, 1000);
    loop_once(loop, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "x"); /* stopped inside its own callback */
    loop_watch_free(watch);
    self_watch = loop_watch_new(loop, pipes[1], LOOP_WRITE, free_watch, NULL);
    loop_once(loop, 1000);
    loop_once(loop, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "xf");
    loop_watch_free(NULL);
    close(pipes[0]);
    close(pipes[1]);
    loop_free(loop);
}

/* ---- From elsewhere ---- */

static void *wake(void *arg)
{
    for (int i = 0; i < 1000; i++)
        loop_wake(loop);
    return NULL;
}

static void test_wake(void)
{
    uint64_t began = clock_ms();
    pthread_t thread;

    begin();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wake, NULL), 0);
    loop_once(loop, 60000);
    pthread_join(thread, NULL);
    CU_ASSERT(clock_ms() - began < 30000);
    CU_ASSERT_PTR_NOT_NULL(strchr(log_text, 'w'));
    /* and a wake-up before the sleep is not lost */
    loop_once(loop, 0);
    loop_wake(loop);
    loop_once(loop, 60000);
    CU_ASSERT(clock_ms() - began < 30000);
    loop_free(loop);
}

static void *stop(void *arg)
{
    loop_wake(loop);
    return NULL;
}

static int stop_in_work(void *arg)
{
    note('w');
    if (strlen(log_text) == 5)
        loop_stop(loop);
    return strlen(log_text) < 5;
}

static void test_run(void)
{
    pthread_t thread;

    begin();
    loop_hook(loop, &(struct loop_hooks){.work = stop_in_work}, NULL);
    pthread_create(&thread, NULL, stop, NULL);
    loop_run(loop);
    pthread_join(thread, NULL);
    CU_ASSERT_STRING_EQUAL(log_text, "wwwww");
    loop_free(loop);
}

static void on_signal(void *arg)
{
    note(*(char *)arg);
}

static void test_signals(void)
{
    static char names[9] = "12345678";
    static const int numbers[8] = {SIGUSR1, SIGUSR2,  SIGHUP,  SIGINT,
                                   SIGTERM, SIGWINCH, SIGALRM, SIGVTALRM};

    begin();
    loop_hook(loop, NULL, NULL);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(loop_signal(loop, numbers[i], on_signal, &names[i]), 0);
    CU_ASSERT_EQUAL(loop_signal(loop, SIGQUIT, on_signal, NULL), -ENOSPC);
    raise(SIGUSR2);
    loop_once(loop, 1000);
    CU_ASSERT_STRING_EQUAL(log_text, "2");
    loop_free(loop);
}

const struct test_case tests[] = {
    {"order", test_order},
    {"more_work", test_more_work},
    {"refused_sleep", test_refused_sleep},
    {"hooks_are_optional", test_hooks_are_optional},
    {"timers", test_timers},
    {"now", test_now},
    {"watches", test_watches},
    {"wake", test_wake},
    {"run", test_run},
    {"signals", test_signals},
    {0},
};
