/* sdk/service without its record log: dispatch, answers, refusals, checksums, files. */
#include "test.h"

#include <aiex_crc32c.h>
#include <aiex_fake_host.h>
#include <aiex_file.h>
#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int length; /* of the text that write_text() writes */

static void write_text(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 1);
    aiex_w_str(w, arg);
    aiex_w_str_head(w, (size_t)length);
    for (int i = 0; i < length; i++)
        aiex_w_byte(w, 'x');
}

static const struct aiex_host *table;

static int on_text(void *self, const struct aiex_message *m)
{
    return aiex_reply_by(table, m->id, write_text, self);
}

static int on_no(void *self, const struct aiex_message *m)
{
    return aiex_refuse(table, m->id, AIEX_E_INVALID, "no '%s'", (const char *)self);
}

static int on_health(void *self, const struct aiex_message *m)
{
    return aiex_reply_health(table, m->id, 0, "it is so");
}

static const struct aiex_method methods[] = {
    {"t.text", on_text}, {"t.no", on_no}, {"service.health", on_health}, {0}};

static int handle(void *self, const struct aiex_message *m)
{
    return aiex_dispatch(methods, self, m);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .name = "service_t",
                                          .handle = handle};

static char key[] = "key";

static void test_answers_of_any_length(void)
{
    struct aiex_fake_host *h = aiex_fake_host_new("t");
    static const int lengths[] = {0, 1, 4000, 4089, 4090, 4091, 100000};

    table = aiex_fake_host_table(h);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct aiex_slice text = {NULL, 0};
        uint64_t id;

        length = lengths[i];
        id = aiex_fake_request(h, &plugin, key, "t.text", (struct aiex_slice){NULL, 0}, 0);
        CU_ASSERT_EQUAL(aiex_get_str(aiex_fake_answer(h, id)->body, "key", &text), 1);
        CU_ASSERT_EQUAL(text.len, (size_t)length);
    }
    CU_ASSERT_EQUAL(aiex_fake_cast(h, &plugin, key, "t.text", (struct aiex_slice){NULL, 0}), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_REPLY), 7);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void test_too_long_an_answer_is_an_error(void)
{
    struct aiex_fake_host *h = aiex_fake_host_new("t");
    uint64_t id;

    table = aiex_fake_host_table(h);
    length = 33 * 1024 * 1024;
    id = aiex_fake_request(h, &plugin, key, "t.text", (struct aiex_slice){NULL, 0}, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, "internal");
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void test_refusals(void)
{
    struct aiex_fake_host *h = aiex_fake_host_new("t");
    struct aiex_slice none = {NULL, 0};
    int healthy = 1;
    uint64_t id;

    table = aiex_fake_host_table(h);
    id = aiex_fake_request(h, &plugin, key, "t.no", none, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, "invalid");
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->text, "no 'key'");
    id = aiex_fake_request(h, &plugin, key, "t.other", none, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, "not_found");
    id = aiex_fake_request(h, &plugin, key, "service.health", none, 0);
    CU_ASSERT_EQUAL(aiex_get_bool(aiex_fake_answer(h, id)->body, "healthy", &healthy), 1);
    CU_ASSERT_EQUAL(healthy, 0);
    CU_ASSERT_EQUAL(aiex_fake_cast(h, &plugin, key, "t.no", none), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_FAIL), 2);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void test_checksum(void)
{
    uint8_t bytes[32];
    uint32_t whole;

    CU_ASSERT_EQUAL(aiex_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, 32); /* RFC 3720 B.4 */
    CU_ASSERT_EQUAL(aiex_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    CU_ASSERT_EQUAL(aiex_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    whole = aiex_crc32c(0, bytes, 32);
    CU_ASSERT_EQUAL(whole, 0x46dd794eu);
    for (size_t cut = 0; cut <= 32; cut++)
        CU_ASSERT_EQUAL(aiex_crc32c(aiex_crc32c(0, bytes, cut), bytes + cut, 32 - cut), whole);
}

static void test_files(void)
{
    char dir[] = "/tmp/aiex_service_XXXXXX", path[128], tmp[160];
    const struct aiex_slice old[] = {{(const uint8_t *)"old", 3}};
    const struct aiex_slice new[] = {
        {(const uint8_t *)"ne", 2}, {NULL, 0}, {(const uint8_t *)"w", 1}};
    struct aiex_error err = {""};
    uint8_t *mem = NULL;
    size_t len = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a", dir);
    snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    CU_ASSERT_EQUAL(aiex_file_read(path, 10, &mem, &len), -ENOENT);
    CU_ASSERT_EQUAL(aiex_file_replace(path, old, 1, 0, &err), 0);
    CU_ASSERT_EQUAL(aiex_file_replace(path, new, 3, AIEX_FILE_SYNC, &err), 0);
    CU_ASSERT_EQUAL(aiex_file_read(path, 3, &mem, &len), 0);
    CU_ASSERT_EQUAL(len, 3);
    CU_ASSERT_EQUAL(memcmp(mem, "new", 4), 0);
    free(mem);
    CU_ASSERT_EQUAL(aiex_file_read(path, 2, &mem, &len), -EFBIG);
    CU_ASSERT_EQUAL(mkdir(tmp, 0700), 0);
    CU_ASSERT_EQUAL(aiex_file_replace(path, old, 1, 0, &err), -EISDIR);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "can not be written"));
    rmdir(tmp);
    unlink(path);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0); /* the rename fails: nothing is left */
    CU_ASSERT_NOT_EQUAL(aiex_file_replace(path, old, 1, 0, &err), 0);
    CU_ASSERT_EQUAL(access(tmp, F_OK), -1);
    rmdir(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

const struct test_case tests[] = {
    {"answers of any length", test_answers_of_any_length},
    {"too long an answer is an error", test_too_long_an_answer_is_an_error},
    {"refusals", test_refusals},
    {"checksum", test_checksum},
    {"files", test_files},
    {0},
};
