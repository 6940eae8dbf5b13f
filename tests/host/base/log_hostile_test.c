/*
 * log_hostile_test.c - text from plugins in the log: whatever its bytes, a JSON line is one
 * line of valid UTF-8 JSON, and a terminal line moves no cursor.
 */
#include "base/log.h"
#include "base/text.h"
#include "test.h"

#include <aiex/aiex_plugin.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fds[2];
static char line[8192];
static size_t line_len;

static void write_line(enum log_form form, const struct log_origin *origin, const char *text)
{
    ssize_t n;

    log_init(fds[1], form, AIEX_LOG_DEBUG);
    log_write(AIEX_LOG_WARN, origin, text);
    n = read(fds[0], line, sizeof(line) - 1);
    line_len = n > 0 ? (size_t)n : 0;
    line[line_len] = 0;
}

/* Behind a JSON string, or NULL when it is not one (RFC 8259 section 7). */
static const char *json_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    while (*p != '"') {
        size_t n = text_utf8(p);

        if (n == 0 || (unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\') {
            if (p[1] == 'u') {
                for (int i = 2; i < 6; i++)
                    if (!strchr("0123456789abcdef", p[i]) || !p[i])
                        return NULL;
                p += 6;
                continue;
            }
            if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
                return NULL;
            n = 2;
        }
        p += n;
    }
    return p + 1;
}

/* 1 when the line is one flat JSON object of strings and numbers. */
static int is_json_line(const char *p)
{
    if (*p++ != '{')
        return 0;
    for (;;) {
        p = json_string(p);
        if (!p || *p++ != ':')
            return 0;
        if (*p == '"')
            p = json_string(p);
        else
            p += strspn(p, "0123456789");
        if (!p)
            return 0;
        if (*p == ',') {
            p++;
            continue;
        }
        return !strcmp(p, "}\n");
    }
}

static const char *const texts[] = {
    "",
    "plain",
    "\"",
    "\\",
    "\\\"\\",
    "a\nb",
    "\r\n\t\b\f\v",
    "\x01\x02\x1f\x7f",
    "\033[2J\033]0;x\007",
    "\xff\xfe",
    "\xc3",
    "\xc3\xa4\xc3",
    "\xe2\x82",
    "\xed\xa0\x80",
    "\xf0\x9f\x98\x80",
    "\xc0\xaf",
    ("\xc2\x9b"
     "2J"),
    "\xf4\x90\x80\x80",
    "\xe2\x80\xa8 line separator",
    "%s%n%d",
    "{\"a\":1}",
};

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void finish(void)
{
    log_init(2, LOG_AUTO, LOG_LEVEL_CONFIGURED);
    close(fds[0]);
    close(fds[1]);
}

static void test_json(void)
{
    begin();
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct log_origin origin = {.plugin = texts[i], .cell = texts[i], .pid = 1, .trace = 2};

        write_line(LOG_JSON, NULL, texts[i]);
        CU_ASSERT(is_json_line(line));
        write_line(LOG_JSON, &origin, texts[i]);
        CU_ASSERT(is_json_line(line));
    }
    write_line(LOG_JSON, NULL, "\xc3\xa4\xff.");
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"msg\":\"\xc3\xa4\xef\xbf\xbd.\"")); /* U+FFFD */
    finish();
}

static void test_every_byte_pair(void)
{
    int wrong = 0;

    begin();
    for (unsigned a = 1; a < 256; a++)
        for (unsigned b = 1; b < 256; b++) {
            char text[4] = {(char)a, (char)b, 'x', 0};

            write_line(LOG_JSON, NULL, text);
            wrong += !is_json_line(line);
        }
    CU_ASSERT_EQUAL(wrong, 0);
    finish();
}

/* Longer than a line: cut between characters, still a whole object. */
static void test_long(void)
{
    static const char *const fills[] = {"x", "\"", "\x01", "\xc3\xa4", "\xf0\x9f\x98\x80", "\xff"};
    static char text[12000];

    begin();
    for (unsigned i = 0; i < sizeof(fills) / sizeof(fills[0]); i++)
        for (size_t offset = 0; offset < 5; offset++) {
            size_t n = strlen(fills[i]), at = offset;
            struct log_origin origin = {
                .plugin = text, .cell = text, .pid = 2147483647, .trace = UINT64_MAX};

            memset(text, 'o', offset);
            for (; at + n < sizeof(text); at += n)
                memcpy(text + at, fills[i], n);
            text[at] = 0;
            write_line(LOG_JSON, &origin, text);
            CU_ASSERT(is_json_line(line));
            CU_ASSERT(line_len <= 4096 && line_len > 3500);
            write_line(LOG_TEXT, &origin, text);
            CU_ASSERT(line_len <= 4096 && line_len > 3000);
            CU_ASSERT_EQUAL(line[line_len - 1], '\n');
        }
    finish();
}

static void test_text(void)
{
    begin();
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct log_origin origin = {.plugin = texts[i]};

        write_line(LOG_TEXT, &origin, texts[i]);
        CU_ASSERT_EQUAL(line[line_len - 1], '\n');
        for (size_t k = 0; k + 1 < line_len;) {
            size_t n = text_utf8(line + k);

            CU_ASSERT_FATAL(n > 0);
            CU_ASSERT((unsigned char)line[k] >= 0x20 && line[k] != 0x7f);
            CU_ASSERT(n != 2 || (unsigned char)line[k] != 0xc2 ||
                      (unsigned char)line[k + 1] >= 0xa0);
            k += n;
        }
    }
    write_line(LOG_TEXT, NULL, "\xc3\xa4\nb\033c");
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "host: \xc3\xa4 b?c\n"));
    finish();
}

static void test_levels(void)
{
    static const char *const words[] = {"debug", "info", "notice", "warn", "error"};

    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(log_level_of(words[i]), i);
    CU_ASSERT_EQUAL(log_level_of(""), -1);
    CU_ASSERT_EQUAL(log_level_of("Warn"), -1);
    begin();
    log_init(fds[1], LOG_JSON, AIEX_LOG_ERROR);
    log_write(99, NULL, "a level nobody knows is an error");
    CU_ASSERT(read(fds[0], line, sizeof(line)) > 0);
    log_for(AIEX_LOG_WARN, NULL, "%s", "below");
    CU_ASSERT(read(fds[0], line, sizeof(line)) < 0);
    finish();
}

const struct test_case tests[] = {
    {"json", test_json},     {"every_byte_pair", test_every_byte_pair},
    {"long", test_long},     {"text", test_text},
    {"levels", test_levels}, {0},
};
