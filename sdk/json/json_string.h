/*
 * json_string.h - what is where in the next bytes of a string: 64 at a time where the processor
 * can. Private to sdk/json.
 */
#ifndef AIEX_JSON_STRING_H
#define AIEX_JSON_STRING_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

/* A bit for each of 64 bytes. */
struct json_marks {
    uint64_t quotes, slashes;
    uint64_t odd; /* controls, and bytes beyond ASCII */
};

static inline void json_mark16(const unsigned char *p, struct json_marks *m, int at)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i control = _mm_set1_epi8(0x1f);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);

    m->quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"'))) << at;
    m->slashes |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))
                  << at;
    m->odd |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(low, v)) << at;
}

static inline struct json_marks json_marks64(const unsigned char *p)
{
    struct json_marks m = {0, 0, 0};

    json_mark16(p, &m, 0);
    json_mark16(p + 16, &m, 16);
    json_mark16(p + 32, &m, 32);
    json_mark16(p + 48, &m, 48);
    return m;
}
#endif

#endif /* AIEX_JSON_STRING_H */
