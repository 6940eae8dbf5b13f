/*
 * master_key.c - reading, making and handing over the master key; see master_key.h for
 * where it comes from. Texts that held it are wiped here before they are given back.
 */
#include "secret/master_key.h"

#include "base/auto.h"
#include "base/err.h"
#include "secret/locked.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE    "AIEX_MASTER_KEY"
#define HANDED_OVER "AIEX_MASTER_KEY_HANDED_OVER"
#define CREDENTIAL  "aiex-master-key"
#define TEXT_MAX    256u /* of a file or variable: a key with blanks around it */

static int key_new(struct master_key *ret)
{
    *ret = (struct master_key){.bytes = locked_new(MASTER_KEY_BYTES)};
    return ret->bytes ? 0 : -ENOMEM;
}

void master_key_done(struct master_key *key)
{
    locked_free(key->bytes);
    *key = (struct master_key){0};
}

int master_key_make(struct master_key *ret)
{
    int r = key_new(ret);

    if (r == 0)
        randombytes_buf(ret->bytes, MASTER_KEY_BYTES);
    return r;
}

int master_key_parse(const void *text, size_t len, struct master_key *ret)
{
    const char *at = text;
    size_t n = 0;
    int r = key_new(ret);

    if (r < 0)
        return r;
    if (len == MASTER_KEY_BYTES) {
        memcpy(ret->bytes, text, len);
        return 0;
    }
    while (len && strchr(" \t\r\n", at[len - 1]))
        len--;
    if (len == 2 * MASTER_KEY_BYTES &&
        sodium_hex2bin(ret->bytes, MASTER_KEY_BYTES, at, len, NULL, &n, NULL) == 0 &&
        n == MASTER_KEY_BYTES)
        return 0;
    master_key_done(ret);
    return -EINVAL;
}

/* ---- The environment ---- */

/* The block that the kernel shows in /proc/PID/environ is overwritten, not only forgotten. */
static int take_variable(const char *name, enum master_key_source source, struct master_key *ret,
                         struct aiex_error *err)
{
    char *text = getenv(name);
    int r;

    if (!text)
        return -ENOENT;
    r = master_key_parse(text, strlen(text), ret);
    explicit_bzero(text, strlen(text));
    unsetenv(name);
    if (r == -EINVAL)
        return fail(err, r, "$%s is not a key: 64 hex digits; make one with: openssl rand -hex 32",
                    name);
    if (r < 0)
        return fail(err, r, "out of memory for the master key");
    ret->source = source;
    (void)snprintf(ret->where, sizeof(ret->where), "$%s",
                   source == MASTER_KEY_HANDED_OVER ? "of the image before" : name);
    return 0;
}

int master_key_take_environment(struct master_key *ret, struct aiex_error *err)
{
    struct master_key other = {0};
    int r = take_variable(HANDED_OVER, MASTER_KEY_HANDED_OVER, ret, err);

    if (r == 0) {
        (void)take_variable(VARIABLE, MASTER_KEY_ENVIRONMENT, &other, NULL);
        master_key_done(&other);
        return 0;
    }
    if (r == -ENOENT)
        r = take_variable(VARIABLE, MASTER_KEY_ENVIRONMENT, ret, err);
    if (r < 0)
        *ret = (struct master_key){0};
    return r == -ENOENT ? 0 : r;
}

int master_key_hand_over(const struct master_key *key)
{
    char hex[2 * MASTER_KEY_BYTES + 1];
    int r;

    sodium_bin2hex(hex, sizeof(hex), key->bytes, MASTER_KEY_BYTES);
    r = setenv(HANDED_OVER, hex, 1);
    explicit_bzero(hex, sizeof(hex));
    return r < 0 ? -ENOMEM : 0;
}

void master_key_keep(void)
{
    char *text = getenv(HANDED_OVER);

    if (!text)
        return;
    explicit_bzero(text, strlen(text));
    unsetenv(HANDED_OVER);
}

/* ---- Files ---- */

static int read_key(int fd, const char *file, struct master_key *ret, struct aiex_error *err)
{
    char text[TEXT_MAX + 1];
    ssize_t n = read(fd, text, sizeof(text));
    int r = n < 0                   ? -errno
            : n > (ssize_t)TEXT_MAX ? -EINVAL
                                    : master_key_parse(text, (size_t)n, ret);

    explicit_bzero(text, sizeof(text));
    if (r == -EINVAL)
        return fail(
            err, r,
            "'%.400s' is not a master key: 32 bytes, or 64 hex digits; restore it from your "
            "backup",
            file);
    if (r < 0)
        return fail(err, r, "cannot read '%.400s': %s", file, strerror(-r));
    return 0;
}

int master_key_read(const char *file, struct master_key *ret, struct aiex_error *err)
{
    auto_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    struct stat st;
    int r;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(err, -errno, "cannot read the master key '%.400s': %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(err, -EINVAL, "the master key '%.400s' is not a regular file", file);
    if ((st.st_mode & 077) || (st.st_uid != geteuid() && st.st_uid != 0))
        return fail(
            err, -EPERM,
            "others may read the master key '%.300s' (mode %04o, owner %u); make a new one if "
            "they could have, and: chmod 600 FILE",
            file, (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid);
    r = read_key(fd, file, ret, err);
    if (r == 0) {
        ret->source = MASTER_KEY_FROM_FILE;
        (void)snprintf(ret->where, sizeof(ret->where), "%s", file);
    }
    return r;
}

/* systemd keeps credentials readable for the service alone, by other means than the mode. */
static int read_credential(struct master_key *ret, struct aiex_error *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[600];
    int r;

    if (!folder || !*folder)
        return -ENOENT;
    (void)snprintf(path, sizeof(path), "%.500s/" CREDENTIAL, folder);
    {
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
            return errno == ENOENT ? -ENOENT
                                   : fail(err, -errno, "cannot read the credential '%.400s': %s",
                                          path, strerror(errno));
        r = read_key(fd, path, ret, err);
    }
    if (r == 0) {
        ret->source = MASTER_KEY_CREDENTIAL;
        (void)snprintf(ret->where, sizeof(ret->where), "the credential " CREDENTIAL);
    }
    return r;
}

static int copy(const struct master_key *from, struct master_key *ret)
{
    int r = key_new(ret);

    if (r < 0)
        return r;
    memcpy(ret->bytes, from->bytes, MASTER_KEY_BYTES);
    ret->source = from->source;
    memcpy(ret->where, from->where, sizeof(ret->where));
    return 0;
}

int master_key_open(const struct master_key *given, const char *file, struct master_key *ret,
                    struct aiex_error *err)
{
    int r = -ENOENT;

    *ret = (struct master_key){0};
    if (given && given->source == MASTER_KEY_HANDED_OVER)
        return copy(given, ret);
    r = read_credential(ret, err);
    if (r == -ENOENT && given && given->bytes)
        return copy(given, ret);
    return r == -ENOENT ? master_key_read(file, ret, err) : r;
}

int master_key_write(const struct master_key *key, const char *file, struct aiex_error *err)
{
    char hex[2 * MASTER_KEY_BYTES + 2];
    auto_close int fd = -1;
    int r = 0;

    (void)unlink(file);
    fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(err, -errno, "cannot make the master key '%.400s': %s", file, strerror(errno));
    sodium_bin2hex(hex, sizeof(hex), key->bytes, MASTER_KEY_BYTES);
    hex[2 * MASTER_KEY_BYTES] = '\n';
    if (fchmod(fd, 0600) < 0 || write(fd, hex, sizeof(hex) - 1) != (ssize_t)sizeof(hex) - 1 ||
        fsync(fd) < 0)
        r = fail(err, errno ? -errno : -EIO, "cannot write the master key '%.400s': %s", file,
                 strerror(errno));
    explicit_bzero(hex, sizeof(hex));
    if (r < 0)
        (void)unlink(file);
    return r;
}
