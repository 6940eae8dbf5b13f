/*
 * request_memory_test.c - every allocation of a conversion fails once, in turn: -ENOMEM with a
 * sentence, nothing lost (the sanitizer tells).
 */
#include "test.h"

#include "arena.h"
#include "request_rig.h"
#include "request_samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);

static long left = -1; /* allocations until one fails; below 0: never */

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return fails() ? NULL : __real_realloc(old, n);
}

static int convert(int client, int vendor, const char *in, long nth)
{
    struct aiex_error err = {""};
    struct aiex_chat c;
    int rc;

    memset(&c, 0, sizeof(c));
    c.setup = (struct aiex_chat_setup){.client = client, .vendor = vendor, .stream = -1};
    c.setup.model = (struct aiex_slice){(const uint8_t *)"m", 1};
    left = nth;
    rc = request_convert(&c, (struct aiex_slice){(const uint8_t *)in, strlen(in)}, &err);
    left = -1;
    if (rc == -ENOMEM)
        CU_ASSERT_STRING_EQUAL(err.text, "no memory for the request");
    rig_done(&c);
    return rc;
}

static void nth_allocation_fails(void)
{
    for (int client = 1; client < AIEX_N_DIALECTS; client++) {
        char *in = rig_quotes(request_samples[client]);

        for (int vendor = 1; vendor < AIEX_N_DIALECTS; vendor++) {
            long nth = 0;
            int rc;

            if (aiex_dialect_op(client) != aiex_dialect_op(vendor))
                continue;
            while ((rc = convert(client, vendor, in, nth)) == -ENOMEM)
                nth++;
            CU_ASSERT_EQUAL(rc, 0);
            CU_ASSERT_TRUE(nth >= 3);
        }
        free(in);
    }
}

static void arena(void)
{
    struct arena *a = arena_new(10000);
    char *p, *q;

    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    p = arena_take(a, 3);
    q = arena_copy(a, "abc", 3);
    CU_ASSERT_TRUE(p && q && p != q && ((uintptr_t)p & 15) == 0 && ((uintptr_t)q & 15) == 0);
    CU_ASSERT_TRUE(p[0] == 0 && p[2] == 0);
    CU_ASSERT_STRING_EQUAL(q, "abc");
    CU_ASSERT_PTR_NOT_NULL(arena_raw(a, 5000)); /* a block of its own */
    CU_ASSERT_PTR_NULL(arena_raw(a, 6000));     /* beyond the maximum */
    CU_ASSERT_PTR_NULL(arena_raw(a, (size_t)-1));
    CU_ASSERT_PTR_NULL(arena_copy(a, "", (size_t)-1));
    CU_ASSERT_PTR_NOT_NULL(arena_raw(a, 16));
    arena_free(a);
    arena_free(NULL);
}

const struct test_case tests[] = {
    {"nth allocation fails", nth_allocation_fails},
    {"arena", arena},
    {0},
};
