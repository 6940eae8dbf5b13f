/* Exports, whole and tampered with: each sort of change is found, and where. */
#include "export_rig.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(aiex_note_begin(), 0);
    rig_make(&rig, AIEX_BODY_JSON);
}

static void expect(const char *faults)
{
    CU_ASSERT_STRING_EQUAL(rig_faults(&rig), faults);
    rig_free(&rig);
}

static void test_whole(void)
{
    for (int encoding = AIEX_BODY_JSON; encoding <= AIEX_BODY_MSGPACK; encoding++) {
        struct aiex_export_sum sum;

        CU_ASSERT_EQUAL_FATAL(aiex_note_begin(), 0);
        rig_make(&rig, encoding);
        CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, NULL, &sum), "");
        CU_ASSERT_TRUE(sum.entries == RIG_ENTRIES && sum.faults == 0 && sum.size == RIG_ENTRIES);
        CU_ASSERT_FALSE(sum.key_is_its_own);
        CU_ASSERT_STRING_EQUAL(rig_check(&rig, "", NULL, &sum), "");
        CU_ASSERT_TRUE(sum.key_is_its_own);
        CU_ASSERT_STRING_EQUAL(sum.key, rig.key);
        CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, rig.notes[11], &sum), "");
        rig_free(&rig);
    }
}

/* The successor tells who was changed; without one, between which two it is. */
static void test_changed(void)
{
    begin();
    rig_change_body(&rig, 10);
    expect("seq=10 chain\n8..15 head\n");
    begin();
    rig_change_body(&rig, 22);
    expect("16..23 head\n"); /* the last of its writer: nobody follows */
    begin();
    rig_change_body(&rig, 5);
    expect("seq=5 chain\n0..7 head\nseq=5 inclusion\n");
}

static void test_beside(void)
{
    char zero[80];

    begin();
    snprintf(zero, sizeof(zero), "%064d", 0);
    rig_replace(&rig, rig_entry(&rig, 8), "\"wseq\":2", "\"wseq\":3"); /* beside the body */
    expect("seq=8 view\n");
}

static void test_view(void)
{
    static const char *const changes[][2] = {
        {"\"ann\"", "\"eve\""},
        {"\"file.read\"", "\"file.reads\""},
        {"\"time\":1795262400006", "\"time\":1795262400007"},
        {"\"prev\":\"", "\"prev\":\"0"},
        {"\"subject\"", "\"object\""},
        {"\"view\":{", "\"view\":{\"more\":1,"},
        {"\"view\":{", "\"views\":{"},
    };

    for (int encoding = AIEX_BODY_JSON; encoding <= AIEX_BODY_MSGPACK; encoding++)
        for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
            rig_make(&rig, encoding);
            CU_ASSERT_TRUE(rig_replace(&rig, rig_entry(&rig, 6), changes[i][0], changes[i][1]));
            expect("seq=6 view\n");
        }
    rig_make(&rig, AIEX_BODY_MSGPACK); /* the same, otherwise written */
    CU_ASSERT_TRUE(rig_replace(&rig, rig_entry(&rig, 6), "\"ann\"", "\"\\u0061nn\""));
    expect("");
    rig_make(&rig, AIEX_BODY_JSON);
    CU_ASSERT_TRUE(rig_replace(&rig, rig_entry(&rig, 6), "\"ann\"", "\"\\u0061nn\""));
    expect("");
}

static void test_removed(void)
{
    begin();
    rig_remove(&rig, rig_entry(&rig, 12));
    expect("seq=12 sequence\n");
    begin();
    for (unsigned i = 3; i < 9; i++)
        rig_remove(&rig, rig_entry(&rig, i));
    expect("3..8 sequence\n");
    begin();
    rig_remove(&rig, rig_entry(&rig, 0));
    expect("seq=0 sequence\n");
}

/* Removed, and those behind it numbered anew. */
static void test_removed_and_renumbered(void)
{
    begin();
    rig_remove(&rig, rig_entry(&rig, 12));
    for (unsigned i = 13; i < RIG_ENTRIES; i++) {
        char from[32], to[32];

        snprintf(from, sizeof(from), "\"seq\":%u,", i);
        snprintf(to, sizeof(to), "\"seq\":%u,", i - 1);
        rig_replace(&rig, rig_entry(&rig, i), from, to);
    }
    expect("9..14 chain\n8..15 head\nseq=23 cut\n");
}

static void test_reordered(void)
{
    begin();
    rig_swap(&rig, rig_entry(&rig, 13), rig_entry(&rig, 14));
    expect("seq=13 sequence\nseq=13 sequence\n");
    begin(); /* two of one writer, with their numbers */
    rig_swap(&rig, rig_entry(&rig, 11), rig_entry(&rig, 14));
    rig_replace(&rig, rig_entry(&rig, 14), "\"seq\":14", "\"seq\":99");
    rig_replace(&rig, rig_entry(&rig, 11), "\"seq\":11", "\"seq\":14");
    rig_replace(&rig, rig_entry(&rig, 99), "\"seq\":99", "\"seq\":11");
    expect("8..11 chain\n11..14 chain\n14..17 chain\n8..15 head\n");
    begin();
    rig.lines[rig.n] = strdup(rig.lines[rig_entry(&rig, 4)]);
    rig.n++;
    expect("seq=4 sequence\n");
}

static void cut(unsigned from)
{
    for (unsigned i = from; i < RIG_ENTRIES; i++)
        rig_remove(&rig, rig_entry(&rig, i));
}

static void test_truncated(void)
{
    begin();
    cut(20);
    expect("20..23 cut\n");
    begin(); /* the heads as well, but not at the place of one */
    cut(20);
    rig_remove(&rig, rig_kind(&rig, "head", 2));
    rig_remove(&rig, rig_kind(&rig, "inclusion", 0));
    rig_remove(&rig, rig_kind(&rig, "consistency", 0));
    expect("16..19 uncovered\n");
    begin(); /* simply the end of the file */
    while (rig.n > 20)
        rig_remove(&rig, rig.n - 1);
    expect("0..17 uncovered\n");
}

/* To an older true log: nothing inside can tell, what was kept outside does. */
static void test_rolled_back(void)
{
    struct aiex_export_sum sum;

    begin();
    cut(16);
    rig_remove(&rig, rig_kind(&rig, "head", 2));
    rig_remove(&rig, rig_kind(&rig, "inclusion", 0));
    rig_remove(&rig, rig_kind(&rig, "consistency", 0));
    CU_ASSERT_STRING_EQUAL(rig_faults(&rig), "");
    CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, rig.notes[24], &sum), "16..23 rollback\n");
    CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, rig.notes[16], &sum), "");
    CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, "no note", &sum), "log witness\n");
    rig_free(&rig);
}

/* Another log, signed by whoever wrote it. */
static void test_swapped(void)
{
    struct aiex_export_sum sum;
    struct rig other;

    begin();
    rig_make(&other, AIEX_BODY_JSON);
    CU_ASSERT_STRING_EQUAL(rig_check(&other, rig.key, NULL, &sum),
                           "0..7 signature\n0..15 signature\n0..23 signature\n0..23 uncovered\n");
    CU_ASSERT_STRING_EQUAL(rig_check(&other, "", rig.notes[24], &sum), "0..23 signature\n");
    rig_free(&other);
    rig_replace(&rig, 0, "example.org/log", "example.org/other");
    expect("0..7 origin\n0..15 origin\n0..23 origin\n0..23 uncovered\n");
}

static void test_heads_changed(void)
{
    begin();
    rig_replace(&rig, rig_kind(&rig, "head", 1), "\\n16\\n", "\\n17\\n");
    expect("8..16 signature\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "head", 1), "note", "not");
    expect("log note\n");
}

static void test_payloads(void)
{
    begin();
    rig_replace(&rig, rig_entry(&rig, 5), "\"payload\":\"cGF5", "\"payload\":\"cGF4");
    expect("seq=5 payload\n");
    begin();
    rig_replace(&rig, rig_entry(&rig, 5), "\"salt\":\"", "\"salt\":\"AAAA");
    expect("seq=5 payload\n");
    begin();
    rig_replace(&rig, rig_entry(&rig, 5), ",\"payload\":", ",\"payloads\":");
    expect("seq=5 payload\n");
    begin();
    rig_remove(&rig, rig_kind(&rig, "redaction", 0));
    expect("seq=9 payload\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "redaction", 0), "\"seq\":9", "\"seq\":5");
    expect("seq=9 payload\nseq=5 redaction\n");
    begin(); /* an export that says its redactions are entries */
    rig_replace(&rig, 0, "\"encoding\"", "\"redactions\":\"entries\",\"encoding\"");
    expect("seq=9 redaction\n");
}

static void test_proofs_changed(void)
{
    begin();
    rig_replace(&rig, rig_kind(&rig, "inclusion", 0), "\"index\":5", "\"index\":6");
    expect("seq=6 inclusion\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "inclusion", 0), "\"size\":24", "\"size\":25");
    expect("seq=5 inclusion\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "consistency", 0), "\"size1\":8", "\"size1\":9");
    expect("9..23 consistency\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "consistency", 0), "\"proof\"", "\"poof\"");
    expect("log line\n");
}

static void test_lines(void)
{
    begin();
    rig_remove(&rig, 0);
    expect("log line\n");
    begin();
    rig_replace(&rig, rig_entry(&rig, 3), "{", "[");
    expect("log line\nseq=3 sequence\n");
    begin();
    rig_replace(&rig, rig_entry(&rig, 3), "\"body\":\"ey", "\"body\":\"!y");
    expect("seq=3 body\n");
    begin();
    rig_replace(&rig, rig_kind(&rig, "head", 0), "\"head\"", "\"later\"");
    expect("");
    begin();
    while (rig.n)
        rig_remove(&rig, rig.n - 1);
    expect("log line\n");
}

static void test_no_key(void)
{
    struct aiex_export_sum sum;

    begin();
    rig_replace(&rig, 0, "\"key\"", "\"lock\"");
    CU_ASSERT_STRING_EQUAL(rig_check(&rig, "", NULL, &sum), "log key\n");
    CU_ASSERT_STRING_EQUAL(sum.key, "");
    CU_ASSERT_STRING_EQUAL(rig_check(&rig, NULL, NULL, &sum), "");
    rig_free(&rig);
}

const struct test_case tests[] = {
    {"whole", test_whole},
    {"changed", test_changed},
    {"beside", test_beside},
    {"view", test_view},
    {"removed", test_removed},
    {"removed_and_renumbered", test_removed_and_renumbered},
    {"reordered", test_reordered},
    {"truncated", test_truncated},
    {"rolled_back", test_rolled_back},
    {"swapped", test_swapped},
    {"heads_changed", test_heads_changed},
    {"payloads", test_payloads},
    {"proofs_changed", test_proofs_changed},
    {"lines", test_lines},
    {"no_key", test_no_key},
    {0},
};
