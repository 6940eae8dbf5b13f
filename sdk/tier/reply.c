/* reply.c - answers of kind tier/1. */
#include "aiex_tier.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- tier.get ---- */

#define HEAD 128u /* of all that is neither value nor meta */

int aiex_tier_write_value(const struct aiex_tier_value *v, size_t len, uint8_t **ret_value,
                          struct aiex_slice *ret_body)
{
    size_t size = HEAD + v->meta.len + len;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;

    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4u + (v->ttl_ms != 0) + (v->meta.len != 0));
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_int(&w, "uses", v->uses);
    aiex_w_key_uint(&w, "age_ms", v->age_ms);
    if (v->ttl_ms)
        aiex_w_key_uint(&w, "ttl_ms", v->ttl_ms);
    if (v->meta.len) {
        aiex_w_str(&w, "meta");
        aiex_w_raw(&w, v->meta.data, v->meta.len);
    }
    aiex_w_str(&w, "value");
    aiex_w_bin_head(&w, len);
    *ret_value = mem + w.len;
    *ret_body = (struct aiex_slice){mem, w.len + len};
    return 0;
}

int aiex_tier_reply_value(const struct aiex_host *host, uint64_t id,
                          const struct aiex_tier_value *v)
{
    struct aiex_slice body;
    uint8_t *at;
    int r;

    if (!id)
        return 0;
    if (!v)
        return aiex_tier_reply_found(host, id, 0);
    r = aiex_tier_write_value(v, v->value.len, &at, &body);
    if (r < 0)
        return r;
    if (v->value.len)
        memcpy(at, v->value.data, v->value.len);
    r = host->reply(host, id, body);
    free((void *)(uintptr_t)body.data);
    return r;
}

/* ---- Short ones ---- */

struct pair {
    const char *name;
    uint64_t value;
};

static int reply_two(const struct aiex_host *host, uint64_t id, struct pair a, struct pair b)
{
    uint8_t mem[64];
    struct aiex_writer w;

    if (!id)
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_uint(&w, a.name, a.value);
    aiex_w_key_uint(&w, b.name, b.value);
    return host->reply(host, id, aiex_written(&w));
}

int aiex_tier_reply_put(const struct aiex_host *host, uint64_t id, uint64_t evicted, uint64_t bytes)
{
    return reply_two(host, id, (struct pair){"evicted", evicted}, (struct pair){"bytes", bytes});
}

int aiex_tier_reply_shrink(const struct aiex_host *host, uint64_t id, uint64_t freed,
                           uint64_t bytes)
{
    return reply_two(host, id, (struct pair){"freed", freed}, (struct pair){"bytes", bytes});
}

int aiex_tier_reply_found(const struct aiex_host *host, uint64_t id, int found)
{
    uint8_t mem[16];
    struct aiex_writer w;

    if (!id)
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_bool(&w, "found", found);
    return host->reply(host, id, aiex_written(&w));
}

/* ---- tier.candidates ---- */

struct candidates {
    const struct aiex_cache_candidate *list;
    size_t n;
    uint64_t now;
};

static void write_candidates(struct aiex_writer *w, const void *arg)
{
    const struct candidates *c = arg;

    aiex_w_map(w, 1);
    aiex_w_str(w, "entries");
    aiex_w_array(w, (uint32_t)c->n);
    for (size_t i = 0; i < c->n; i++) {
        const struct aiex_cache_candidate *e = &c->list[i];

        aiex_w_map(w, 4);
        aiex_w_key_bin(w, "key", e->key.data, e->key.len);
        aiex_w_key_int(w, "uses", e->uses);
        aiex_w_key_uint(w, "age_ms", c->now > e->created_ms ? c->now - e->created_ms : 0);
        aiex_w_key_uint(w, "bytes", e->bytes);
    }
}

int aiex_tier_reply_candidates(const struct aiex_host *host, uint64_t id,
                               const struct aiex_cache_candidate *list, size_t n, uint64_t now)
{
    return aiex_reply_by(host, id, write_candidates, &(struct candidates){list, n, now});
}

/* ---- tier.stats, tier.metrics ---- */

static uint32_t n_extra(const struct aiex_tier_stats *s)
{
    uint32_t n = 0;

    while (s->extra && s->extra[n].name)
        n++;
    return n;
}

static void write_stats(struct aiex_writer *w, const void *arg)
{
    const struct aiex_tier_stats *s = arg;
    uint32_t n = n_extra(s);

    aiex_w_map(w, 9 + n);
    aiex_w_key_str(w, "level", s->level);
    aiex_w_key_uint(w, "entries", s->entries);
    aiex_w_key_uint(w, "bytes", s->bytes);
    aiex_w_key_uint(w, "max_bytes", s->max_bytes);
    aiex_w_key_uint(w, "hits", s->hits);
    aiex_w_key_uint(w, "misses", s->misses);
    aiex_w_key_uint(w, "puts", s->puts);
    aiex_w_key_uint(w, "evictions", s->evictions);
    aiex_w_key_uint(w, "expired", s->expired);
    for (uint32_t i = 0; i < n; i++)
        aiex_w_key_uint(w, s->extra[i].name, s->extra[i].value);
}

int aiex_tier_reply_stats(const struct aiex_host *host, uint64_t id,
                          const struct aiex_tier_stats *s)
{
    return aiex_reply_by(host, id, write_stats, s);
}

struct page {
    const struct aiex_tier_stats *stats;
    const char *plugin;
    char text[8192];
    size_t len;
};

static void put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct page *p, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(p->text + p->len, sizeof(p->text) - p->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(p->text) - p->len)
        p->len += (size_t)n; /* what does not fit is left out whole */
}

static void series(struct page *p, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    put(p, "# HELP %s %s\n# TYPE %s %s\n%s{plugin=\"%s\",level=\"%s\"} %llu\n", name, help, name,
        type, name, p->plugin, p->stats->level, (unsigned long long)value);
}

static void fill_page(struct page *p)
{
    const struct aiex_tier_stats *s = p->stats;
    const char *gets = "aiex_tier_gets_total";

    put(p, "# HELP %s Look-ups by what came of them.\n# TYPE %s counter\n", gets, gets);
    put(p, "%s{plugin=\"%s\",level=\"%s\",result=\"hit\"} %llu\n", gets, p->plugin, s->level,
        (unsigned long long)s->hits);
    put(p, "%s{plugin=\"%s\",level=\"%s\",result=\"miss\"} %llu\n", gets, p->plugin, s->level,
        (unsigned long long)s->misses);
    series(p, "aiex_tier_puts_total", "counter", "Entries that were put.", s->puts);
    series(p, "aiex_tier_evictions_total", "counter", "Entries that went for want of room.",
           s->evictions);
    series(p, "aiex_tier_expired_total", "counter", "Entries whose time was over.", s->expired);
    series(p, "aiex_tier_entries", "gauge", "Entries held.", s->entries);
    series(p, "aiex_tier_bytes", "gauge", "Bytes held, with all that an entry costs.", s->bytes);
    series(p, "aiex_tier_max_bytes", "gauge", "Bytes that may be held.", s->max_bytes);
    for (uint32_t i = 0; i < n_extra(s); i++)
        if (s->extra[i].series)
            series(p, s->extra[i].series, s->extra[i].type, s->extra[i].help, s->extra[i].value);
}

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct page *p = arg;

    aiex_w_map(w, 1);
    aiex_w_key_strn(w, "text", p->text, p->len);
}

int aiex_tier_reply_metrics(const struct aiex_host *host, uint64_t id,
                            const struct aiex_tier_stats *s)
{
    struct page p;

    p.stats = s;
    p.plugin = host->instance;
    p.len = 0;
    fill_page(&p);
    return aiex_reply_by(host, id, write_page, &p);
}
