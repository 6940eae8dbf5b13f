/* export_rig.c - see export_rig.h. */
#include "export_rig.h"

#include <aiex/aiex_pack.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME 1795262400000ll

static void add(struct rig *r, const char *format, ...)
{
    char text[16384];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->lines[r->n++] = strdup(text);
}

static const char *base64(const void *bytes, size_t n)
{
    static char out[4][2048];
    static unsigned turn;

    return sodium_bin2base64(out[turn++ % 4], 2048, bytes, n, sodium_base64_VARIANT_ORIGINAL);
}

static const char *hex(const uint8_t *hash)
{
    static char out[4][2 * AIEX_HASH + 1];
    static unsigned turn;
    char *mem = out[turn++ % 4];

    aiex_hex(hash, AIEX_HASH, mem);
    return mem;
}

struct making {
    uint64_t wseq[3];
    uint8_t chain[3][AIEX_HASH];
};

static size_t body_json(char *out, size_t size, const char *writer, uint64_t wseq,
                        const uint8_t *prev, unsigned seq, const uint8_t *commit)
{
    int n = snprintf(out, size,
                     "{\"writer\":\"%s\",\"wseq\":%llu,\"prev\":\"%s\",\"time\":%lld,"
                     "\"type\":\"file.read\",\"actor\":\"ann\",\"subject\":\"a\\/b\\u0020%u\"",
                     writer, (unsigned long long)wseq, hex(prev), TIME + seq, seq);

    if (commit)
        n += snprintf(out + n, size - (size_t)n, ",\"commit\":\"%s\"", hex(commit));
    n += snprintf(out + n, size - (size_t)n, "}");
    return (size_t)n;
}

static size_t body_msgpack(char *out, size_t size, const char *writer, uint64_t wseq,
                           const uint8_t *prev, unsigned seq, const uint8_t *commit)
{
    struct aiex_writer w;
    char subject[32];

    snprintf(subject, sizeof(subject), "a/b %u", seq);
    aiex_writer_init(&w, out, size);
    aiex_w_map(&w, commit ? 8 : 7);
    aiex_w_key_str(&w, "writer", writer);
    aiex_w_key_uint(&w, "wseq", wseq);
    aiex_w_key_bin(&w, "prev", prev, AIEX_HASH);
    aiex_w_key_int(&w, "time", TIME + seq);
    aiex_w_key_str(&w, "type", "file.read");
    aiex_w_key_str(&w, "actor", "ann");
    aiex_w_key_str(&w, "subject", subject);
    if (commit)
        aiex_w_key_bin(&w, "commit", commit, AIEX_HASH);
    return w.len;
}

static void add_entry(struct rig *r, struct making *m, unsigned seq, int encoding)
{
    const char writer[2] = {(char)('a' + seq % 3), 0};
    unsigned w = seq % 3;
    char body[1024], view[1024], payload[64], beside[512] = "";
    uint8_t salt[32], commit[AIEX_HASH], leaf[AIEX_HASH];
    int has = seq % RIG_PAYLOAD == 1;
    size_t n;

    memset(salt, (int)seq, sizeof(salt));
    snprintf(payload, sizeof(payload), "payload of %u", seq);
    aiex_commit_hash((struct aiex_slice){salt, 32},
                     (struct aiex_slice){(uint8_t *)payload, strlen(payload)}, commit);
    n = (encoding == AIEX_BODY_JSON ? body_json : body_msgpack)(
        body, sizeof(body), writer, m->wseq[w], m->chain[w], seq, has ? commit : NULL);
    body_json(view, sizeof(view), writer, m->wseq[w], m->chain[w], seq, has ? commit : NULL);
    if (has && seq != RIG_REDACTED)
        snprintf(beside, sizeof(beside), ",\"payload\":\"%s\",\"salt\":\"%s\"",
                 base64(payload, strlen(payload)), base64(salt, 32));
    add(r,
        "{\"kind\":\"entry\",\"seq\":%u,\"body\":\"%s\",\"view\":%s,\"writer\":\"%s\",\"wseq\":%u%"
        "s}",
        seq, base64(body, n), view, writer, (unsigned)m->wseq[w], beside);
    if (seq == RIG_REDACTED)
        add(r,
            "{\"kind\":\"redaction\",\"seq\":%u,\"reason\":\"art. "
            "17\",\"actor\":\"dpo\",\"time\":1}",
            seq);
    aiex_leaf_hash((struct aiex_slice){(uint8_t *)body, n}, leaf);
    aiex_chain_hash(m->chain[w], leaf, m->chain[w]);
    m->wseq[w]++;
    aiex_tree_add(&r->tree, leaf);
}

static void make_note(struct rig *r, unsigned size)
{
    struct aiex_checkpoint c = {.origin = "example.org/log", .size = size};
    char *note = r->notes[size];
    long text;

    aiex_tree_root_at(&r->tree, size, c.root);
    text = aiex_checkpoint_write(&c, note, 1024);
    note[text] = '\n';
    aiex_note_sign(&r->log, (struct aiex_slice){(uint8_t *)note, (size_t)text}, 0, note + text + 1,
                   (size_t)(1023 - text));
}

static void add_head(struct rig *r, unsigned size)
{
    char escaped[2048];
    size_t n = 0;

    for (const char *p = r->notes[size]; *p; p++) {
        if (*p == '\n')
            escaped[n++] = '\\';
        escaped[n++] = *p == '\n' ? 'n' : *p;
    }
    escaped[n] = 0;
    add(r, "{\"kind\":\"head\",\"note\":\"%s\"}", escaped);
}

static void proof_text(const struct aiex_proof *p, char *out)
{
    out[0] = 0;
    for (uint32_t i = 0; i < p->n; i++)
        sprintf(out + strlen(out), "%s\"%s\"", i ? "," : "", hex(p->hashes[i]));
}

static void add_proofs(struct rig *r)
{
    struct aiex_proof p;
    char text[4096];

    aiex_tree_inclusion(&r->tree, 5, 24, &p);
    proof_text(&p, text);
    add(r, "{\"kind\":\"inclusion\",\"index\":5,\"size\":24,\"leaf\":\"%s\",\"proof\":[%s]}",
        hex(r->tree.levels[0].hashes + 5 * AIEX_HASH), text);
    aiex_tree_consistency(&r->tree, 8, 24, &p);
    proof_text(&p, text);
    add(r, "{\"kind\":\"consistency\",\"size1\":8,\"size2\":24,\"proof\":[%s]}", text);
}

void rig_make(struct rig *r, int encoding)
{
    struct making m;

    memset(r, 0, sizeof(*r));
    memset(&m, 0, sizeof(m));
    aiex_tree_init(&r->tree, 0, NULL, NULL);
    aiex_note_generate(&r->log, "example.org/log", AIEX_KEY_ED25519);
    aiex_note_key_text(&r->log.key, r->key);
    add(r,
        "{\"kind\":\"meta\",\"format\":\"aiex-audit/1\",\"origin\":\"example.org/log\","
        "\"encoding\":\"%s\",\"key\":\"%s\"}",
        encoding == AIEX_BODY_JSON ? "json" : "msgpack", r->key);
    for (unsigned seq = 0; seq < RIG_ENTRIES; seq++)
        add_entry(r, &m, seq, encoding);
    for (unsigned size = 0; size <= RIG_ENTRIES; size++)
        make_note(r, size);
    add_head(r, 8);
    add_head(r, 16);
    add_head(r, 24);
    add_proofs(r);
}

void rig_free(struct rig *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->lines[i]);
    aiex_tree_done(&r->tree);
}

size_t rig_kind(const struct rig *r, const char *kind, unsigned n)
{
    char mark[64];

    snprintf(mark, sizeof(mark), "{\"kind\":\"%s\"", kind);
    for (size_t i = 0; i < r->n; i++)
        if (strncmp(r->lines[i], mark, strlen(mark)) == 0 && n-- == 0)
            return i;
    abort();
}

size_t rig_entry(const struct rig *r, unsigned seq)
{
    char mark[64];

    snprintf(mark, sizeof(mark), "{\"kind\":\"entry\",\"seq\":%u,", seq);
    for (size_t i = 0; i < r->n; i++)
        if (strncmp(r->lines[i], mark, strlen(mark)) == 0)
            return i;
    abort();
}

void rig_remove(struct rig *r, size_t line)
{
    free(r->lines[line]);
    memmove(r->lines + line, r->lines + line + 1, (r->n - line - 1) * sizeof(*r->lines));
    r->n--;
}

void rig_swap(struct rig *r, size_t a, size_t b)
{
    char *line = r->lines[a];

    r->lines[a] = r->lines[b];
    r->lines[b] = line;
}

int rig_replace(struct rig *r, size_t line, const char *from, const char *to)
{
    char *at = strstr(r->lines[line], from), *made;

    if (!at)
        return 0;
    made = malloc(strlen(r->lines[line]) + strlen(to) + 1);
    sprintf(made, "%.*s%s%s", (int)(at - r->lines[line]), r->lines[line], to, at + strlen(from));
    free(r->lines[line]);
    r->lines[line] = made;
    return 1;
}

void rig_change_body(struct rig *r, unsigned seq)
{
    size_t line = rig_entry(r, seq);
    char *body = strstr(r->lines[line], "\"body\":\"") + 8, *end = strchr(body, '"'), saved[4096];
    uint8_t bytes[2048];
    char *actor;
    size_t n;

    snprintf(saved, sizeof(saved), "%.*s", (int)(end - body), body);
    sodium_base642bin(bytes, sizeof(bytes), saved, strlen(saved), NULL, &n, NULL,
                      sodium_base64_VARIANT_ORIGINAL);
    bytes[n] = 0;
    actor = strstr((char *)bytes, "\"ann\"");
    memcpy(actor, "\"eve\"", 5);
    rig_replace(r, line, saved, base64(bytes, n));
    rig_replace(r, line, "\"ann\"", "\"eve\"");
}

/* ---- Checking ---- */

static char told[8192];

static void on_fault(void *arg, const struct aiex_fault *f)
{
    char where[48];
    size_t n = strlen(told);

    (void)arg;
    snprintf(told + n, sizeof(told) - n, "%s %s\n", aiex_fault_where(f, where), f->kind);
    if (getenv("RIG_TELL"))
        fprintf(stderr, "%s %s: %s\n", where, f->kind, f->text);
}

const char *rig_check(struct rig *r, const char *key, const char *witness,
                      struct aiex_export_sum *ret_sum)
{
    struct aiex_export_setup s = {.fault = on_fault, .key = key ? key : r->key};
    struct aiex_error err = {""};
    struct aiex_export *x;

    told[0] = 0;
    if (key && !*key)
        s.key = NULL;
    if (witness)
        s.witness = (struct aiex_slice){(const uint8_t *)witness, strlen(witness)};
    if (aiex_export_new(&s, &x, &err) != 0)
        return "not begun";
    for (size_t i = 0; i < r->n; i++)
        if (aiex_export_line(x, (struct aiex_slice){(uint8_t *)r->lines[i], strlen(r->lines[i])},
                             &err) != 0) {
            aiex_export_free(x);
            return "ended";
        }
    if (aiex_export_finish(x, ret_sum, &err) != 0)
        strcpy(told, "not finished");
    aiex_export_free(x);
    return told;
}

const char *rig_faults(struct rig *r)
{
    struct aiex_export_sum sum;

    return rig_check(r, NULL, NULL, &sum);
}
