/* start_test.c - the start message: whole, cut at every byte, and with every byte changed. */
#include "wire/start.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct start_option options[3] = {{"key", "s3cret"}, {"url", ""}, {"n", "42"}};
static struct start_instance instances[2] = {
    {"provider_x:work", "/lib/provider_x.so", "/data/x", "provider", 5, 3, options},
    {"service_y", "/lib/service_y.so", "", "service", 0, 0, NULL},
};
static const struct start start = {.host_pid = 123,
                                   .cell = "c",
                                   .node = "n",
                                   .http_module = "/h.so",
                                   .plugin_dir = "/p",
                                   .ring_bytes = 262144,
                                   .spin_us = 20,
                                   .sandbox = 0,
                                   .priority = -5,
                                   .limit_memory_bytes = 1 << 30,
                                   .limit_files = 64,
                                   .limit_threads = 8,
                                   .n_instances = 2,
                                   .instances = instances};

static void test_round_trip(void)
{
    struct start_box *box = NULL;
    struct start got;
    struct pack p;

    pack_init(&p, START_MAX);
    CU_ASSERT_EQUAL(start_pack(&start, &p), 0);
    CU_ASSERT_EQUAL_FATAL(start_unpack(pack_slice(&p), &got, &box), 0);
    pack_done(&p); /* texts do not point into it */
    CU_ASSERT_EQUAL(got.host_pid, 123);
    CU_ASSERT_STRING_EQUAL(got.cell, "c");
    CU_ASSERT_STRING_EQUAL(got.node, "n");
    CU_ASSERT_STRING_EQUAL(got.http_module, "/h.so");
    CU_ASSERT_STRING_EQUAL(got.plugin_dir, "/p");
    CU_ASSERT_EQUAL(got.ring_bytes, 262144);
    CU_ASSERT_EQUAL(got.spin_us, 20);
    CU_ASSERT_EQUAL(got.sandbox, 0);
    CU_ASSERT_EQUAL(got.priority, -5);
    CU_ASSERT_EQUAL(got.limit_memory_bytes, 1 << 30);
    CU_ASSERT_EQUAL(got.limit_files, 64);
    CU_ASSERT_EQUAL(got.limit_threads, 8);
    CU_ASSERT_EQUAL_FATAL(got.n_instances, 2);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(got.instances[i].name, instances[i].name);
        CU_ASSERT_STRING_EQUAL(got.instances[i].path, instances[i].path);
        CU_ASSERT_STRING_EQUAL(got.instances[i].data_dir, instances[i].data_dir);
        CU_ASSERT_STRING_EQUAL(got.instances[i].kind, instances[i].kind);
        CU_ASSERT_EQUAL(got.instances[i].needs, instances[i].needs);
        CU_ASSERT_EQUAL_FATAL(got.instances[i].n_options, instances[i].n_options);
        for (unsigned k = 0; k < got.instances[i].n_options; k++) {
            CU_ASSERT_STRING_EQUAL(got.instances[i].options[k].name, options[k].name);
            CU_ASSERT_STRING_EQUAL(got.instances[i].options[k].text, options[k].text);
        }
    }
    start_done(box);
    start_done(NULL);
}

static void test_too_large(void)
{
    struct pack p;

    pack_init(&p, 100);
    CU_ASSERT_EQUAL(start_pack(&start, &p), -EMSGSIZE);
    CU_ASSERT_EQUAL(pack_slice(&p).len, 0);
    pack_done(&p);
}

static void test_truncated(void)
{
    struct start got;
    struct pack p;

    pack_init(&p, START_MAX);
    start_pack(&start, &p);
    for (size_t n = 0; n < pack_slice(&p).len; n++) {
        struct start_box *box = NULL;
        uint8_t *copy = malloc(n + 1);

        memcpy(copy, pack_slice(&p).data, n);
        CU_ASSERT_EQUAL(start_unpack((struct aiex_slice){copy, n}, &got, &box), -EBADMSG);
        CU_ASSERT_PTR_NULL(box);
        free(copy);
    }
    pack_done(&p);
}

/* Every byte replaced by every other: refused, or read without touching what is not there. */
static void test_mutated(void)
{
    struct start got;
    struct pack p;
    size_t n, read = 0, refused = 0;
    uint8_t *copy;

    pack_init(&p, START_MAX);
    start_pack(&start, &p);
    n = pack_slice(&p).len;
    copy = malloc(n);
    for (size_t i = 0; i < n; i++)
        for (unsigned byte = 0; byte < 256; byte += 3) {
            struct start_box *box = NULL;

            memcpy(copy, pack_slice(&p).data, n);
            copy[i] = (uint8_t)byte;
            if (start_unpack((struct aiex_slice){copy, n}, &got, &box) < 0) {
                refused++;
                continue;
            }
            read++;
            for (size_t k = 0; k < got.n_instances; k++)
                for (size_t o = 0; o < got.instances[k].n_options; o++)
                    read += strlen(got.instances[k].options[o].text) > n;
            start_done(box);
        }
    CU_ASSERT(read > 1000 && refused > 1000);
    free(copy);
    pack_done(&p);
}

static void pack_instances(struct pack *p, size_t n, int options_as_list)
{
    pack_map(p, 1);
    pack_str(p, "instances");
    pack_array(p, n);
    for (size_t i = 0; i < n; i++) {
        pack_map(p, 1);
        pack_str(p, "options");
        if (options_as_list) {
            pack_array(p, 2);
            pack_str(p, "a");
            pack_str(p, "b");
        } else {
            pack_map(p, 0);
        }
    }
}

static void test_shapes(void)
{
    static const size_t counts[] = {0, 1, START_INSTANCES_MAX, START_INSTANCES_MAX + 1};
    struct start_box *box = NULL;
    struct start got;
    struct pack p;

    for (unsigned i = 0; i < 4; i++) {
        int good = counts[i] >= 1 && counts[i] <= START_INSTANCES_MAX;

        pack_init(&p, START_MAX);
        pack_instances(&p, counts[i], 0);
        CU_ASSERT_EQUAL(start_unpack(pack_slice(&p), &got, &box), good ? 0 : -EBADMSG);
        if (good) {
            CU_ASSERT_STRING_EQUAL(got.instances[0].name, "");
            CU_ASSERT_EQUAL(got.sandbox, 1); /* missing = on */
            start_done(box);
        }
        pack_done(&p);
    }
    /* options that are a list, not a map */
    pack_init(&p, START_MAX);
    pack_instances(&p, 2, 1);
    CU_ASSERT_EQUAL_FATAL(start_unpack(pack_slice(&p), &got, &box), 0);
    CU_ASSERT_EQUAL(got.instances[0].n_options, 0);
    start_done(box);
    pack_done(&p);
    CU_ASSERT_EQUAL(start_unpack((struct aiex_slice){(const uint8_t *)"\x90", 1}, &got, &box),
                    -EBADMSG);
    CU_ASSERT_EQUAL(start_unpack((struct aiex_slice){(const uint8_t *)"\xc0", 1}, &got, &box),
                    -EBADMSG);
}

const struct test_case tests[] = {
    {"round_trip", test_round_trip}, {"too_large", test_too_large}, {"truncated", test_truncated},
    {"mutated", test_mutated},       {"shapes", test_shapes},       {0},
};
