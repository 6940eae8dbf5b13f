/*
 * denied.c - the audit log is told who asked for another's session, and was told that there is
 * none.
 *
 * The first time at once, as the act `session.denied` (key as actor, session as subject; user,
 * method and `count` in the payload); what the same one asks of the same session within a minute
 * is counted and told at the end of that minute. So an attacker makes two acts a minute for each
 * session of which he knows the id, and MAX_DENIED of them at most; what is beyond has one act
 * together, of "several" about "others".
 */
#include "sessions.h"

#include <stdio.h>

#define WINDOW_MS   60000u
#define ACTS_BYTES  (256u << 10) /* while the audit log takes nothing */
#define OTHERS_SLOT MAX_DENIED

static void tell(struct sessions *s, struct refused_one *one, uint64_t trace)
{
    struct aiex_audit_act act = {.type = "session.denied",
                                 .actor = one->key,
                                 .subject = one->session,
                                 .writer = s->host->instance,
                                 .trace = trace};
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "user", one->user);
    aiex_w_key_str(&w, "method", one->method);
    aiex_w_key_uint(&w, "count", one->count);
    act.payload = aiex_written(&w);
    aiex_audit_batch_add(&s->denied.acts, &act);
    one->count = 0;
}

/* ---- Windows ---- */

static void on_timer(void *arg);

static void arm(struct sessions *s)
{
    struct denied *d = &s->denied;
    uint64_t now = s->host->now_ms(s->host), due = UINT64_MAX;

    for (size_t i = 0; i <= OTHERS_SLOT; i++)
        if (d->ones[i].until_ms && d->ones[i].until_ms < due)
            due = d->ones[i].until_ms;
    if (d->timer || due == UINT64_MAX)
        return;
    if (s->host->timer(s->host, due > now ? due - now : 1, 0, on_timer, s, &d->timer) < 0)
        d->timer = 0; /* the next refusal arms it */
}

/* What was counted is told, and begins a new minute; who asked no more is forgotten. */
static void look(struct sessions *s)
{
    uint64_t now = s->host->now_ms(s->host);

    for (size_t i = 0; i <= OTHERS_SLOT; i++) {
        struct refused_one *one = &s->denied.ones[i];

        if (!one->until_ms || one->until_ms > now)
            continue;
        one->until_ms = one->count ? now + WINDOW_MS : 0;
        if (one->count)
            tell(s, one, 0);
    }
}

static void on_timer(void *arg)
{
    struct sessions *s = arg;

    s->denied.timer = 0;
    look(s);
    arm(s);
}

/* ---- One refusal ---- */

static const char *key_of(const struct work *w)
{
    return w->key[0] ? w->key : "unknown";
}

static int is_of(const struct refused_one *one, const struct work *w)
{
    return one->until_ms && strcmp(one->session, w->session) == 0 &&
           strcmp(one->key, key_of(w)) == 0 && strcmp(one->user, w->who) == 0;
}

static struct refused_one *find(struct denied *d, const struct work *w)
{
    struct refused_one *room = NULL;

    for (size_t i = 0; i < MAX_DENIED; i++) {
        if (is_of(&d->ones[i], w))
            return &d->ones[i];
        if (!d->ones[i].until_ms && !room)
            room = &d->ones[i];
    }
    return room ? room : &d->ones[OTHERS_SLOT];
}

static void begin(struct denied *d, struct refused_one *one, const struct work *w, uint64_t now)
{
    int others = one == &d->ones[OTHERS_SLOT];

    snprintf(one->key, sizeof(one->key), "%s", others ? "several" : key_of(w));
    snprintf(one->user, sizeof(one->user), "%s", others ? "" : w->who);
    snprintf(one->session, sizeof(one->session), "%s", others ? "others" : w->session);
    one->method = others ? "" : w->verb->method;
    one->until_ms = now + WINDOW_MS;
    one->count = 0;
}

void denied_tell(struct work *w)
{
    struct sessions *s = w->s;
    uint64_t now = s->host->now_ms(s->host);
    struct refused_one *one;
    int fresh;

    s->denied.total++;
    if (!s->denied.acts.service[0])
        return;
    look(s); /* a timer that could not be had */
    one = find(&s->denied, w);
    fresh = !one->until_ms;
    if (fresh)
        begin(&s->denied, one, w, now);
    one->count++;
    if (fresh)
        tell(s, one, w->trace);
    arm(s);
}

/* ---- Life ---- */

void denied_start(struct sessions *s)
{
    aiex_audit_batch_init(&s->denied.acts, s->host, s->config->audit, ACTS_BYTES);
}

void denied_stop(struct sessions *s)
{
    struct denied *d = &s->denied;

    for (size_t i = 0; i <= OTHERS_SLOT; i++)
        if (d->ones[i].count)
            tell(s, &d->ones[i], 0);
    if (d->timer)
        s->host->unwatch(s->host, d->timer);
    d->timer = 0;
    aiex_audit_batch_flush(&d->acts);
    aiex_audit_batch_done(&d->acts);
}
