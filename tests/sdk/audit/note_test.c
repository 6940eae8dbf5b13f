/* Signed notes: the published example, our own heads and cosignatures, every byte of a note
 * changed. */
#include "test.h"

#include <aiex_note.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The example of golang.org/x/mod/sumdb/note. */
static const char neumann[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char neumann_private[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
static const char neumann_note[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\xe2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n";

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static void test_published_example(void)
{
    struct aiex_note_signer signer;
    struct aiex_note_key key;
    struct aiex_note note;
    char text[AIEX_NOTE_KEY], line[400];

    CU_ASSERT_EQUAL(aiex_note_begin(), 0);
    CU_ASSERT_EQUAL_FATAL(aiex_note_key_read(&key, neumann, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(aiex_note_read(&note, slice(neumann_note), NULL), 0);
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &key, NULL), 1);
    CU_ASSERT_EQUAL_FATAL(aiex_note_signer_read(&signer, neumann_private, NULL), 0);
    aiex_note_key_text(&signer.key, text);
    CU_ASSERT_STRING_EQUAL(text, neumann);
    aiex_note_signer_text(&signer, text);
    CU_ASSERT_STRING_EQUAL(text, neumann_private);
    CU_ASSERT_TRUE(aiex_note_sign(&signer, note.text, 0, line, sizeof(line)) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(neumann_note, line));
}

/* A head with the log's signature and that of a witness; returns its length. */
static long make_head(char *out, size_t size, struct aiex_note_signer *log,
                      struct aiex_note_signer *witness)
{
    struct aiex_checkpoint c = {.origin = "example.org/log", .size = 1234};
    long text, n;

    CU_ASSERT_EQUAL(aiex_note_generate(log, "example.org/log", AIEX_KEY_ED25519), 0);
    CU_ASSERT_EQUAL(aiex_note_generate(witness, "witness.example", AIEX_KEY_WITNESS), 0);
    memset(c.root, 7, sizeof(c.root));
    text = n = aiex_checkpoint_write(&c, out, size);
    CU_ASSERT_TRUE_FATAL(n > 0);
    out[n++] = '\n';
    n += aiex_note_sign(log, (struct aiex_slice){(uint8_t *)out, (size_t)text}, 0, out + n,
                        size - (size_t)n);
    n += aiex_note_sign(witness, (struct aiex_slice){(uint8_t *)out, (size_t)text}, 1795262400,
                        out + n, size - (size_t)n);
    return n;
}

static void test_head(void)
{
    struct aiex_note_signer log, witness, other;
    struct aiex_checkpoint c;
    struct aiex_note note;
    uint64_t time_s = 0;
    char head[2000];
    long n = make_head(head, sizeof(head), &log, &witness);

    CU_ASSERT_EQUAL_FATAL(aiex_note_read(&note, slice(head), NULL), 0);
    CU_ASSERT_TRUE(note.n == 2 && n == (long)strlen(head));
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &log.key, NULL), 1);
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &witness.key, &time_s), 1);
    CU_ASSERT_EQUAL(time_s, 1795262400);
    CU_ASSERT_EQUAL(aiex_note_generate(&other, "example.org/log", AIEX_KEY_ED25519), 0);
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &other.key, NULL), 0);
    memcpy(other.key.id, log.key.id, 4); /* says it is the log's key */
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &other.key, NULL), -EBADMSG);
    CU_ASSERT_EQUAL(aiex_checkpoint_read(&c, note.text, NULL), 0);
    CU_ASSERT_EQUAL(c.size, 1234);
    CU_ASSERT_EQUAL(c.root[31], 7);
    CU_ASSERT_STRING_EQUAL(c.origin, "example.org/log");
}

/* Whatever is changed: refused, or not signed by both any more. */
static void test_every_byte(void)
{
    struct aiex_note_signer log, witness;
    char head[2000];
    long n = make_head(head, sizeof(head), &log, &witness);

    for (long i = 0; i < n; i++) {
        struct aiex_error err = {""};
        struct aiex_note note;

        head[i] ^= 1;
        if (aiex_note_read(&note, (struct aiex_slice){(uint8_t *)head, (size_t)n}, &err) == 0)
            CU_ASSERT_TRUE(aiex_note_signed_by(&note, &log.key, NULL) != 1 ||
                           aiex_note_signed_by(&note, &witness.key, NULL) != 1)
        else
            CU_ASSERT_TRUE(err.text[0] != 0);
        head[i] ^= 1;
    }
    for (long cut = 0; cut < n; cut++) {
        struct aiex_note note;

        CU_ASSERT_TRUE(
            aiex_note_read(&note, (struct aiex_slice){(uint8_t *)head, (size_t)cut}, NULL) != 0 ||
            note.n < 2);
    }
}

static void test_bad_keys(void)
{
    static const char *const bad[] = {
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpcAQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        neumann_private,
    };
    struct aiex_note_signer signer;
    struct aiex_note_key key;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct aiex_error err = {""};

        CU_ASSERT_EQUAL(aiex_note_key_read(&key, bad[i], &err), -EINVAL);
        CU_ASSERT_TRUE(err.text[0] != 0);
    }
    CU_ASSERT_EQUAL(aiex_note_signer_read(&signer, neumann, NULL), -EINVAL);
    CU_ASSERT_EQUAL(aiex_note_generate(&signer, "with blank", 1), -EINVAL);
    CU_ASSERT_EQUAL(aiex_note_generate(&signer, "with+plus", 1), -EINVAL);
    CU_ASSERT_EQUAL(aiex_note_generate(&signer, "", 1), -EINVAL);
}

static void test_bad_checkpoints(void)
{
    static const char *const bad[] = {
        "",
        "origin\n",
        "origin\n12\n",
        "origin\n012\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n99999999999999999999\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n",
        "\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    struct aiex_checkpoint c;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CU_ASSERT_EQUAL(aiex_checkpoint_read(&c, slice(bad[i]), NULL), -EINVAL);
    CU_ASSERT_EQUAL(
        aiex_checkpoint_read(
            &c, slice("o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\n"), NULL),
        0);
}

const struct test_case tests[] = {
    {"published_example", test_published_example},
    {"head", test_head},
    {"every_byte", test_every_byte},
    {"bad_keys", test_bad_keys},
    {"bad_checkpoints", test_bad_checkpoints},
    {0},
};
