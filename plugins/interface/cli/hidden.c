#include "hidden.h"

#include "reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C '\003'

void hidden_protect(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void hidden_done(struct hidden *h)
{
    explicit_bzero(h, sizeof(*h));
}

/* To the end, or to the first line end. */
static int read_bytes(int one_line, struct hidden *h, struct aiex_error *err)
{
    for (;;) {
        ssize_t n = read(STDIN_FILENO, h->text + h->len, sizeof(h->text) - 1 - h->len);

        if (n < 0 && errno == EINTR)
            return fail(err, -EINTR, "interrupted");
        if (n < 0)
            return fail(err, -errno, "can not read the secret: %s", strerror(errno));
        h->len += (size_t)n;
        if (n == 0 || (one_line && memchr(h->text, '\n', h->len)))
            return 0;
        if (h->len == sizeof(h->text) - 1)
            return fail(err, -EFBIG, "the secret is longer than %u bytes", HIDDEN_MAX);
    }
}

/* Without echo, and without signals: the terminal must get its echo back whatever is typed. */
static int ask(const char *prompt, struct hidden *h, struct aiex_error *err)
{
    struct termios before, quiet;
    int r;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return fail(err, -errno, "the terminal can not be asked: %s", strerror(errno));
    quiet = before;
    quiet.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
    quiet.c_lflag |= ECHONL;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
        return fail(err, -errno, "the terminal can not hide what is typed: %s", strerror(errno));
    fprintf(stderr, "%s: ", prompt);
    fflush(stderr);
    r = read_bytes(1, h, err);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    if (r == 0 && memchr(h->text, CTRL_C, h->len))
        return fail(err, -EINTR, "interrupted");
    return r;
}

int hidden_read(const char *prompt, struct hidden *ret, struct aiex_error *err)
{
    int r;

    hidden_done(ret);
    r = isatty(STDIN_FILENO) ? ask(prompt, ret, err) : read_bytes(0, ret, err);
    if (r < 0)
        return r;
    if (ret->len && ret->text[ret->len - 1] == '\n')
        ret->len--;
    if (ret->len && ret->text[ret->len - 1] == '\r')
        ret->len--;
    ret->text[ret->len] = 0;
    if (ret->len == 0)
        return fail(err, -ENODATA, "no secret was given; type it, or send it to standard input");
    if (ret->len > HIDDEN_MAX)
        return fail(err, -EFBIG, "the secret is longer than %u bytes", HIDDEN_MAX);
    if (memchr(ret->text, 0, ret->len))
        return fail(err, -EINVAL, "the secret holds a 0 byte; secrets are text");
    return 0;
}
