/*
 * resolver_system_test.c - the plugin through its descriptor; getaddrinfo() is this file's own,
 * so that names exist, fail and hang as a test wants.
 */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- A getaddrinfo that obeys ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int n_asked, n_inside, held;

static struct addrinfo *one(int family, const char *text, struct addrinfo *next)
{
    struct sockaddr_storage *a = calloc(1, sizeof(*a));
    struct addrinfo *i = calloc(1, sizeof(*i));

    a->ss_family = (sa_family_t)family;
    inet_pton(family, text,
              family == AF_INET ? (void *)&((struct sockaddr_in *)a)->sin_addr
                                : (void *)&((struct sockaddr_in6 *)a)->sin6_addr);
    i->ai_family = family;
    i->ai_addr = (struct sockaddr *)a;
    i->ai_next = next;
    return i;
}

/* Names that begin with "slow" wait until they are let go. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    (void)service;
    CU_ASSERT_EQUAL(hints->ai_socktype, SOCK_STREAM);
    pthread_mutex_lock(&lock);
    n_asked++;
    n_inside++;
    pthread_cond_broadcast(&moved);
    while (held && strncmp(host, "slow", 4) == 0)
        pthread_cond_wait(&moved, &lock);
    n_inside--;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
    if (strstr(host, "nowhere"))
        return EAI_NONAME;
    if (strstr(host, "broken"))
        return EAI_AGAIN;
    *ret = one(AF_INET6, "2001:db8::1", one(AF_INET, "192.0.2.7", one(AF_INET, "192.0.2.7", NULL)));
    if (strstr(host, "empty"))
        (*ret)->ai_family = (*ret)->ai_next->ai_family = (*ret)->ai_next->ai_next->ai_family =
            AF_UNIX;
    if (strstr(host, "many")) {
        for (int i = 0; i < 20; i++) {
            char text[32];

            snprintf(text, sizeof(text), "198.51.100.%d", i);
            *ret = one(AF_INET, text, *ret);
        }
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list->ai_addr);
        free(list);
        list = next;
    }
}

static void hold(void)
{
    held = 1;
}

static void let_go(void)
{
    pthread_mutex_lock(&lock);
    held = 0;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
}

static void wait_inside(int n)
{
    pthread_mutex_lock(&lock);
    while (n_inside != n)
        pthread_cond_wait(&moved, &lock);
    pthread_mutex_unlock(&lock);
}

/* ---- The rig ---- */

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;

static void begin(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    n_asked = 0;
    h = aiex_fake_host_new("resolver_system");
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(h, p, pairs, &self, &err), 0);
}

static void end(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static uint64_t ask(const char *host, int64_t port)
{
    struct aiex_writer w;
    uint8_t mem[600];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "host", host);
    aiex_w_key_int(&w, "port", port);
    return aiex_fake_request(h, p, self, "resolver.resolve", aiex_written(&w), 0);
}

static int is_answered(void *arg)
{
    return aiex_fake_answer(h, *(uint64_t *)arg) != NULL;
}

/* The answer as text: addresses with spaces, or the error's code. */
static const char *told(uint64_t id)
{
    static char text[1024];
    const struct aiex_fake_record *r;
    struct aiex_value list, v;

    if (aiex_fake_poll_until(h, is_answered, &id, 5000) != 0)
        return "nothing";
    r = aiex_fake_answer(h, id);
    if (r->kind == AIEX_FAKE_FAIL)
        return r->code;
    if (aiex_get(r->body, "addresses", &list) != 1)
        return "no addresses";
    text[0] = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        aiex_r_value(&list.bytes, &v);
        strncat(text, (const char *)v.bytes.data, v.bytes.len);
        strcat(text, " ");
    }
    return text;
}

#define BOTH "2001:db8::1 192.0.2.7 "

static void names_have_addresses(void)
{
    begin(NULL);
    CU_ASSERT_STRING_EQUAL(aiex_fake_nth(h, AIEX_FAKE_JOIN, 0)->name, "resolver");
    CU_ASSERT_STRING_EQUAL(told(ask("Model.Example.", 443)), BOTH);
    CU_ASSERT_STRING_EQUAL(told(ask("many.example", 443)),
                           "198.51.100.19 198.51.100.18 198.51.100.17 198.51.100.16 198.51.100.15 "
                           "198.51.100.14 198.51.100.13 198.51.100.12 ");
    CU_ASSERT_STRING_EQUAL(told(ask("127.0.0.1", 1)), "127.0.0.1 ");
    CU_ASSERT_STRING_EQUAL(told(ask("::1", 1)), "::1 ");
    CU_ASSERT_EQUAL(n_asked, 2);
    end();
}

static void failures_have_codes(void)
{
    char longest[300];

    memset(longest, 'a', sizeof(longest));
    longest[254] = 0;
    begin(NULL);
    CU_ASSERT_STRING_EQUAL(told(ask("nowhere.example", 1)), AIEX_E_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(told(ask("broken.example", 1)), AIEX_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(told(ask("empty.example", 1)), AIEX_E_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(told(ask("", 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask(".", 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask("a b", 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask("a/b", 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask("a:b", 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask("a", 65536)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask("a", -1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(told(ask(longest, 1)), AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(
        told(aiex_fake_request(h, p, self, "resolver.resolve", (struct aiex_slice){0}, 0)),
        AIEX_E_INVALID);
    CU_ASSERT_STRING_EQUAL(
        told(aiex_fake_request(h, p, self, "resolver.x", (struct aiex_slice){0}, 0)),
        AIEX_E_NOT_FOUND);
    CU_ASSERT_EQUAL(n_asked, 3);
    end();
}

static void answers_are_remembered(void)
{
    begin(NULL);
    told(ask("a", 1));
    aiex_fake_advance(h, 59999);
    CU_ASSERT_STRING_EQUAL(told(ask("A", 2)), BOTH);
    CU_ASSERT_EQUAL(n_asked, 1);
    aiex_fake_advance(h, 1);
    told(ask("a", 1));
    CU_ASSERT_EQUAL(n_asked, 2);
    told(ask("nowhere", 1));
    aiex_fake_advance(h, 4999);
    told(ask("nowhere", 1));
    CU_ASSERT_EQUAL(n_asked, 3);
    aiex_fake_advance(h, 1);
    told(ask("nowhere", 1));
    CU_ASSERT_EQUAL(n_asked, 4);
    end();
}

static void memory_is_bounded(void)
{
    begin((struct aiex_fake_pair[]){{"max_names", "2"}, {0}});
    told(ask("a", 1));
    told(ask("b", 1));
    told(ask("a", 1));
    told(ask("c", 1)); /* b was used least */
    told(ask("a", 1));
    CU_ASSERT_EQUAL(n_asked, 3);
    told(ask("b", 1));
    CU_ASSERT_EQUAL(n_asked, 4);
    end();
}

static void callers_share_a_look_up(void)
{
    uint64_t ids[10];

    begin(NULL);
    hold();
    for (int i = 0; i < 10; i++)
        ids[i] = ask("slow", i);
    wait_inside(1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, ids[3]), 0);
    let_go();
    for (int i = 0; i < 10; i++) {
        if (i != 3)
            CU_ASSERT_STRING_EQUAL(told(ids[i]), BOTH);
    }
    CU_ASSERT_EQUAL(n_asked, 1);
    end();
}

static void time_runs_out(void)
{
    uint64_t a, b;

    begin(NULL);
    hold();
    a = ask("slow", 1);
    wait_inside(1);
    aiex_fake_advance(h, 4999);
    b = ask("slow", 1);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, a));
    aiex_fake_advance(h, 1);
    CU_ASSERT_STRING_EQUAL(told(a), AIEX_E_TIMEOUT);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, b));
    let_go();
    CU_ASSERT_STRING_EQUAL(told(b), BOTH);
    CU_ASSERT_EQUAL(n_asked, 1);
    end();
}

static void threads_and_queue_are_bounded(void)
{
    uint64_t ids[6];
    char host[16];

    begin((struct aiex_fake_pair[]){{"threads", "2"}, {"max_queue", "2"}, {0}});
    hold();
    for (int i = 0; i < 2; i++) {
        snprintf(host, sizeof(host), "slow%d", i);
        ids[i] = ask(host, 1);
        wait_inside(i + 1);
    }
    for (int i = 2; i < 6; i++) {
        snprintf(host, sizeof(host), "slow%d", i);
        ids[i] = ask(host, 1);
    }
    CU_ASSERT_STRING_EQUAL(told(ids[4]), AIEX_E_BUSY);
    CU_ASSERT_STRING_EQUAL(told(ids[5]), AIEX_E_BUSY);
    let_go();
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(told(ids[i]), BOTH);
    end();
}

static void drain_waits_for_callers(void)
{
    uint64_t id;

    begin(NULL);
    hold();
    id = ask("slow", 1);
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    let_go();
    CU_ASSERT_STRING_EQUAL(told(id), BOTH);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    end();
}

/* The thread is inside getaddrinfo(): destroy() does not wait, and nothing comes afterwards. */
static void destroy_during_a_look_up(void)
{
    uint64_t id;

    begin(NULL);
    hold();
    id = ask("slow", 1);
    wait_inside(1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    end();
    let_go();
    wait_inside(0);
}

static void reload_changes_the_times(void)
{
    struct aiex_error err;

    begin(NULL);
    told(ask("a", 1));
    CU_ASSERT_EQUAL(
        aiex_fake_reload(h, p, self, (struct aiex_fake_pair[]){{"ttl", "0s"}, {0}}, &err), 0);
    told(ask("b", 1));
    told(ask("b", 1));
    CU_ASSERT_EQUAL(n_asked, 3);
    end();
}

static void without_memory(void)
{
    begin(NULL);
    for (size_t n = 1; n < 4; n++) {
        char host[16];
        const char *t;

        snprintf(host, sizeof(host), "m%zu", n);
        aiex_fake_fail_alloc(h, n);
        t = told(ask(host, 1));
        CU_ASSERT_TRUE(strcmp(t, AIEX_E_UNAVAILABLE) == 0 || strcmp(t, BOTH) == 0);
        aiex_fake_fail_alloc(h, 0);
        t = told(ask(host, 1));
        CU_ASSERT_STRING_EQUAL(t, BOTH);
    }
    end();
}

const struct test_case tests[] = {
    {"names_have_addresses", names_have_addresses},
    {"failures_have_codes", failures_have_codes},
    {"answers_are_remembered", answers_are_remembered},
    {"memory_is_bounded", memory_is_bounded},
    {"callers_share_a_look_up", callers_share_a_look_up},
    {"time_runs_out", time_runs_out},
    {"threads_and_queue_are_bounded", threads_and_queue_are_bounded},
    {"drain_waits_for_callers", drain_waits_for_callers},
    {"destroy_during_a_look_up", destroy_during_a_look_up},
    {"reload_changes_the_times", reload_changes_the_times},
    {"without_memory", without_memory},
    {0},
};
