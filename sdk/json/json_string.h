/*
 * json_string.h - what is where in the next bytes of a string: 64 at a time where the processor
 * can. Private to sdk/json.
 */
#ifndef AIEX_JSON_STRING_H
#define AIEX_JSON_STRING_H

#include <stdint.h>

static inline int json_is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "\\ud8xx" to "\\udfxx". */
static inline int json_is_surrogate(const unsigned char *p)
{
    return (p[2] | 0x20) == 'd' && p[3] >= '8';
}

static inline int json_is_short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 1;
    default:
        return 0;
    }
}

/* Steps over characters that need no thought: ASCII but quote and controls, known escapes. May
 * stop early, never late. */
const unsigned char *json_plain_run(const unsigned char *p, const unsigned char *end,
                                    int *surrogates);

#if defined(__SSE2__)
#include <emmintrin.h>

/* A bit for each of 64 bytes. */
struct json_marks {
    uint64_t quotes, slashes;
    uint64_t odd; /* controls, and bytes beyond ASCII */
};

/* The same of 16 bytes, each byte 0 or 255. */
struct json_kinds {
    __m128i quotes, slashes, odd;
};

static inline struct json_kinds json_kinds16(const unsigned char *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

    return (struct json_kinds){
        _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')),
        _mm_cmplt_epi8(v, _mm_set1_epi8(0x20))}; /* signed: all beyond ASCII, too */
}

static inline __m128i json_any16(const struct json_kinds *k)
{
    return _mm_or_si128(k->odd, _mm_or_si128(k->quotes, k->slashes));
}

/* What ends a plain run: a bit for each of 16 bytes. */
static inline unsigned json_stops16(const unsigned char *p)
{
    struct json_kinds k = json_kinds16(p);

    return (unsigned)_mm_movemask_epi8(json_any16(&k));
}

static inline uint64_t json_bits64(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint32_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint32_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;

    return low | (uint64_t)high << 32;
}

/* 1 and the marks of 64 bytes; 0 when all of them are plain, as in most blocks. */
static inline int json_marks64(const unsigned char *p, struct json_marks *ret)
{
    struct json_kinds a = json_kinds16(p), b = json_kinds16(p + 16), c = json_kinds16(p + 32),
                      d = json_kinds16(p + 48);

    if (!_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(json_any16(&a), json_any16(&b)),
                                        _mm_or_si128(json_any16(&c), json_any16(&d)))))
        return 0;
    ret->quotes = json_bits64(a.quotes, b.quotes, c.quotes, d.quotes);
    ret->slashes = json_bits64(a.slashes, b.slashes, c.slashes, d.slashes);
    ret->odd = json_bits64(a.odd, b.odd, c.odd, d.odd);
    return 1;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(AIEX_JSON_NARROW)
#include <immintrin.h>

#define JSON_WIDE __attribute__((target("avx2"))) /* only where json_is_wide() */

static inline int json_is_wide(void)
{
    return __builtin_cpu_supports("avx2");
}

static inline JSON_WIDE uint64_t json_bits64_wide(__m256i a, __m256i b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* As json_marks64(), in half the steps. */
static inline JSON_WIDE int json_marks64_wide(const unsigned char *p, struct json_marks *ret)
{
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'),
                  blank = _mm256_set1_epi8(0x20);
    const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    const __m256i quotes_a = _mm256_cmpeq_epi8(a, quote), quotes_b = _mm256_cmpeq_epi8(b, quote);
    const __m256i slashes_a = _mm256_cmpeq_epi8(a, slash), slashes_b = _mm256_cmpeq_epi8(b, slash);
    const __m256i odd_a = _mm256_cmpgt_epi8(blank, a), odd_b = _mm256_cmpgt_epi8(blank, b);
    const __m256i any = _mm256_or_si256(
        _mm256_or_si256(_mm256_or_si256(odd_a, odd_b), quotes_a),
        _mm256_or_si256(_mm256_or_si256(slashes_a, slashes_b), quotes_b));

    if (_mm256_testz_si256(any, any))
        return 0;
    ret->quotes = json_bits64_wide(quotes_a, quotes_b);
    ret->slashes = json_bits64_wide(slashes_a, slashes_b);
    ret->odd = json_bits64_wide(odd_a, odd_b);
    return 1;
}
#endif
#endif

#endif /* AIEX_JSON_STRING_H */
