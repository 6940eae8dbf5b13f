#include "secret/master_key.h"

#include "scene.h"

#include <errno.h>

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static int is_counting(const struct master_key *key)
{
    for (unsigned i = 0; key->bytes && i < MASTER_KEY_BYTES; i++)
        if (key->bytes[i] != i)
            return 0;
    return key->bytes != NULL;
}

static void texts_and_bytes(void)
{
    static const char *const bad[] = {"", "00", HEX "00", "x" HEX, HEX " " HEX, "not a key at all"};
    unsigned char raw[MASTER_KEY_BYTES];
    struct master_key key;

    for (unsigned i = 0; i < sizeof(raw); i++)
        raw[i] = (unsigned char)i;
    CU_ASSERT_EQUAL(master_key_parse(raw, sizeof(raw), &key), 0);
    CU_ASSERT(is_counting(&key));
    master_key_done(&key);
    CU_ASSERT_EQUAL(master_key_parse(HEX, strlen(HEX), &key), 0);
    CU_ASSERT(is_counting(&key));
    master_key_done(&key);
    CU_ASSERT_EQUAL(master_key_parse(HEX " \r\n", strlen(HEX) + 3, &key), 0);
    master_key_done(&key);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(master_key_parse(bad[i], strlen(bad[i]), &key), -EINVAL);
        CU_ASSERT_PTR_NULL(key.bytes);
    }
}

/* The bytes of the environment itself are overwritten: the kernel shows them in /proc. */
static void the_environment_is_wiped(void)
{
    static char variable[] = "AIEX_MASTER_KEY=" HEX;
    struct master_key key = {0};
    struct aiex_error err = {""};

    scene_begin();
    CU_ASSERT_EQUAL(putenv(variable), 0);
    CU_ASSERT_EQUAL(master_key_take_environment(&key, &err), 0);
    CU_ASSERT(is_counting(&key));
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_ENVIRONMENT);
    CU_ASSERT_STRING_EQUAL(key.where, "$AIEX_MASTER_KEY");
    CU_ASSERT_PTR_NULL(getenv("AIEX_MASTER_KEY"));
    CU_ASSERT_EQUAL(variable[strlen("AIEX_MASTER_KEY=")], 0);
    CU_ASSERT_EQUAL(variable[sizeof(variable) - 2], 0);
    /* for the next image, which then does not look elsewhere */
    CU_ASSERT_EQUAL(master_key_hand_over(&key), 0);
    master_key_done(&key);
    setenv("AIEX_MASTER_KEY", "rubbish", 1);
    CU_ASSERT_EQUAL(master_key_take_environment(&key, &err), 0);
    CU_ASSERT(is_counting(&key));
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_HANDED_OVER);
    CU_ASSERT_PTR_NULL(getenv("AIEX_MASTER_KEY"));
    /* execve() failed */
    CU_ASSERT_EQUAL(master_key_hand_over(&key), 0);
    master_key_keep();
    master_key_done(&key);
    CU_ASSERT_EQUAL(master_key_take_environment(&key, &err), 0);
    CU_ASSERT_PTR_NULL(key.bytes);
    setenv("AIEX_MASTER_KEY", "rubbish", 1);
    CU_ASSERT_EQUAL(master_key_take_environment(&key, &err), -EINVAL);
    CU_ASSERT(
        says(&err, "$AIEX_MASTER_KEY is not a key: 64 hex digits; make one with: openssl rand"));
    CU_ASSERT_PTR_NULL(strstr(err.text, "rubbish"));
    CU_ASSERT_PTR_NULL(getenv("AIEX_MASTER_KEY"));
    scene_end();
}

static void the_first_source_holds(void)
{
    struct master_key given = {0}, key;
    struct aiex_error err = {""};

    scene_begin();
    CU_ASSERT_EQUAL(master_key_open(NULL, at("master.key"), &key, &err), -ENOENT);
    CU_ASSERT_EQUAL(master_key_make(&given), 0);
    CU_ASSERT_EQUAL(master_key_write(&given, at("master.key"), &err), 0);
    master_key_done(&given);
    CU_ASSERT_EQUAL(master_key_open(NULL, at("master.key"), &key, &err), 0);
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_FROM_FILE);
    master_key_done(&key);
    CU_ASSERT_EQUAL(master_key_parse(HEX, strlen(HEX), &given), 0);
    given.source = MASTER_KEY_ENVIRONMENT;
    CU_ASSERT_EQUAL(master_key_open(&given, at("master.key"), &key, &err), 0);
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_ENVIRONMENT);
    master_key_done(&key);
    put_file("aiex-master-key", HEX, strlen(HEX), 0640); /* systemd's modes are its own business */
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    CU_ASSERT_EQUAL(master_key_open(&given, at("master.key"), &key, &err), 0);
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_CREDENTIAL);
    CU_ASSERT(is_counting(&key));
    master_key_done(&key);
    given.source = MASTER_KEY_HANDED_OVER;
    CU_ASSERT_EQUAL(master_key_open(&given, at("master.key"), &key, &err), 0);
    CU_ASSERT_EQUAL(key.source, MASTER_KEY_HANDED_OVER);
    master_key_done(&key);
    put_file("aiex-master-key", "short", 5, 0600);
    given.source = MASTER_KEY_ENVIRONMENT;
    CU_ASSERT_EQUAL(master_key_open(&given, at("master.key"), &key, &err), -EINVAL);
    CU_ASSERT(says(&err, "aiex-master-key' is not a master key: 32 bytes, or 64 hex digits"));
    master_key_done(&given);
    unsetenv("CREDENTIALS_DIRECTORY");
    scene_end();
}

static void files_of_others_are_refused(void)
{
    static const mode_t open_modes[] = {0640, 0604, 0660, 0777};
    struct master_key key = {0}, again = {0};
    struct aiex_error err = {""};
    struct stat st;

    scene_begin();
    CU_ASSERT_EQUAL(master_key_make(&key), 0);
    CU_ASSERT_EQUAL(master_key_write(&key, at("master.key"), &err), 0);
    CU_ASSERT_EQUAL(stat(at("master.key"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(st.st_size, 65);
    CU_ASSERT_EQUAL(master_key_read(at("master.key"), &again, &err), 0);
    CU_ASSERT_EQUAL(memcmp(key.bytes, again.bytes, MASTER_KEY_BYTES), 0);
    master_key_done(&again);
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        CU_ASSERT_EQUAL(chmod(at("master.key"), open_modes[i]), 0);
        CU_ASSERT_EQUAL(master_key_read(at("master.key"), &again, &err), -EPERM);
        CU_ASSERT(says(&err, "others may read the master key '"));
        CU_ASSERT(says(&err, "chmod 600"));
    }
    CU_ASSERT_EQUAL(symlink(at("master.key"), at("other.key")), 0);
    CU_ASSERT(master_key_read(at("other.key"), &again, &err) < 0);
    CU_ASSERT_EQUAL(master_key_read(folder, &again, &err), -EINVAL);
    CU_ASSERT(says(&err, "is not a regular file"));
    CU_ASSERT(master_key_write(&key, "/proc/no/such", &err) < 0);
    CU_ASSERT(says(&err, "cannot make the master key '/proc/no/such'"));
    master_key_done(&key);
    scene_end();
}

const struct test_case tests[] = {{"texts and bytes", texts_and_bytes},
                                  {"the environment is wiped", the_environment_is_wiped},
                                  {"the first source holds", the_first_source_holds},
                                  {"files of others are refused", files_of_others_are_refused},
                                  {0}};
