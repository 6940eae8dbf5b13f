/*
 * audit_test.c - the verbs of `aiex audit` against a scripted host: what they send, what they print
 * and with which code they end; exports and witness files that are missing, foreign or wrong.
 */
#include "test.h"

#include "scripted_host.h"

#include <aiex_note.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN(as, ...) run_aiex(as, (const char *const[]){__VA_ARGS__, NULL}, &ran)

static struct ran ran;
static char file[] = "/tmp/aiex_cli_audit_XXXXXX";

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

/* ---- log ---- */

static void play_log(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "audit", "audit.read");
    uint8_t mem[512], hash[32] = {0xab};
    struct aiex_writer w;
    char type[32] = "";
    int64_t limit = 0;

    aiex_get_text(body, "type", type, sizeof(type));
    aiex_get_int(body, "limit", &limit);
    p->failed |= strcmp(type, "key.*") != 0 || limit != 2;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_array(&w, 2);
    for (int i = 0; i < 2; i++) {
        aiex_w_map(&w, 7);
        aiex_w_key_int(&w, "seq", 40 + i);
        aiex_w_key_int(&w, "time", 1795262400000);
        aiex_w_key_str(&w, "type", "key.created");
        aiex_w_key_str(&w, "actor", "a\033[31m");
        aiex_w_key_bool(&w, "redacted", i);
        aiex_w_key_bin(&w, "payload",
                       i ? "\x81\xa4"
                           "code\x01"
                         : "\x81 text",
                       i ? 7 : 6);
        aiex_w_key_bin(&w, "hash", hash, 32);
    }
    peer_part(p, peer_id(p), mem, w.len);
    peer_part(p, peer_id(p), "\xc1", 1); /* no array: passed over */
    peer_end(p, peer_id(p),
             make_map(mem, sizeof(mem), (const char *const[]){"entries", "#2", NULL}));
}

static void test_log(void)
{
    for (int json = 0; json < 2; json++) {
        struct scripted_host *h = scripted_host_new(play_log, NULL);
        const struct run_as as = {.socket = scripted_host_path(h)};

        RUN(&as, "audit", "log", "--type", "key.*", "-n", "2", json ? "--json" : "-q");
        CU_ASSERT_EQUAL(ran.code, 0);
        CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
        if (json)
            CU_ASSERT(has(ran.out, "{\"seq\":41,\"time\":1795262400000,\"type\":\"key.created\"") &&
                      has(ran.out, "\"hash\":\"ab00") && has(ran.out, "\"payload\":{\"code\":1}") &&
                      has(ran.out, "\"payload\":\"base64:gSB0ZXh0\""))
        else
            CU_ASSERT(has(ran.out, "2026-11-21 12:00:00  40  key.created  a[31m  -\n") &&
                      has(ran.out, "41  key.created  a[31m  -  (payload redacted)\n"));
        CU_ASSERT(scripted_host_free(h));
    }
}

/* ---- verify ---- */

static void play_verify(struct peer *p)
{
    uint8_t mem[256];

    peer_expect_call(p, "audit", "audit.verify");
    if (p->arg) {
        struct aiex_slice part = make_map(
            mem, sizeof(mem),
            (const char *const[]){"where", "3..9", "kind", "cut", "text", "missing\033", NULL});

        peer_part(p, peer_id(p), part.data, part.len);
    }
    peer_end(
        p, peer_id(p),
        make_map(mem, sizeof(mem),
                 (const char *const[]){"checked", "#10", "faults", p->arg ? "#1" : "#0", NULL}));
}

static void test_verify(void)
{
    for (int bad = 0; bad < 2; bad++) {
        struct scripted_host *h = scripted_host_new(play_verify, bad ? &ran : NULL);
        const struct run_as as = {.socket = scripted_host_path(h)};

        RUN(&as, "audit", "verify");
        CU_ASSERT_EQUAL(ran.code, bad);
        CU_ASSERT_STRING_EQUAL(ran.out, bad ? "3..9: cut: missing\n" : "");
        CU_ASSERT(has(ran.err, bad ? "10 entries, 1 faults" : "10 entries, 0 faults"));
        CU_ASSERT(scripted_host_free(h));
    }
}

static void test_verify_files(void)
{
    const struct run_as as = {0}, with_input = {.input = "{\"kind\":\"entry\"}\nnonsense\n"};

    RUN(&as, "audit", "verify", "/nonexistent/file");
    CU_ASSERT_EQUAL(ran.code, 5);
    write_file("");
    RUN(&as, "audit", "verify", file);
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out, "log: line: line 0: the export is empty\n"));
    RUN(&as, "audit", "verify", file, "--key", "nonsense");
    CU_ASSERT_EQUAL(ran.code, 2);
    RUN(&as, "audit", "verify", file, "--witness", "/nonexistent/file");
    CU_ASSERT_EQUAL(ran.code, 1);
    RUN(&with_input, "audit", "verify", "-", "--json");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out, "\"kind\":\"line\",\"text\":\"line 2: not a JSON object"));
    CU_ASSERT(has(ran.out, "{\"checked\":0,\"faults\":"));
}

/* ---- witness ---- */

static struct aiex_note_signer signer;

/* A head of `size` entries, all of whose bytes of the root are `byte`. */
static void make_head(char *note, uint64_t size, int byte)
{
    struct aiex_checkpoint c = {.origin = "example.org/log", .size = size};
    long n;

    memset(c.root, byte, sizeof(c.root));
    n = aiex_checkpoint_write(&c, note, 1000);
    note[n] = '\n';
    aiex_note_sign(&signer, (struct aiex_slice){(uint8_t *)note, (size_t)n}, 0, note + n + 1,
                   (size_t)(1000 - n));
}

static void play_head(struct peer *p)
{
    char note[1024], key[AIEX_NOTE_KEY];
    uint8_t mem[2048], root[32];
    struct aiex_writer w;
    int byte = 7;

    memset(root, byte, sizeof(root));
    make_head(note, 5, byte);
    if (*(const char *)p->arg == 's')
        note[30] ^= 1;
    aiex_note_key_text(&signer.key, key);
    peer_expect_call(p, "audit", "audit.head");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "size", 5);
    aiex_w_key_bin(&w, "root", root, *(const char *)p->arg == 'r' ? 3 : 32);
    aiex_w_key_str(&w, "note", note);
    aiex_w_key_str(&w, "key", key);
    peer_end(p, peer_id(p), aiex_written(&w));
    if (*(const char *)p->arg != 'p')
        return;
    peer_expect_call(p, "audit", "audit.proof");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "proof");
    aiex_w_array(&w, 0);
    peer_end(p, peer_id(p), aiex_written(&w));
}

static int witness(const char *what)
{
    struct scripted_host *h = scripted_host_new(play_head, (void *)(uintptr_t)what);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, "audit", "witness", file);
    CU_ASSERT(scripted_host_free(h));
    return ran.code;
}

static void test_witness(void)
{
    char note[1024], again[1024];
    struct stat before, after;

    CU_ASSERT_EQUAL(aiex_note_begin(), 0);
    aiex_note_generate(&signer, "example.org/log", AIEX_KEY_ED25519);
    unlink(file);
    CU_ASSERT_EQUAL(witness("first"), 0);
    CU_ASSERT(has(ran.err, "5 entries are remembered; nothing was seen before"));
    CU_ASSERT_EQUAL(stat(file, &before), 0);
    CU_ASSERT_EQUAL(witness("p, the same"), 0);
    make_head(note, 9, 7);
    write_file(note);
    CU_ASSERT_EQUAL(witness("fewer"), 1);
    CU_ASSERT(has(ran.out, "5..8: rollback: the log has fewer entries than were seen"));
    make_head(again, 5, 8);
    write_file(again);
    CU_ASSERT_EQUAL(witness("p, another root"), 1);
    CU_ASSERT(has(ran.out, "0..4: fork: "));
    CU_ASSERT_EQUAL(stat(file, &after), 0);
    CU_ASSERT_EQUAL((size_t)after.st_size, strlen(again)); /* not overwritten */
    CU_ASSERT_EQUAL(witness("signature"), 1);
    CU_ASSERT_EQUAL(witness("root too short"), 1);
    CU_ASSERT(has(ran.err, "the answer has no head"));
    write_file("no head\n");
    {
        const struct run_as as = {0};

        RUN(&as, "audit", "witness", file);
        CU_ASSERT_EQUAL(ran.code, 1);
        CU_ASSERT(has(ran.err, "is no signed head"));
    }
}

/* ---- Usage ---- */

static void test_wrong_usage(void)
{
    static const struct {
        const char *args[8];
        const char *says;
    } t[] = {
        {{"audit"}, "audit needs a verb"},
        {{"audit", "log", "--from", "yesterday"}, "--from: date 'yesterday' is none"},
        {{"audit", "log", "--from-seq", "-1"}, "--from-seq: '-1' is no whole number"},
        {{"audit", "export", "--from-seq", "x"}, "--from-seq: 'x' is no whole number"},
        {{"audit", "prove", "x"}, "'x' is no whole number"},
        {{"audit", "prove"}, "usage: aiex audit prove"},
        {{"audit", "verify", "--witness", "f"}, "are for a file"},
        {{"audit", "report", "--shape", "iso"}, "is none of: gdpr soc2"},
        {{"audit", "redact", "5"}, "say why with --reason"},
        {{"audit", "redact", "x", "--reason", "r"}, "'x' is no whole number"},
        {{"audit", "rotate-key"}, "say why with --reason"},
    };
    const struct run_as as = {0};

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        run_aiex(&as, t[i].args, &ran);
        CU_ASSERT_EQUAL(ran.code, 2);
        CU_ASSERT(has(ran.err, t[i].says));
    }
}

/* ---- rotate-key ---- */

static void play_rotate(struct peer *p)
{
    uint8_t mem[256];

    peer_expect_call(p, "audit", "audit.rotate_key");
    peer_end(p, peer_id(p),
             make_map(mem, sizeof(mem),
                      (const char *const[]){"seq", "#12", "key", "log+01020304+AAAA", NULL}));
}

static void test_rotate(void)
{
    for (int json = 0; json < 2; json++) {
        struct scripted_host *h = scripted_host_new(play_rotate, NULL);
        const struct run_as as = {.socket = scripted_host_path(h)};

        RUN(&as, "audit", "rotate-key", "--reason", "r", json ? "--json" : "-q");
        CU_ASSERT_EQUAL(ran.code, 0);
        CU_ASSERT(has(ran.out, json ? "{\"seq\":12,\"key\":\"log+01020304+AAAA\"}\n"
                                    : "log+01020304+AAAA\n"));
        CU_ASSERT(scripted_host_free(h));
    }
}

static void test_end(void)
{
    CU_ASSERT_EQUAL(unlink(file), 0);
}

static void test_begin(void)
{
    int fd = mkstemp(file);

    CU_ASSERT(fd >= 0);
    close(fd);
}

const struct test_case tests[] = {
    {"begin", test_begin},
    {"log", test_log},
    {"verify", test_verify},
    {"verify_files", test_verify_files},
    {"witness", test_witness},
    {"wrong_usage", test_wrong_usage},
    {"rotate", test_rotate},
    {"end", test_end},
    {0},
};
