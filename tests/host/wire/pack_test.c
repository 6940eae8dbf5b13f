/* pack_test.c - documents of the host: what is written is read, and what lies is refused. */
#include "wire/pack.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct pack *p)
{
    pack_map(p, 9);
    pack_key_str(p, "text", "h\xc3\xa4");
    pack_key_int(p, "min", INT64_MIN);
    pack_key_int(p, "max", INT64_MAX);
    pack_key_bool(p, "yes", 7);
    pack_key_bool(p, "no", 0);
    pack_str(p, "real");
    pack_real(p, 0.25);
    pack_str(p, "nil");
    pack_nil(p);
    pack_str(p, "list");
    pack_array(p, 3);
    pack_int(p, -1);
    pack_bin(p, "\0\xff", 2);
    pack_whole(p, (struct aiex_slice){(const uint8_t *)"\x81\xa1k\x05", 4});
    pack_str(p, "none");
    pack_map(p, 0);
}

static void test_round_trip(void)
{
    struct aiex_slice key, s;
    struct doc *d = NULL;
    doc_value root, list, value;
    struct pack p;
    char text[8];

    pack_init(&p, 1000);
    fill(&p);
    CU_ASSERT_EQUAL_FATAL(doc_new(pack_slice(&p), &d), 0);
    root = doc_root(d);
    CU_ASSERT_EQUAL(doc_len(root), 9);
    CU_ASSERT_STRING_EQUAL(doc_text(doc_get(root, "text"), text, sizeof(text), "-"), "h\xc3\xa4");
    CU_ASSERT_STRING_EQUAL(doc_text(doc_get(root, "text"), text, 3, "-"), "-"); /* too long */
    CU_ASSERT_STRING_EQUAL(doc_text(doc_get(root, "gone"), text, sizeof(text), "-"), "-");
    CU_ASSERT_EQUAL(doc_int(doc_get(root, "min"), 0), INT64_MIN);
    CU_ASSERT_EQUAL(doc_int(doc_get(root, "max"), 0), INT64_MAX);
    CU_ASSERT_EQUAL(doc_int(doc_get(root, "text"), 33), 33);
    CU_ASSERT_EQUAL(doc_int(doc_get(root, "yes"), 33), 33);
    CU_ASSERT_EQUAL(doc_bool(doc_get(root, "yes"), 0), 1);
    CU_ASSERT_EQUAL(doc_bool(doc_get(root, "no"), 1), 0);
    CU_ASSERT_EQUAL(doc_bool(doc_get(root, "min"), 1), 1);
    CU_ASSERT_EQUAL(doc_real(doc_get(root, "real"), 0), 0.25);
    CU_ASSERT_EQUAL(doc_real(doc_get(root, "text"), 9), 9);
    CU_ASSERT_PTR_NULL(doc_get(root, "nil")); /* as if it were not there */
    list = doc_get(root, "list");
    CU_ASSERT_EQUAL(doc_len(list), 3);
    CU_ASSERT_EQUAL(doc_int(doc_at(list, 0), 0), -1);
    s = doc_bytes(doc_at(list, 1));
    CU_ASSERT_EQUAL(s.len, 2);
    CU_ASSERT_EQUAL(doc_int(doc_get(doc_at(list, 2), "k"), 0), 5);
    CU_ASSERT_PTR_NULL(doc_at(list, 3));
    CU_ASSERT_PTR_NULL(doc_at(root, 0));
    CU_ASSERT_PTR_NULL(doc_get(list, "k"));
    CU_ASSERT_PTR_NULL(doc_get(NULL, "k"));
    CU_ASSERT_PTR_NULL(doc_at(NULL, 0));
    CU_ASSERT_EQUAL(doc_len(NULL), 0);
    CU_ASSERT_EQUAL(doc_len(doc_get(root, "none")), 0);
    CU_ASSERT_EQUAL(doc_pair(root, 0, &key, &value), 0);
    CU_ASSERT(aiex_slice_is(key, "text"));
    CU_ASSERT_EQUAL(doc_pair(root, 9, &key, &value), -1);
    CU_ASSERT_EQUAL(doc_pair(list, 0, &key, &value), -1);
    doc_free(d);
    doc_free(NULL);
    pack_done(&p);
}

/* Whatever does not fit makes the whole document empty, not cut. */
static void test_too_small(void)
{
    struct pack whole, p;
    size_t n;

    pack_init(&whole, 1000);
    fill(&whole);
    n = pack_slice(&whole).len;
    for (size_t max = 0; max <= n; max++) {
        pack_init(&p, max);
        fill(&p);
        CU_ASSERT_EQUAL(p.failed, max < n);
        CU_ASSERT_EQUAL(pack_slice(&p).len, max < n ? 0 : n);
        pack_done(&p);
    }
    pack_done(&whole);
}

static void test_truncated(void)
{
    struct pack p;
    struct doc *d = NULL;

    pack_init(&p, 1000);
    fill(&p);
    for (size_t n = 0; n < pack_slice(&p).len; n++) {
        uint8_t *copy = malloc(n + 1);

        memcpy(copy, pack_slice(&p).data, n);
        CU_ASSERT_EQUAL(doc_new((struct aiex_slice){copy, n}, &d), -EBADMSG);
        free(copy);
    }
    pack_nil(&p); /* one more value behind the first */
    CU_ASSERT_EQUAL(doc_new(pack_slice(&p), &d), -EBADMSG);
    pack_done(&p);
}

static void test_depth(void)
{
    uint8_t bytes[64];

    for (size_t deep = 1; deep < 60; deep++) {
        struct doc *d = NULL;
        int r;

        memset(bytes, 0x91, deep); /* [[[...]]] */
        bytes[deep] = 1;
        r = doc_new((struct aiex_slice){bytes, deep + 1}, &d);
        CU_ASSERT_EQUAL(r, deep <= 32 ? 0 : -EBADMSG);
        doc_free(d);
    }
}

static void test_lies(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\xdf\xff\xff\xff\xff", 5}, /* 4 G pairs */
        {"\xdd\xff\xff\xff\xff\x01\x02", 7},
        {"\xdd\x00\x00\x00\x03\x01\x02", 7}, /* three, but two */
        {"\xde\x00\x02\xa1"
         "a\x01",
         6},
        {"\xdb\xff\xff\xff\xff"
         "abc",
         8}, /* a text of 4 GB */
        {"\xc6\xff\xff\xff\xff", 5},
        {"\xc9\xff\xff\xff\xff\x01", 6}, /* extension */
        {"\xc7\x05\x01"
         "abcd",
         7},
        {"\xc1", 1}, /* never used */
        {"\xcf\x00\x00", 3},
        {"\xca\x00\x00\x00", 4},
        {"", 0},
        {"\x01\x02", 2},
    };
    struct doc *d = NULL;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(
            doc_new((struct aiex_slice){(const uint8_t *)rows[i].bytes, rows[i].len}, &d),
            -EBADMSG);
    CU_ASSERT_PTR_NULL(d);
}

/* Numbers beyond int64_t, short floats, extensions: read as "another type". */
static void test_odd_types(void)
{
    static const uint8_t bytes[] = {0x94, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                    0xca, 0x3e, 0x80, 0x00, 0x00, 0xd4, 0x01, 0x02, 0xd0, 0x80};
    struct doc *d = NULL;
    doc_value root;

    CU_ASSERT_EQUAL_FATAL(doc_new((struct aiex_slice){bytes, sizeof(bytes)}, &d), 0);
    root = doc_root(d);
    CU_ASSERT_EQUAL(doc_int(doc_at(root, 0), 5), 5);
    CU_ASSERT_EQUAL(doc_real(doc_at(root, 1), 0), 0.25);
    CU_ASSERT_EQUAL(doc_bytes(doc_at(root, 2)).len, 0);
    CU_ASSERT_EQUAL(doc_int(doc_at(root, 3), 0), -128);
    doc_free(d);
}

/* Every kind of value, skipped, read as an entry and read alone: the three agree on its end. */
static void test_entries(void)
{
    static const char *const keys[] = {"text", "min", "max",  "yes", "no",
                                       "real", "nil", "list", "none"};
    struct aiex_slice at, pair, key, value;
    struct aiex_value head, v;
    struct aiex_entry e;
    struct pack p;

    pack_init(&p, 1000);
    fill(&p);
    at = pair = pack_slice(&p);
    CU_ASSERT_EQUAL_FATAL(aiex_r_value(&at, &head), 0);
    aiex_r_value(&pair, &v);
    CU_ASSERT_EQUAL_FATAL(head.count, 9);
    for (unsigned i = 0; i < head.count; i++) {
        CU_ASSERT_EQUAL_FATAL(aiex_r_entry(&at, &e), 0);
        CU_ASSERT_EQUAL_FATAL(aiex_r_pair(&pair, &key, &value), 0);
        CU_ASSERT(aiex_slice_is(e.key, keys[i]) && aiex_slice_is(key, keys[i]));
        CU_ASSERT_PTR_EQUAL(e.whole.data, value.data);
        CU_ASSERT_EQUAL(e.whole.len, value.len);
        CU_ASSERT_EQUAL(at.len, pair.len);
        CU_ASSERT_EQUAL_FATAL(aiex_r_value(&value, &v), 0);
        CU_ASSERT_EQUAL(e.v.type, v.type);
        CU_ASSERT_EQUAL(e.v.i, v.i);
        CU_ASSERT_EQUAL(e.v.count, v.count);
        CU_ASSERT_EQUAL(e.v.bytes.len, v.bytes.len);
    }
    CU_ASSERT_EQUAL(at.len, 0);
    CU_ASSERT_EQUAL(aiex_r_entry(&at, &e), -1);
    pack_done(&p);
}

/* A map cut anywhere has no more entries than it has whole pairs; and none is read beyond its end.
 */
static void test_cut_entries(void)
{
    struct aiex_slice at;
    struct aiex_value head;
    struct aiex_entry e;
    struct pack p;

    pack_init(&p, 1000);
    fill(&p);
    for (size_t len = 0; len < pack_slice(&p).len; len++) {
        uint8_t *mem = malloc(len ? len : 1); /* of this size: the sanitizer sees a step too far */
        unsigned n = 0;

        memcpy(mem, pack_slice(&p).data, len);
        at = (struct aiex_slice){mem, len};
        if (aiex_r_value(&at, &head) == 0)
            while (n < head.count && aiex_r_entry(&at, &e) == 0)
                n++;
        CU_ASSERT(n < 9);
        at = (struct aiex_slice){mem, len};
        CU_ASSERT_EQUAL(aiex_r_skip(&at), -1);
        free(mem);
    }
    pack_done(&p);
}

/* Found from anywhere, known or not. */
static void test_rows(void)
{
    static const struct {
        struct aiex_key key;
        int what;
    } rows[] = {{AIEX_KEY("a"), 1}, {AIEX_KEY("ab"), 2}, {AIEX_KEY("b"), 3}, {AIEX_KEY("long"), 4}};
    static const char *const unknown[] = {"", "c", "aa", "lon", "longer"};

    for (size_t from = 0; from <= 5; from++) {
        for (size_t i = 0; i < 4; i++) {
            struct aiex_slice key = {(const uint8_t *)rows[i].key.text, rows[i].key.len};

            CU_ASSERT_EQUAL(aiex_row_of(rows, sizeof(rows[0]), 4, from, key), i);
        }
        for (size_t i = 0; i < 5; i++) {
            struct aiex_slice key = {(const uint8_t *)unknown[i], strlen(unknown[i])};

            CU_ASSERT_EQUAL(aiex_row_of(rows, sizeof(rows[0]), 4, from, key), 4);
        }
    }
}

/* Writing into too little memory counts what is needed and touches nothing behind it. */
static void test_writer_too_small(void)
{
    static const char text[] = "a text of more than 31 bytes, so that it has a head of its own";
    uint8_t all[128], *mem;
    struct aiex_writer w;
    size_t need = sizeof(all);

    for (size_t cap = sizeof(all); cap > 0; cap = cap == sizeof(all) ? need : cap - 1) {
        mem = malloc(cap); /* of this size: the sanitizer sees a byte too far */
        aiex_writer_init(&w, mem, cap);
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "short", "value");
        aiex_w_key_str(&w, "empty", "");
        aiex_w_key_str(&w, "long", text);
        need = cap == sizeof(all) ? w.len : need;
        CU_ASSERT_EQUAL(w.len, need);
        CU_ASSERT_EQUAL(w.failed, cap < need);
        free(mem);
    }
}

const struct test_case tests[] = {
    {"round_trip", test_round_trip},
    {"too_small", test_too_small},
    {"truncated", test_truncated},
    {"depth", test_depth},
    {"lies", test_lies},
    {"odd_types", test_odd_types},
    {"entries", test_entries},
    {"cut_entries", test_cut_entries},
    {"rows", test_rows},
    {"writer_too_small", test_writer_too_small},
    {0},
};
