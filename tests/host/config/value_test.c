#include "test.h"

#include "folder.h"

static const char *const variables[] = {"HOST=example", "EMPTY=", "SLY=${HOST} file:x", NULL};

static const struct value_source source = {
    .env = fake_env, .env_arg = (void *)variables, .dir = "conf.d"};

static void check(const char *text, const char *expected)
{
    struct aiex_error err = {""};
    char *got = NULL;

    CU_ASSERT_EQUAL(value_expand(text, &source, &got, &err), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_STRING_EQUAL(got, expected);
    free(got);
}

static void refuse(const char *text, int code, const char *expected)
{
    struct aiex_error err = {""};
    char *got = NULL;

    CU_ASSERT_EQUAL(value_expand(text, &source, &got, &err), code);
    CU_ASSERT_PTR_NULL(got);
    CU_ASSERT_STRING_EQUAL(err.text, expected);
    if (strcmp(err.text, expected) != 0)
        fprintf(stderr, "\n%s\n", err.text);
}

static void variables_are_replaced(void)
{
    check("plain", "plain");
    check("", "");
    check("http://${HOST}:${PORT:-80}/", "http://example:80/");
    check("${EMPTY}", "");
    check("${EMPTY:-x}", "x");
    check("${NONE:-}", "");
    check("${SLY}", "${HOST} file:x"); /* never looked at again */
    check("$${HOST} costs $5", "${HOST} costs $5");
    check("$HOST", "$HOST");
}

static void variables_can_be_wrong(void)
{
    refuse("a ${NONE} b", -ENOENT,
           "environment variable 'NONE' is not set; set it or write ${NONE:-text}");
    refuse("${HOST", -EINVAL, "'${HOST' has no closing brace; write $${ for the text ${");
    refuse("${}", -EINVAL, "'${}' is not a variable; write ${NAME} or ${NAME:-text}");
    refuse("${1A}", -EINVAL, "'${1A}' is not a variable; write ${NAME} or ${NAME:-text}");
    refuse("${A-b}", -EINVAL, "'${A-b}' is not a variable; write ${NAME} or ${NAME:-text}");
}

static void files_are_read(void)
{
    struct folder f;

    folder_enter(&f);
    folder_write("conf.d/key", "sk-12\n");
    folder_write("conf.d/dos", "sk-12\r\n");
    folder_write("conf.d/lines", "a\nb\n\n");
    folder_write("conf.d/empty", "");
    folder_write("conf.d/${HOST}", "not expanded again");
    folder_write("conf.d/example", "by variable");
    check("file:key", "sk-12");
    check("file:dos", "sk-12");
    check("file:lines", "a\nb\n");
    check("file:empty", "");
    check("file:${HOST}", "by variable");
    CU_ASSERT(value_is_reference("file:x") && value_is_reference("a${b") &&
              !value_is_reference("a file:x") && !value_is_reference("$a"));
    folder_leave(&f);
}

static void files_can_be_wrong(void)
{
    static char big[VALUE_MAX_BYTES + 1];
    struct folder f;

    folder_enter(&f);
    memset(big, 'x', sizeof(big));
    folder_write_bytes("conf.d/fits", big, VALUE_MAX_BYTES);
    folder_write_bytes("conf.d/big", big, sizeof(big));
    folder_write_bytes("conf.d/zero", "a\0b", 3);
    folder_write("conf.d/secret", "s");
    CU_ASSERT_EQUAL(chmod("conf.d/secret", 0), 0);
    CU_ASSERT_EQUAL(mkfifo("conf.d/fifo", 0600), 0);
    refuse("file:", -EINVAL, "'file:' without a path");
    refuse("file:none", -ENOENT, "cannot read 'conf.d/none': No such file or directory");
    refuse("file:big", -EMSGSIZE, "'conf.d/big' is longer than 65536 bytes");
    refuse("file:zero", -EINVAL, "'conf.d/zero' holds a 0 byte; values are text");
    refuse("file:fifo", -EINVAL, "'conf.d/fifo' is not a regular file");
    refuse("file:.", -EINVAL, "'conf.d/.' is not a regular file");
    if (geteuid() != 0)
        refuse("file:secret", -EACCES, "cannot read 'conf.d/secret': Permission denied");
    {
        struct aiex_error err;
        char *got = NULL;

        CU_ASSERT_EQUAL(value_expand("file:fits", &source, &got, &err), 0);
        CU_ASSERT_EQUAL(got ? strlen(got) : 0, VALUE_MAX_BYTES);
        free(got);
    }
    folder_leave(&f);
}

const struct test_case tests[] = {{"variables are replaced", variables_are_replaced},
                                  {"variables can be wrong", variables_can_be_wrong},
                                  {"files are read", files_are_read},
                                  {"files can be wrong", files_can_be_wrong},
                                  {0}};
