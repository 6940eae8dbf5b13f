/* Hashes, tree and proofs: the known answers of RFC 6962's reference, every size up to 70, damage.
 */
#include "test.h"

#include <aiex_merkle.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N 600

static uint8_t all[N][AIEX_HASH]; /* leaf hashes of the numbers */

static struct aiex_slice bytes(const void *p, size_t n)
{
    return (struct aiex_slice){p, n};
}

static void fill(void)
{
    for (uint32_t i = 0; i < N; i++)
        aiex_leaf_hash(bytes(&i, sizeof(i)), all[i]);
}

static int get_leaves(void *arg, uint64_t first, uint32_t n, uint8_t *out)
{
    int *fail = arg;

    if (fail && *fail)
        return -EIO;
    CU_ASSERT_FATAL(first + n <= N && n <= 256);
    memcpy(out, all[first], (size_t)n * AIEX_HASH);
    return 0;
}

/* The definition, word for word: RFC 9162 2.1.1. */
static void mth(uint64_t lo, uint64_t n, uint8_t *out)
{
    uint8_t left[AIEX_HASH], right[AIEX_HASH];
    uint64_t k = 1;

    if (n == 1) {
        memcpy(out, all[lo], AIEX_HASH);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    mth(lo, k, left);
    mth(lo + k, n - k, right);
    aiex_node_hash(left, right, out);
}

static void is_hex(const uint8_t *hash, const char *want)
{
    char hex[2 * AIEX_HASH + 1];

    aiex_hex(hash, AIEX_HASH, hex);
    CU_ASSERT_STRING_EQUAL(hex, want);
}

static void test_known_answers(void)
{
    static const struct {
        const char *leaf;
        size_t len;
        const char *root;
    } known[] = {
        {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\0", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"@ABC", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"PQRSTUVW", 8, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"`abcdefghijklmno", 16,
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    struct aiex_tree t;
    uint8_t hash[AIEX_HASH];

    aiex_tree_init(&t, 0, NULL, NULL);
    aiex_tree_root(&t, hash);
    is_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < 8; i++) {
        aiex_leaf_hash(bytes(known[i].leaf, known[i].len), hash);
        CU_ASSERT_EQUAL(aiex_tree_add(&t, hash), 0);
        aiex_tree_root(&t, hash);
        is_hex(hash, known[i].root);
    }
    aiex_tree_done(&t);
}

/* SHA-256 over the bytes as the format says them, put together by hand. */
static void test_domains(void)
{
    uint8_t a[AIEX_HASH], b[AIEX_HASH], want[AIEX_HASH], mem[65] = {2};

    aiex_leaf_hash(bytes("abc", 3), a);
    aiex_plain_hash(bytes("\0abc", 4), want);
    CU_ASSERT_EQUAL(memcmp(a, want, AIEX_HASH), 0);
    memset(b, 0, sizeof(b));
    memcpy(mem + 33, a, AIEX_HASH);
    aiex_chain_hash(b, a, b);
    aiex_plain_hash(bytes(mem, 65), want);
    CU_ASSERT_EQUAL(memcmp(b, want, AIEX_HASH), 0);
    aiex_commit_hash(bytes("salt", 4), bytes("payload", 7), b);
    aiex_plain_hash(bytes("\3saltpayload", 12), want);
    CU_ASSERT_EQUAL(memcmp(b, want, AIEX_HASH), 0);
}

static void test_hex(void)
{
    uint8_t out[2];
    char hex[5];

    CU_ASSERT_EQUAL(aiex_unhex("0aFf", 4, out, 2), 0);
    aiex_hex(out, 2, hex);
    CU_ASSERT_STRING_EQUAL(hex, "0aff");
    CU_ASSERT_EQUAL(aiex_unhex("0aF", 3, out, 2), -EINVAL);
    CU_ASSERT_EQUAL(aiex_unhex("0aFg", 4, out, 2), -EINVAL);
}

/* Kept from the first level or from the ninth: the same roots. */
static void test_roots(void)
{
    struct aiex_tree every, block;
    uint8_t want[AIEX_HASH], got[AIEX_HASH];

    fill();
    aiex_tree_init(&every, 0, NULL, NULL);
    aiex_tree_init(&block, AIEX_TREE_BLOCK, get_leaves, NULL);
    for (uint64_t i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(aiex_tree_add(&every, all[i]), 0);
        CU_ASSERT_EQUAL(aiex_tree_add(&block, all[i]), 0);
        mth(0, i + 1, want);
        aiex_tree_root(&every, got);
        CU_ASSERT_EQUAL(memcmp(want, got, AIEX_HASH), 0);
    }
    for (uint64_t i = 1; i <= N; i++) {
        mth(0, i, want);
        CU_ASSERT_EQUAL(aiex_tree_root_at(&every, i, got), 0);
        CU_ASSERT_EQUAL(memcmp(want, got, AIEX_HASH), 0);
        CU_ASSERT_EQUAL(aiex_tree_root_at(&block, i, got), 0);
        CU_ASSERT_EQUAL(memcmp(want, got, AIEX_HASH), 0);
    }
    CU_ASSERT_EQUAL(aiex_tree_root_at(&block, N + 1, got), -ERANGE);
    CU_ASSERT_TRUE(block.levels[8].n == 2 && block.levels[7].n == 0);
    aiex_tree_done(&every);
    aiex_tree_done(&block);
}

static void build(struct aiex_tree *t, uint64_t n)
{
    fill();
    for (uint64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(aiex_tree_add(t, all[i]), 0);
}

static void check_inclusion(const struct aiex_tree *t, uint64_t index, uint64_t size)
{
    uint8_t root[AIEX_HASH];
    struct aiex_proof p;

    mth(0, size, root);
    CU_ASSERT_EQUAL(aiex_tree_inclusion(t, index, size, &p), 0);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&p, index, size, all[index], root), 0);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&p, index, size, all[index + 1], root), -EBADMSG);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&p, (index + 1) % (size + 1), size, all[index], root),
                    -EBADMSG);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&p, index, size, all[index], all[0]),
                    size == 1 && index == 0 ? 0 : -EBADMSG);
    p.n++;
    memset(p.hashes[p.n - 1], 0, AIEX_HASH);
    CU_ASSERT_EQUAL(aiex_inclusion_check(&p, index, size, all[index], root), -EBADMSG);
}

static void test_inclusion(void)
{
    struct aiex_tree t;
    struct aiex_proof p;

    aiex_tree_init(&t, 3, get_leaves, NULL);
    build(&t, 70);
    for (uint64_t size = 1; size <= 70; size++)
        for (uint64_t i = 0; i < size; i++)
            check_inclusion(&t, i, size);
    CU_ASSERT_EQUAL(aiex_tree_inclusion(&t, 70, 70, &p), -ERANGE);
    CU_ASSERT_EQUAL(aiex_tree_inclusion(&t, 0, 71, &p), -ERANGE);
    CU_ASSERT_EQUAL(aiex_tree_inclusion(&t, 0, 0, &p), -ERANGE);
    aiex_tree_done(&t);
}

static void check_consistency(const struct aiex_tree *t, uint64_t a, uint64_t b)
{
    uint8_t root1[AIEX_HASH], root2[AIEX_HASH];
    struct aiex_proof p;

    mth(0, a, root1);
    mth(0, b, root2);
    CU_ASSERT_EQUAL(aiex_tree_consistency(t, a, b, &p), 0);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, root1, root2), 0);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, all[N - 1], root2), -EBADMSG);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, root1, all[N - 1]), -EBADMSG);
    for (uint32_t i = 0; i < p.n; i++) {
        p.hashes[i][5] ^= 1;
        CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, root1, root2), -EBADMSG);
        p.hashes[i][5] ^= 1;
    }
    p.n++;
    memset(p.hashes[p.n - 1], 0, AIEX_HASH);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, root1, root2), -EBADMSG);
    p.n -= p.n > 1 ? 2 : 1;
    if (a != b)
        CU_ASSERT_EQUAL(aiex_consistency_check(&p, a, b, root1, root2), -EBADMSG);
}

static void test_consistency(void)
{
    struct aiex_tree t;
    struct aiex_proof p = {.n = 0};

    aiex_tree_init(&t, 2, get_leaves, NULL);
    build(&t, 70);
    for (uint64_t b = 1; b <= 70; b++)
        for (uint64_t a = 1; a <= b; a++)
            check_consistency(&t, a, b);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, 0, 5, all[0], all[1]), 0);
    CU_ASSERT_EQUAL(aiex_consistency_check(&p, 6, 5, all[0], all[0]), -EBADMSG);
    CU_ASSERT_EQUAL(aiex_tree_consistency(&t, 6, 5, &p), -ERANGE);
    CU_ASSERT_EQUAL(aiex_tree_consistency(&t, 5, 71, &p), -ERANGE);
    CU_ASSERT_EQUAL(aiex_tree_consistency(&t, 0, 70, &p), 0);
    CU_ASSERT_EQUAL(p.n, 0);
    aiex_tree_done(&t);
}

static void test_going_back(void)
{
    struct aiex_tree_mark mark;
    struct aiex_tree t;
    uint8_t want[AIEX_HASH], got[AIEX_HASH];

    aiex_tree_init(&t, 2, get_leaves, NULL);
    build(&t, 37);
    aiex_tree_mark(&t, &mark);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(aiex_tree_add(&t, all[500]), 0);
    aiex_tree_back(&t, &mark);
    for (int i = 37; i < 90; i++)
        CU_ASSERT_EQUAL(aiex_tree_add(&t, all[i]), 0);
    mth(0, 90, want);
    aiex_tree_root(&t, got);
    CU_ASSERT_EQUAL(memcmp(want, got, AIEX_HASH), 0);
    CU_ASSERT_EQUAL(aiex_tree_root_at(&t, 60, got), 0);
    mth(0, 60, want);
    CU_ASSERT_EQUAL(memcmp(want, got, AIEX_HASH), 0);
    aiex_tree_done(&t);
}

static void test_leaves_that_fail(void)
{
    int fail = 1;
    struct aiex_tree t;
    struct aiex_proof p;
    uint8_t root[AIEX_HASH];

    aiex_tree_init(&t, 8, get_leaves, &fail);
    build(&t, 300);
    CU_ASSERT_EQUAL(aiex_tree_root_at(&t, 299, root), -EIO);
    CU_ASSERT_EQUAL(aiex_tree_inclusion(&t, 3, 300, &p), -EIO);
    CU_ASSERT_EQUAL(aiex_tree_consistency(&t, 3, 300, &p), -EIO);
    CU_ASSERT_EQUAL(aiex_tree_root_at(&t, 256, root), 0);
    t.leaves = NULL;
    CU_ASSERT_EQUAL(aiex_tree_root_at(&t, 299, root), -ENOTSUP);
    aiex_tree_done(&t);
}

const struct test_case tests[] = {
    {"known_answers", test_known_answers},
    {"domains", test_domains},
    {"hex", test_hex},
    {"roots", test_roots},
    {"inclusion", test_inclusion},
    {"consistency", test_consistency},
    {"going_back", test_going_back},
    {"leaves_that_fail", test_leaves_that_fail},
    {0},
};
