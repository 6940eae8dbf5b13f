/*
 * train.c - dictionaries for small values, made from values that were put.
 *
 * The writer gathers samples; when there are enough, the trainer makes a dictionary from the older
 * four fifths and tries it on the rest. It is taken when it saves a twentieth more than what is
 * used now; when it does not, the next try comes later and later.
 */
#include "cold.h"

#include <stdlib.h>
#include <zdict.h>
#include <zstd.h>

#define LEVEL       3
#define LEAST       48u
#define MOST        4096u
#define MAX_SAMPLES 1000u
#define MAX_SAMPLED (512u << 10)
#define FEWEST      200u
#define FIRST       500u    /* small values until the first training */
#define AGAIN       20000u  /* until the next one after one that was taken */
#define SELDOM      200000u /* at most, when nothing is gained */
#define DICT_BYTES  (32u << 10)

void samples_free(struct samples *s)
{
    if (!s)
        return;
    free(s->bytes);
    free(s->sizes);
    s->bytes = NULL;
    s->sizes = NULL;
    s->n = s->n_bytes = 0;
}

/* To the trainer; it has its own copy from here on. */
static void hand_over(struct cold *c)
{
    struct samples *s = &c->samples, *to = malloc(sizeof(*to));

    if (!to)
        return;
    *to = *s;
    pthread_mutex_lock(&c->lock);
    if (c->train) {
        free(to); /* it is not that fast */
    } else {
        c->train = to;
        s->bytes = NULL;
        s->sizes = NULL;
        pthread_cond_signal(&c->trainer.wake);
    }
    pthread_mutex_unlock(&c->lock);
    s->n = s->n_bytes = 0;
    s->seen = 0;
    s->wait = s->wait < SELDOM / 4 ? s->wait * 4 : SELDOM;
}

void sample(struct cold *c, struct aiex_slice value)
{
    struct samples *s = &c->samples;

    if (value.len < LEAST || value.len > MOST)
        return;
    if (!s->wait)
        s->wait = FIRST;
    s->seen++;
    if (!s->bytes)
        s->bytes = malloc(MAX_SAMPLED);
    if (!s->sizes)
        s->sizes = malloc(MAX_SAMPLES * sizeof(*s->sizes));
    if (!s->bytes || !s->sizes)
        return;
    if (s->n < MAX_SAMPLES && s->n_bytes + value.len <= MAX_SAMPLED) {
        memcpy(s->bytes + s->n_bytes, value.data, value.len);
        s->n_bytes += value.len;
        s->sizes[s->n++] = value.len;
    } else if (s->seen < s->wait) {
        s->n = s->n_bytes = 0; /* newer ones are better */
    }
    if (s->seen >= s->wait && s->n >= FEWEST)
        hand_over(c);
}

/* Bytes of the last fifth, packed. */
static size_t packed_size(const struct samples *s, size_t from, size_t at, const ZSTD_CDict *dict)
{
    ZSTD_CCtx *in = ZSTD_createCCtx();
    uint8_t out[ZSTD_COMPRESSBOUND(MOST)];
    size_t sum = 0;

    for (size_t i = from; in && i < s->n; at += s->sizes[i++]) {
        size_t n = dict
                       ? ZSTD_compress_usingCDict(in, out, sizeof(out), s->bytes + at, s->sizes[i],
                                                  dict)
                       : ZSTD_compressCCtx(in, out, sizeof(out), s->bytes + at, s->sizes[i], LEVEL);

        sum += ZSTD_isError(n) || n > s->sizes[i] ? s->sizes[i] : n;
    }
    ZSTD_freeCCtx(in);
    return sum;
}

static int pays(struct cold *c, const struct samples *s, size_t from, size_t at,
                struct aiex_slice dict)
{
    ZSTD_CDict *made = ZSTD_createCDict(dict.data, dict.len, LEVEL);
    uint32_t id = 0;
    size_t before, after;
    int slot = atomic_load(&c->current);

    pthread_mutex_lock(&c->lock);
    if (slot >= 0)
        id = c->dicts[slot].id;
    pthread_mutex_unlock(&c->lock);
    slot = dict_ref(c, id);
    before = packed_size(s, from, at, slot >= 0 ? c->dicts[slot].in : NULL);
    if (slot >= 0)
        dict_unref(c, slot);
    after = made ? packed_size(s, from, at, made) : before;
    ZSTD_freeCDict(made);
    return after < before - before / 20;
}

/* The dictionary, malloc()ed, or none. */
static struct aiex_slice train(struct cold *c, const struct samples *s)
{
    size_t from = s->n - s->n / 5, at = 0, n;
    uint8_t *mem = malloc(DICT_BYTES);

    for (size_t i = 0; i < from; i++)
        at += s->sizes[i];
    n = mem ? ZDICT_trainFromBuffer(mem, DICT_BYTES, s->bytes, s->sizes, (unsigned)from) : 0;
    if (mem && !ZDICT_isError(n) && pays(c, s, from, at, (struct aiex_slice){mem, n}))
        return (struct aiex_slice){mem, n};
    free(mem);
    return (struct aiex_slice){NULL, 0};
}

void *trainer_main(void *worker)
{
    struct worker *w = worker;
    struct cold *c = w->cold;

    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        struct samples *s = c->train;
        struct aiex_slice dict;

        if (!s) {
            pthread_cond_wait(&w->wake, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        dict = train(c, s);
        samples_free(s);
        free(s);
        pthread_mutex_lock(&c->lock);
        c->train = NULL;
        if (dict.data) {
            free((void *)(uintptr_t)c->trained.data);
            c->trained = dict;
            pthread_cond_signal(&c->writer.wake);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}
