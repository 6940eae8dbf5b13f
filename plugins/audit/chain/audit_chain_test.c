/* The audit log as its callers see it: appending, reading, proofs, redaction, exports, policy. */
#include "chain_rig.h"

#include <aiex_audit_check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void test_append(void)
{
    struct aiex_slice hash = {NULL, 0};
    uint64_t id;

    rig_begin(NULL);
    id = ASK("audit.append", "type", "key.created", "actor", "ann", "subject", "k1");
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    CU_ASSERT_EQUAL(number(answer_of(id), "seq"), 0);
    CU_ASSERT_EQUAL(aiex_get_bytes(answer_of(id), "hash", &hash), 1);
    CU_ASSERT_EQUAL(hash.len, 32);
    CU_ASSERT_EQUAL(put(100), 100);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), "");
    rig_close();
    rig_end();
}

/* Many at once are one write; the order is that of arrival. */
static void test_group_commit(void)
{
    unsigned before;

    rig_begin(NULL);
    before = disk_syncs();
    put(1000);
    CU_ASSERT_TRUE(disk_syncs() - before < 500);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(put(1), 1000 + (int)i);
    rig_close();
    rig_end();
}

static void test_casts(void)
{
    uint8_t mem[64];
    struct aiex_writer w;
    uint64_t id;

    rig_begin(NULL);
    for (int i = 0; i < 5; i++) {
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "type", "a");
        aiex_w_key_str(&w, "actor", "b");
        CU_ASSERT_EQUAL(aiex_fake_cast(h, p, self, "audit.append", aiex_written(&w)), 0);
    }
    id = ASK("audit.append", "type", "a", "actor", "b");
    CU_ASSERT_EQUAL(number(answer_of(id), "seq"), 5);
    rig_close();
    rig_end();
}

static void test_invalid(void)
{
    static char many[1100];
    const struct {
        const char *pairs[7];
        const char *method;
    } wrong[] = {
        {{"actor", "a"}, "audit.append"},
        {{"type", "t"}, "audit.append"},
        {{"type", "", "actor", "a"}, "audit.append"},
        {{"type", "#5", "actor", "a"}, "audit.append"},
        {{"type", "t", "actor", "a", "subject", many}, "audit.append"},
        {{"type", "t", "actor", "a", "writer", ""}, "audit.append"},
        {{"type", "t", "actor", "a", "writer", "audit"}, "audit.append"},
        {{"type", "t", "actor", "a", "time", "soon"}, "audit.append"},
        {{"type", "t", "actor", "a", "payload", "#1"}, "audit.append"},
        {{"type", "t", "actor", "a", "must", "#1"}, "audit.append"},
        {{"from", "#-1"}, "audit.read"},
        {{"type", "#1"}, "audit.read"},
        {{"limit", "many"}, "audit.read"},
        {{"from", "#-1"}, "audit.export"},
        {{"from", "#5", "to", "#4"}, "audit.verify"},
        {{"seq", "#1", "size1", "#1"}, "audit.proof"},
        {{NULL}, "audit.proof"},
        {{"seq", "#0", "actor", "a"}, "audit.redact"},
        {{"actor", "a", "reason", "r"}, "audit.redact"},
        {{"note", "no note"}, "audit.cosign"},
        {{NULL}, "audit.cosign"},
    };

    memset(many, 'x', sizeof(many) - 1);
    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CU_ASSERT_STRING_EQUAL(code_of(ask(wrong[i].method, wrong[i].pairs)), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.nothing")), "not_found");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.proof", "seq", "#0", "size", "#9")), "not_found");
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

/* ---- Reading ---- */

/* seq of all entries in the parts, as text. */
static const char *seqs(uint64_t id)
{
    static char out[4096];
    size_t n = 0;

    out[0] = 0;
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    for (size_t i = 0; i < aiex_fake_count(h, AIEX_FAKE_STREAM); i++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i);
        struct aiex_slice at = r->body, item;
        struct aiex_value v;

        if (r->id != id)
            continue;
        CU_ASSERT_EQUAL(aiex_r_value(&at, &v), 0);
        CU_ASSERT_EQUAL(v.type, AIEX_T_ARRAY);
        for (uint32_t k = v.count; k; k--) {
            item = at;
            CU_ASSERT_EQUAL(aiex_r_skip(&at), 0);
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%lld ",
                                  (long long)number(item, "seq"));
        }
    }
    return out;
}

static void test_read(void)
{
    char time[32];
    uint64_t id;

    rig_begin(NULL);
    put(10);
    ASK("audit.append", "type", "key.created", "actor", "bob", "correlation", "abc");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read")), "0 1 2 3 4 5 6 7 8 9 10 ");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "from", "#3", "to", "#5")), "3 4 5 ");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "type", "key.*")), "10 ");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "type", "key")), "");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "actor", "bob")), "10 ");
    snprintf(time, sizeof(time), "#%lld", NOON + 4);
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "to_time", time)), "0 1 2 3 ");
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "from_time", time, "limit", "#2")), "3 4 ");
    id = ASK("audit.read", "limit", "#2");
    CU_ASSERT_EQUAL(number(answer_of(id), "entries"), 2);
    CU_ASSERT_STRING_EQUAL(seqs(ASK("audit.read", "from", "#900")), "");
    rig_close();
    rig_end();
}

static void test_read_item(void)
{
    struct aiex_slice part, payload = {NULL, 0};
    struct aiex_value v;
    uint64_t id;

    rig_begin(NULL);
    put(3);
    id = ASK("audit.read", "from", "#1", "to", "#1");
    part = aiex_fake_parts(h, id);
    CU_ASSERT_EQUAL(aiex_r_value(&part, &v), 0);
    CU_ASSERT_STRING_EQUAL(text(part, "type"), "file.read");
    CU_ASSERT_STRING_EQUAL(text(part, "actor"), "ann");
    CU_ASSERT_STRING_EQUAL(text(part, "subject"), "file 1");
    CU_ASSERT_STRING_EQUAL(text(part, "writer"), "files");
    CU_ASSERT_EQUAL(number(part, "time"), NOON + 2);
    CU_ASSERT_EQUAL(aiex_get_bytes(part, "payload", &payload), 1);
    CU_ASSERT_TRUE(payload.len == 12 && memcmp(payload.data, "content of 1", 12) == 0);
    rig_close();
    rig_end();
}

/* A slow reader gets everything, one window at a time; one that leaves is forgotten. */
static void test_slow_reader(void)
{
    char *all, *slow;
    uint64_t id;
    unsigned pauses = 0;

    rig_begin(NULL);
    put(1500);
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &all), "");
    aiex_fake_window(h, 10000);
    id = SEND("audit.export");
    for (int i = 0; i < 100000 && strcmp(code_of(id), "open") == 0; i++) {
        aiex_fake_poll(h, 1);
        pauses += aiex_fake_resume(h, id) == 1;
    }
    CU_ASSERT_TRUE(pauses > 2);
    slow = strndup((const char *)aiex_fake_parts(h, id).data, aiex_fake_parts(h, id).len);
    CU_ASSERT_STRING_EQUAL(all, slow);
    for (unsigned polls = 0; polls < 6; polls++) {
        id = SEND("audit.export");
        for (unsigned i = 0; i < polls; i++)
            aiex_fake_poll(h, 20);
        aiex_fake_cancel(h, id);
    }
    CU_ASSERT_STRING_EQUAL(verify(), "");
    free(all);
    free(slow);
    rig_close();
    rig_end();
}

/* ---- Proofs and heads ---- */

static void read_proof(struct aiex_slice end, struct aiex_proof *proof)
{
    struct aiex_value v = {0}, item;

    proof->n = 0;
    CU_ASSERT_EQUAL(aiex_get(end, "proof", &v), 1);
    for (uint32_t i = 0; i < v.count; i++) {
        CU_ASSERT_EQUAL(aiex_r_value(&v.bytes, &item), 0);
        CU_ASSERT_EQUAL(item.bytes.len, 32);
        memcpy(proof->hashes[proof->n++], item.bytes.data, 32);
    }
}

static void test_proofs(void)
{
    struct aiex_slice root = {NULL, 0}, root2 = {NULL, 0}, leaf = {NULL, 0};
    struct aiex_proof proof;
    uint64_t head, id;

    rig_begin(NULL);
    put(300);
    head = ASK("audit.head");
    CU_ASSERT_EQUAL(number(answer_of(head), "size"), 300);
    CU_ASSERT_EQUAL(aiex_get_bytes(answer_of(head), "root", &root), 1);
    id = ASK("audit.proof", "seq", "#123", "size", "#300");
    read_proof(answer_of(id), &proof);
    CU_ASSERT_EQUAL(aiex_get_bytes(answer_of(id), "leaf", &leaf), 1);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&proof, 123, 300, leaf.data, root.data), 0);
    put(300);
    id = ASK("audit.head");
    CU_ASSERT_EQUAL(aiex_get_bytes(answer_of(id), "root", &root2), 1);
    id = ASK("audit.proof", "size1", "#300", "size2", "#600");
    read_proof(answer_of(id), &proof);
    CU_ASSERT_EQUAL(aiex_consistency_check(&proof, 300, 600, root.data, root2.data), 0);
    rig_close();
    rig_end();
}

static void test_head_is_signed(void)
{
    struct aiex_note_key key;
    struct aiex_note note;
    struct aiex_slice bytes = {NULL, 0};
    struct stat st;
    uint64_t id;

    rig_begin((struct aiex_fake_pair[]){{"origin", "example.org/prod"}, {0}});
    put(3);
    id = ASK("audit.head");
    CU_ASSERT_EQUAL(aiex_note_key_read(&key, text(answer_of(id), "key"), NULL), 0);
    CU_ASSERT_STRING_EQUAL(key.name, "example.org/prod");
    aiex_get_str(answer_of(id), "note", &bytes);
    CU_ASSERT_EQUAL(aiex_note_read(&note, bytes, NULL), 0);
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &key, NULL), 1);
    CU_ASSERT_EQUAL(stat(rig_path("signing.key"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    rig_close();
    rig_open((struct aiex_fake_pair[]){{"origin", "example.org/prod"}, {0}}); /* the same key */
    id = ASK("audit.head");
    aiex_get_str(answer_of(id), "note", &bytes);
    CU_ASSERT_EQUAL(aiex_note_read(&note, bytes, NULL), 0);
    CU_ASSERT_EQUAL(aiex_note_signed_by(&note, &key, NULL), 1);
    rig_close();
    rig_end();
}

/* Heads come by themselves, after a time and after a number of entries. */
static void test_head_interval(void)
{
    struct stat before, after;

    rig_begin((struct aiex_fake_pair[]){{"head_interval", "1s"}, {"head_entries", "100"}, {0}});
    put(5);
    stat(rig_path("heads"), &before);
    pass(1500);
    put(1);
    put(1); /* the batch before is done with its head */
    stat(rig_path("heads"), &after);
    CU_ASSERT_TRUE(after.st_size > before.st_size);
    before = after;
    put(150);
    put(1); /* the batch before is done with its head */
    stat(rig_path("heads"), &after);
    CU_ASSERT_TRUE(after.st_size > before.st_size);
    rig_close();
    rig_end();
}

static void test_cosign(void)
{
    struct aiex_note_signer witness, stranger;
    char key[AIEX_NOTE_KEY], *note, line[400];
    struct aiex_note read;
    uint64_t id;

    CU_ASSERT_EQUAL(aiex_note_begin(), 0);
    aiex_note_generate(&witness, "witness.example", AIEX_KEY_WITNESS);
    aiex_note_generate(&stranger, "stranger.example", AIEX_KEY_WITNESS);
    aiex_note_key_text(&witness.key, key);
    rig_begin((struct aiex_fake_pair[]){{"witness.one", key}, {0}});
    put(7);
    note = malloc(AIEX_NOTE_MAX);
    strcpy(note, text(answer_of(ASK("audit.head")), "note"));
    CU_ASSERT_EQUAL(aiex_note_read(&read, (struct aiex_slice){(uint8_t *)note, strlen(note)}, NULL),
                    0);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.cosign", "note", note)), "denied");
    aiex_note_sign(&stranger, read.text, 1, line, sizeof(line));
    strcat(note, line);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.cosign", "note", note)), "denied");
    aiex_note_sign(&witness, read.text, 1795262400, line, sizeof(line));
    strcat(note, line);
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.cosign", "note", note)), "");
    put(7);
    id = ASK("audit.head");
    CU_ASSERT_STRING_EQUAL(text(answer_of(id), "cosigned"), note);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), "");
    rig_close();
    rig_open((struct aiex_fake_pair[]){{"witness.one", key}, {0}}); /* kept */
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.head")), "cosigned"), note);
    note[20] ^= 1;
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.cosign", "note", note)), "invalid");
    free(note);
    rig_close();
    rig_end();
}

/* ---- Redaction ---- */

static int file_has(const char *name, const char *words)
{
    static char mem[1 << 20];
    FILE *f = fopen(rig_path(name), "rb");
    size_t n = fread(mem, 1, sizeof(mem), f);

    fclose(f);
    return memmem(mem, n, words, strlen(words)) != NULL;
}

static void test_redact(void)
{
    const char *segment = "entries-00000000000000000000";
    char *lines;
    uint64_t id;

    rig_begin(NULL);
    put(10);
    CU_ASSERT_TRUE(file_has(segment, "content of 5"));
    id = ASK("audit.redact", "seq", "#5", "actor", "dpo", "reason", "art. 17");
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    CU_ASSERT_EQUAL(number(answer_of(id), "seq"), 10);
    CU_ASSERT_FALSE(file_has(segment, "content of 5"));
    CU_ASSERT_TRUE(file_has(segment, "content of 9"));
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &lines), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(
        lines, "{\"kind\":\"redaction\",\"seq\":5,\"reason\":\"art. 17\",\"actor\":\"dpo\""));
    free(lines);
    id = ASK("audit.redact", "seq", "#5", "actor", "dpo", "reason", "again");
    CU_ASSERT_STRING_EQUAL(code_of(id), "conflict");
    CU_ASSERT_STRING_EQUAL(
        code_of(ASK("audit.redact", "seq", "#4", "actor", "dpo", "reason", "it has none")),
        "not_found");
    CU_ASSERT_STRING_EQUAL(
        code_of(ASK("audit.redact", "seq", "#99", "actor", "dpo", "reason", "no such")),
        "not_found");
    rig_close();
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), "");
    rig_close();
    rig_end();
}

/* ---- Exports ---- */

static unsigned count(const char *text, const char *words)
{
    unsigned n = 0;

    while ((text = strstr(text, words)) != NULL) {
        text += strlen(words);
        n++;
    }
    return n;
}

/* All heads that were ever signed are in it: they say where a change is. */
static void test_export_has_heads(void)
{
    char *lines;

    rig_begin(NULL);
    for (int i = 0; i < 4; i++) {
        put(5);
        ASK("audit.head");
    }
    put(1);
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, &lines), "");
    CU_ASSERT_EQUAL(count(lines, "{\"kind\":\"head\""), 5);
    CU_ASSERT_EQUAL(count(lines, "\\n21\\n"), 1);
    free(lines);
    rig_close();
    rig_end();
}

static void test_partial_export(void)
{
    char *lines;

    rig_begin(NULL);
    put(40);
    CU_ASSERT_STRING_EQUAL(check_export("#10", "#19", &lines), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "\"seq\":10,"));
    CU_ASSERT_PTR_NULL(strstr(lines, "\"seq\":20,"));
    free(lines);
    CU_ASSERT_STRING_EQUAL(check_export("#0", "#5", NULL), "");
    CU_ASSERT_STRING_EQUAL(check_export("#39", "#500", NULL), "");
    rig_close();
    rig_end();
    rig_begin(NULL);
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), ""); /* of nothing */
    rig_close();
    rig_end();
}

/* A verification that began before others came and were signed speaks of what was there then. */
static void test_verify_of_then(void)
{
    rig_begin(NULL);
    for (int i = 0; i < 50; i++) {
        uint64_t id = SEND("audit.verify");

        put(3);
        ASK("audit.head");
        wait_end(id);
        CU_ASSERT_EQUAL(number(answer_of(id), "faults"), 0);
    }
    rig_close();
    rig_end();
}

static void test_partial_verify(void)
{
    uint64_t id;

    rig_begin(NULL);
    put(40);
    id = ASK("audit.verify", "from", "#10", "to", "#19");
    CU_ASSERT_EQUAL(number(answer_of(id), "checked"), 10);
    CU_ASSERT_EQUAL(number(answer_of(id), "faults"), 0);
    id = ASK("audit.verify", "from", "#35");
    CU_ASSERT_EQUAL(number(answer_of(id), "checked"), 5);
    CU_ASSERT_EQUAL(number(answer_of(id), "faults"), 0);
    rig_close();
    rig_end();
}

/* ---- Events ---- */

static void test_events(void)
{
    uint8_t mem[256];
    struct aiex_writer w;
    struct aiex_slice part;
    struct aiex_value v;

    rig_begin((struct aiex_fake_pair[]){{"topics", "host.plugin, gateway.key"}, {0}});
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_SUBSCRIBE, "host.plugin", 0));
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_SUBSCRIBE, "gateway.key", 0));
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "type", "started");
    aiex_w_key_str(&w, "topic", "host.plugin");
    aiex_w_key_str(&w, "node", "n1");
    aiex_w_key_int(&w, "time", 77);
    aiex_w_key_str(&w, "subject", "provider_openai");
    aiex_fake_event(h, p, self, "host.plugin", aiex_written(&w));
    CU_ASSERT_EQUAL(put(1), 1);
    part = aiex_fake_parts(h, ASK("audit.read", "to", "#0"));
    CU_ASSERT_EQUAL(aiex_r_value(&part, &v), 0);
    CU_ASSERT_STRING_EQUAL(text(part, "type"), "host.plugin.started");
    CU_ASSERT_STRING_EQUAL(text(part, "actor"), "n1");
    CU_ASSERT_STRING_EQUAL(text(part, "subject"), "provider_openai");
    CU_ASSERT_EQUAL(number(part, "time"), 77);
    rig_close();
    rig_end();
}

/* ---- Options, memory, the end ---- */

static void refuses(const char *name, const char *value)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("audit_chain");
    aiex_fake_data_dir(h, dir);
    CU_ASSERT_TRUE(
        aiex_fake_start(h, p, (struct aiex_fake_pair[]){{name, value}, {0}}, &self, &err) < 0);
    CU_ASSERT_TRUE(err.text[0] != 0);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void test_options(void)
{
    static const char seed[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    char key[AIEX_NOTE_KEY];

    rig_begin((struct aiex_fake_pair[]){{"origin", "one"}, {0}});
    rig_close();
    refuses("origin", "another"); /* than the log has */
    refuses("key", "no key");
    refuses("must", "a*b");
    refuses("witness.x", "no key");
    rig_open((struct aiex_fake_pair[]){{"key", seed}, {"origin", "one"}, {0}});
    strcpy(key, text(answer_of(ASK("audit.status")), "key"));
    rig_close();
    rig_open((struct aiex_fake_pair[]){{"key", seed}, {"origin", "one"}, {0}});
    CU_ASSERT_STRING_EQUAL(text(answer_of(ASK("audit.status")), "key"), key);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self,
                                     (struct aiex_fake_pair[]){
                                         {"key", seed}, {"origin", "one"}, {"must", "x*y"}, {0}},
                                     NULL),
                    -22);
    rig_close();
    rig_end();
}

/* Whatever the host has no memory for: refused or made up for, nothing lost, nothing left behind.
 */
static void test_no_memory(void)
{
    rig_begin(NULL);
    rig_close();
    for (size_t n = 1; n < 6; n++) {
        struct aiex_error err = {""};

        h = aiex_fake_host_new("audit_chain");
        aiex_fake_data_dir(h, dir);
        aiex_fake_fail_alloc(h, n);
        if (aiex_fake_start(h, p, (struct aiex_fake_pair[]){{"deadline", "10s"}, {0}}, &self,
                            &err) == 0) {
            uint64_t id;

            aiex_fake_fail_alloc(h, 1); /* the post that says that the entry is on the disk */
            id = SEND("audit.append", "type", "t", "actor", "a");
            pass_until(id);
            CU_ASSERT_STRING_EQUAL(code_of(id), "");
            aiex_fake_stop(h, p, self);
        }
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    rig_end();
}

static void test_drain(void)
{
    uint64_t id, read;

    rig_begin(NULL);
    put(3);
    disk_hangs(1);
    id = SEND("audit.append", "type", "t", "actor", "a");
    read = SEND("audit.read");
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    CU_ASSERT_STRING_EQUAL(code_of(read), "unavailable");
    disk_hangs(0);
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    rig_close();
    rig_end();
}

static const char *writer_of(unsigned seq)
{
    struct aiex_slice part;
    struct aiex_value v;
    char at[16];

    snprintf(at, sizeof(at), "#%u", seq);
    part = aiex_fake_parts(h, ASK("audit.read", "from", at, "to", at));
    CU_ASSERT_EQUAL_FATAL(aiex_r_value(&part, &v), 0);
    return text(part, "writer");
}

/* Who writes is who the host says it is; nobody goes on with another's chain. */
static void test_writer_is_who_asks(void)
{
    static const char *const rows[][3] = {/* caller, what it says, what stands */
                                          {"chunker_lines", "service_gateway", "chunker_lines"},
                                          {"service_gateway", "", "service_gateway"},
                                          {"host.control", "files", "files"},
                                          {"", "files", "files"}};

    rig_begin(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_message m = {.method = "audit.append", .caller = rows[i][0]};
        struct aiex_writer w;
        uint8_t mem[200];
        uint64_t id;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, rows[i][1][0] ? 3 : 2);
        aiex_w_key_str(&w, "type", "t");
        aiex_w_key_str(&w, "actor", "a");
        if (rows[i][1][0])
            aiex_w_key_str(&w, "writer", rows[i][1]);
        m.body = aiex_written(&w);
        id = aiex_fake_deliver(h, p, self, &m);
        wait_end(id);
        CU_ASSERT_STRING_EQUAL(code_of(id), "");
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_STRING_EQUAL(writer_of((unsigned)i), rows[i][2]);
    rig_close();
    rig_end();
}

static const char *code_for(const char *caller, const char *method)
{
    const struct aiex_message m = {.method = method, .caller = caller};
    uint64_t id = aiex_fake_deliver(h, p, self, &m);

    wait_end(id);
    return code_of(id);
}

/* A plugin that someone has taken over must not read what others did, nor blacken it. */
static void test_operators(void)
{
    static const char *const theirs[] = {"audit.read", "audit.verify", "audit.export",
                                         "audit.redact", "audit.rotate_key"};

    rig_begin((const struct aiex_fake_pair[]){{"operators", "host.*, service_archive"}, {0}});
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
        CU_ASSERT_STRING_EQUAL(code_for("provider_ollama", theirs[i]), "denied");
        CU_ASSERT_STRING_EQUAL(code_for("", theirs[i]), "denied");
        CU_ASSERT_STRING_NOT_EQUAL(code_for("service_archive", theirs[i]), "denied");
        CU_ASSERT_STRING_NOT_EQUAL(code_for("host.control", theirs[i]), "denied");
    }
    CU_ASSERT_STRING_EQUAL(code_for("provider_ollama", "audit.head"), "");
    CU_ASSERT_STRING_EQUAL(code_for("provider_ollama", "audit.health"), "");
    rig_close();
    rig_end();
}

static void test_too_many_writers(void)
{
    uint64_t id = 0;

    rig_begin(NULL);
    for (int i = 0; i <= 4096; i++) {
        char name[16];

        snprintf(name, sizeof(name), "w%d", i);
        id = SEND("audit.append", "type", "t", "actor", "a", "writer", name);
    }
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "invalid");
    CU_ASSERT_STRING_EQUAL(
        code_of(ASK("audit.append", "type", "t", "actor", "a", "writer", "one more")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.append", "type", "t", "actor", "a", "writer", "w77")),
                           "");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"append", test_append},
    {"group_commit", test_group_commit},
    {"casts", test_casts},
    {"invalid", test_invalid},
    {"read", test_read},
    {"read_item", test_read_item},
    {"slow_reader", test_slow_reader},
    {"proofs", test_proofs},
    {"head_is_signed", test_head_is_signed},
    {"head_interval", test_head_interval},
    {"cosign", test_cosign},
    {"redact", test_redact},
    {"export_has_heads", test_export_has_heads},
    {"partial_export", test_partial_export},
    {"verify_of_then", test_verify_of_then},
    {"partial_verify", test_partial_verify},
    {"events", test_events},
    {"options", test_options},
    {"no_memory", test_no_memory},
    {"drain", test_drain},
    {"writer_is_who_asks", test_writer_is_who_asks},
    {"operators", test_operators},
    {"too_many_writers", test_too_many_writers},
    {0},
};
