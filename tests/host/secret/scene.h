/* scene.h - a folder for keys and vaults, and files in it. */
#ifndef AIEX_TEST_SECRET_SCENE_H
#define AIEX_TEST_SECRET_SCENE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static inline const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static inline void scene_begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/aiex-secret-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("AIEX_MASTER_KEY");
}

static inline void scene_end(void)
{
    static const char *const names[] = {
        "secrets",   "secrets.tmp",     "master.key", "master.key.new",
        "other.key", "aiex-master-key", "old",        "old.key"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(at(names[i]));
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing else was left there */
}

static inline void put_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
    FILE *f;

    unlink(at(name));
    f = fopen(at(name), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, len, f), len);
    fclose(f);
    CU_ASSERT_EQUAL(chmod(at(name), mode), 0);
}

/* free() it. */
static inline uint8_t *get_file(const char *name, size_t *ret_len)
{
    FILE *f = fopen(at(name), "rb");
    uint8_t *bytes = calloc(1, 1 << 20);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    *ret_len = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static inline int says(const struct aiex_error *err, const char *text)
{
    if (strstr(err->text, text))
        return 1;
    fprintf(stderr, "\nis:       %s\nexpected: %s\n", err->text, text);
    return 0;
}

#endif
