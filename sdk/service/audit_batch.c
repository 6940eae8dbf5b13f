/* audit_batch.c - see aiex_audit_batch.h. */
#include "aiex_audit_batch.h"
#include "aiex_service.h"
#include "audit_act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GATHER_MS   20u
#define AGAIN_MS    250u /* after the log took nothing */
#define FULL_BYTES  (32u << 10)
#define MOST_ACTS   512u /* of a request */
#define HEAD_BYTES  64u  /* {"sender": "first": "acts": [ */
#define FIRST_BYTES (8u << 10)
#define LARGEST_ACT (68u << 10)

static void flush_soon(struct aiex_audit_batch *b, uint64_t after_ms);

/* Another one for each batch of an instance that ever was. */
static int64_t make_nonce(const void *place)
{
    struct timespec t;
    uint64_t n;

    clock_gettime(CLOCK_REALTIME, &t);
    n = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    n ^= (uint64_t)(uintptr_t)place << 20;
    return (int64_t)(n >> 1 | 1);
}

void aiex_audit_batch_init(struct aiex_audit_batch *b, const struct aiex_host *host,
                           const char *service, size_t max_bytes)
{
    *b = (struct aiex_audit_batch){.host = host, .max_bytes = max_bytes, .nonce = make_nonce(b)};
    if (strcmp(service, "none") != 0 && strlen(service) < sizeof(b->service))
        strcpy(b->service, service);
}

void aiex_audit_batch_done(struct aiex_audit_batch *b)
{
    if (b->timer)
        b->host->unwatch(b->host, b->timer);
    if (b->call)
        b->host->cancel(b->host, b->call);
    free(b->acts);
    memset(b, 0, sizeof(*b));
}

/* ---- What is kept ---- */

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Room for n more bytes behind what is kept. 0, or -1. */
static int reserve(struct aiex_audit_batch *b, size_t n)
{
    size_t room = b->room ? b->room : FIRST_BYTES;
    uint8_t *grown;

    if (b->len + n > b->max_bytes)
        return -1;
    if (b->len + n <= b->room)
        return 0;
    while (room < b->len + n)
        room *= 2;
    grown = realloc(b->acts, room);
    if (!grown)
        return -1;
    b->acts = grown;
    b->room = room;
    return 0;
}

static int keep(struct aiex_audit_batch *b, const struct aiex_audit_act *act)
{
    int64_t now = wall_ms();
    struct aiex_writer w;

    aiex_writer_init(&w, NULL, 0);
    audit_act_write(&w, act, now);
    if (w.len > LARGEST_ACT || reserve(b, w.len) != 0)
        return -1;
    aiex_writer_init(&w, b->acts + b->len, b->room - b->len);
    audit_act_write(&w, act, now);
    b->len += w.len;
    b->n++;
    return 0;
}

/* What was lost is itself an act; the number is its subject. */
static void keep_gap(struct aiex_audit_batch *b)
{
    char subject[64];
    const struct aiex_audit_act act = {
        .type = "audit.gap", .actor = b->host->instance, .subject = subject};
    uint64_t n = b->lost - b->lost_told;

    if (n == 0)
        return;
    snprintf(subject, sizeof(subject), "%llu acts were lost", (unsigned long long)n);
    if (keep(b, &act) == 0)
        b->lost_told = b->lost;
}

static void alarm_lost(struct aiex_audit_batch *b)
{
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "audit.alarm", .type = "lost"};
    uint64_t now = b->host->now_ms(b->host);
    struct aiex_writer w;
    uint8_t mem[256];

    b->lost++;
    if (b->told_ms && now - b->told_ms < 1000)
        return;
    b->told_ms = now ? now : 1;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "word", "away");
    aiex_w_key_str(&w, "reason", "the audit log takes nothing, and too many acts wait for it");
    aiex_w_key_uint(&w, "lost", b->lost);
    e.data = aiex_written(&w);
    b->host->publish(b->host, &e);
    aiex_logf(b->host, AIEX_LOG_ERROR, 0,
              "acts are not recorded: the audit log '%s' takes nothing, and %zu bytes wait for it",
              b->service, b->len);
}

/* ---- Sending ---- */

/* Takes off what was recorded. */
static void drop_sent(struct aiex_audit_batch *b)
{
    b->recorded += b->n_sent;
    b->first += b->n_sent;
    b->n -= b->n_sent;
    b->len -= b->sent_len;
    memmove(b->acts, b->acts + b->sent_len, b->len);
    if (b->n == 0 && b->room > FULL_BYTES * 2) {
        free(b->acts);
        b->acts = NULL;
        b->room = 0;
    }
}

/* An act that the log does not understand would hold up all behind it: it is found by sending each
 * of its request alone, and given up. */
static int is_hopeless(struct aiex_audit_batch *b, const struct aiex_answer *a)
{
    if (strcmp(a->code, AIEX_E_INVALID) != 0)
        return 0;
    if (b->n_sent == 1) {
        b->lost++;
        b->recorded--;
        aiex_logf(b->host, AIEX_LOG_ERROR, 0, "an act is not recorded: %s", a->text);
        return 1;
    }
    b->n_alone = b->n_sent;
    return 0;
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct aiex_audit_batch *b = arg;

    if (a->kind != AIEX_ANSWER_END)
        return;
    b->call = 0;
    if (a->code && !is_hopeless(b, a)) {
        b->waiting = !b->n_alone;
        flush_soon(b, b->waiting ? AGAIN_MS : 0);
        return;
    }
    b->waiting = 0;
    b->n_alone -= b->n_alone != 0;
    drop_sent(b);
    keep_gap(b);
    if (b->n)
        flush_soon(b, b->n_alone || b->len >= FULL_BYTES ? 0 : GATHER_MS);
}

/* As many whole acts as one request takes. */
static void choose(struct aiex_audit_batch *b)
{
    struct aiex_slice at = {b->acts, b->len};

    b->n_sent = 0;
    while (at.len && b->n_sent < (b->n_alone ? 1 : MOST_ACTS)) {
        if (aiex_r_skip(&at) != 0)
            break;
        b->n_sent++;
    }
    b->sent_len = b->len - at.len;
}

void aiex_audit_batch_flush(struct aiex_audit_batch *b)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = b->service,
                             .method = "audit.append_all",
                             .timeout_ms = AIEX_AUDIT_TIMEOUT_MS};
    struct aiex_writer w;
    uint64_t call = 0;
    uint8_t *mem;

    if (!b->service[0] || b->call || !b->n)
        return;
    choose(b);
    mem = malloc(HEAD_BYTES + b->sent_len);
    if (!mem) {
        flush_soon(b, AGAIN_MS);
        return;
    }
    aiex_writer_init(&w, mem, HEAD_BYTES + b->sent_len);
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "sender", b->nonce);
    aiex_w_key_uint(&w, "first", b->first);
    aiex_w_str(&w, "acts");
    aiex_w_array(&w, b->n_sent);
    aiex_w_raw(&w, b->acts, b->sent_len);
    q.body = aiex_written(&w);
    b->call = UINT64_MAX; /* the answer may come before call() returns */
    if (b->host->call(b->host, &q, on_answer, b, &call) < 0) {
        b->call = 0;
        b->waiting = 1;
        flush_soon(b, AGAIN_MS);
    } else if (b->call) {
        b->call = call;
    }
    free(mem);
}

static void on_timer(void *arg)
{
    struct aiex_audit_batch *b = arg;

    b->timer = 0;
    aiex_audit_batch_flush(b);
}

static void flush_soon(struct aiex_audit_batch *b, uint64_t after_ms)
{
    if (!b->timer)
        b->host->timer(b->host, after_ms, 0, on_timer, b, &b->timer);
}

void aiex_audit_batch_add(struct aiex_audit_batch *b, const struct aiex_audit_act *act)
{
    if (!b->service[0])
        return;
    if (b->lost != b->lost_told && !b->waiting)
        keep_gap(b);
    if (keep(b, act) != 0) {
        alarm_lost(b);
        return;
    }
    if (b->len >= FULL_BYTES && !b->waiting)
        aiex_audit_batch_flush(b);
    else if (!b->call)
        flush_soon(b, GATHER_MS);
}
