/* keys.c - where the signing key comes from, and how the next one takes over: see keys.h. */
#include "keys.h"
#include "log.h"

#include <aiex_file.h>
#include <aiex_json.h>
#include <aiex_service.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEYS_FILE ((AIEX_NOTE_KEY + 24u) * AIEX_AUDIT_KEYS)

static void path_of(const struct log *l, const char *name, char out[600])
{
    snprintf(out, 600, "%s/%s", l->dir, name);
}

static int is_same(const struct aiex_note_key *a, const struct aiex_note_key *b)
{
    return strcmp(a->name, b->name) == 0 &&
           memcmp(a->public_key, b->public_key, sizeof(a->public_key)) == 0;
}

/* ---- Signers as text ---- */

/* A PRIVATE+KEY+ line or the hex of a seed. */
static int signer_from(const char *text, const struct key_source *s, struct aiex_note_signer *out,
                       struct aiex_error *err)
{
    struct aiex_error why = {""};
    uint8_t seed[32];
    int r;

    if (aiex_unhex(text, strlen(text), seed, sizeof(seed)) == 0) {
        r = aiex_note_from_seed(out, s->origin, AIEX_KEY_ED25519, seed);
        aiex_note_wipe(seed, sizeof(seed));
        return r < 0 ? aiex_failed(err, r, "'%s' can not be the origin of a log", s->origin) : 0;
    }
    if (aiex_note_signer_read(out, text, &why) != 0)
        return aiex_failed(err, -EINVAL, "the key of the log is not readable: %s", why.text);
    if (out->key.type != AIEX_KEY_ED25519)
        return aiex_failed(err, -EINVAL, "the key of the log is that of a witness");
    if (s->is_named && strcmp(out->key.name, s->origin) != 0)
        return aiex_failed(err, -EINVAL,
                           "the log is '%s', the option origin says '%s'; a log keeps its name",
                           out->key.name, s->origin);
    return 0;
}

/* The signer of a file, and what stands in its second line (0 = nothing). */
static int signer_read(struct log *l, const char *name, const struct key_source *s,
                       struct aiex_note_signer *out, uint64_t *ret_number, struct aiex_error *err)
{
    char path[600], text[AIEX_NOTE_KEY + 32];
    uint8_t *data;
    size_t len;
    int r;

    path_of(l, name, path);
    r = aiex_file_read(path, sizeof(text) - 1, &data, &len);
    if (r == -ENOENT)
        return r;
    if (r < 0)
        return aiex_failed(err, r, "file '%s' can not be read: %s", path, strerror(-r));
    memcpy(text, data, len);
    text[len] = 0;
    aiex_note_wipe(data, len);
    free(data);
    if (ret_number &&
        (!strchr(text, '\n') || sscanf(strchr(text, '\n'), "%" SCNu64, ret_number) != 1))
        *ret_number = UINT64_MAX;
    text[strcspn(text, "\n")] = 0;
    r = signer_from(text, s, out, err);
    aiex_note_wipe(text, sizeof(text));
    return r;
}

/* A new file that nobody else can read; `number` behind it when it is one. */
static int signer_write(struct log *l, const char *name, const struct aiex_note_signer *s,
                        uint64_t number, struct aiex_error *err)
{
    char path[600], text[AIEX_NOTE_KEY + 32];
    int fd, r;

    aiex_note_signer_text(s, text);
    strcat(text, "\n");
    if (number != UINT64_MAX)
        sprintf(text + strlen(text), "%" PRIu64 "\n", number);
    path_of(l, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return aiex_failed(err, -errno, "file '%s' can not be made: %s", path, strerror(errno));
    r = aiex_file_pwrite(fd, text, strlen(text), 0);
    if (r == 0 && fdatasync(fd) != 0)
        r = -errno;
    close(fd);
    aiex_note_wipe(text, sizeof(text));
    if (r < 0)
        unlink(path);
    return r < 0 ? aiex_failed(err, r, "file '%s' can not be written: %s", path, strerror(-r)) : 0;
}

static void use_signer(struct log *l, const struct aiex_note_signer *s)
{
    pthread_mutex_lock(&l->lock);
    l->signer = *s;
    pthread_mutex_unlock(&l->lock);
}

int keys_load(struct log *l, const struct key_source *s, struct aiex_error *err)
{
    struct aiex_note_signer signer;
    int r;

    l->key_is_secret = s->secret[0] != 0;
    r = l->key_is_secret ? signer_from(s->secret, s, &signer, err)
                         : signer_read(l, "signing.key", s, &signer, NULL, err);
    if (r == -ENOENT) {
        if (aiex_note_generate(&signer, s->origin, AIEX_KEY_ED25519) != 0)
            return aiex_failed(err, -EINVAL, "'%s' can not be the origin of a log", s->origin);
        r = signer_write(l, "signing.key", &signer, UINT64_MAX, err);
    }
    if (r == 0)
        use_signer(l, &signer);
    aiex_note_wipe(&signer, sizeof(signer));
    return r;
}

/* ---- The file `keys` ---- */

static int list_add(struct log *l, uint64_t from, const struct aiex_note_key *key)
{
    if (l->n_keys == AIEX_AUDIT_KEYS)
        return -E2BIG;
    pthread_mutex_lock(&l->lock);
    l->keys[l->n_keys++] = (struct log_key){from, *key};
    pthread_mutex_unlock(&l->lock);
    return 0;
}

static int list_write(struct log *l, struct aiex_error *err)
{
    char path[600], *text = malloc(MAX_KEYS_FILE + 1), key[AIEX_NOTE_KEY];
    struct aiex_slice all;
    size_t n = 0;
    int r;

    if (!text)
        return aiex_failed(err, -ENOMEM, "no memory");
    for (size_t i = 0; i < l->n_keys; i++) {
        aiex_note_key_text(&l->keys[i].key, key);
        n += (size_t)sprintf(text + n, "%" PRIu64 " %s\n", l->keys[i].from, key);
    }
    path_of(l, "keys", path);
    all = (struct aiex_slice){(uint8_t *)text, n};
    r = aiex_file_replace(path, &all, 1, AIEX_FILE_SYNC, err);
    free(text);
    return r;
}

/* Lines "FROM KEY". 0, -ENOENT, -EBADMSG, other errno. */
static int list_read(struct log *l)
{
    char path[600];
    uint8_t *data;
    size_t len, at = 0;
    int r;

    path_of(l, "keys", path);
    r = aiex_file_read(path, MAX_KEYS_FILE, &data, &len);
    while (r == 0 && at < len) {
        char line[AIEX_NOTE_KEY + 24], text[AIEX_NOTE_KEY];
        const uint8_t *end = memchr(data + at, '\n', len - at);
        size_t n = end ? (size_t)(end - data) - at : len - at;
        struct aiex_note_key key;
        uint64_t from;

        snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : 0), (char *)data + at);
        if (sscanf(line, "%" SCNu64 " %319s", &from, text) != 2 ||
            aiex_note_key_read(&key, text, NULL) != 0 ||
            (l->n_keys && from <= l->keys[l->n_keys - 1].from) || list_add(l, from, &key) != 0)
            r = -EBADMSG;
        at += n + 1;
    }
    if (r != -ENOENT)
        free(data);
    return r == 0 && l->n_keys == 0 ? -EBADMSG : r;
}

/* ---- Taking over ---- */

/* The entry that names it is on the disk: the next key signs from now on. */
static int take_over(struct log *l, const struct aiex_note_signer *next, struct aiex_error *err)
{
    char note[AIEX_NOTE_MAX], from[600], to[600];
    uint8_t root[AIEX_HASH];
    uint64_t size;
    long n, text;
    int r;

    pthread_mutex_lock(&l->lock);
    aiex_tree_root(&l->tree, root);
    size = l->tree.n;
    pthread_mutex_unlock(&l->lock);
    n = heads_sign(&l->signer, size, root, note);
    for (text = 0; note[text] != '\n' || note[text + 1] != '\n'; text++)
        ;
    n += aiex_note_sign(next, (struct aiex_slice){(uint8_t *)note, (size_t)text + 1}, 0, note + n,
                        sizeof(note) - (size_t)n);
    r = heads_store(&l->heads, (struct aiex_slice){(uint8_t *)note, (size_t)n});
    if (r < 0)
        return aiex_failed(err, r, "file '%s/heads' can not be written: %s", l->dir, strerror(-r));
    pthread_mutex_lock(&l->lock);
    l->heads_end = l->heads.end;
    pthread_mutex_unlock(&l->lock);
    r = list_add(l, size, &next->key);
    if (r == 0 && (r = list_write(l, err)) < 0) {
        pthread_mutex_lock(&l->lock);
        l->n_keys--;
        pthread_mutex_unlock(&l->lock);
    }
    if (r < 0)
        return r;
    use_signer(l, next);
    path_of(l, "signing.key.next", from);
    path_of(l, "signing.key", to);
    if (!l->key_is_secret && rename(from, to) != 0) /* the next opening does it */
        aiex_logf(l->host, AIEX_LOG_WARN, 0, "file '%s' can not be replaced: %s", to,
                  strerror(errno));
    return 0;
}

/* The log's own entry that names the key. 0 or negative errno. */
static int record(struct log *l, struct entry *e, const struct aiex_note_key *key)
{
    int r;

    aiex_note_key_text(key, l->named);
    e->writer = (struct aiex_slice){(const uint8_t *)"audit", 5};
    e->type = (struct aiex_slice){(const uint8_t *)AIEX_AUDIT_ROTATED, strlen(AIEX_AUDIT_ROTATED)};
    e->subject = (struct aiex_slice){(const uint8_t *)l->named, strlen(l->named)};
    e->redacts = -1;
    r = log_add(l, e);
    return r == 0 ? log_commit(l) : r;
}

/* 1: entry `seq` names this key. */
static int is_named(struct log *l, uint64_t seq, const struct aiex_note_key *key)
{
    struct aiex_json_field f[] = {{.key = "writer"}, {.key = "type"}, {.key = "subject"}};
    uint8_t *mem = malloc(MAX_RECORD), leaf[AIEX_HASH];
    char text[AIEX_NOTE_KEY];
    struct record rec;
    int yes;

    aiex_note_key_text(key, text);
    yes = mem && log_read(l, seq, mem, &rec, leaf) == 0 &&
          aiex_json_scan(rec.body, 0, f, 3, NULL) == AIEX_JSON_OBJECT &&
          aiex_json_is(&f[0].value, "audit") && aiex_json_is(&f[1].value, AIEX_AUDIT_ROTATED) &&
          aiex_json_is(&f[2].value, text);
    free(mem);
    return yes;
}

int keys_rotate(struct log *l, struct entry *e, struct aiex_error *err)
{
    struct aiex_note_signer next;
    char path[600];
    int r;

    if (l->key_is_secret)
        return aiex_failed(err, -EPERM,
                           "the key is a secret: give the plugin the present one as option "
                           "key_old, a new one as key, and reload it");
    if (l->n_keys == AIEX_AUDIT_KEYS)
        return aiex_failed(err, -E2BIG, "%u keys have signed this log; begin a new one",
                           AIEX_AUDIT_KEYS);
    if (aiex_note_generate(&next, l->signer.key.name, AIEX_KEY_ED25519) != 0)
        return aiex_failed(err, -EIO, "no new key can be made");
    path_of(l, "signing.key.next", path);
    unlink(path); /* of one whose entry could not be recorded */
    r = signer_write(l, "signing.key.next", &next, l->size, err);
    if (r == 0) {
        r = record(l, e, &next.key);
        if (r < 0) {
            unlink(path);
            aiex_failed(err, r, "the change can not be recorded: %s", strerror(-r));
        }
    }
    if (r == 0)
        r = take_over(l, &next, err);
    aiex_note_wipe(&next, sizeof(next));
    return r;
}

/* ---- Opening ---- */

/* What a crash left of a change: 0 also when there is nothing. */
static int take_up(struct log *l, const struct key_source *s, struct aiex_error *err)
{
    struct aiex_note_signer next;
    char path[600], to[600];
    uint64_t seq;
    int r = signer_read(l, "signing.key.next", s, &next, &seq, err);

    if (r == -ENOENT)
        return 0;
    path_of(l, "signing.key.next", path);
    path_of(l, "signing.key", to);
    if (r < 0 || !is_named(l, seq, &next.key)) {
        r = 0; /* its entry was never recorded: nobody knows this key */
        unlink(path);
    } else if (is_same(&next.key, &l->keys[l->n_keys - 1].key)) {
        r = rename(path, to) == 0 ? 0 : -errno;
        if (r == 0)
            use_signer(l, &next);
    } else {
        r = take_over(l, &next, err);
    }
    aiex_note_wipe(&next, sizeof(next));
    return r;
}

/* A secret that is another one than before, beside the former one. */
static int take_secret(struct log *l, const struct key_source *s, struct aiex_error *err)
{
    struct entry e = {.actor = {(const uint8_t *)"host", 4},
                      .reason = {(const uint8_t *)"the option key is another secret", 32},
                      .time = wall_ms()};
    struct aiex_note_signer old, next = l->signer;
    int r = signer_from(s->old_key, s, &old, err);

    if (r == 0 && !is_same(&old.key, &l->keys[l->n_keys - 1].key))
        r = aiex_failed(err, -EINVAL, "key_old is not the key that signed this log last");
    if (r == 0) {
        use_signer(l, &old);
        r = record(l, &e, &next.key);
        if (r == 0)
            r = take_over(l, &next, err);
    }
    aiex_note_wipe(&old, sizeof(old));
    aiex_note_wipe(&next, sizeof(next));
    return r;
}

int keys_open(struct log *l, const struct key_source *s, struct aiex_error *err)
{
    struct aiex_error why = {""};
    int r;

    l->keys = calloc(AIEX_AUDIT_KEYS, sizeof(*l->keys));
    if (!l->keys)
        return aiex_failed(err, -ENOMEM, "no memory for the log in '%s'", l->dir);
    r = list_read(l);
    if (r == -ENOENT) {
        list_add(l, 0, &l->signer.key);
        list_write(l, &why); /* a full disk: at the next opening */
        return 0;
    }
    if (r < 0) {
        log_fault(l, "file '%s/keys' is damaged: %s", l->dir, strerror(-r));
        if (l->n_keys == 0)
            list_add(l, 0, &l->signer.key);
        return 0;
    }
    if (l->faulty)
        return 0;
    r = l->key_is_secret ? 0 : take_up(l, s, &why);
    if (r == 0 && !is_same(&l->signer.key, &l->keys[l->n_keys - 1].key)) {
        if (l->key_is_secret && s->old_key[0])
            r = take_secret(l, s, &why);
        else
            r = aiex_failed(&why, -EINVAL,
                            "the key is not the one that signed this log last; put "
                            "that one back (a secret may stand as key_old)");
    }
    if (r < 0)
        log_fault(l, "%s", why.text);
    return 0;
}

void keys_close(struct log *l)
{
    free(l->keys);
    l->keys = NULL;
    aiex_note_wipe(&l->signer, sizeof(l->signer));
}

/* ---- Readers ---- */

void keys_current(struct log *l, struct aiex_note_key *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->signer.key;
    pthread_mutex_unlock(&l->lock);
}

size_t keys_all(struct log *l, struct log_key *out)
{
    size_t n;

    pthread_mutex_lock(&l->lock);
    n = l->n_keys;
    if (n)
        memcpy(out, l->keys, n * sizeof(*out));
    pthread_mutex_unlock(&l->lock);
    return n;
}

int keys_signed(struct log *l, const struct aiex_note *note, uint64_t size)
{
    struct log_key *keys = calloc(AIEX_AUDIT_KEYS, sizeof(*keys));
    size_t n = keys ? keys_all(l, keys) : 0;
    int yes = 0;

    for (size_t i = 0; i < n && !yes; i++)
        yes = (i + 1 == n || size <= keys[i + 1].from) &&
              aiex_note_signed_by(note, &keys[i].key, NULL) == 1;
    free(keys);
    return yes;
}

size_t keys_resign(struct log *l, struct aiex_slice bytes, char *out)
{
    struct aiex_note_key now;
    struct aiex_checkpoint p;
    uint8_t root[AIEX_HASH];
    struct aiex_note note;
    long more = 0;
    int r;

    memcpy(out, bytes.data, bytes.len);
    keys_current(l, &now);
    if (aiex_note_read(&note, bytes, NULL) != 0 || aiex_checkpoint_read(&p, note.text, NULL) != 0 ||
        note.n == AIEX_NOTE_SIGNATURES || aiex_note_signed_by(&note, &now, NULL) != 0 ||
        !keys_signed(l, &note, p.size) || strcmp(p.origin, now.name) != 0)
        return bytes.len;
    pthread_mutex_lock(&l->lock);
    r = aiex_tree_root_at(&l->tree, p.size, root);
    if (r == 0 && memcmp(root, p.root, AIEX_HASH) == 0)
        more = aiex_note_sign(&l->signer, note.text, 0, out + bytes.len, AIEX_NOTE_MAX - bytes.len);
    pthread_mutex_unlock(&l->lock);
    return bytes.len + (more > 0 ? (size_t)more : 0);
}
