/*
 * vault.c - the life of a vault: the file is read when it has changed, the master key when
 * it is first needed, a change goes to the disk before it counts.
 */
#include "secret/vault.h"

#include "base/auto.h"
#include "base/err.h"
#include "secret/locked.h"
#include "secret/vault_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (VAULT_ENTRIES_MAX * (VAULT_VALUE_MAX + 256u) + 256u)

struct vault {
    char path[600], key_path[600], default_key_path[600];
    const struct master_key *given;
    struct master_key key; /* the one that holds; bytes NULL = not looked for yet */
    int rotated;           /* to a key that its source does not have yet */
    struct vault_file file;
    int is_there; /* `file` is what the disk has, as `seen` */
    struct stat seen;
};

int vault_is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

    return n > 0 && n <= AIEX_MAX_NAME && name[n] == 0 && isalnum((unsigned char)name[0]);
}

struct vault *vault_new(const char *data_dir, const struct master_key *given)
{
    struct vault *v = sodium_init() < 0 ? NULL : calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->given = given && given->bytes ? given : NULL;
    (void)snprintf(v->path, sizeof(v->path), "%.512s/" VAULT_FILE, data_dir);
    (void)snprintf(v->default_key_path, sizeof(v->default_key_path), "%.512s/" MASTER_KEY_FILE,
                   data_dir);
    memcpy(v->key_path, v->default_key_path, sizeof(v->key_path));
    return v;
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    vault_file_done(&v->file);
    master_key_done(&v->key);
    free(v);
}

void vault_key_file(struct vault *v, const char *file)
{
    const char *path = *file ? file : v->default_key_path;

    if (strcmp(path, v->key_path) == 0)
        return;
    (void)snprintf(v->key_path, sizeof(v->key_path), "%s", path);
    if (v->key.source == MASTER_KEY_FROM_FILE)
        master_key_done(&v->key);
}

const char *vault_key_source(struct vault *v)
{
    return v->key.bytes ? v->key.where : "";
}

int vault_key_is_in_file(const struct vault *v)
{
    return v->key.source == MASTER_KEY_FROM_FILE;
}

/* ---- Reading ---- */

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_bytes(int fd, size_t size, uint8_t **ret)
{
    uint8_t *bytes = malloc(size + 1);
    size_t len = 0;

    if (!bytes)
        return -ENOMEM;
    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(bytes);
            return n < 0 ? -errno : -EBADMSG;
        }
        len += (size_t)n;
    }
    *ret = bytes;
    return 0;
}

static int check_file(const struct vault *v, const struct stat *st, struct aiex_error *err)
{
    if (!S_ISREG(st->st_mode))
        return fail(err, -EINVAL, "the vault '%.400s' is not a regular file", v->path);
    if ((st->st_mode & 022) || (st->st_uid != geteuid() && st->st_uid != 0))
        return fail(err, -EPERM,
                    "others may change the vault '%.400s' (mode %04o, owner %u): chmod "
                    "600 FILE",
                    v->path, (unsigned)(st->st_mode & 07777), (unsigned)st->st_uid);
    if (st->st_size > (off_t)FILE_MAX)
        return fail(err, -EBADMSG, "the vault '%.400s' is larger than one can be", v->path);
    return 0;
}

/* What the disk has now. 0 (also when there is no file: is_there 0). */
static int look_at_disk(struct vault *v, struct aiex_error *err)
{
    auto_close int fd = open(v->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    auto_free uint8_t *bytes = NULL;
    struct aiex_error why = {""};
    struct vault_file f;
    struct stat st;
    int r;

    if (fd < 0 && errno == ENOENT) {
        vault_file_done(&v->file);
        v->is_there = 0;
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(err, -errno, "cannot read the vault '%.400s': %s", v->path, strerror(errno));
    if (v->is_there && same_file(&st, &v->seen))
        return 0;
    r = check_file(v, &st, err);
    if (r < 0)
        return r;
    r = read_bytes(fd, (size_t)st.st_size, &bytes);
    if (r == 0)
        r = vault_file_parse(bytes, (size_t)st.st_size, &f, &why);
    if (r == -EBADMSG)
        return fail(err, r,
                    "the vault '%.300s' is damaged: %s; restore it from your backup, or move "
                    "it away and set the secrets again",
                    v->path, why.text);
    if (r < 0)
        return fail(err, r, "cannot read the vault '%.400s': %s", v->path, strerror(-r));
    vault_file_done(&v->file);
    v->file = f;
    v->seen = st;
    v->is_there = 1;
    return 0;
}

static void new_key_path(const struct vault *v, char *out, size_t size)
{
    (void)snprintf(out, size, "%.590s.new", v->key_path);
}

/* A rotation that a crash interrupted: the vault was written, its key's file not yet renamed. */
static int finish_rotation(struct vault *v)
{
    struct master_key key = {0};
    char path[600];

    new_key_path(v, path, sizeof(path));
    if (master_key_read(path, &key, NULL) < 0)
        return 0;
    if (!vault_file_is_under(&v->file, &key) || rename(path, v->key_path) < 0) {
        master_key_done(&key);
        return 0;
    }
    master_key_done(&v->key);
    v->key = key;
    (void)snprintf(v->key.where, sizeof(v->key.where), "%s", v->key_path);
    return 1;
}

/* The key that opens what the disk has. */
static int find_key(struct vault *v, struct aiex_error *err)
{
    struct master_key key;
    int r;

    if (v->key.bytes && (!v->is_there || vault_file_is_under(&v->file, &v->key)))
        return 0;
    r = master_key_open(v->given, v->key_path, &key, err);
    if (r < 0 && !(r == -ENOENT && v->is_there && finish_rotation(v)))
        return r == -ENOENT && v->is_there
                   ? fail(err, -EACCES,
                          "there is a vault '%.250s' and no master key '%.200s'; restore "
                          "the key from your backup",
                          v->path, v->key_path)
                   : r;
    if (r == 0) {
        master_key_done(&v->key);
        v->key = key;
    }
    if (!v->is_there || vault_file_is_under(&v->file, &v->key) ||
        (v->key.source == MASTER_KEY_FROM_FILE && finish_rotation(v)))
        return 0;
    r = fail(err, -EACCES,
             "the vault '%.200s' was made with another master key than that of %.200s; "
             "give that key back, or move the vault away and set the secrets again",
             v->path, v->key.where);
    master_key_done(&v->key);
    return r;
}

static int ready(struct vault *v, struct aiex_error *err)
{
    int r = look_at_disk(v, err);

    return r ? r : v->is_there ? find_key(v, err) : 0;
}

static int find(struct vault *v, const char *name, struct sealed **ret, struct aiex_error *err)
{
    int r = ready(v, err);

    if (r < 0)
        return r;
    *ret = vault_file_find(&v->file, name);
    return *ret ? 0
                : fail(err, -ENOENT, "no secret is named '%.63s'; store it: aiex secret set %.63s",
                       name, name);
}

int vault_open_value(struct vault *v, const char *name, char **ret, size_t *ret_len,
                     struct aiex_error *err)
{
    struct sealed *e;
    int r = find(v, name, &e, err);

    if (r == 0)
        r = vault_unseal(&v->file, e, &v->key, ret, ret_len);
    else
        return r;
    if (r == -EBADMSG)
        return fail(err, r,
                    "secret '%.63s' is damaged and can not be opened; store it again: aiex "
                    "secret set %.63s",
                    name, name);
    return r < 0 ? fail(err, r, "out of memory for secret '%.63s'", name) : 0;
}

int vault_look(struct vault *v, const char *name, char ret_revision[VAULT_REVISION_TEXT],
               struct aiex_error *err)
{
    auto_locked char *value = NULL;
    size_t len;
    int r = vault_open_value(v, name, &value, &len, err);

    if (r == 0)
        (void)snprintf(ret_revision, VAULT_REVISION_TEXT, "%016llx",
                       (unsigned long long)vault_file_find(&v->file, name)->revision);
    return r;
}

int vault_at(struct vault *v, size_t i, struct vault_entry *ret, struct aiex_error *err)
{
    auto_locked char *value = NULL;
    const struct sealed *e;
    size_t len;
    int r = ready(v, err);

    if (r < 0)
        return r;
    if (i >= v->file.n)
        return -ENOENT;
    e = &v->file.entries[i];
    r = vault_unseal(&v->file, e, &v->key, &value, &len);
    *ret = (struct vault_entry){e->name, e->created_ms, e->changed_ms, r < 0};
    return 0;
}

/* ---- Changing ---- */

/* Writes what is in memory; when that fails, memory is what the disk has. */
static int write_file(struct vault *v, struct aiex_error *err)
{
    int r = vault_file_write(&v->file, v->path, err);

    v->is_there = 0; /* read again: of the new file this is the first look */
    return r;
}

/* A vault to write into, and its key; both are made when there are none. */
static int begin(struct vault *v, struct aiex_error *err)
{
    int r = ready(v, err);

    if (r < 0 || v->is_there)
        return r;
    r = find_key(v, err);
    if (r == -ENOENT) {
        r = master_key_make(&v->key);
        if (r == 0)
            r = master_key_write(&v->key, v->key_path, err);
        v->key.source = MASTER_KEY_FROM_FILE;
        (void)snprintf(v->key.where, sizeof(v->key.where), "%s", v->key_path);
        if (r < 0)
            master_key_done(&v->key);
    }
    return r ? r : vault_file_init(&v->file, &v->key);
}

static int check_value(const char *name, const void *value, size_t len, struct aiex_error *err)
{
    if (!vault_is_name(name))
        return fail(err, -EINVAL,
                    "'%.80s' is not a name for a secret: 1 to 63 letters, digits and _ . "
                    "-",
                    name);
    if (len == 0 || len > VAULT_VALUE_MAX)
        return fail(err, -EINVAL, "the value of '%s' has %zu bytes; 1 to %u are possible", name,
                    len, VAULT_VALUE_MAX);
    if (memchr(value, 0, len) || memchr(value, 1, len))
        return fail(err, -EINVAL, "the value of '%s' holds control bytes; secrets are text", name);
    return 0;
}

int vault_set(struct vault *v, const char *name, const void *value, size_t len, int64_t now_ms,
              struct aiex_error *err)
{
    struct sealed *e;
    int r = check_value(name, value, len, err);

    if (r == 0)
        r = begin(v, err);
    if (r < 0)
        return r;
    e = vault_file_find(&v->file, name);
    if (!e && v->file.n == VAULT_ENTRIES_MAX)
        return fail(err, -ENOSPC, "the vault holds %u secrets, its limit; remove one",
                    VAULT_ENTRIES_MAX);
    if (!e)
        e = vault_file_add(&v->file, name, now_ms);
    if (!e)
        return fail(err, -ENOMEM, "out of memory for secret '%s'", name);
    e->changed_ms = now_ms;
    randombytes_buf(&e->revision, sizeof(e->revision));
    e->len = len + VAULT_TAG_BYTES;
    r = vault_seal(&v->file, e, &v->key, value, len);
    if (r < 0) {
        v->is_there = 0;
        return fail(err, r, "out of memory for secret '%s'", name);
    }
    return write_file(v, err);
}

int vault_remove(struct vault *v, const char *name, struct aiex_error *err)
{
    struct sealed *e;
    int r = find(v, name, &e, err);

    if (r < 0)
        return r;
    vault_file_drop(&v->file, e);
    return write_file(v, err);
}

/* ---- Another master key ---- */

/* The same vault under another key; a damaged entry would be lost and stops it. */
static int seal_again(struct vault *v, const struct master_key *key, struct vault_file *ret,
                      struct aiex_error *err)
{
    struct vault_file f;
    int r = vault_file_init(&f, key);

    for (size_t i = 0; r == 0 && i < v->file.n; i++) {
        const struct sealed *old = &v->file.entries[i];
        auto_locked char *value = NULL;
        struct sealed *e;
        size_t len;

        r = vault_unseal(&v->file, old, &v->key, &value, &len);
        if (r < 0) {
            (void)fail(err, r,
                       "secret '%.63s' is damaged and can not be sealed again; store it again, "
                       "or: aiex secret remove %.63s",
                       old->name, old->name);
            break;
        }
        e = vault_file_add(&f, old->name, old->created_ms);
        if (e) {
            e->changed_ms = old->changed_ms;
            e->revision = old->revision;
            e->len = len + VAULT_TAG_BYTES;
        }
        r = e ? vault_seal(&f, e, key, value, len) : -ENOMEM;
        if (r < 0)
            (void)fail(err, r, "out of memory for the new vault");
    }
    if (r < 0)
        vault_file_done(&f);
    else
        *ret = f;
    return r;
}

static int rotate_to(struct vault *v, struct master_key *key, struct aiex_error *err)
{
    int in_file = v->key.source == MASTER_KEY_FROM_FILE;
    struct vault_file f;
    char path[600];
    int r = seal_again(v, key, &f, err);

    if (r < 0)
        return r;
    new_key_path(v, path, sizeof(path));
    if (in_file)
        r = master_key_write(key, path, err);
    if (r == 0)
        r = vault_file_write(&f, v->path, err);
    vault_file_done(&f);
    v->is_there = 0;
    if (r < 0)
        return r;
    if (in_file && rename(path, v->key_path) < 0)
        return fail(err, -errno, "cannot rename '%.250s' to '%.250s': %s; do it by hand", path,
                    v->key_path, strerror(errno));
    key->source = v->key.source;
    memcpy(key->where, v->key.where, sizeof(key->where));
    v->rotated |= !in_file;
    master_key_done(&v->key);
    v->key = *key;
    *key = (struct master_key){0}; /* ours now */
    return 0;
}

int vault_rotate(struct vault *v, const struct master_key *key, struct aiex_error *err)
{
    struct master_key new = {0};
    int r = ready(v, err);

    if (r == 0 && !v->is_there)
        r = fail(err, -ENOENT, "there is no vault yet, so there is no key to replace");
    if (r == 0 && !key && v->key.source != MASTER_KEY_FROM_FILE)
        r = fail(err, -EINVAL,
                 "the master key comes from %s: give the new one on standard input, and put "
                 "it there before the host starts again",
                 v->key.where);
    if (r < 0)
        return r;
    r = key ? master_key_parse(key->bytes, MASTER_KEY_BYTES, &new) : master_key_make(&new);
    if (r < 0)
        return fail(err, r, "out of memory for a key");
    r = rotate_to(v, &new, err);
    master_key_done(&new);
    return r;
}

int vault_hand_over(struct vault *v)
{
    if (v->rotated && v->key.bytes)
        return master_key_hand_over(&v->key);
    return v->given ? master_key_hand_over(v->given) : 0;
}

void vault_keep(struct vault *v)
{
    master_key_keep();
}
