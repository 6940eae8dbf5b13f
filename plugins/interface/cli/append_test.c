/*
 * append_test.c - the parts of aiex events append without a host: lines, what a line asks of the
 * store, what is printed in which order, ids, base64, and stored events as text.
 */
#include "test.h"

#include "acks.h"
#include "append_line.h"
#include "base64.h"
#include "event_out.h"
#include "json_in.h"
#include "json_out.h"
#include "lines.h"
#include "uuid7.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(const char *text, const char *wanted)
{
    if (strcmp(text, wanted) == 0)
        return 1;
    printf("\n  wanted: %s\n  got:    %s\n", wanted, text);
    return 0;
}

/* Calls `body` with a stream whose text is compared. */
#define PRINTS(wanted, body)                                                                       \
    do {                                                                                           \
        char *text_ = NULL;                                                                        \
        size_t len_ = 0;                                                                           \
        FILE *to = open_memstream(&text_, &len_);                                                  \
        body;                                                                                      \
        fclose(to);                                                                                \
        CU_ASSERT(is(text_, wanted));                                                              \
        free(text_);                                                                               \
    } while (0)

/* ---- Lines ---- */

static void lines_in_any_pieces(void)
{
    static const char text[] = "one\n\nthree\r\n" /* then one that is too long */
                               "0123456789012345\nfive\n9999999999999999999999\nseven";
    static const char *const wanted[] = {"one", "", "three\r", NULL, "five", NULL, "seven"};

    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct lines l;
        char *line;
        size_t len, n = 0;
        int fds[2], got;

        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        lines_init(&l, fds[0], 10);
        for (size_t at = 0; !l.ended;) {
            size_t some = sizeof(text) - 1 - at < piece ? sizeof(text) - 1 - at : piece;

            if (!some)
                close(fds[1]);
            CU_ASSERT(!some || write(fds[1], text + at, some) == (ssize_t)some);
            at += some;
            CU_ASSERT_EQUAL(lines_read(&l), 0);
            while ((got = lines_next(&l, &line, &len)) != 0) {
                CU_ASSERT_FATAL(n < 7);
                CU_ASSERT_EQUAL(got, wanted[n] ? 1 : -EMSGSIZE);
                CU_ASSERT(got < 0 ||
                          (len == strlen(wanted[n]) && memcmp(line, wanted[n], len) == 0));
                CU_ASSERT_EQUAL(l.number, ++n);
            }
        }
        CU_ASSERT_EQUAL(n, 7);
        lines_done(&l);
        close(fds[0]);
    }
}

static void a_line_that_never_ends_takes_no_memory(void)
{
    struct lines l;
    char block[4096], *line;
    size_t len;
    int fds[2], too_long = 0;

    memset(block, 'x', sizeof(block));
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    lines_init(&l, fds[0], 100000);
    for (int i = 0; i < 2000; i++) {
        CU_ASSERT_EQUAL(write(fds[1], block, sizeof(block)), (ssize_t)sizeof(block));
        CU_ASSERT_EQUAL(lines_read(&l), 0);
        too_long += lines_next(&l, &line, &len) == -EMSGSIZE;
    }
    CU_ASSERT_EQUAL(too_long, 1);
    CU_ASSERT(l.cap < 400000);
    close(fds[1]);
    CU_ASSERT_EQUAL(lines_read(&l), 0);
    CU_ASSERT_EQUAL(lines_next(&l, &line, &len), 0);
    lines_done(&l);
    close(fds[0]);
}

/* ---- A line ---- */

static const struct append_defaults defaults = {
    .stream = "s", .expected = EXPECT_ANY, .level = "synced", .keeps_expect = 1};

static struct append_line *parsed(const struct append_defaults *d, const char *text)
{
    struct append_line *l = NULL;
    struct aiex_error err = {""};

    if (append_line_parse(text, strlen(text), d, &l, &err) != 0)
        printf("\n  %s: %s\n", text, err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    return l;
}

static void asks(const char *line, const char *method, const char *body)
{
    struct append_line *l = parsed(&defaults, line);

    CU_ASSERT_STRING_EQUAL(l->method, method);
    PRINTS(body, json_out(to, l->body, JSON_LINE));
    append_line_free(l);
}

static void a_line_becomes_a_request(void)
{
    asks(
        " {\"type\":\"t\",\"id\":\"i\",\"data\":{\"a\": [1, \"\\u00e9\"]}} ", "store.append",
        "{\"level\":\"synced\",\"stream\":\"s\",\"expected\":-1,\"events\":[{\"id\":\"i\",\"type\":"
        "\"t\",\"data\":\"{\\\"a\\\": [1, \\\"\\\\u00e9\\\"]}\"}]}");
    asks("{\"type\":\"\\u0074\\n\",\"id\":\"i\",\"expect\":\"none\",\"time\":12,\"correlation\":"
         "\"c\","
         "\"causation\":\"k\",\"meta\":{\"m\":1},\"data_base64\":\"AAEC/w==\",\"seq\":4}",
         "store.append",
         "{\"level\":\"synced\",\"stream\":\"s\",\"expected\":0,\"events\":[{\"id\":\"i\",\"type\":"
         "\"t\\n\",\"time\":12,\"data\":\"base64:AAEC/w==\",\"correlation\":\"c\",\"causation\":"
         "\"k\",\"meta\":{\"m\":1}}]}");
    asks("{\"type\":\"t\",\"id\":\"i\",\"data\":null,\"expect\":7,\"stream\":\"other\"}",
         "store.append",
         "{\"level\":\"synced\",\"stream\":\"other\",\"expected\":7,\"events\":[{\"id\":\"i\","
         "\"type\":\"t\"}]}");
    asks(
        "[{\"type\":\"a\",\"id\":\"1\",\"expect\":\"exists\"},{\"type\":\"b\",\"id\":\"2\"}]",
        "store.append",
        "{\"level\":\"synced\",\"stream\":\"s\",\"expected\":-2,\"events\":[{\"id\":\"1\",\"type\":"
        "\"a\"},{\"id\":\"2\",\"type\":\"b\"}]}");
    asks(
        "[{\"type\":\"a\",\"id\":\"1\"},{\"type\":\"b\",\"id\":\"2\",\"stream\":\"o\",\"expect\":3}"
        ","
        "{\"type\":\"c\",\"id\":\"3\"}]",
        "store.transact",
        "{\"level\":\"synced\",\"operations\":[{\"op\":\"append\",\"stream\":\"s\",\"expected\":-1,"
        "\"events\":[{\"id\":\"1\",\"type\":\"a\"},{\"id\":\"3\",\"type\":\"c\"}]},{\"op\":"
        "\"append\",\"stream\":\"o\",\"expected\":3,\"events\":[{\"id\":\"2\",\"type\":\"b\"}]}]}");
}

static void what_is_wrong_is_said(void)
{
    static const struct {
        const char *line, *why;
    } wrong[] = {
        {"nonsense", "the JSON is wrong at column 2: "},
        {"{\"type\":\"a\"", "the JSON is wrong at column 12: "},
        {"\"a\"", "a line must be an object (one event) or an array (a batch)"},
        {"[]", "a batch must have 1 to 1000 events"},
        {"[1]", "event 1: an event must be an object"},
        {"{}", "'type' is missing"},
        {"{\"type\":\"\"}", "'type' is missing"},
        {"{\"type\":1}", "'type' must be text"},
        {"[{\"type\":\"a\"},{\"data\":1}]", "event 2: 'type' is missing"},
        {"{\"type\":\"a\",\"type\":\"b\"}", "'type' stands there twice"},
        {"{\"type\":\"a\",\"id\":\"\"}", "'id' must be text of 1 to 64 bytes"},
        {"{\"type\":\"a\",\"id\":\"a\\u0000b\"}", "'id' must be text of 1 to 64 bytes"},
        {"{\"type\":\"a\",\"id\":5}", "'id' must be text"},
        {"{\"type\":\"a\",\"time\":1.5}", "'time' must be a whole number"},
        {"{\"type\":\"a\",\"time\":-1}", "'time' must be a whole number"},
        {"{\"type\":\"a\",\"expect\":-1}", "'expect' must be any, none, exists or a version"},
        {"{\"type\":\"a\",\"expect\":\"some\"}", "'expect' must be any, none, exists or a version"},
        {"{\"type\":\"a\",\"expect\":true}", "'expect' must be any, none, exists or a version"},
        {"[{\"type\":\"a\"},{\"type\":\"b\",\"expect\":1}]", "event 2: 'expect' may stand in"},
        {"{\"type\":\"a\",\"data_base64\":\"a\"}", "'data_base64' is not base64"},
        {"{\"type\":\"a\",\"data_base64\":\"\",\"data\":1}", "exclude each other"},
        {"{\"type\":\"a\",\"meta\":[]}", "'meta': the JSON must be an object"},
        {"{\"type\":\"a\",\"stream\":7}", "'stream' must be text"},
        {"{\"type\":\"\xff\"}", "the JSON is wrong at column 10: "},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct append_line *l = NULL;
        struct aiex_error err = {""};

        CU_ASSERT_EQUAL(
            append_line_parse(wrong[i].line, strlen(wrong[i].line), &defaults, &l, &err), -EINVAL);
        if (!strstr(err.text, wrong[i].why))
            is(err.text, wrong[i].why);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].why));
        CU_ASSERT_PTR_NULL(l);
    }
}

static void bounds_of_a_line(void)
{
    const struct append_defaults no_stream = {.level = "synced"};
    size_t size = 64 * 1024, n = 0;
    char *text = malloc(size);
    struct append_line *l = NULL;
    struct aiex_error err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (int i = 0; i < 1001; i++)
        n += (size_t)snprintf(text + n, size - n, "%s{\"type\":\"t\"}", i ? "," : "[");
    strcpy(text + n, "]");
    CU_ASSERT_EQUAL(append_line_parse(text, n + 1, &defaults, &l, &err), -EINVAL);
    strcpy(text + n - strlen(",{\"type\":\"t\"}"), "]");
    l = parsed(&defaults, text);
    CU_ASSERT(l->n_events == 1000 && l->n_streams == 1 && l->events[999].place == 999);
    append_line_free(l);
    l = NULL;
    CU_ASSERT_EQUAL(append_line_parse("{\"type\":\"t\"}", 12, &no_stream, &l, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'stream' must be text of 1 to 255 bytes"));
    free(text);
}

static void ids_are_made_and_sort(void)
{
    char last[UUID7_TEXT] = "", id[UUID7_TEXT];
    struct append_line *l = parsed(&defaults, "[{\"type\":\"a\"},{\"type\":\"b\"}]");

    CU_ASSERT(strcmp(l->events[0].id, l->events[1].id) < 0);
    append_line_free(l);
    for (int i = 0; i < 10000; i++) {
        uuid7_make(id);
        CU_ASSERT_FATAL(strlen(id) == 36 && id[14] == '7' && strchr("89ab", id[19]));
        CU_ASSERT_FATAL(strcmp(last, id) < 0);
        strcpy(last, id);
    }
}

static void base64_both_ways(void)
{
    static const char *const wrong[] = {
        "a", "abc", "ab=c", "====", "a===", "ab c", "abc\n", "YQ=a"};
    uint8_t bytes[64], back[100];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);

        base64_write(f, bytes, n);
        fclose(f);
        CU_ASSERT_EQUAL(base64_read(text, len, back), (long)n);
        CU_ASSERT_EQUAL(memcmp(bytes, back, n), 0);
        free(text);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CU_ASSERT_EQUAL(base64_read(wrong[i], strlen(wrong[i]), back), -1);
}

/* ---- Outcomes ---- */

static void enter(struct acks *a, uint64_t number, int64_t call, const char *line)
{
    CU_ASSERT_EQUAL(acks_add(a, parsed(&defaults, line), number, call, (int64_t)(1000 + number)),
                    0);
}

static void over(struct acks *a, int64_t call, const char *code, const char *body)
{
    struct flight_end end = {.call = call};
    struct aiex_error err;

    CU_ASSERT_EQUAL_FATAL(json_in(body, strlen(body), &end.body, &err), 0);
    end.code = (struct aiex_slice){(const uint8_t *)code, strlen(code)};
    end.text = (struct aiex_slice){(const uint8_t *)"why", *code ? 3 : 0};
    acks_end(a, &end);
    free((void *)(uintptr_t)end.body.data);
}

static void in_the_order_of_each_stream(void)
{
    struct acks a;

    acks_init(&a);
    enter(&a, 1, 11, "{\"type\":\"t\",\"id\":\"1\"}");
    enter(&a, 2, 12, "{\"type\":\"t\",\"id\":\"2\"}");
    enter(&a, 3, 13, "{\"type\":\"t\",\"id\":\"3\",\"stream\":\"o\"}");
    CU_ASSERT_EQUAL(acks_add_fault(&a, "s", 4, "bad"), 0);
    CU_ASSERT_EQUAL(acks_deadline(&a), 1001);
    over(&a, 12, "", "{\"version\":6,\"sequence\":8}");
    PRINTS("", acks_print(&a, to));
    over(&a, 13, "", "{\"version\":1,\"sequence\":9,\"duplicate\":true}");
    PRINTS("{\"stream\":\"o\",\"version\":1,\"seq\":9,\"id\":\"3\",\"duplicate\":true}\n",
           acks_print(&a, to));
    CU_ASSERT(a.n_open == 1 && a.n_over == 2);
    over(&a, 11, "conflict", "{\"version\":5}");
    PRINTS("{\"error\":\"conflict\",\"text\":\"why\",\"stream\":\"s\",\"version\":5,\"id\":\"1\","
           "\"line\":1}\n"
           "{\"stream\":\"s\",\"version\":6,\"seq\":8,\"id\":\"2\"}\n"
           "{\"error\":\"invalid\",\"text\":\"bad\",\"stream\":\"s\",\"line\":4}\n",
           acks_print(&a, to));
    CU_ASSERT(a.n_open == 0 && a.n_over == 0 && a.n_events == 4 && a.n_failed == 2);
    CU_ASSERT_EQUAL(acks_deadline(&a), -1);
    CU_ASSERT_STRING_EQUAL(a.first_fault, "line 4: invalid: bad");
    over(&a, 11, "", "{}");                            /* nobody waits for it */
    enter(&a, 5, 15, "{\"type\":\"t\",\"id\":\"5\"}"); /* the list goes on behind an empty one */
    acks_done(&a);
}

static void batches_and_what_is_unknown(void)
{
    static const char batch[] = "[{\"type\":\"a\",\"id\":\"1\"},{\"type\":\"b\",\"id\":\"2\","
                                "\"stream\":\"o\"},{\"type\":\"c\",\"id\":\"3\"}]";
    struct acks a;

    acks_init(&a);
    enter(&a, 1, 1, batch);
    over(&a, 1, "",
         "{\"appends\":[{\"version\":7,\"sequence\":21},{\"version\":1,\"sequence\":22}]}");
    PRINTS("{\"stream\":\"s\",\"version\":6,\"seq\":20,\"id\":\"1\"}\n"
           "{\"stream\":\"o\",\"version\":1,\"seq\":22,\"id\":\"2\"}\n"
           "{\"stream\":\"s\",\"version\":7,\"seq\":21,\"id\":\"3\"}\n",
           acks_print(&a, to));
    enter(&a, 2, 2, "{\"type\":\"t\",\"id\":\"4\"}");
    enter(&a, 3, 3, "{\"type\":\"t\",\"id\":\"5\"}");
    enter(&a, 4, 4, "{\"type\":\"t\",\"id\":\"6\"}");
    enter(&a, 5, 5, "{\"type\":\"t\",\"id\":\"7\"}");
    enter(&a, 6, 6, batch);
    over(&a, 2, "crashed", "{}");
    over(&a, 3, "internal", "{\"unknown\":true}");
    over(&a, 4, "", "{\"version\":1}"); /* broken: who knows */
    over(&a, 5, "busy", "{}");
    acks_give_up(&a, "gone");
    PRINTS("{\"error\":\"unknown\",\"text\":\"why\",\"stream\":\"s\",\"id\":\"4\",\"line\":2}\n"
           "{\"error\":\"unknown\",\"text\":\"why\",\"stream\":\"s\",\"id\":\"5\",\"line\":3}\n"
           "{\"error\":\"unknown\",\"text\":\"the store's answer is broken\",\"stream\":\"s\","
           "\"id\":\"6\",\"line\":4}\n"
           "{\"error\":\"busy\",\"text\":\"why\",\"stream\":\"s\",\"id\":\"7\",\"line\":5}\n"
           "{\"error\":\"unknown\",\"text\":\"gone\",\"stream\":\"s\",\"id\":\"1\",\"line\":6}\n"
           "{\"error\":\"unknown\",\"text\":\"gone\",\"stream\":\"o\",\"id\":\"2\",\"line\":6}\n"
           "{\"error\":\"unknown\",\"text\":\"gone\",\"stream\":\"s\",\"id\":\"3\",\"line\":6}\n",
           acks_print(&a, to));
    CU_ASSERT(a.n_open == 0 && a.n_bytes == 0 && a.n_failed == 7 && a.n_events == 10);
    acks_done(&a);
}

/* ---- Stored events ---- */

static void shown(const void *data, size_t len, enum event_form form, const char *wanted)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "sequence", 4);
    aiex_w_key_str(&w, "type", "t\x1b");
    aiex_w_key_bin(&w, "data", data, len);
    PRINTS(wanted, event_out_json(to, aiex_written(&w), form));
}

static void data_in_each_form(void)
{
    static const uint8_t map[] = {0x81, 0xa1, 'a', 1};

    shown("{\"a\": 1}", 8, EVENT_EXACT, "{\"seq\":4,\"type\":\"t\\u001b\",\"data\":{\"a\": 1}}\n");
    shown("[1,\n2]", 6, EVENT_SHOWN, "{\"seq\":4,\"type\":\"t\\u001b\",\"data\":[1, 2]}\n");
    shown("[1,\n2]", 6, EVENT_EXACT,
          "{\"seq\":4,\"type\":\"t\\u001b\",\"data_base64\":\"WzEsCjJd\"}\n");
    shown(" 1", 2, EVENT_EXACT, "{\"seq\":4,\"type\":\"t\\u001b\",\"data_base64\":\"IDE=\"}\n");
    shown(map, sizeof(map), EVENT_SHOWN, "{\"seq\":4,\"type\":\"t\\u001b\",\"data\":{\"a\":1}}\n");
    shown(map, sizeof(map), EVENT_EXACT,
          "{\"seq\":4,\"type\":\"t\\u001b\",\"data_base64\":\"gaFhAQ==\"}\n");
    shown("", 0, EVENT_SHOWN, "{\"seq\":4,\"type\":\"t\\u001b\",\"data_base64\":\"\"}\n");
}

const struct test_case tests[] = {
    {"lines_in_any_pieces", lines_in_any_pieces},
    {"a_line_that_never_ends_takes_no_memory", a_line_that_never_ends_takes_no_memory},
    {"a_line_becomes_a_request", a_line_becomes_a_request},
    {"what_is_wrong_is_said", what_is_wrong_is_said},
    {"bounds_of_a_line", bounds_of_a_line},
    {"ids_are_made_and_sort", ids_are_made_and_sort},
    {"base64_both_ways", base64_both_ways},
    {"in_the_order_of_each_stream", in_the_order_of_each_stream},
    {"batches_and_what_is_unknown", batches_and_what_is_unknown},
    {"data_in_each_form", data_in_each_form},
    {0},
};
