/* The signing key changes: recorded, vouched for by the former one, verifiable with either; what a
 * crash cuts off comes to its end; a key that is not the log's is a fault. */
#include "chain_files.h"
#include "chain_rig.h"
#include "heads.h"

#include <aiex_audit_check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED_A "0101010101010101010101010101010101010101010101010101010101010101"
#define SEED_B "0202020202020202020202020202020202020202020202020202020202020202"

static char keys[4][AIEX_NOTE_KEY]; /* as they came */

/* Rotates; keys[n - 1] is the former, keys[n] the new one. The entry that says so. */
static int64_t rotate(int n)
{
    uint64_t id;

    if (n == 1)
        strcpy(keys[0], text(answer_of(ASK("audit.status")), "key"));
    id = ASK("audit.rotate_key", "actor", "ann", "reason", "a year is over");
    CU_ASSERT_STRING_EQUAL(text_of(id), "");
    strcpy(keys[n], text(answer_of(id), "key"));
    CU_ASSERT_STRING_NOT_EQUAL(keys[n], keys[n - 1]);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), keys[n]);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.head")), "key"), keys[n]);
    return number(answer_of(id), "seq");
}

/* ---- Exports ---- */

static char told[4096];

static void on_fault(void *arg, const struct aiex_fault *f)
{
    size_t n = strlen(told);
    char where[48];

    (void)arg;
    snprintf(told + n, sizeof(told) - n, "%s %s\n", aiex_fault_where(f, where), f->kind);
}

/* The faults of an export for who knows this key. */
static const char *check_with(const char *export_text, const char *key)
{
    struct aiex_export_setup s = {.fault = on_fault, .key = key};
    struct aiex_export_sum sum;
    struct aiex_error err;
    struct aiex_export *x;

    told[0] = 0;
    CU_ASSERT_EQUAL_FATAL(aiex_export_new(&s, &x, &err), 0);
    for (const char *at = export_text; *at; at += strcspn(at, "\n") + 1)
        CU_ASSERT_EQUAL(
            aiex_export_line(x, (struct aiex_slice){(const uint8_t *)at, strcspn(at, "\n")}, &err),
            0);
    CU_ASSERT_EQUAL(aiex_export_finish(x, &sum, &err), 0);
    aiex_export_free(x);
    return told;
}

/* Takes the list of keys out, as a verifier that does not know it. */
static void forget_keys(char *export_text)
{
    char *from = strstr(export_text, ",\"keys\":["), *to;

    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    to = strstr(from, "}]") + 2;
    memmove(from, to, strlen(to) + 1);
}

static void test_rotated(void)
{
    struct aiex_slice entry;
    char *all = NULL;
    uint64_t id;

    rig_begin(NULL);
    CU_ASSERT_EQUAL(put(10), 9);
    ASK("audit.head");
    CU_ASSERT_EQUAL(put(2), 11);
    CU_ASSERT_EQUAL(rotate(1), 12);
    CU_ASSERT_EQUAL(put(5), 17);
    ASK("audit.head");
    CU_ASSERT_EQUAL(put(1), 18);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &all), "");
    CU_ASSERT_STRING_EQUAL(check_with(all, keys[0]), "");
    CU_ASSERT_STRING_EQUAL(check_with(all, keys[1]), "");
    forget_keys(all); /* the new key alone is enough, the old one is not */
    CU_ASSERT_STRING_EQUAL(check_with(all, keys[1]), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(check_with(all, keys[0]), "signature"));
    free(all);
    CU_ASSERT_STRING_EQUAL(check_export("#3", "#9", NULL), "");
    id = ASK("audit.read", "type", "audit.key_rotated");
    entry = aiex_fake_parts(h, id);
    CU_ASSERT_TRUE(entry.len > 0);
    CU_ASSERT_EQUAL(number(answer_of(id), "entries"), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(entry.data, entry.len, keys[1], strlen(keys[1])));
    CU_ASSERT_PTR_NOT_NULL(memmem(entry.data, entry.len, "a year is over", 14));
    rig_close();
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), keys[1]);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_EQUAL(access(rig_path("signing.key.next"), F_OK), -1);
    rig_close();
    rig_end();
}

static void test_many_times(void)
{
    char *all = NULL;

    rig_begin(NULL);
    for (int n = 1; n < 4; n++) {
        put(3);
        rotate(n);
        if (n == 2)
            ASK("audit.head");
    }
    put(1);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &all), "");
    for (int n = 0; n < 4; n++)
        CU_ASSERT_STRING_EQUAL(check_with(all, keys[n]), "");
    free(all);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.rotate_key", "actor", "ann")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.rotate_key", "reason", "r")), "invalid");
    rig_close();
    rig_end();
}

/* A list that names a key which the log does not. */
static void test_stranger(void)
{
    struct aiex_note_signer stranger;
    char key[AIEX_NOTE_KEY], *all = NULL, *at;

    rig_begin(NULL);
    put(3);
    rotate(1);
    put(3);
    check_export(NULL, NULL, &all);
    aiex_note_generate(&stranger, text(answer_of(ASK("audit.status")), "origin"), AIEX_KEY_ED25519);
    aiex_note_key_text(&stranger.key, key);
    CU_ASSERT_EQUAL_FATAL(strlen(key), strlen(keys[1]));
    for (at = all; (at = strstr(at, keys[1])) && at < strchr(all, '\n'); at++)
        memcpy(at, key, strlen(key));
    CU_ASSERT_PTR_NOT_NULL(strstr(check_with(all, keys[0]), "seq=4 rotation\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(check_with(all, NULL), "signature"));
    free(all);
    rig_close();
    rig_end();
}

/* Whoever has the former key can sign no head of what came afterwards. */
static void test_former_key(void)
{
    struct aiex_note_signer former;
    char line[AIEX_NOTE_KEY + 1], note[AIEX_NOTE_MAX];
    struct aiex_slice root = {NULL, 0};
    struct image image;
    uint64_t id;
    long n;
    FILE *f;

    rig_begin(NULL);
    put(3);
    image = load("signing.key");
    snprintf(line, sizeof(line), "%.*s", (int)image.n - 1, (char *)image.data);
    free(image.data);
    CU_ASSERT_EQUAL_FATAL(aiex_note_signer_read(&former, line, NULL), 0);
    rotate(1);
    put(3);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    id = ASK("audit.head");
    CU_ASSERT_EQUAL_FATAL(aiex_get_bytes(answer_of(id), "root", &root), 1);
    n = heads_sign(&former, (uint64_t)number(answer_of(id), "size"), root.data, note);
    rig_close();
    f = fopen(rig_path("heads"), "a");
    fprintf(f, "note %ld\n%.*s\n", n, (int)n, note);
    fclose(f);
    rig_open(NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(verify(), "signature"));
    rig_close();
    rig_end();
}

/* ---- Crashes ---- */

/* What stands between the steps: the entry is recorded; `keys` says it, too. */
static void test_cut_off(void)
{
    for (int step = 0; step < 2; step++) {
        struct image key, list, next;
        char *all = NULL;

        rig_begin(NULL);
        put(3);
        key = load("signing.key");
        list = load("keys");
        CU_ASSERT_EQUAL(rotate(1), 3);
        rig_close();
        next = load("signing.key");
        next.data = realloc(next.data, next.n + 2);
        memcpy(next.data + next.n, "3\n", 2);
        next.n += 2;
        save_image("signing.key.next", next);
        save_image("signing.key", key);
        if (step == 0)
            save_image("keys", list);
        else
            free(list.data);
        rig_open(NULL);
        CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "ok");
        CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), keys[1]);
        CU_ASSERT_EQUAL(access(rig_path("signing.key.next"), F_OK), -1);
        put(3);
        CU_ASSERT_STRING_EQUAL(verify(), "");
        CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &all), "");
        CU_ASSERT_STRING_EQUAL(check_with(all, keys[0]), "");
        free(all);
        rig_close();
        rig_end();
    }
}

/* Its entry was never recorded, or the file is torn. */
static void test_forgotten(void)
{
    struct aiex_note_signer next;
    char line[AIEX_NOTE_KEY + 16];

    rig_begin(NULL);
    put(3);
    strcpy(keys[0], text(answer_of(ASK("audit.status")), "key"));
    for (int i = 0; i < 3; i++) {
        rig_close();
        aiex_note_generate(&next, "aiex/x", AIEX_KEY_ED25519);
        aiex_note_signer_text(&next, line);
        strcat(line, i == 0 ? "\n1\n" : "\n9\n");
        save("signing.key.next", line, i == 2 ? 20 : strlen(line));
        rig_open(NULL);
        CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), keys[0]);
        CU_ASSERT_EQUAL(access(rig_path("signing.key.next"), F_OK), -1);
        put(1);
        CU_ASSERT_STRING_EQUAL(verify(), "");
    }
    rig_close();
    rig_end();
}

static void test_full_disk(void)
{
    uint64_t id;

    rig_begin(NULL);
    put(3);
    strcpy(keys[0], text(answer_of(ASK("audit.status")), "key"));
    disk_fails(28); /* ENOSPC */
    id = ASK("audit.rotate_key", "actor", "ann", "reason", "r");
    CU_ASSERT_STRING_EQUAL(code_of(id), "read_only");
    disk_fails(0);
    pass(1000);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), keys[0]);
    put(1);
    rotate(1);
    put(1);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

/* ---- A key that is not the log's ---- */

static void test_another_file(void)
{
    struct image key;

    rig_begin(NULL);
    put(3);
    rig_close();
    key = load("signing.key");
    CU_ASSERT_EQUAL(unlink(rig_path("signing.key")), 0);
    rig_open(NULL); /* makes another one */
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "fault");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text(answer_of(ASK("audit.status")), "reason"), "the key is not"));
    rig_close();
    save_image("signing.key", key);
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    save("keys", "0 nonsense\n", 11);
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "fault");
    rig_close();
    rig_end();
}

static void test_secrets(void)
{
    const struct aiex_fake_pair a[] = {{"key", SEED_A}, {0}}, b[] = {{"key", SEED_B}, {0}},
                                wrong[] = {{"key", SEED_B}, {"key_old", SEED_B}, {0}},
                                both[] = {{"key", SEED_B}, {"key_old", SEED_A}, {0}};
    char *all = NULL;

    rig_begin(a);
    put(3);
    strcpy(keys[0], text(answer_of(ASK("audit.status")), "key"));
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.rotate_key", "actor", "ann", "reason", "r")),
                           "denied");
    rig_close();
    rig_open(b);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "fault");
    rig_close();
    rig_open(wrong);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "fault");
    rig_close();
    rig_open(both);
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "state"), "ok");
    CU_ASSERT_EQUAL(put(3), 6);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_open(both); /* once is enough */
    CU_ASSERT_EQUAL(put(1), 7);
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &all), "");
    CU_ASSERT_STRING_EQUAL(check_with(all, keys[0]), "");
    free(all);
    rig_close();
    rig_open(b);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"rotated", test_rotated},     {"many_times", test_many_times},
    {"stranger", test_stranger},   {"former_key", test_former_key},
    {"cut_off", test_cut_off},     {"forgotten", test_forgotten},
    {"full_disk", test_full_disk}, {"another_file", test_another_file},
    {"secrets", test_secrets},     {0},
};
