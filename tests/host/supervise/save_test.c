#include "rig.h"

#include <errno.h>
#include <stdlib.h>

/* A machine in the middle of things: one up with a replacement, one in back-off, one failed. */
static void busy_machine(void)
{
    int group = supervise_group(sup, "chain", SUPERVISE_REST_FOR_ONE, 3, 5000);
    uint32_t a = rig_unit("a", group), b = rig_unit("b", group), c = rig_unit("c", -1);

    up(a);
    up(b);
    about_unit(SUPERVISE_REPLACE, a);
    about_unit(SUPERVISE_START, c);
    ended(spawned(), SUPERVISE_EXIT_CRASH);
}

static void *saved(size_t *ret_size)
{
    long need = supervise_save(sup, NULL, 0);
    void *bytes = malloc((size_t)need);

    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(supervise_save(sup, bytes, (size_t)need - 1), -ENOSPC);
    CU_ASSERT_EQUAL(supervise_save(sup, bytes, (size_t)need), need);
    *ret_size = (size_t)need;
    return bytes;
}

static void loaded_machine_goes_on_alike(void)
{
    struct supervisor *copy;
    struct supervise_actions a, b;
    size_t size;
    int error = 1;
    void *bytes;

    rig_init();
    busy_machine();
    bytes = saved(&size);
    copy = supervise_load(bytes, size, &error);
    CU_ASSERT_EQUAL(error, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (int i = 0; i < 50; i++) {
        struct supervise_event e = {.kind = SUPERVISE_TICK};
        uint32_t inc = current_of((uint32_t)i % 3);
        if (i % 2 && inc)
            e = (struct supervise_event){
                .kind = i % 4 == 1 ? SUPERVISE_READY : SUPERVISE_EXIT, .inc = inc, .class = 2};
        now += 400;
        supervise_step(sup, &e, now, &a);
        supervise_step(copy, &e, now, &b);
        CU_ASSERT_EQUAL_FATAL(a.n, b.n);
        CU_ASSERT_EQUAL(memcmp(a.at, b.at, a.n * sizeof a.at[0]), 0);
        CU_ASSERT_EQUAL(supervise_next_deadline(sup), supervise_next_deadline(copy));
    }
    supervise_free(copy);
    free(bytes);
    rig_done();
}

static void damaged_bytes_are_refused(void)
{
    size_t size;
    uint8_t *bytes;
    int error;

    rig_init();
    busy_machine();
    bytes = saved(&size);
    for (size_t i = 0; i < size; i += i < 64 ? 1 : 997) {
        bytes[i] ^= 0x41;
        error = 0;
        CU_ASSERT_PTR_NULL(supervise_load(bytes, size, &error));
        CU_ASSERT_EQUAL(error, -EPROTO);
        bytes[i] ^= 0x41;
    }
    for (size_t cut = 1; cut < size; cut += 1009)
        CU_ASSERT_PTR_NULL(supervise_load(bytes, size - cut, &error));
    CU_ASSERT_PTR_NULL(supervise_load(bytes, 0, &error));
    free(bytes);
    rig_done();
}

const struct test_case tests[] = {
    {"loaded_machine_goes_on_alike", loaded_machine_goes_on_alike},
    {"damaged_bytes_are_refused", damaged_bytes_are_refused},
    {0},
};
