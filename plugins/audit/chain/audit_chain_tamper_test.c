/* Every sort of tampering with the files of a log: found, told where, and nothing is appended
 * behind it. */
#include "chain_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens what was changed: it is noticed at once or by the verification, which says `faults`;
 * nothing is appended behind it, and it can be read. */
static void expect(const char *faults)
{
    uint64_t id;

    rig_open((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
    CU_ASSERT_STRING_EQUAL(verify(), faults);
    wait_state(*faults ? "fault" : "ok");
    id = ASK("audit.append", "type", "key.created", "actor", "ann");
    CU_ASSERT_STRING_EQUAL(code_of(id), *faults ? "read_only" : "");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.read")), "");
    if (*faults)
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "audit.alarm", 0));
    rig_close();
    rig_end();
}

static void test_unchanged(void)
{
    begin_twenty();
    expect("");
}

static void test_bit_flip(void)
{
    struct image f;
    struct record r;

    begin_twenty();
    f = load(SEGMENT);
    r = nth(f, 7);
    f.data[r.offset + RECORD_HEAD + 5] ^= 1;
    save_image(SEGMENT, f);
    expect("seq=7 damaged\n");
}

/* With the file `state` gone everything is read at the start; what is found is the same. */
static void test_changed(void)
{
    for (int without_state = 0; without_state < 2; without_state++) {
        struct image f;
        struct record r;

        begin_twenty();
        f = load(SEGMENT);
        r = nth(f, 7);
        change_text(r, "\"ann\"", "\"eve\"");
        seal(f, r);
        save_image(SEGMENT, f);
        if (without_state)
            unlink(rig_path("state"));
        expect("seq=7 changed\n");
    }
}

/* The index, too: then the heads and the chain say it. */
static void test_changed_with_index(void)
{
    struct image f, x;
    struct record r;

    begin_twenty();
    f = load(SEGMENT);
    r = nth(f, 7);
    change_text(r, "\"ann\"", "\"eve\"");
    seal(f, r);
    x = load("index");
    aiex_leaf_hash(r.body, x.data + 7 * INDEX_ITEM);
    save_image(SEGMENT, f);
    save_image("index", x);
    expect("5..9 head\nseq=7 chain\n");
}

static void test_removed(void)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct image f;
        struct record a, b;

        begin_twenty();
        f = load(SEGMENT);
        a = nth(f, 7);
        b = nth(f, 8);
        memmove(f.data + a.offset, f.data + b.offset, f.n - b.offset);
        f.n -= a.bytes;
        for (unsigned i = 8; sealed && i < 20; i++) { /* those behind it know where they stood */
            struct record r = nth(f, i);              /* the file is still as it was */

            r.offset -= a.bytes;
            r.body.data -= a.bytes;
            seal(f, r);
        }
        save_image(SEGMENT, f);
        expect(sealed ? "seq=7 sequence\n" : "7..19 damaged\n");
    }
}

/* Moved and sealed again at its new place. */
static void test_reordered(void)
{
    struct image f;
    struct record a, b;
    uint8_t *copy;

    begin_twenty();
    f = load(SEGMENT);
    a = nth(f, 6);
    b = nth(f, 7);
    copy = malloc(a.bytes + b.bytes);
    memcpy(copy, f.data + b.offset, b.bytes);
    memcpy(copy + b.bytes, f.data + a.offset, a.bytes);
    memcpy(f.data + a.offset, copy, a.bytes + b.bytes);
    b.offset = a.offset;
    a.offset = b.offset + b.bytes;
    b.body.data = f.data + b.offset + RECORD_HEAD;
    a.body.data = f.data + a.offset + RECORD_HEAD;
    seal(f, a);
    seal(f, b);
    free(copy);
    save_image(SEGMENT, f);
    expect("seq=6 sequence\nseq=6 sequence\n");
}

static void test_truncated(void)
{
    struct image f;

    begin_twenty();
    f = load(SEGMENT);
    f.n = nth(f, 15).offset;
    save_image(SEGMENT, f);
    expect("15..19 cut\n");
    begin_twenty(); /* in the middle of an entry */
    f = load(SEGMENT);
    f.n = nth(f, 15).offset + 30;
    save_image(SEGMENT, f);
    expect("15..19 damaged\n");
}

/* Index and state as well: the heads know. */
static void test_truncated_everywhere(void)
{
    struct image f, x;

    begin_twenty();
    f = load(SEGMENT);
    f.n = nth(f, 15).offset;
    save_image(SEGMENT, f);
    x = load("index");
    x.n = 15 * INDEX_ITEM;
    save_image("index", x);
    unlink(rig_path("state"));
    expect("15..19 cut\n");
}

static void test_segment_gone(void)
{
    begin_twenty();
    unlink(rig_path(SEGMENT));
    expect("0..19 cut\n");
}

static void test_segment_swapped(void)
{
    struct image f;

    begin_twenty();
    f = load(SEGMENT);
    rig_end();
    begin_twenty(); /* another log of the same length */
    save_image(SEGMENT, f);
    rig_open((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
    CU_ASSERT_PTR_NOT_NULL(strstr(verify(), "changed\n"));
    wait_state("fault");
    rig_close();
    rig_end();
}

static void test_index_changed(void)
{
    struct image x;

    begin_twenty();
    x = load("index");
    x.data[7 * INDEX_ITEM] ^= 1;
    save_image("index", x);
    rig_open((struct aiex_fake_pair[]){{"verify_interval", "0s"}, {0}});
    CU_ASSERT_PTR_NOT_NULL(strstr(verify(), "seq=7 changed\n"));
    wait_state("fault");
    rig_close();
    rig_end();
}

/* What can be made again is: no index, no state, no heads are no loss of entries. */
static void test_index_gone(void)
{
    begin_twenty();
    unlink(rig_path("index"));
    unlink(rig_path("state"));
    expect("");
}

static void test_head_changed(void)
{
    struct image x;
    uint8_t *at;

    begin_twenty();
    x = load("heads");
    at = memmem(x.data, x.n, "\n10\n", 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    at[2] = '1';
    save_image("heads", x);
    expect("5..10 signature\n");
}

static void test_payload_changed(void)
{
    struct image f;
    struct record r;

    begin_twenty();
    f = load(SEGMENT);
    r = nth(f, 1);
    f.data[r.offset + RECORD_HEAD + r.body.len + RECORD_SALT] ^= 1;
    save_image(SEGMENT, f);
    expect("seq=1 payload\n");
    begin_twenty(); /* erased, and nobody said so */
    f = load(SEGMENT);
    r = nth(f, 1);
    memset(f.data + r.offset + RECORD_HEAD + r.body.len, 0, r.secret.len);
    save_image(SEGMENT, f);
    expect("seq=1 payload\n");
}

/* To an older copy of everything: the log is whole, only what was kept elsewhere shows it. */
static void test_rolled_back(void)
{
    static const char *const names[] = {SEGMENT, "index", "heads", "state"};
    struct image old[4];
    struct aiex_slice note = {NULL, 0};
    struct aiex_checkpoint c = {.size = 0};

    rig_begin(NULL);
    put(10);
    rig_close();
    for (int i = 0; i < 4; i++)
        old[i] = load(names[i]);
    rig_open(NULL);
    put(10);
    CU_ASSERT_EQUAL(aiex_get_str(answer_of(ASK("audit.head")), "note", &note), 1);
    CU_ASSERT_EQUAL(aiex_checkpoint_read(&c, note, NULL), 0); /* what a witness keeps */
    CU_ASSERT_EQUAL(c.size, 20);
    rig_close();
    for (int i = 0; i < 4; i++)
        save_image(names[i], old[i]);
    rig_open(NULL);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.proof", "size1", "#20", "size2", "#20")),
                           "not_found");
    CU_ASSERT_EQUAL(number(answer_of(ASK("audit.head")), "size"), 10);
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"unchanged", test_unchanged},
    {"bit_flip", test_bit_flip},
    {"changed", test_changed},
    {"changed_with_index", test_changed_with_index},
    {"removed", test_removed},
    {"reordered", test_reordered},
    {"truncated", test_truncated},
    {"truncated_everywhere", test_truncated_everywhere},
    {"segment_gone", test_segment_gone},
    {"segment_swapped", test_segment_swapped},
    {"index_changed", test_index_changed},
    {"index_gone", test_index_gone},
    {"head_changed", test_head_changed},
    {"payload_changed", test_payload_changed},
    {"rolled_back", test_rolled_back},
    {0},
};
