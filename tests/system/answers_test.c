/*
 * answers_test.c - answers that a model gave before the host ended are given again by the next one:
 * coordinator, tiers and a model server, all of them real.
 */
#include "rig.h"

#include "test.h"

#include "mock_upstream.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mock mock;

static struct rig *begin(const char *tiers)
{
    char ini[1024];
    struct rig *rig;

    mock_start(&mock, 0);
    snprintf(ini, sizeof(ini),
             "[host]\nnode = test\n[provider_openai]\nbase_url = http://127.0.0.1:%d/v1\n"
             "api_key = none\n[service_coordinator]\ncache = on\ncache_levels = on\n"
             "cache_wait = 200ms\n%s",
             mock.port, tiers);
    rig = rig_start_raw(ini, AIEX_BUILD_DIR "/plugins");
    CU_ASSERT_FATAL(rig_until_state(rig, "service_coordinator", "up") &&
                    rig_until_state(rig, "provider_openai", "up"));
    return rig;
}

static void end(struct rig *rig)
{
    rig_end(rig);
    mock_stop(&mock);
}

static struct answer ask(struct rig *rig, const char *question)
{
    static uint8_t mem[1024];
    char body[256];
    struct aiex_writer w;

    snprintf(body, sizeof(body),
             "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
             question);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "dialect", "openai.chat");
    aiex_w_key_str(&w, "model", "mock");
    aiex_w_key_bool(&w, "stream", 0);
    aiex_w_key_bin(&w, "body", (const uint8_t *)body, strlen(body));
    return rig_ask(rig, "coordinator", "coordinator.chat", aiex_written(&w), RIG_WAIT_MS);
}

/* Answered; from the cache? */
static int is_cached(struct rig *rig, const char *question)
{
    struct answer a = ask(rig, question);
    char as[16] = "";

    if (!a.got || a.code[0])
        printf("\n%s: %s %s\n", question, a.code, a.text);
    CU_ASSERT_FATAL(a.got && !a.code[0] && a.part_bytes > 100);
    aiex_get_text(a.body, "cached", as, sizeof(as));
    return strcmp(as, "exact") == 0;
}

static int on_disk(struct rig *rig, void *arg)
{
    struct answer a = rig_ask(rig, "tier_cold", "tier.stats", (struct aiex_slice){NULL, 0},
                              RIG_WAIT_MS);

    return answer_int(&a, "entries") == *(int64_t *)arg;
}

static void an_answer_is_given_after_a_restart(void)
{
    struct rig *rig = begin("[tier_warm]\n[tier_cold]\n");
    int64_t one = 1, two = 2;

    CU_ASSERT_FATAL(rig_until_state(rig, "tier_warm", "up") &&
                    rig_until_state(rig, "tier_cold", "up"));
    CU_ASSERT_FALSE(is_cached(rig, "first"));
    CU_ASSERT_TRUE(is_cached(rig, "first"));
    CU_ASSERT_FATAL(rig_until(rig, on_disk, &one));
    CU_ASSERT_FALSE(is_cached(rig, "second"));
    CU_ASSERT_FATAL(rig_until(rig, on_disk, &two));
    rig_kill(rig); /* the answer of the disk's tier was: it survives */
    rig_again(rig);
    CU_ASSERT_FATAL(rig_until_state(rig, "service_coordinator", "up") &&
                    rig_until_state(rig, "tier_warm", "up") &&
                    rig_until_state(rig, "tier_cold", "up"));
    CU_ASSERT_TRUE(is_cached(rig, "first"));
    CU_ASSERT_TRUE(is_cached(rig, "second"));
    CU_ASSERT_FALSE(is_cached(rig, "third"));
    end(rig);
}

/* Nobody waits for what is not there, or hangs. */
static void tiers_that_are_away(void)
{
    struct rig *rig = begin("cache_disk = tier_none\n[tier_warm]\nhang = 1h\n");
    pid_t warm;

    CU_ASSERT_FATAL(rig_until_state(rig, "tier_warm", "up"));
    CU_ASSERT_FALSE(is_cached(rig, "first"));
    warm = rig_plugin(rig, "tier_warm").pid;
    CU_ASSERT_EQUAL(kill(warm, SIGSTOP), 0);
    CU_ASSERT_FALSE(is_cached(rig, "second"));
    CU_ASSERT_TRUE(is_cached(rig, "second"));
    CU_ASSERT_EQUAL(kill(warm, SIGCONT), 0);
    end(rig);
}

const struct test_case tests[] = {
    {"an_answer_is_given_after_a_restart", an_answer_is_given_after_a_restart},
    {"tiers_that_are_away", tiers_that_are_away},
    {0},
};
