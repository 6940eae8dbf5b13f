/*
 * levels.c - what a cache in levels asks of tiers: look, put, delete.
 *
 * A look asks the node's tier and then the disk's; both have `wait_ms` together, as the deadline of
 * each call. Who can not be reached rests at once, who is slow at the third time in a row, and
 * after a rest at the first. The time to live goes along twice: as ttl_ms, which the tier counts,
 * and in `meta` as the wall clock's end, so that time on the way (a cast that waited for a tier to
 * come up) does not make an entry older than it may be. The sooner of both holds.
 */
#include "levels.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define MAX_SLOW 3u /* answers in a row that come too late, before the tier rests */
#define MAX_TTL  (UINT64_C(100) * 366 * 86400 * 1000) /* ms; what lives longer has no end */
#define MAX_KEY  (AIEX_LEVELS_MAX_NAME + 1 + AIEX_LEVELS_MAX_KEY)

const char *const aiex_level_names[AIEX_N_LEVELS] = {"process", "node", "disk"};

struct aiex_levels_look {
    struct aiex_levels_look *prev, *next;
    struct aiex_levels *l;
    aiex_levels_look_fn fn;
    void *arg;
    struct aiex_levels_look **ret; /* of the caller who is still in aiex_levels_look(), or NULL */
    uint64_t call, asked_ms, until_ms;
    int *gone;     /* of the same */
    int *over;     /* of the call() that is being made: it was answered inside */
    unsigned tier; /* that is asked */
    size_t key_len;
    uint8_t key[]; /* as the tiers have it */
};

static uint64_t now_of(const struct aiex_levels *l)
{
    return l->host->now_ms(l->host);
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Keys ---- */

static size_t key_write(const struct aiex_levels *l, struct aiex_slice key, uint8_t *out)
{
    memcpy(out, l->name, l->name_len);
    out[l->name_len] = '/';
    memcpy(out + l->name_len + 1, key.data, key.len);
    return l->name_len + 1 + key.len;
}

static int is_key(struct aiex_slice key)
{
    return key.len && key.len <= AIEX_LEVELS_MAX_KEY;
}

/* The key as the plugin has it. */
static struct aiex_slice own_key(const struct aiex_levels_look *k)
{
    size_t head = k->l->name_len + 1;

    return (struct aiex_slice){k->key + head, k->key_len - head};
}

/* ---- Tiers that fail ---- */

static int is_usable(struct aiex_levels *l, struct levels_tier *t)
{
    if (!t->name[0])
        return 0;
    if (t->rests_ms && now_of(l) < t->rests_ms) {
        l->count.skipped++;
        return 0;
    }
    t->rests_ms = 0;
    return 1;
}

static void failed(struct aiex_levels *l, struct levels_tier *t, const char *code, const char *text)
{
    l->count.failures++;
    if (++t->failures < MAX_SLOW && strcmp(code, AIEX_E_TIMEOUT) == 0)
        return;
    t->rests_ms = now_of(l) + AIEX_LEVELS_REST_MS;
    if (!t->told)
        aiex_logf(l->host, AIEX_LOG_WARN, 0,
                  "tier '%s' of cache '%s': %s (%s); it is passed over for %u s at a time until it "
                  "answers",
                  t->name, l->name, text ? text : "", code, AIEX_LEVELS_REST_MS / 1000);
    t->told = 1;
}

/* ---- Looking ---- */

static void ask(struct aiex_levels_look *k);

static void look_take(struct aiex_levels_look *k)
{
    *(k->prev ? &k->prev->next : &k->l->looks) = k->next;
    if (k->next)
        k->next->prev = k->prev;
    if (k->over)
        *k->over = 1;
    if (k->gone) {
        *k->gone = 1;
        *k->ret = NULL;
    }
}

static void finish(struct aiex_levels_look *k, const struct aiex_levels_value *v)
{
    aiex_levels_look_fn fn = k->fn;
    void *arg = k->arg;

    if (v)
        k->l->count.hits[v->level]++;
    else
        k->l->count.misses++;
    look_take(k);
    free(k);
    fn(arg, v);
}

/* What is left of its time, from both clocks; 0 = it is over. UINT64_MAX = it has no end. */
static uint64_t time_left(const struct aiex_levels_look *k, struct aiex_slice body,
                          uint64_t *ret_age)
{
    uint64_t passed = now_of(k->l) - k->asked_ms, left = UINT64_MAX;
    int64_t ttl = 0, until = 0, whole = 0, rest;
    struct aiex_slice meta;

    *ret_age = 0;
    if (aiex_get_int(body, "ttl_ms", &ttl) == 1 && ttl > 0)
        left = (uint64_t)ttl > passed ? (uint64_t)ttl - passed : 0;
    if (aiex_get_whole(body, "meta", &meta) != 1 || aiex_get_int(meta, "until", &until) != 1)
        return left;
    rest = until > 0 ? until - wall_ms() : 0;
    if (rest <= 0)
        return 0;
    left = (uint64_t)rest < left ? (uint64_t)rest : left;
    if (aiex_get_int(meta, "ttl", &whole) == 1 && whole > 0 && (uint64_t)whole > left)
        *ret_age = (uint64_t)whole - left;
    return left;
}

/* 1: an entry that may be used. */
static int read_found(const struct aiex_levels_look *k, struct aiex_slice body,
                      struct aiex_levels_value *ret, int64_t *ret_uses)
{
    uint64_t left;
    int found = 0;

    if (aiex_get_bool(body, "found", &found) != 1 || !found ||
        aiex_get_bytes(body, "value", &ret->value) != 1)
        return 0;
    left = time_left(k, body, &ret->age_ms);
    ret->ttl_ms = left == UINT64_MAX ? 0 : left;
    ret->level = (enum aiex_level)(AIEX_LEVEL_NODE + k->tier);
    aiex_get_int(body, "uses", ret_uses);
    return left != 0;
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct aiex_levels_look *k = arg;
    struct aiex_levels *l = k->l;
    struct levels_tier *t = &l->tiers[k->tier];
    struct aiex_levels_value v = {.level = AIEX_LEVEL_PROCESS};
    int64_t uses = 0;

    if (a->kind != AIEX_ANSWER_END)
        return;
    k->call = 0;
    if (k->over)
        *k->over = 1;
    k->over = NULL;
    if (a->code)
        failed(l, t, a->code, a->text);
    else
        t->failures = 0, t->told = 0;
    if (!a->code && read_found(k, a->body, &v, &uses)) {
        if (k->tier > 0 && uses >= 2) {
            l->count.promotions++;
            levels_put_tier(l, 0, own_key(k), &v, uses);
        }
        finish(k, &v);
        return;
    }
    k->tier++;
    ask(k);
}

static void write_key(struct aiex_writer *w, const void *arg)
{
    const struct aiex_levels_look *k = arg;

    aiex_w_map(w, 1);
    aiex_w_key_bin(w, "key", k->key, k->key_len);
}

/* 1: the call is on its way, or was answered inside; k may be gone then. */
static int call(struct aiex_levels_look *k, const struct levels_tier *t, uint64_t left)
{
    const struct aiex_host *host = k->l->host;
    uint8_t mem[MAX_KEY + 32];
    struct aiex_writer w;
    uint64_t id = 0;
    int over = 0, r;

    aiex_writer_init(&w, mem, sizeof(mem));
    write_key(&w, k);
    k->asked_ms = now_of(k->l);
    k->over = &over;
    r = host->call(host,
                   &(struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                          .flags = AIEX_CALL_IDEMPOTENT,
                                          .service = t->name,
                                          .method = "tier.get",
                                          .body = aiex_written(&w),
                                          .timeout_ms = (uint32_t)left},
                   on_answer, k, &id);
    if (over)
        return 1;
    k->over = NULL;
    k->call = id;
    return r == 0;
}

static void ask(struct aiex_levels_look *k)
{
    struct aiex_levels *l = k->l;

    for (; k->tier < LEVELS_N_TIERS; k->tier++) {
        struct levels_tier *t = &l->tiers[k->tier];
        uint64_t now = now_of(l);

        if (now >= k->until_ms)
            break;
        if (!is_usable(l, t))
            continue;
        if (call(k, t, k->until_ms - now))
            return;
        failed(l, t, AIEX_E_BUSY, "it can not be called now");
    }
    finish(k, NULL);
}

int aiex_levels_look(struct aiex_levels *l, struct aiex_slice key, aiex_levels_look_fn fn,
                     void *arg, struct aiex_levels_look **ret_look)
{
    struct aiex_levels_look *k;
    int gone = 0;

    *ret_look = NULL;
    if (!is_key(key))
        return -EINVAL;
    k = malloc(sizeof(*k) + MAX_KEY);
    if (!k)
        return -ENOMEM;
    *k = (struct aiex_levels_look){.l = l,
                                   .fn = fn,
                                   .arg = arg,
                                   .until_ms = now_of(l) + l->wait_ms,
                                   .next = l->looks,
                                   .ret = ret_look,
                                   .gone = &gone};
    if (k->next)
        k->next->prev = k;
    l->looks = k;
    k->key_len = key_write(l, key, k->key);
    *ret_look = k;
    ask(k);
    if (!gone)
        k->gone = NULL;
    return 0;
}

void aiex_levels_stop(struct aiex_levels_look *k)
{
    if (!k)
        return;
    if (k->call)
        k->l->host->cancel(k->l->host, k->call);
    look_take(k);
    free(k);
}

void levels_stop_looks(struct aiex_levels *l)
{
    while (l->looks)
        aiex_levels_stop(l->looks);
}

/* ---- Putting ---- */

struct entry {
    struct aiex_slice key;
    const struct aiex_levels_value *v;
    int64_t uses, until;
};

static void write_entry(struct aiex_writer *w, const void *arg)
{
    const struct entry *e = arg;

    aiex_w_map(w, 2u + (e->uses != 0) + 2 * (e->v->ttl_ms != 0));
    aiex_w_key_bin(w, "key", e->key.data, e->key.len);
    if (e->uses)
        aiex_w_key_int(w, "uses", e->uses);
    if (e->v->ttl_ms) {
        aiex_w_key_uint(w, "ttl_ms", e->v->ttl_ms);
        aiex_w_str(w, "meta");
        aiex_w_map(w, 2);
        aiex_w_key_uint(w, "ttl", e->v->ttl_ms + e->v->age_ms);
        aiex_w_key_int(w, "until", e->until);
    }
    aiex_w_key_bin(w, "value", e->v->value.data, e->v->value.len);
}

static void cast(struct aiex_levels *l, const struct levels_tier *t, const char *method,
                 struct aiex_slice body)
{
    uint64_t id;

    (void)l->host->call(l->host,
                        &(struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                               .service = t->name,
                                               .method = method,
                                               .body = body},
                        NULL, NULL, &id); /* a cache: it is made anew when it is not there */
}

void levels_put_tier(struct aiex_levels *l, unsigned tier, struct aiex_slice key,
                     const struct aiex_levels_value *v, int64_t uses)
{
    uint8_t mem[MAX_KEY];
    struct entry e = {.v = v, .uses = uses};
    struct aiex_slice body = {NULL, 0};

    if (!is_usable(l, &l->tiers[tier]))
        return;
    e.key = (struct aiex_slice){mem, key_write(l, key, mem)};
    e.until = wall_ms() + (int64_t)v->ttl_ms;
    if (aiex_write_alloc(write_entry, &e, &body) == 0)
        cast(l, &l->tiers[tier], "tier.put", body);
    free((void *)(uintptr_t)body.data);
}

void aiex_levels_put(struct aiex_levels *l, struct aiex_slice key, struct aiex_slice value,
                     uint64_t ttl_ms)
{
    const struct aiex_levels_value v = {.value = value, .ttl_ms = ttl_ms > MAX_TTL ? 0 : ttl_ms};

    if (!is_key(key))
        return;
    l->count.puts++;
    levels_put_process(l, key, &v);
    for (unsigned i = 0; i < LEVELS_N_TIERS; i++)
        levels_put_tier(l, i, key, &v, 0);
}

void aiex_levels_delete(struct aiex_levels *l, struct aiex_slice key)
{
    uint8_t mem[MAX_KEY], body[MAX_KEY + 32];
    struct aiex_writer w;

    if (!is_key(key))
        return;
    if (l->cache)
        aiex_cache_delete(l->cache, key, now_of(l));
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, "key", mem, key_write(l, key, mem));
    for (unsigned i = 0; i < LEVELS_N_TIERS; i++)
        if (l->tiers[i].name[0]) /* also one that rests: it must not come back */
            cast(l, &l->tiers[i], "tier.delete", aiex_written(&w));
}
