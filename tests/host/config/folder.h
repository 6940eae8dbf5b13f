/* folder.h - a configuration folder of a test: `conf.d` in a new working directory. */
#ifndef AIEX_TEST_CONFIG_FOLDER_H
#define AIEX_TEST_CONFIG_FOLDER_H

#include "config/config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static inline void folder_enter(struct folder *f)
{
    snprintf(f->path, sizeof(f->path), "/tmp/aiex-config-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(f->path) != NULL);
    CU_ASSERT_FATAL(chdir(f->path) == 0);
    CU_ASSERT_FATAL(mkdir("conf.d", 0700) == 0);
}

static inline void folder_write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "w");

    CU_ASSERT_FATAL(out != NULL);
    CU_ASSERT_FATAL(fwrite(bytes, 1, n, out) == n);
    CU_ASSERT_FATAL(fclose(out) == 0);
}

static inline void folder_write(const char *path, const char *text)
{
    folder_write_bytes(path, text, strlen(text));
}

static inline void folder_empty(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char name[512];

    while (d && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (unlink(name) != 0) {
            folder_empty(name);
            rmdir(name);
        }
    }
    if (d)
        closedir(d);
}

static inline void folder_leave(struct folder *f)
{
    CU_ASSERT(chdir("/") == 0);
    folder_empty(f->path);
    CU_ASSERT(rmdir(f->path) == 0);
}

/* 1 when the report has exactly this line; else prints what it has. */
static inline int has_line(const struct report *r, const char *text)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->lines[i].text, text) == 0)
            return 1;
    fprintf(stderr, "\nexpected: %s\n", text);
    report_print(r, stderr);
    return 0;
}

static inline int has_errors(const struct report *r, size_t n)
{
    if (r->n_errors == n)
        return 1;
    fprintf(stderr, "\nexpected %zu errors, not %zu\n", n, r->n_errors);
    report_print(r, stderr);
    return 0;
}

/* The environment of a test: NAME=text lines, ended by NULL. */
static inline const char *fake_env(void *arg, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *line = arg; line && *line; line++)
        if (strncmp(*line, name, n) == 0 && (*line)[n] == '=')
            return *line + n + 1;
    return NULL;
}

#endif
