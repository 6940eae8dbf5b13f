#include "secret/vault.h"

#include "scene.h"
#include "secret/locked.h"
#include "secret/vault_file.h"

#include <errno.h>

static struct aiex_error err;

static struct vault *open_vault(void)
{
    struct vault *v = vault_new(folder, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    return v;
}

static int set(struct vault *v, const char *name, const char *value)
{
    err.text[0] = 0;
    return vault_set(v, name, value, strlen(value), 1000, &err);
}

/* 1 when the secret has this value. */
static int has(struct vault *v, const char *name, const char *value)
{
    auto_locked char *text = NULL;
    size_t len = 0;
    int r = vault_open_value(v, name, &text, &len, &err);

    return r == 0 && len == strlen(value) && strcmp(text, value) == 0;
}

static void kept_over_a_restart(void)
{
    char first[VAULT_REVISION_TEXT], second[VAULT_REVISION_TEXT];
    struct vault_entry e;
    struct vault *v;
    struct stat st;
    uint8_t *bytes;
    size_t len;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(vault_look(v, "openai", first, &err), -ENOENT);
    CU_ASSERT(says(&err, "no secret is named 'openai'; store it: aiex secret set openai"));
    CU_ASSERT_EQUAL(vault_at(v, 0, &e, &err), -ENOENT);
    CU_ASSERT_EQUAL(access(at("master.key"), F_OK), -1); /* made at first use, not before */
    CU_ASSERT_EQUAL(set(v, "openai", "sk-very-secret"), 0);
    CU_ASSERT_EQUAL(set(v, "anthropic", "other"), 0);
    CU_ASSERT_EQUAL(stat(at("secrets"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(stat(at("master.key"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    vault_free(v);

    v = open_vault();
    CU_ASSERT(has(v, "openai", "sk-very-secret"));
    CU_ASSERT(has(v, "anthropic", "other"));
    CU_ASSERT_EQUAL(vault_at(v, 0, &e, &err), 0);
    CU_ASSERT_STRING_EQUAL(e.name, "anthropic");
    CU_ASSERT_EQUAL(e.created_ms, 1000);
    CU_ASSERT_EQUAL(vault_look(v, "openai", first, &err), 0);
    CU_ASSERT_EQUAL(vault_set(v, "openai", "new", 3, 2000, &err), 0);
    CU_ASSERT_EQUAL(vault_look(v, "openai", second, &err), 0);
    CU_ASSERT_STRING_NOT_EQUAL(first, second);
    CU_ASSERT_EQUAL(vault_at(v, 1, &e, &err), 0);
    CU_ASSERT(e.created_ms == 1000 && e.changed_ms == 2000 && !e.damaged);
    CU_ASSERT(has(v, "openai", "new"));
    bytes = get_file("secrets", &len);
    CU_ASSERT_PTR_NULL(memmem(bytes, len, "new", 3));
    CU_ASSERT_PTR_NULL(memmem(bytes, len, "other", 5));
    free(bytes);
    CU_ASSERT_EQUAL(vault_remove(v, "openai", &err), 0);
    CU_ASSERT_EQUAL(vault_remove(v, "openai", &err), -ENOENT);
    CU_ASSERT(has(v, "anthropic", "other"));
    vault_free(v);
    vault_free(NULL);
    scene_end();
}

static void what_can_not_be_stored(void)
{
    static char big[VAULT_VALUE_MAX + 2];
    struct vault *v;

    scene_begin();
    v = open_vault();
    memset(big, 'x', VAULT_VALUE_MAX + 1);
    CU_ASSERT_EQUAL(set(v, "a/b", "x"), -EINVAL);
    CU_ASSERT(says(&err, "'a/b' is not a name for a secret"));
    CU_ASSERT_EQUAL(set(v, "", "x"), -EINVAL);
    CU_ASSERT_EQUAL(set(v, ".a", "x"), -EINVAL);
    CU_ASSERT_EQUAL(set(v, "a", ""), -EINVAL);
    CU_ASSERT_EQUAL(vault_set(v, "a", "x\0y", 3, 0, &err), -EINVAL);
    CU_ASSERT_EQUAL(set(v, "a", "x\x01y"), -EINVAL);
    CU_ASSERT_EQUAL(set(v, "a", big), -EINVAL);
    CU_ASSERT(says(&err, "the value of 'a' has 12289 bytes; 1 to 12288 are possible"));
    big[VAULT_VALUE_MAX] = 0;
    CU_ASSERT_EQUAL(set(v, "a", big), 0);
    CU_ASSERT(has(v, "a", big));
    for (unsigned i = 1; i < VAULT_ENTRIES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", i);
        CU_ASSERT_EQUAL(set(v, name, "x"), 0);
    }
    CU_ASSERT_EQUAL(set(v, "one-too-many", "x"), -ENOSPC);
    CU_ASSERT_EQUAL(set(v, "n7", "changed"), 0);
    vault_free(v);
    scene_end();
}

static void another_master_key(void)
{
    struct master_key key = {0};
    struct vault *v;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "x"), 0);
    vault_free(v);
    CU_ASSERT_EQUAL(rename(at("master.key"), at("old.key")), 0);
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "y"), -EACCES); /* no second key beside a vault */
    CU_ASSERT(says(&err, "and no master key '"));
    CU_ASSERT_EQUAL(master_key_make(&key), 0);
    CU_ASSERT_EQUAL(master_key_write(&key, at("master.key"), &err), 0);
    master_key_done(&key);
    CU_ASSERT_FALSE(has(v, "a", "x"));
    CU_ASSERT(says(&err, "was made with another master key than that of "));
    CU_ASSERT_EQUAL(set(v, "b", "y"), -EACCES);
    CU_ASSERT_EQUAL(rename(at("old.key"), at("master.key")), 0);
    CU_ASSERT(has(v, "a", "x")); /* given back while the host runs */
    vault_key_file(v, at("other.key"));
    CU_ASSERT_FALSE(has(v, "a", "x"));
    CU_ASSERT_EQUAL(rename(at("master.key"), at("other.key")), 0);
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_STRING_EQUAL(vault_key_source(v), at("other.key"));
    vault_free(v);
    scene_end();
}

/* Every byte of the file counts: whichever is changed, no value comes out wrong and none out of
 * another entry; with one torn off, the whole is refused. */
static void damage(void)
{
    struct vault *v;
    uint8_t *bytes;
    size_t len;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "first"), 0);
    CU_ASSERT_EQUAL(set(v, "b", "second"), 0);
    vault_free(v);
    bytes = get_file("secrets", &len);
    for (size_t i = 0; i < len; i++) {
        int good;

        bytes[i] ^= 0x20;
        put_file("secrets", bytes, len, 0600);
        v = open_vault();
        good = has(v, "a", "first");
        CU_ASSERT(good || err.text[0]);
        CU_ASSERT_FALSE(good && has(v, "b", "second"));
        CU_ASSERT_FALSE(has(v, "a", "second") || has(v, "b", "first"));
        vault_free(v);
        bytes[i] ^= 0x20;
        put_file("secrets", bytes, i, 0600);
        v = open_vault();
        CU_ASSERT_FALSE(has(v, "a", "first"));
        CU_ASSERT(says(&err, "is damaged: it"));
        CU_ASSERT_EQUAL(set(v, "c", "third"), -EBADMSG); /* nothing is written over it */
        vault_free(v);
    }
    free(bytes);
    scene_end();
}

static void one_damaged_entry(void)
{
    struct vault_entry e;
    struct vault *v;
    uint8_t *bytes;
    size_t len;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "first"), 0);
    CU_ASSERT_EQUAL(set(v, "b", "second"), 0);
    bytes = get_file("secrets", &len);
    bytes[len - 1] ^= 1; /* of the tag of b */
    put_file("secrets", bytes, len, 0600);
    CU_ASSERT(has(v, "a", "first"));
    CU_ASSERT_FALSE(has(v, "b", "second"));
    CU_ASSERT(says(
        &err, "secret 'b' is damaged and can not be opened; store it again: aiex secret set b"));
    CU_ASSERT_EQUAL(vault_at(v, 1, &e, &err), 0);
    CU_ASSERT_EQUAL(e.damaged, 1);
    CU_ASSERT_EQUAL(vault_rotate(v, NULL, &err), -EBADMSG); /* it would be lost for good */
    CU_ASSERT(says(&err, "aiex secret remove b"));
    CU_ASSERT_EQUAL(set(v, "b", "again"), 0);
    CU_ASSERT(has(v, "b", "again") && has(v, "a", "first"));
    free(bytes);
    vault_free(v);
    scene_end();
}

/* A 0 byte inside of a name, which ends it for some and not for others. */
static void a_name_with_a_hole(void)
{
    struct vault *v;
    uint8_t *bytes, *name;
    size_t len;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "holes", "x"), 0);
    bytes = get_file("secrets", &len);
    name = memmem(bytes, len, "holes", 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    name[2] = 0;
    put_file("secrets", bytes, len, 0600);
    CU_ASSERT_FALSE(has(v, "ho", "x"));
    CU_ASSERT(says(&err, "is damaged: it is torn or was changed behind entry 0 of 1"));
    free(bytes);
    vault_free(v);
    scene_end();
}

static void files_of_others(void)
{
    struct vault *v;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "x"), 0);
    CU_ASSERT_EQUAL(chmod(at("secrets"), 0622), 0);
    CU_ASSERT_FALSE(has(v, "a", "x"));
    CU_ASSERT(says(&err, "others may change the vault '"));
    vault_free(v);
    v = open_vault();
    CU_ASSERT_EQUAL(chmod(at("secrets"), 0600), 0);
    CU_ASSERT_EQUAL(chmod(at("master.key"), 0644), 0);
    CU_ASSERT_FALSE(has(v, "a", "x"));
    CU_ASSERT(says(&err, "others may read the master key '"));
    CU_ASSERT_EQUAL(set(v, "a", "y"), -EPERM);
    vault_free(v);
    scene_end();
}

static void rotation(void)
{
    char before[VAULT_REVISION_TEXT], after[VAULT_REVISION_TEXT];
    uint8_t *old_key, *new_key, *old_bytes, *new_bytes;
    struct vault *v;
    size_t len;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(vault_rotate(v, NULL, &err), -ENOENT);
    CU_ASSERT_EQUAL(set(v, "a", "x"), 0);
    CU_ASSERT_EQUAL(vault_look(v, "a", before, &err), 0);
    old_key = get_file("master.key", &len);
    old_bytes = get_file("secrets", &len);
    CU_ASSERT_EQUAL(vault_rotate(v, NULL, &err), 0);
    new_key = get_file("master.key", &len);
    CU_ASSERT_STRING_NOT_EQUAL((char *)old_key, (char *)new_key);
    CU_ASSERT_EQUAL(vault_look(v, "a", after, &err), 0);
    CU_ASSERT_STRING_EQUAL(before, after); /* the value is the same: nobody is told */
    CU_ASSERT_EQUAL(access(at("master.key.new"), F_OK), -1);
    vault_free(v);
    v = open_vault();
    CU_ASSERT(has(v, "a", "x"));
    vault_free(v);

    /* a crash between the vault and the rename of the key's file */
    put_file("master.key", old_key, 65, 0600);
    put_file("master.key.new", new_key, 65, 0600);
    v = open_vault();
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_EQUAL(access(at("master.key.new"), F_OK), -1);
    vault_free(v);
    /* a crash before the vault: the old key still holds, the new one is forgotten */
    new_bytes = get_file("secrets", &len);
    put_file("secrets", old_bytes, len, 0600);
    put_file("master.key", old_key, 65, 0600);
    put_file("master.key.new", new_key, 65, 0600);
    v = open_vault();
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_EQUAL(vault_rotate(v, NULL, &err), 0);
    CU_ASSERT(has(v, "a", "x"));
    vault_free(v);
    free(old_key);
    free(new_key);
    free(old_bytes);
    free(new_bytes);
    scene_end();
}

static void rotation_of_a_key_that_is_given(void)
{
    struct master_key given = {0}, next = {0};
    struct vault *v;

    scene_begin();
    CU_ASSERT_EQUAL(master_key_make(&given), 0);
    CU_ASSERT_EQUAL(master_key_make(&next), 0);
    given.source = MASTER_KEY_ENVIRONMENT;
    snprintf(given.where, sizeof(given.where), "$AIEX_MASTER_KEY");
    v = vault_new(folder, &given);
    CU_ASSERT_EQUAL(set(v, "a", "x"), 0);
    CU_ASSERT_EQUAL(access(at("master.key"), F_OK), -1);
    CU_ASSERT_EQUAL(vault_rotate(v, NULL, &err), -EINVAL);
    CU_ASSERT(
        says(&err, "the master key comes from $AIEX_MASTER_KEY: give the new one on standard"));
    CU_ASSERT_EQUAL(vault_rotate(v, &next, &err), 0);
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_EQUAL(set(v, "b", "y"), 0);
    /* an upgrade: the next image gets the key that holds, not the one of the environment */
    CU_ASSERT_EQUAL(vault_hand_over(v), 0);
    vault_free(v);
    master_key_done(&given);
    CU_ASSERT_EQUAL(master_key_take_environment(&given, &err), 0);
    CU_ASSERT_EQUAL(memcmp(given.bytes, next.bytes, MASTER_KEY_BYTES), 0);
    v = vault_new(folder, &given);
    CU_ASSERT(has(v, "a", "x") && has(v, "b", "y"));
    vault_free(v);
    master_key_done(&given);
    master_key_done(&next);
    scene_end();
}

static void a_full_disk_changes_nothing(void)
{
    struct vault *v;

    scene_begin();
    v = open_vault();
    CU_ASSERT_EQUAL(set(v, "a", "x"), 0);
    CU_ASSERT_EQUAL(mkdir(at("secrets.tmp"), 0700), 0); /* so that no file can be made there */
    CU_ASSERT(set(v, "a", "y") < 0);
    CU_ASSERT(says(&err, "cannot write the vault '"));
    CU_ASSERT(vault_rotate(v, NULL, &err) < 0);
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_EQUAL(rmdir(at("secrets.tmp")), 0);
    CU_ASSERT(has(v, "a", "x"));
    CU_ASSERT_EQUAL(set(v, "a", "y"), 0);
    CU_ASSERT(has(v, "a", "y"));
    vault_free(v);
    scene_end();
}

/* Which memory a value is in: no core file has it. */
static void values_are_in_no_core_file(void)
{
    char *value = locked_new(32), line[256], flags[256] = "";
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/smaps", "r");
    int inside = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    CU_ASSERT_PTR_NOT_NULL_FATAL(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)value >= from && (unsigned long)value < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            memcpy(flags, line, sizeof(flags));
    }
    fclose(maps);
    CU_ASSERT_PTR_NOT_NULL(strstr(flags, " dd")); /* not in a dump */
    locked_free(value);
}

const struct test_case tests[] = {
    {"kept over a restart", kept_over_a_restart},
    {"what can not be stored", what_can_not_be_stored},
    {"another master key", another_master_key},
    {"damage", damage},
    {"one damaged entry", one_damaged_entry},
    {"a name with a hole", a_name_with_a_hole},
    {"files of others", files_of_others},
    {"rotation", rotation},
    {"rotation of a key that is given", rotation_of_a_key_that_is_given},
    {"a full disk changes nothing", a_full_disk_changes_nothing},
    {"values are in no core file", values_are_in_no_core_file},
    {0}};
