/* secret_mark.c - marks in texts: made, found, filled. */
#include "config/secret_mark.h"

#include "base/auto.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define MARK           '\x01'
#define REVISION_BYTES 16u

int secret_mark_make(const char *name, const char *revision, char **ret)
{
    if (asprintf(ret, "%c%s%c%s", MARK, name, MARK, revision) < 0) {
        *ret = NULL;
        return -ENOMEM;
    }
    return 0;
}

int secret_mark_is_in(const char *text)
{
    return strchr(text, MARK) != NULL;
}

/* The next mark from `at` on: its begin, its name, and where the text goes on. 0 when there is
 * none. */
static int next_mark(const char *at, const char **ret_begin, char name[AIEX_MAX_NAME + 1],
                     const char **ret_end)
{
    const char *begin = strchr(at, MARK), *close = begin ? strchr(begin + 1, MARK) : NULL;

    if (!close || close - begin - 1 > (long)AIEX_MAX_NAME ||
        strnlen(close + 1, REVISION_BYTES) < REVISION_BYTES)
        return 0;
    (void)snprintf(name, AIEX_MAX_NAME + 1, "%.*s", (int)(close - begin - 1), begin + 1);
    *ret_begin = begin;
    *ret_end = close + 1 + REVISION_BYTES;
    return 1;
}

int secret_mark_each(const char *text, int (*fn)(void *arg, const char *name), void *arg)
{
    char name[AIEX_MAX_NAME + 1];
    const char *begin;
    int r = 0;

    while (r == 0 && next_mark(text, &begin, name, &text))
        r = fn(arg, name);
    return r;
}

char *secret_mark_renew(const char *text, const char *name, const char *revision)
{
    char *copy = strdup(text), *at = copy, found[AIEX_MAX_NAME + 1];
    const char *begin, *end;

    while (copy && next_mark(at, &begin, found, &end)) {
        at += end - at;
        if (strcmp(found, name) == 0)
            memcpy(at - REVISION_BYTES, revision, REVISION_BYTES);
    }
    return copy;
}

/* One value, checked. */
static int value_of(const char *name, int lines, const struct secret_fill *fill, char **ret,
                    size_t *ret_len, struct aiex_error *err)
{
    int r = fill->value(fill->arg, name, ret, ret_len, err);

    if (r == 0 && lines && strpbrk(*ret, "\r\n")) {
        fill->done(*ret);
        return fail(err, -EINVAL, "secret '%s' has several lines; here it must be one", name);
    }
    return r;
}

/* Writes the filled text to `out`, or only counts its bytes when that is NULL. */
static int walk(const char *text, int lines, const struct secret_fill *fill, char *out,
                size_t *ret_len, struct aiex_error *err)
{
    char name[AIEX_MAX_NAME + 1], *value;
    const char *begin, *end, *at = text;
    size_t n = 0, len;
    int r;

    while (next_mark(at, &begin, name, &end)) {
        r = value_of(name, lines, fill, &value, &len, err);
        if (r < 0)
            return r;
        if (out && n + (size_t)(begin - at) + len > *ret_len) {
            fill->done(value);
            return fail(err, -EAGAIN, "secret '%s' was changed meanwhile", name);
        }
        if (out) {
            memcpy(out + n, at, (size_t)(begin - at));
            memcpy(out + n + (begin - at), value, len);
        }
        n += (size_t)(begin - at) + len;
        fill->done(value);
        at = end;
    }
    if (out && n + strlen(at) <= *ret_len)
        memcpy(out + n, at, strlen(at) + 1);
    n += strlen(at);
    *ret_len = n;
    return 0;
}

int secret_mark_fill(const char *text, int lines, const struct secret_fill *fill, char **ret,
                     struct aiex_error *err)
{
    size_t len = 0;
    char *out;
    int r = walk(text, lines, fill, NULL, &len, err);

    *ret = NULL;
    if (r < 0)
        return r;
    out = fill->memory(len + 1);
    if (!out)
        return fail(err, -ENOMEM, "out of memory for a secret");
    r = walk(text, lines, fill, out, &len, err);
    *ret = out;
    return r;
}
