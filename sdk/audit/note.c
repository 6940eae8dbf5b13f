/* note.c - signed notes taken apart, checkpoints read and written, signatures made and checked. */
#include "aiex_note.h"
#include "note_text.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define DASH "\xe2\x80\x94 " /* an em dash and a blank begin a signature line */

/* Value of a character of RFC 4648 section 4, or -1. libsodium's reader takes some bytes above 127.
 */
static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int note_unbase64(const char *text, size_t len, uint8_t *out, size_t max, size_t *ret_n)
{
    size_t pad = 0, n;
    uint32_t bits = 0;

    while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
        pad++;
    n = len / 4 * 3 - pad;
    if (len % 4 != 0 || (len && n > max))
        return -EINVAL;
    *ret_n = len ? n : 0;
    for (size_t i = 0, o = 0; i < len; i++) {
        int v = i < len - pad ? base64_value((uint8_t)text[i]) : 0;

        if (v < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 3)
            continue;
        for (int k = 16; k >= 0; k -= 8, o++) {
            if (o < n)
                out[o] = (uint8_t)(bits >> k);
            else if (bits >> k & 0xff) /* bits behind the end: not what an encoder writes */
                return -EINVAL;
        }
    }
    return 0;
}

/* ---- Reading ---- */

static int read_signature(struct aiex_note_signature *s, const char *line, size_t len,
                          struct aiex_error *err)
{
    const char *name = line + strlen(DASH), *blank;
    uint8_t bytes[4096];
    size_t n;

    if (len < strlen(DASH) || memcmp(line, DASH, strlen(DASH)) != 0)
        return note_fail(err, "a signature line does not begin with a dash and a blank");
    len -= strlen(DASH);
    blank = memchr(name, ' ', len);
    if (!blank || !note_name_ok(name, (size_t)(blank - name)))
        return note_fail(err, "a signature line has no name");
    s->name = (struct aiex_slice){(const uint8_t *)name, (size_t)(blank - name)};
    len -= s->name.len + 1;
    if (note_unbase64(blank + 1, len, bytes, sizeof(bytes), &n) != 0 || n < 5)
        return note_fail(err, "the signature of '%.*s' is not base64 of at most 4096 bytes",
                         (int)s->name.len, name);
    memcpy(s->id, bytes, 4);
    s->len = n - 4 <= sizeof(s->bytes) ? n - 4 : 0;
    memcpy(s->bytes, bytes + 4, s->len);
    return 0;
}

/* The last empty line divides text and signatures. */
static const char *find_split(const char *text, size_t len)
{
    for (size_t i = len; i >= 2; i--)
        if (text[i - 1] == '\n' && text[i - 2] == '\n')
            return text + i - 1;
    return NULL;
}

int aiex_note_read(struct aiex_note *n, struct aiex_slice bytes, struct aiex_error *err)
{
    const char *text = (const char *)bytes.data, *split, *at, *end = text + bytes.len;

    memset(n, 0, sizeof(*n));
    if (bytes.len == 0 || bytes.len > AIEX_NOTE_MAX || end[-1] != '\n')
        return note_fail(err, "a note has up to %u bytes and ends with a newline", AIEX_NOTE_MAX);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] < ' ' && bytes.data[i] != '\n')
            return note_fail(err, "the note has a control character");
    split = find_split(text, bytes.len);
    if (!split || split + 1 == end)
        return note_fail(err, "the note has no signatures");
    n->text = (struct aiex_slice){bytes.data, (size_t)(split - text)};
    for (at = split + 1; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        if (n->n == AIEX_NOTE_SIGNATURES)
            return note_fail(err, "the note has more than %u signatures", AIEX_NOTE_SIGNATURES);
        if (read_signature(&n->signatures[n->n++], at, (size_t)(stop - at), err) != 0)
            return -EINVAL;
        at = stop + 1;
    }
    return 0;
}

/* The next line without its newline; 0 when there is none. */
static int next_line(struct aiex_slice *rest, struct aiex_slice *line)
{
    const uint8_t *stop = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

    if (!stop)
        return 0;
    *line = (struct aiex_slice){rest->data, (size_t)(stop - rest->data)};
    rest->len -= line->len + 1;
    rest->data = stop + 1;
    return 1;
}

static int read_size(struct aiex_slice line, uint64_t *ret)
{
    uint64_t v = 0;

    if (line.len == 0 || line.len > 18 || (line.len > 1 && line.data[0] == '0'))
        return -EINVAL;
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return -EINVAL;
        v = v * 10 + (uint64_t)(line.data[i] - '0');
    }
    *ret = v;
    return 0;
}

int aiex_checkpoint_read(struct aiex_checkpoint *c, struct aiex_slice text, struct aiex_error *err)
{
    struct aiex_slice origin, size, root;
    size_t n;

    memset(c, 0, sizeof(*c));
    if (!next_line(&text, &origin) || !next_line(&text, &size) || !next_line(&text, &root))
        return note_fail(err, "a checkpoint has three lines: origin, size, root");
    if (origin.len == 0 || origin.len >= sizeof(c->origin))
        return note_fail(err, "the origin of the checkpoint is empty or too long");
    if (read_size(size, &c->size) != 0)
        return note_fail(err, "the size of the checkpoint is not a number");
    if (note_unbase64((const char *)root.data, root.len, c->root, sizeof(c->root), &n) != 0 ||
        n != AIEX_HASH)
        return note_fail(err, "the root of the checkpoint is not base64 of 32 bytes");
    memcpy(c->origin, origin.data, origin.len);
    return 0;
}

/* ---- Writing ---- */

long aiex_checkpoint_write(const struct aiex_checkpoint *c, char *out, size_t size)
{
    char root[NOTE_BASE64(AIEX_HASH)];
    int n;

    sodium_bin2base64(root, sizeof(root), c->root, AIEX_HASH, sodium_base64_VARIANT_ORIGINAL);
    n = snprintf(out, size, "%s\n%" PRIu64 "\n%s\n", c->origin, c->size, root);
    return (size_t)n < size ? n : -ENOSPC;
}

/* What a witness signs: when, and the text. Bytes, or -ENOSPC. */
static long witness_text(uint64_t time_s, struct aiex_slice text, char *out, size_t size)
{
    int n = snprintf(out, size, "cosignature/v1\ntime %" PRIu64 "\n", time_s);

    if (text.len > size - (size_t)n)
        return -ENOSPC;
    memcpy(out + n, text.data, text.len);
    return n + (long)text.len;
}

long aiex_note_sign(const struct aiex_note_signer *s, struct aiex_slice text, uint64_t time_s,
                    char *out, size_t size)
{
    char cosigned[AIEX_NOTE_MAX + 64], base64[NOTE_BASE64(76)];
    uint8_t bytes[4 + 8 + 64];
    size_t n = 4;
    int written;

    memcpy(bytes, s->key.id, 4);
    if (s->key.type == AIEX_KEY_WITNESS) {
        long len = witness_text(time_s, text, cosigned, sizeof(cosigned));

        if (len < 0)
            return len;
        text = (struct aiex_slice){(const uint8_t *)cosigned, (size_t)len};
        for (int i = 0; i < 8; i++)
            bytes[n++] = (uint8_t)(time_s >> (56 - 8 * i));
    }
    crypto_sign_detached(bytes + n, NULL, text.data, text.len, s->secret);
    sodium_bin2base64(base64, sizeof(base64), bytes, n + 64, sodium_base64_VARIANT_ORIGINAL);
    written = snprintf(out, size, DASH "%s %s\n", s->key.name, base64);
    return (size_t)written < size ? written : -ENOSPC;
}

/* ---- Checking ---- */

static int check_one(const struct aiex_note_signature *s, const struct aiex_note_key *k,
                     struct aiex_slice text, uint64_t *ret_time)
{
    char cosigned[AIEX_NOTE_MAX + 64];
    const uint8_t *signature = s->bytes;
    uint64_t time_s = 0;
    long len;

    if (k->type == AIEX_KEY_ED25519)
        return s->len == 64 &&
               crypto_sign_verify_detached(signature, text.data, text.len, k->public_key) == 0;
    if (s->len != 72)
        return 0;
    for (int i = 0; i < 8; i++)
        time_s = time_s << 8 | *signature++;
    len = witness_text(time_s, text, cosigned, sizeof(cosigned));
    if (len < 0 || crypto_sign_verify_detached(signature, (const uint8_t *)cosigned,
                                               (unsigned long long)len, k->public_key) != 0)
        return 0;
    if (ret_time)
        *ret_time = time_s;
    return 1;
}

int aiex_note_signed_by(const struct aiex_note *n, const struct aiex_note_key *k,
                        uint64_t *ret_time)
{
    for (uint32_t i = 0; i < n->n; i++) {
        const struct aiex_note_signature *s = &n->signatures[i];

        if (s->name.len != strlen(k->name) || memcmp(s->name.data, k->name, s->name.len) != 0 ||
            memcmp(s->id, k->id, sizeof(s->id)) != 0)
            continue;
        return check_one(s, k, n->text, ret_time) ? 1 : -EBADMSG;
    }
    return 0;
}
