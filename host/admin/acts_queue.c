/*
 * acts_queue.c - acts that were done, on their way to the audit log.
 *
 * They are gathered for a moment, sent as one request (audit.append_all) and kept until the log says
 * that they are on its disk: what happens while it starts, is dead or hangs is in it afterwards, its own
 * crash among the rest. They are numbered, so that what is sent again is recorded once, unless the log
 * died meanwhile.
 */
#include "admin/acts_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX  (1024u * 1024u)
#define ACT_MAX   (40u * 1024u)
#define GATHER_MS 20u
#define AGAIN_MS  250u
#define MOST_SENT 512u

static void on_timer(void *arg)
{
    acts_flush(arg);
}

struct acts *acts_new(struct node *node, struct endpoint *endpoint, unsigned part)
{
    struct acts *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->node = node;
    a->endpoint = endpoint;
    a->part = part;
    buf_init(&a->kept, KEPT_MAX);
    a->nonce = clock_wall_ms() | (int64_t)(getpid() & 0xffff) << 44; /* another one for each host that ever was */
    a->timer = loop_timer_new(node_loop(node), on_timer, a);
    a->count_timer = loop_timer_new(node_loop(node), acts_count_due, a);
    if (!a->timer || !a->count_timer) {
        acts_free(a);
        return NULL;
    }
    return a;
}

void acts_free(struct acts *a)
{
    if (!a)
        return;
    if (a->call)
        endpoint_cancel(a->endpoint, a->call);
    loop_timer_free(a->timer);
    loop_timer_free(a->count_timer);
    buf_done(&a->kept);
    free(a);
}

uint64_t acts_lost(const struct acts *a)
{
    return a->lost;
}

/* ---- Keeping ---- */

/* Cut between characters. */
static void pack_cut(struct pack *p, const char *key, const char *text, size_t max)
{
    size_t n = strlen(text);

    if (n > max)
        for (n = max; n && ((uint8_t)text[n] & 0xc0) == 0x80;)
            n--;
    pack_str(p, key);
    pack_strn(p, text, n);
}

void acts_pack(struct pack *p, const char *type, const char *actor, const char *subject,
               struct aiex_slice payload, int64_t time, int must)
{
    int has_subject = subject && *subject;

    pack_map(p, 3u + (unsigned)has_subject + (payload.len != 0) + (time != 0) + (unsigned)must);
    pack_cut(p, "type", type, 128);
    pack_cut(p, "actor", *actor ? actor : "host", 256);
    pack_key_str(p, "writer", "host");
    if (has_subject)
        pack_cut(p, "subject", subject, 1024);
    if (time)
        pack_key_int(p, "time", time);
    if (payload.len) {
        pack_str(p, "payload");
        pack_bin(p, payload.data, payload.len);
    }
    if (must)
        pack_key_bool(p, "must", 1);
}

static int keep(struct acts *a, const char *type, const char *actor, const char *subject,
                struct aiex_slice payload)
{
    struct pack p;
    int r;

    pack_init(&p, ACT_MAX);
    acts_pack(&p, type, actor, subject, payload, clock_wall_ms(), 0);
    r = pack_slice(&p).len ? buf_add(&a->kept, pack_slice(&p).data, pack_slice(&p).len) : -EMSGSIZE;
    a->n_kept += r == 0;
    pack_done(&p);
    return r;
}

/* What was lost is itself an act; the number is its subject. */
static void keep_gap(struct acts *a)
{
    char subject[64];

    if (a->lost == a->lost_told)
        return;
    snprintf(subject, sizeof(subject), "%llu acts were lost", (unsigned long long)(a->lost - a->lost_told));
    if (keep(a, "audit.gap", "host", subject, (struct aiex_slice){0}) == 0)
        a->lost_told = a->lost;
}

void acts_tell(struct acts *a, const char *type, const char *actor, const char *subject,
               struct aiex_slice payload)
{
    if (!acts_are_told(a))
        return;
    if (keep(a, type, actor, subject, payload) < 0) {
        if (a->lost++ == a->lost_told)
            log_error("acts are not recorded: the audit log takes nothing, and %zu bytes wait for it", a->kept.len);
        return;
    }
    if (!a->call && !a->waiting)
        loop_timer_set(a->timer, GATHER_MS, 0);
}

/* ---- Sending ---- */

static void again(struct acts *a)
{
    a->waiting = 1;
    loop_timer_set(a->timer, AGAIN_MS, 0);
}

/* An act that the log does not understand would hold up all behind it: it is found by sending each
 * of its request alone, and given up. */
static int is_hopeless(struct acts *a, const struct aiex_answer *answer)
{
    if (strcmp(answer->code, AIEX_E_INVALID) != 0)
        return 0;
    if (a->n_sent == 1) {
        a->lost++;
        log_error("an act is not recorded: %s", answer->text);
        return 1;
    }
    a->n_alone = a->n_sent;
    return 0;
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct acts *a = arg;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    a->call = 0;
    if (answer->code && !is_hopeless(a, answer)) {
        again(a);
        return;
    }
    a->waiting = 0;
    a->n_alone -= a->n_alone != 0;
    a->first += a->n_sent;
    a->n_kept -= a->n_sent;
    buf_eat(&a->kept, a->sent_len);
    keep_gap(a);
    if (a->n_kept)
        loop_timer_set(a->timer, GATHER_MS, 0);
}

/* As many whole acts as one request takes. */
static void choose(struct acts *a)
{
    struct aiex_slice at = {a->kept.data, a->kept.len};

    for (a->n_sent = 0; at.len && a->n_sent < (a->n_alone ? 1 : MOST_SENT); a->n_sent++)
        if (aiex_r_skip(&at) != 0)
            break;
    a->sent_len = a->kept.len - at.len;
}

void acts_flush(struct acts *a)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = ACTS_SERVICE,
                             .method = "audit.append_all",
                             .timeout_ms = ACTS_TIMEOUT_MS};
    struct pack p;

    if (a->call || !a->n_kept)
        return;
    choose(a);
    pack_init(&p, KEPT_MAX + 64);
    pack_map(&p, 3);
    pack_key_int(&p, "sender", a->nonce);
    pack_key_int(&p, "first", (int64_t)a->first);
    pack_str(&p, "acts");
    pack_array(&p, a->n_sent);
    pack_whole(&p, (struct aiex_slice){a->kept.data, a->sent_len});
    q.body = pack_slice(&p);
    if (!q.body.len || endpoint_call(a->endpoint, a->part, &q, on_answer, a, &a->call) < 0) {
        a->call = 0;
        again(a);
    }
    pack_done(&p);
}

/* ---- Re-exec ---- */

void acts_save(const struct acts *a, struct pack *out)
{
    pack_map(out, 7);
    pack_key_int(out, "sender", a->nonce);
    pack_key_int(out, "first", (int64_t)a->first);
    pack_key_int(out, "call", (int64_t)a->call);
    pack_key_int(out, "n", a->n_kept);
    pack_key_int(out, "n_sent", a->n_sent);
    pack_key_int(out, "sent", (int64_t)a->sent_len);
    pack_str(out, "acts");
    pack_bin(out, a->kept.data, a->kept.len);
}

void acts_load(struct acts *a, const void *saved)
{
    struct aiex_slice acts = doc_bytes(doc_get(saved, "acts"));
    int64_t n = doc_int(doc_get(saved, "n"), 0);

    a->nonce = doc_int(doc_get(saved, "sender"), a->nonce);
    a->first = (uint64_t)doc_int(doc_get(saved, "first"), 0);
    if (n <= 0 || buf_add(&a->kept, acts.data, acts.len) < 0)
        return;
    a->n_kept += (uint32_t)n;
    a->call = (uint64_t)doc_int(doc_get(saved, "call"), 0);
    a->n_sent = (uint32_t)doc_int(doc_get(saved, "n_sent"), 0);
    a->sent_len = (size_t)doc_int(doc_get(saved, "sent"), 0);
    if (a->call && endpoint_rebind(a->endpoint, a->call, on_answer, a) < 0)
        a->call = 0;
    if (!a->call)
        again(a);
}
