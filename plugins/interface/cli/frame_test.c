/* frame_test.c - the frame decoder on bytes cut anywhere and on hostile ones. */
#include "test.h"

#include "frame.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

static size_t put_frame(uint8_t *out, size_t size, int64_t id, const char *kind, const char *body)
{
    struct aiex_writer w;

    aiex_writer_init(&w, out + 4, size - 4);
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "kind", kind);
    if (strcmp(kind, "part") == 0) {
        aiex_w_key_bin(&w, "body", body, strlen(body));
    } else {
        aiex_w_str(&w, "body");
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "text", body);
    }
    out[0] = (uint8_t)w.len;
    out[1] = (uint8_t)(w.len >> 8);
    out[2] = out[3] = 0;
    return 4 + w.len;
}

static void check_both(struct frame_reader *r, int *seen)
{
    struct frame_reply reply;
    int got;

    while ((got = frame_next(r, &reply)) == 1) {
        (*seen)++;
        CU_ASSERT_EQUAL(reply.id, *seen);
        CU_ASSERT_EQUAL(reply.kind, *seen == 1 ? FRAME_PART : FRAME_END);
        if (*seen == 1) {
            CU_ASSERT_EQUAL(reply.body.len, 5);
            CU_ASSERT_EQUAL(memcmp(reply.body.data, "hello", 5), 0);
        } else {
            struct aiex_slice text = {NULL, 0};

            CU_ASSERT_EQUAL(aiex_get_str(reply.body, "text", &text), 1);
            CU_ASSERT_EQUAL(text.len, 3);
            CU_ASSERT_EQUAL(reply.code.len, 0);
        }
    }
    CU_ASSERT_EQUAL(got, 0);
}

static void split_anywhere(void)
{
    uint8_t bytes[256];
    size_t len = put_frame(bytes, sizeof(bytes), 1, "part", "hello");

    len += put_frame(bytes + len, sizeof(bytes) - len, 2, "end", "bye");
    for (size_t cut = 0; cut <= len; cut++) {
        struct frame_reader r;
        int seen = 0;

        frame_reader_init(&r);
        CU_ASSERT_EQUAL(frame_feed(&r, bytes, cut), 0);
        check_both(&r, &seen);
        CU_ASSERT_EQUAL(frame_feed(&r, bytes + cut, len - cut), 0);
        check_both(&r, &seen);
        CU_ASSERT_EQUAL(seen, 2);
        frame_reader_done(&r);
    }
}

static void byte_by_byte(void)
{
    struct frame_reader r;
    uint8_t bytes[256];
    size_t len = put_frame(bytes, sizeof(bytes), 1, "part", "hello");
    int seen = 0;

    len += put_frame(bytes + len, sizeof(bytes) - len, 2, "end", "bye");
    frame_reader_init(&r);
    for (size_t i = 0; i < len; i++) {
        CU_ASSERT_EQUAL(frame_feed(&r, bytes + i, 1), 0);
        check_both(&r, &seen);
    }
    CU_ASSERT_EQUAL(seen, 2);
    frame_reader_done(&r);
}

static int read_one(const void *bytes, size_t len)
{
    struct frame_reader r;
    struct frame_reply reply;
    int got;

    frame_reader_init(&r);
    CU_ASSERT_EQUAL(frame_feed(&r, bytes, len), 0);
    got = frame_next(&r, &reply);
    frame_reader_done(&r);
    return got;
}

static void too_long_is_refused_by_its_length_alone(void)
{
    const uint8_t above[4] = {1, 0, 0, 2}; /* 32 MiB + 1 */
    const uint8_t limit[4] = {0, 0, 0, 2}; /* 32 MiB exactly: waits for it */

    CU_ASSERT_EQUAL(read_one(above, 4), -EMSGSIZE);
    CU_ASSERT_EQUAL(read_one(limit, 4), 0);
    CU_ASSERT_EQUAL(read_one("HTTP/1.1 400 Bad", 16), -EMSGSIZE);
}

static void what_is_no_reply_is_refused(void)
{
    static const struct {
        const char *name;
        uint8_t bytes[32];
        size_t len;
    } cases[] = {
        {"empty", {0, 0, 0, 0}, 4},
        {"no map", {1, 0, 0, 0, 0x01}, 5},
        {"map with missing pairs", {1, 0, 0, 0, 0x81}, 5},
        {"no id", {1, 0, 0, 0, 0x80}, 5},
        {"id is a string",
         {16,   0,   0,   0,   0x82, 0xa2, 'i', 'd', 0xa1, 'x',
          0xa4, 'k', 'i', 'n', 'd',  0xa3, 'e', 'n', 'd',  0},
         20},
        {"unknown kind",
         {14, 0, 0, 0, 0x82, 0xa2, 'i', 'd', 1, 0xa4, 'k', 'i', 'n', 'd', 0xa3, 'a', 'n', 'd'},
         18},
        {"part without body",
         {15, 0, 0, 0, 0x82, 0xa2, 'i', 'd', 1, 0xa4, 'k', 'i', 'n', 'd', 0xa4, 'p', 'a', 'r', 't'},
         19},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (read_one(cases[i].bytes, cases[i].len) != -EPROTO)
            printf("not refused: %s\n", cases[i].name);
        CU_ASSERT_EQUAL(read_one(cases[i].bytes, cases[i].len), -EPROTO);
    }
}

static void a_call_can_be_read_back(void)
{
    const struct frame_call call = {
        .id = 7, .service = "host", .method = "host.status", .timeout_ms = 1500};
    struct aiex_slice map, text = {0};
    uint8_t *bytes = NULL;
    size_t len = 0;
    int64_t n = 0;

    CU_ASSERT_EQUAL(frame_make_call(&call, &bytes, &len), 0);
    CU_ASSERT_EQUAL(len, 4u + bytes[0]);
    map.data = bytes + 4;
    map.len = len - 4;
    CU_ASSERT(aiex_is_map(map));
    CU_ASSERT_EQUAL(aiex_get_int(map, "timeout_ms", &n), 1);
    CU_ASSERT_EQUAL(n, 1500);
    CU_ASSERT_EQUAL(aiex_get_str(map, "op", &text), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(map, "body", &text), 1);
    CU_ASSERT_EQUAL(text.len, 1); /* an empty map, not nil */
    CU_ASSERT_EQUAL(text.data[0], 0x80);
    free(bytes);
}

static void a_call_above_the_limit_is_refused(void)
{
    static const uint8_t byte = 0x80;
    const struct frame_call call = {.service = "s", .method = "m", .body = {&byte, FRAME_MAX}};
    uint8_t *bytes = NULL;
    size_t len;

    CU_ASSERT_EQUAL(frame_make_call(&call, &bytes, &len), -EMSGSIZE);
    CU_ASSERT_PTR_NULL(bytes);
}

static void small_frames_fit(void)
{
    uint8_t out[FRAME_SMALL];

    CU_ASSERT(frame_make_credit(INT64_MAX, UINT64_MAX, out) <= FRAME_SMALL);
    CU_ASSERT(frame_make_cancel(INT64_MIN, out) <= FRAME_SMALL);
    CU_ASSERT_EQUAL(frame_make_credit(INT64_MAX, UINT64_MAX, out), 4u + out[0]);
}

const struct test_case tests[] = {
    {"split_anywhere", split_anywhere},
    {"byte_by_byte", byte_by_byte},
    {"too_long_is_refused_by_its_length_alone", too_long_is_refused_by_its_length_alone},
    {"what_is_no_reply_is_refused", what_is_no_reply_is_refused},
    {"a_call_can_be_read_back", a_call_can_be_read_back},
    {"a_call_above_the_limit_is_refused", a_call_above_the_limit_is_refused},
    {"small_frames_fit", small_frames_fit},
    {0},
};
