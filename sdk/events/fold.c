/* fold.c - the life of a fold, its queue of changes, and what follows a failure. */
#include "fold.h"

#include <errno.h>
#include <stdio.h>

#define LONGEST_PAUSE_MS 1000u
#define BROKEN_PAUSE_MS  60000u
#define QUIET_MS         3000u /* of the beginning: the store may start, too */

/* ---- Steps ---- */

static void step(struct aiex_fold *f)
{
    if (f->doing != IDLE)
        return;
    if (f->look && !f->decision.n) /* what is being stored is not read by the way */
        ev_fold_read(f);
    else if (f->live && f->first)
        ev_fold_write(f);
}

void ev_fold_go(struct aiex_fold *f)
{
    f->more = 1;
    if (f->going)
        return;
    f->going = 1;
    while (f->more) {
        f->more = 0;
        step(f);
    }
    f->going = 0;
}

int ev_fold_apply(struct aiex_fold *f, const struct aiex_stored_event *e)
{
    int r;

    if (e->version <= f->version)
        return 0; /* a read that broke off is repeated */
    r = f->setting.apply(f->setting.arg, e);
    if (r < 0)
        return aiex_failed(
            &f->err, r, "event %lld of '%.100s', type '%.*s', can not be applied: %s",
            (long long)e->version, f->setting.stream, (int)(e->type.len < 64 ? e->type.len : 64),
            (const char *)e->type.data, strerror(-r));
    f->version = e->version;
    f->event[0] = 0;
    if (e->id.len <= AIEX_EVENT_ID) {
        memcpy(f->event, e->id.data, e->id.len);
        f->event[e->id.len] = 0;
    }
    return 0;
}

/* ---- Changes ---- */

static void change_done(struct aiex_fold *f, struct change *c, const struct aiex_fold_end *end)
{
    aiex_fold_end_fn fn = c->end;
    void *arg = c->arg;

    f->setting.host->release(f->setting.host, c);
    fn(arg, end);
}

static struct change *unlink_change(struct aiex_fold *f, struct change **at)
{
    struct change *c = *at;

    if (f->last == &c->next)
        f->last = at;
    *at = c->next;
    f->n--;
    return c;
}

void ev_fold_end(struct aiex_fold *f, const char *code, const char *text)
{
    const struct aiex_fold_end end = {.code = code,
                                      .text = code ? text : "",
                                      .unknown = code && f->maybe,
                                      .n_events = code ? 0 : f->decision.n};

    f->look |= end.unknown; /* what became of it is seen before the next one */
    f->maybe = 0;
    f->conflicts = 0;
    ev_decision_clear(&f->decision);
    change_done(f, unlink_change(f, &f->first), &end);
}

/* Those behind the first have not been sent. */
static void end_overdue(struct aiex_fold *f)
{
    uint64_t now = f->setting.host->now_ms(f->setting.host);
    char text[sizeof(f->trouble) + 40];

    snprintf(text, sizeof(text), "%s", f->trouble);
    while (f->first && now >= f->first->deadline_ms)
        ev_fold_end(f, f->maybe ? AIEX_E_TIMEOUT : AIEX_E_UNAVAILABLE, text);
}

/* ---- Failures ---- */

static void on_pause(void *owner)
{
    struct aiex_fold *f = owner;

    f->doing = IDLE;
    f->look |= !f->decision.n;
    ev_fold_go(f);
}

/* Once. A store that starts beside its users is no trouble. */
static void say_trouble(struct aiex_fold *f)
{
    const struct aiex_host *host = f->setting.host;

    if (f->is_said || (!f->live && host->now_ms(host) < f->quiet_until_ms))
        return;
    f->is_said = 1;
    aiex_logf(host, AIEX_LOG_WARN, 0, "%s; trying again", f->trouble);
}

void ev_fold_failed(struct aiex_fold *f, const char *doing, const char *code, const char *text)
{
    uint64_t pause = ev_pause_of(++f->tries);
    uint64_t most = f->broken ? BROKEN_PAUSE_MS : LONGEST_PAUSE_MS;
    char before[sizeof(f->trouble)];

    if (f->broken)
        pause = f->tries < 7 ? (uint64_t)1000 << (f->tries - 1) : most;
    memcpy(before, f->trouble, sizeof(before));
    snprintf(f->trouble, sizeof(f->trouble), "the stream '%.60s' can not be %s: %.180s (%.20s)",
             f->setting.stream, doing, text, code);
    if (strcmp(before, f->trouble) != 0)
        f->is_said = 0;
    say_trouble(f);
    f->doing = PAUSED;
    f->paused = ev_asking_later(&f->ask, pause < most ? pause : most, on_pause) == 0;
    end_overdue(f);
}

void ev_fold_fine(struct aiex_fold *f)
{
    if (f->trouble[0] && f->is_said)
        aiex_logf(f->setting.host, AIEX_LOG_NOTICE, 0,
                  "the stream '%.60s' is there again, version %lld", f->setting.stream,
                  (long long)f->version);
    f->trouble[0] = 0;
    f->is_said = 0;
    f->tries = 0;
}

/* ---- Life ---- */

void aiex_fold_look(struct aiex_fold *f)
{
    f->look = 1;
    ev_fold_go(f);
}

static void on_look(void *arg)
{
    struct aiex_fold *f = arg;

    if (f->doing == PAUSED && !f->paused) /* there was no memory for that timer */
        f->doing = IDLE;
    aiex_fold_look(f);
}

static void fold_free(void *owner)
{
    struct aiex_fold *f = owner;

    ev_decision_done(&f->decision);
    f->setting.host->release(f->setting.host, f);
}

int aiex_fold_new(const struct aiex_fold_setting *setting, struct aiex_fold **ret_fold)
{
    const struct aiex_host *host = setting->host;
    struct aiex_fold *f;
    int r;

    if (!*setting->stream || strlen(setting->stream) > AIEX_STREAM_NAME ||
        (setting->event && strlen(setting->event) > AIEX_EVENT_ID) ||
        (setting->store && strlen(setting->store) > AIEX_MAX_NAME))
        return -EINVAL;
    f = host->alloc(host, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->setting = *setting;
    snprintf(f->store, sizeof(f->store), "%s", setting->store ? setting->store : "store");
    f->setting.store = f->store;
    f->setting.level = setting->level ? setting->level : "synced";
    f->setting.look_ms = setting->look_ms ? setting->look_ms : 2000;
    f->setting.wait_ms = setting->wait_ms ? setting->wait_ms : 5000;
    f->setting.max_changes = setting->max_changes ? setting->max_changes : 256;
    f->version = setting->version;
    snprintf(f->event, sizeof(f->event), "%s", setting->event ? setting->event : "");
    f->actual = -1;
    f->quiet_until_ms = host->now_ms(host) + QUIET_MS;
    f->last = &f->first;
    f->decision.host = host;
    /* half, so that an answer that was lost can be asked for again */
    f->ask = (struct asking){.host = host,
                             .service = f->setting.store,
                             .timeout_ms = f->setting.wait_ms / 2 + 1,
                             .free = fold_free,
                             .owner = f};
    r = host->timer(host, f->setting.look_ms, f->setting.look_ms, on_look, f, &f->look_timer);
    if (r < 0) {
        fold_free(f);
        return r;
    }
    *ret_fold = f;
    aiex_fold_look(f);
    return 0;
}

void aiex_fold_free(struct aiex_fold *f)
{
    if (!f)
        return;
    while (f->first)
        f->setting.host->release(f->setting.host, unlink_change(f, &f->first));
    f->setting.host->unwatch(f->setting.host, f->look_timer);
    ev_asking_release(&f->ask);
}

int aiex_fold_change(struct aiex_fold *f, aiex_fold_decide_fn decide, aiex_fold_end_fn end,
                     void *arg, uint64_t trace, uint64_t *ret_id)
{
    const struct aiex_host *host = f->setting.host;
    struct change *c;

    if (f->n >= f->setting.max_changes)
        return -EBUSY;
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct change){.id = ++f->last_id,
                         .trace = trace,
                         .deadline_ms = host->now_ms(host) + f->setting.wait_ms,
                         .decide = decide,
                         .end = end,
                         .arg = arg};
    if (ret_id)
        *ret_id = c->id;
    *f->last = c;
    f->last = &c->next;
    f->n++;
    ev_fold_go(f);
    return 0;
}

int aiex_fold_cancel(struct aiex_fold *f, uint64_t id)
{
    struct change **at = &f->first;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (!*at)
        return -ENOENT;
    if (at == &f->first && f->decision.n)
        return -EALREADY;
    f->setting.host->release(f->setting.host, unlink_change(f, at));
    return 0;
}

void aiex_fold_state(const struct aiex_fold *f, struct aiex_fold_state *ret_state)
{
    *ret_state = (struct aiex_fold_state){.live = f->live,
                                          .version = f->version,
                                          .event = f->event,
                                          .trouble = f->trouble,
                                          .changes = f->n};
}
