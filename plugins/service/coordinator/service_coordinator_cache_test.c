/* What is remembered: the exact cache, its keys, tapes; warm places of conversations. */
#include "affinity.h"
#include "cache.h"
#include "strategy.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t secret[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static struct aiex_slice text(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

static struct tape *tape_of(size_t bytes)
{
    struct tape *t = tape_new(1 << 20);
    uint8_t *mem = calloc(1, bytes + 1);

    tape_add(t, (struct aiex_slice){mem, bytes});
    tape_end(t, text("end"));
    free(mem);
    return t;
}

/* The reference vector of SipHash-128: key 00..0f, input 00..0e. */
static void siphash_is_siphash(void)
{
    uint8_t in[15];
    struct siphash s;
    struct hash128 whole, pieces;

    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)i;
    siphash_init(&s, secret);
    siphash_add(&s, in, sizeof(in));
    whole = siphash_end(&s);
    CU_ASSERT_EQUAL(whole.a, 0x11a8b03399e99354u);
    CU_ASSERT_EQUAL(whole.b, 0xd9c3cf970fec087eu);
    for (unsigned cut = 0; cut <= sizeof(in); cut++) {
        siphash_init(&s, secret);
        siphash_add(&s, in, cut);
        siphash_add(&s, in + cut, sizeof(in) - cut);
        pieces = siphash_end(&s);
        CU_ASSERT(pieces.a == whole.a && pieces.b == whole.b);
    }
}

static void add_to(void *s, const void *bytes, size_t len)
{
    siphash_add(s, bytes, len);
}

static uint64_t key(const char *json)
{
    struct siphash s;

    siphash_init(&s, secret);
    cache_add_json(add_to, &s, text(json));
    return siphash_end(&s).a;
}

static void blanks_do_not_make_a_difference(void)
{
    CU_ASSERT_EQUAL(key("{\"a\":1,\"b\":[1,2]}"), key(" { \"a\" : 1,\n\t\"b\":[1, 2] }\r\n"));
    CU_ASSERT_NOT_EQUAL(key("{\"a\":\"x y\"}"), key("{\"a\":\"xy\"}"));
    CU_ASSERT_NOT_EQUAL(key("{\"a\":\"\\\" x\"}"), key("{\"a\":\"\\\"x\"}"));
    CU_ASSERT_NOT_EQUAL(key("{\"a\":1}"), key("{\"a\":2}"));
}

static void parts_come_back_as_they_were(void)
{
    struct tape *t = tape_new(4096);

    CU_ASSERT_EQUAL(tape_add(t, text("one")), 0);
    CU_ASSERT_EQUAL(tape_add(t, text("")), 0);
    CU_ASSERT_EQUAL(tape_add(t, text("two")), 0);
    CU_ASSERT_EQUAL(tape_end(t, text("map")), 0);
    CU_ASSERT_EQUAL(t->n, 3);
    CU_ASSERT_EQUAL(tape_part(t, 1).len, 0);
    CU_ASSERT_EQUAL(memcmp(tape_part(t, 2).data, "two", 3), 0);
    CU_ASSERT_EQUAL(tape_whole(t).len, 6);
    for (int i = 0; i < 10000 && !t->over; i++)
        tape_add(t, text(""));
    CU_ASSERT(t->over); /* empty parts are bounded as well */
    CU_ASSERT_EQUAL(tape_add(t, text("x")), -ENOSPC);
    CU_ASSERT_PTR_NULL(t->data);
    tape_unref(t);
    tape_unref(NULL);
}

static void time_to_live(void)
{
    struct cache *c = cache_new(1 << 20);
    struct hash128 k = {1, 2}, other = {1, 3};
    struct tape *t = tape_of(100);

    cache_put(c, k, t, 1000);
    tape_unref(t);
    CU_ASSERT_PTR_EQUAL(cache_find(c, k, 1500, 500), t);
    CU_ASSERT_PTR_NULL(cache_find(c, k, 1501, 500));
    CU_ASSERT_PTR_EQUAL(cache_find(c, k, 999999, UINT64_MAX), t); /* old, but there */
    CU_ASSERT_PTR_NULL(cache_find(c, other, 1000, 500));
    cache_free(c);
    cache_free(NULL);
}

static void a_tape_lives_while_it_is_played(void)
{
    struct cache *c = cache_new(1 << 20);
    struct tape *t = tape_of(10);

    cache_put(c, (struct hash128){1, 1}, t, 0);
    cache_free(c);
    CU_ASSERT_EQUAL(tape_part(t, 0).len, 10);
    tape_unref(t);
}

/* Never above its bytes, never a wrong answer, whatever comes. */
static void bounded_and_right(void)
{
    struct cache *c = cache_new(50000);
    uint64_t state = 9;
    size_t hits = 0;

    for (int i = 0; i < 5000; i++) {
        uint64_t n = strategy_random(&state) % 60;
        struct hash128 k = {n * 1024, n};
        struct tape *t = cache_find(c, k, (uint64_t)i, 100000);

        if (t) {
            CU_ASSERT_EQUAL(tape_part(t, 0).data[0], (uint8_t)n);
            hits++;
        } else {
            size_t bytes = 1 + strategy_random(&state) % 4000;
            uint8_t *mem = malloc(bytes);

            memset(mem, (int)n, bytes);
            t = tape_new(1 << 20);
            tape_add(t, (struct aiex_slice){mem, bytes});
            tape_end(t, text("{}"));
            cache_put(c, k, t, (uint64_t)i);
            tape_unref(t);
            free(mem);
        }
        CU_ASSERT(cache_bytes(c) <= 50000);
    }
    CU_ASSERT(hits > 500);
    cache_resize(c, 5000);
    CU_ASSERT(cache_bytes(c) <= 5000);
    cache_resize(c, 0);
    CU_ASSERT(cache_bytes(c) == 0 && cache_count(c) == 0);
    cache_free(c);
}

static void what_is_too_large_is_not_kept(void)
{
    struct cache *c = cache_new(10000);
    struct tape *t = tape_of(5000);

    cache_put(c, (struct hash128){1, 1}, t, 0);
    CU_ASSERT_EQUAL(cache_count(c), 0);
    tape_unref(t);
    cache_free(c);
}

/* ---- As bytes ---- */

static struct tape *three_parts(void)
{
    struct tape *t = tape_new(1 << 20);

    tape_add(t, text("first"));
    tape_add(t, text(""));
    tape_add(t, text("second"));
    tape_end(t, text("the end"));
    return t;
}

static void a_tape_as_bytes(void)
{
    struct tape *t = three_parts(), *back;
    struct aiex_slice bytes;

    CU_ASSERT_EQUAL_FATAL(tape_write(t, &bytes), 0);
    back = tape_read(bytes, 1 << 20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(back);
    CU_ASSERT(back->n == 3 && tape_part(back, 1).len == 0);
    CU_ASSERT(tape_part(back, 2).len == 6 && memcmp(tape_part(back, 2).data, "second", 6) == 0);
    CU_ASSERT(back->end_len == 7 && memcmp(back->end, "the end", 7) == 0);
    CU_ASSERT_PTR_NULL(tape_read(bytes, 10)); /* larger than it may be now */
    tape_unref(back);
    free((void *)(uintptr_t)bytes.data);
    tape_unref(t);
}

/* Cut anywhere, or with any byte changed: nothing, or a tape that is whole. */
static void damaged_bytes(void)
{
    struct tape *t = three_parts(), *back;
    struct aiex_slice bytes;
    uint8_t *mem;

    CU_ASSERT_EQUAL_FATAL(tape_write(t, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        mem = malloc(len + 1);
        memcpy(mem, bytes.data, len);
        CU_ASSERT_PTR_NULL(tape_read((struct aiex_slice){mem, len}, 1 << 20));
        free(mem);
    }
    mem = malloc(bytes.len);
    for (size_t at = 0; at < bytes.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(mem, bytes.data, bytes.len);
            mem[at] ^= (uint8_t)(1u << bit);
            back = tape_read((struct aiex_slice){mem, bytes.len}, 1 << 20);
            if (back)
                CU_ASSERT(back->n <= 8 && back->len + back->end_len <= bytes.len);
            tape_unref(back);
        }
    free(mem);
    free((void *)(uintptr_t)bytes.data);
    tape_unref(t);
}

/* ---- Affinity ---- */

static void places_are_remembered_and_forgotten(void)
{
    struct affinity *a = affinity_new(3);

    CU_ASSERT_EQUAL(affinity_find(a, 1, 0, 100), 0);
    for (uint64_t i = 1; i <= 3; i++)
        affinity_note(a, i, i * 10, i);
    affinity_note(a, 1, 11, 4); /* used again: 2 is the oldest now */
    affinity_note(a, 4, 40, 5);
    CU_ASSERT_EQUAL(affinity_count(a), 3);
    CU_ASSERT_EQUAL(affinity_find(a, 1, 6, 100), 11);
    CU_ASSERT_EQUAL(affinity_find(a, 2, 6, 100), 0);
    CU_ASSERT_EQUAL(affinity_find(a, 3, 6, 100), 30);
    CU_ASSERT_EQUAL(affinity_find(a, 4, 105, 100), 40);
    CU_ASSERT_EQUAL(affinity_find(a, 4, 106, 100), 0); /* cold */
    affinity_free(a);
    affinity_free(NULL);
}

static void any_conversations(void)
{
    struct affinity *a = affinity_new(50);
    uint64_t places[200] = {0}, state = 4;
    int right = 0;

    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t n = strategy_random(&state) % 200, found = affinity_find(a, n << 40, i, 1000);

        CU_ASSERT(found == 0 || found == places[n]);
        right += found != 0;
        places[n] = i + 1;
        affinity_note(a, n << 40, places[n], i);
        CU_ASSERT(affinity_count(a) <= 50);
    }
    CU_ASSERT(right > 500);
    affinity_free(a);
}

static uint64_t conversation(const char *body)
{
    struct siphash s;

    siphash_init(&s, secret);
    affinity_prefix(text(body), &s);
    return siphash_end(&s).a;
}

static void a_conversation_is_its_beginning(void)
{
    uint64_t first = conversation("{\"messages\":[{\"role\":\"system\",\"content\":\"be, {brief\"},"
                                  "{\"role\":\"user\",\"content\":\"hi\"}]}");

    CU_ASSERT_EQUAL(
        first, conversation("{\"messages\":[{\"role\":\"system\",\"content\":\"be, {brief\"} , "
                            "{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\"},"
                            "{\"role\":\"user\",\"content\":\"more\"}],\"stream\":true}"));
    CU_ASSERT_NOT_EQUAL(
        first, conversation("{\"messages\":[{\"role\":\"system\",\"content\":\"be, {brief\"},"
                            "{\"role\":\"user\",\"content\":\"ho\"}]}"));
    CU_ASSERT_EQUAL(conversation("{\"input\":\"hello\"}"),
                    conversation("{ \"input\" : \"hello\" , \"x\":1}"));
    conversation("");
    conversation("{\"messages\"");
    conversation("{\"messages\":[");
    conversation("{\"messages\":[{\"a\":\"\\");
    conversation("{\"messages\":[]]]}}}");
}

const struct test_case tests[] = {
    {"siphash_is_siphash", siphash_is_siphash},
    {"blanks_do_not_make_a_difference", blanks_do_not_make_a_difference},
    {"parts_come_back_as_they_were", parts_come_back_as_they_were},
    {"time_to_live", time_to_live},
    {"a_tape_lives_while_it_is_played", a_tape_lives_while_it_is_played},
    {"bounded_and_right", bounded_and_right},
    {"what_is_too_large_is_not_kept", what_is_too_large_is_not_kept},
    {"a_tape_as_bytes", a_tape_as_bytes},
    {"damaged_bytes", damaged_bytes},
    {"places_are_remembered_and_forgotten", places_are_remembered_and_forgotten},
    {"any_conversations", any_conversations},
    {"a_conversation_is_its_beginning", a_conversation_is_its_beginning},
    {0},
};
