/* record_test.c - the header's layout, the codes, and errors that must fit. */
#include "wire/record.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex/aiex_plugin.h>
#include <stdlib.h>
#include <string.h>

static void test_layout(void)
{
    CU_ASSERT_EQUAL(sizeof(struct record), 32);
    CU_ASSERT_EQUAL(offsetof(struct record, len), 0);
    CU_ASSERT_EQUAL(offsetof(struct record, kind), 4);
    CU_ASSERT_EQUAL(offsetof(struct record, flags), 5);
    CU_ASSERT_EQUAL(offsetof(struct record, name), 6);
    CU_ASSERT_EQUAL(offsetof(struct record, id), 8);
    CU_ASSERT_EQUAL(offsetof(struct record, trace), 16);
    CU_ASSERT_EQUAL(offsetof(struct record, status), 24);
    CU_ASSERT_EQUAL(offsetof(struct record, aux), 28);
    CU_ASSERT_EQUAL(RECORD_BODY_MAX + sizeof(struct record), 16384);
    /* flags and the two bits of priority share a byte */
    CU_ASSERT_EQUAL((RECORD_MORE | RECORD_CONT | RECORD_LAZY | RECORD_IDEMPOTENT | RECORD_SPLICE |
                     RECORD_CAST) &
                        (3u << RECORD_PRIO_SHIFT),
                    0);
    CU_ASSERT(RECORD_KINDS <= 256);
}

static void test_fields(void)
{
    struct record r = {.id = 0x1122334455667788u, .aux = 0x00030007};

    CU_ASSERT_EQUAL(record_id_low(&r), 0x55667788);
    CU_ASSERT_EQUAL(record_id_high(&r), 0x11223344);
    CU_ASSERT_EQUAL(record_instance(&r), 7);
    CU_ASSERT_EQUAL(record_window(&r), 3 * 4096);
    r.aux = 7;
    CU_ASSERT_EQUAL(record_window(&r), RECORD_WINDOW_DEFAULT);
    r.aux = UINT32_MAX;
    CU_ASSERT_EQUAL(record_window(&r), 0xffffu * 4096u);
}

static void test_codes(void)
{
    static const char *const codes[WIRE_STATUSES] = {
        NULL,
        AIEX_E_TIMEOUT,
        AIEX_E_CRASHED,
        AIEX_E_BUSY,
        AIEX_E_CANCELLED,
        AIEX_E_UNAVAILABLE,
        AIEX_E_INVALID,
        AIEX_E_DENIED,
        AIEX_E_NOT_FOUND,
        AIEX_E_CONFLICT,
        AIEX_E_READ_ONLY,
        AIEX_E_UPSTREAM,
        AIEX_E_INTERNAL,
    };

    CU_ASSERT_PTR_NULL(wire_code(WIRE_OK));
    for (int32_t i = 1; i < WIRE_STATUSES; i++) { /* the numbers are part of the wire format */
        CU_ASSERT_STRING_EQUAL(wire_code(i), codes[i]);
        CU_ASSERT_EQUAL(wire_status_of(codes[i]), i);
    }
    CU_ASSERT_STRING_EQUAL(wire_code(WIRE_STATUSES), AIEX_E_INTERNAL);
    CU_ASSERT_STRING_EQUAL(wire_code(-1), AIEX_E_INTERNAL);
    CU_ASSERT_STRING_EQUAL(wire_code(INT32_MIN), AIEX_E_INTERNAL);
    CU_ASSERT_STRING_EQUAL(wire_code(INT32_MAX), AIEX_E_INTERNAL);
    CU_ASSERT_EQUAL(wire_status_of(NULL), WIRE_INTERNAL);
    CU_ASSERT_EQUAL(wire_status_of(""), WIRE_INTERNAL);
    CU_ASSERT_EQUAL(wire_status_of("Busy"), WIRE_INTERNAL);
}

/* In every size of room: either a whole map that says the same, or nothing. */
static void test_error_pack(void)
{
    static const uint8_t detail[] = {0x81, 0xa1, 'n', 5};
    size_t with = 0, without = 0;

    for (size_t size = 0; size < 100; size++) {
        uint8_t *mem = malloc(size + 1); /* so that one byte too many is seen */
        size_t n = wire_error_pack(mem, size, "text", 300, detail, sizeof(detail));
        struct aiex_slice body = {mem, n}, text = {0}, got;
        int64_t retry = 0;

        CU_ASSERT_FATAL(n <= size);
        if (n) {
            CU_ASSERT(aiex_is_map(body));
            CU_ASSERT_EQUAL(aiex_get_str(body, "text", &text), 1);
            CU_ASSERT(aiex_slice_is(text, "text"));
            CU_ASSERT_EQUAL(aiex_get_int(body, "retry_after_ms", &retry), 1);
            CU_ASSERT_EQUAL(retry, 300);
            if (aiex_get_whole(body, "detail", &got) == 1) {
                CU_ASSERT_EQUAL(got.len, sizeof(detail));
                with += !with ? size : 0;
            } else {
                without += !without ? size : 0;
            }
        }
        free(mem);
    }
    CU_ASSERT(without > 0 && with > without);
}

static void test_error_pack_long_text(void)
{
    char *text = malloc(5000);
    uint8_t mem[1280];
    struct aiex_slice body = {mem, 0}, got = {0};

    memset(text, 'x', 4999);
    text[4999] = 0;
    body.len = wire_error_pack(mem, sizeof(mem), text, UINT32_MAX, NULL, 0);
    CU_ASSERT(body.len > 1024);
    CU_ASSERT_EQUAL(aiex_get_str(body, "text", &got), 1);
    CU_ASSERT_EQUAL(got.len, 1024);
    free(text);
}

const struct test_case tests[] = {
    {"layout", test_layout},
    {"fields", test_fields},
    {"codes", test_codes},
    {"error_pack", test_error_pack},
    {"error_pack_long_text", test_error_pack_long_text},
    {0},
};
