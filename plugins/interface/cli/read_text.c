#include "read_text.h"

#include "reason.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, const char *title, size_t max, struct read_text *text,
                    struct aiex_error *err)
{
    size_t cap = 0;

    for (;;) {
        ssize_t n;

        if (cap - text->len < 2) {
            char *grown = realloc(text->data, cap ? cap * 2 : 8192);

            if (!grown)
                return fail(err, -ENOMEM, "out of memory for %s", title);
            text->data = grown;
            cap = cap ? cap * 2 : 8192;
        }
        n = read(fd, text->data + text->len, cap - text->len - 1);
        if (n < 0)
            return fail(err, -errno, "can not read %s: %s", title, strerror(errno));
        if (n == 0)
            break;
        text->len += (size_t)n;
        if (text->len > max)
            return fail(err, -EFBIG, "%s is larger than %zu bytes; send a part of it", title, max);
    }
    text->data[text->len] = 0;
    return 0;
}

static int check(const char *title, struct read_text *text, struct aiex_error *err)
{
    if (text->len >= 3 && memcmp(text->data, "\xef\xbb\xbf", 3) == 0) {
        text->len -= 3;
        memmove(text->data, text->data + 3, text->len + 1);
    }
    if (memchr(text->data, 0, text->len) || !utf8_is_text(text->data, text->len))
        return fail(err, -EILSEQ, "%s is binary, not UTF-8 text", title);
    return 0;
}

int read_text(const char *name, const char *title, size_t max, struct read_text *ret_text,
              struct aiex_error *err)
{
    struct read_text text = {NULL, 0};
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int failed;

    if (fd < 0)
        return fail(err, -errno, "can not open %s: %s", title, strerror(errno));
    failed = read_all(fd, title, max, &text, err);
    if (name)
        close(fd);
    if (!failed)
        failed = check(title, &text, err);
    if (failed) {
        free(text.data);
        return failed;
    }
    *ret_text = text;
    return 0;
}
