/* drive.c - keeps an instance going until it has answered or is quiet. */
#include "drive.h"

#include <string.h>
#include <time.h>

#define SETTLE_MS 5000 /* of real time for one answer */
#define STEP_MS   50   /* of the fake clock in one turn */

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void drive_host(struct drive *d, struct check *c)
{
    char instance[160];

    memset(d, 0, sizeof(*d));
    d->c = c;
    snprintf(instance, sizeof(instance), "%.60s:check", c->plugin->name ? c->plugin->name : "x");
    d->host = aiex_fake_host_new(instance);
    aiex_fake_data_dir(d->host, c->plan->data_dir);
    d->http = dead_http_new(d->host);
}

int drive_begin(struct drive *d, struct check *c, const struct config *config,
                struct aiex_error *err)
{
    drive_host(d, c);
    return aiex_fake_start(d->host, c->plugin, config->pairs, &d->self, err);
}

int drive_default(struct drive *d, struct check *c)
{
    struct config config;
    struct aiex_error err = {""};
    int result;

    at(c, "create and start with the default configuration");
    config_fill(c, &config);
    result = drive_begin(d, c, &config, &err);
    if (result < 0) {
        note(c, "the default configuration is refused: %s (give --set OPTION=VALUE)",
             err.text[0] ? err.text : strerror(-result));
        drive_end(d, "a refused start");
    }
    return result;
}

/* Whoever was called is not there. */
static size_t refuse_calls(struct drive *d)
{
    const struct aiex_slice nothing = {0};
    const struct aiex_fake_record *r;
    size_t n = 0;

    while ((r = aiex_fake_nth(d->host, AIEX_FAKE_CALL, d->n_answered)) != NULL) {
        d->n_answered++;
        n += aiex_fake_answer_error(d->host, r->id, AIEX_E_UNAVAILABLE,
                                    "nobody serves that name in aiex-check", 0, nothing) == 0;
    }
    return n;
}

size_t drive_turn(struct drive *d)
{
    size_t n = aiex_fake_poll(d->host, 0);

    n += refuse_calls(d);
    n += dead_http_run(d->http);
    return n + aiex_fake_advance(d->host, STEP_MS);
}

const struct aiex_fake_record *drive_settle(struct drive *d, uint64_t id)
{
    int64_t end_ms = now_ms() + SETTLE_MS;
    const struct aiex_fake_record *r;

    while ((r = aiex_fake_answer(d->host, id)) == NULL && now_ms() < end_ms) {
        aiex_fake_resume(d->host, id);
        if (drive_turn(d) == 0)
            aiex_fake_poll(d->host, 1); /* a thread of the plugin may still be at it */
    }
    return r;
}

void drive_quiet(struct drive *d)
{
    int idle = 0;

    for (int turn = 0; turn < 200 && idle < 5; turn++) {
        if (drive_turn(d))
            idle = 0;
        else if (aiex_fake_poll(d->host, 1) == 0)
            idle++;
    }
}

static void balance(struct drive *d, const struct aiex_fake_live *live, const char *when)
{
    static const char fix[] = "free in destroy() what create() and handle() made";
    struct check *c = d->c;

    if (live->allocs)
        finding(c, fix, "%zu allocations (%zu bytes) are left after %s", live->allocs,
                live->alloc_bytes, when);
    if (live->timers)
        finding(c, "unwatch() timers in destroy()", "%zu timers run after %s", live->timers, when);
    if (live->watches)
        finding(c, "unwatch() descriptors in destroy()", "%zu descriptors are watched after %s",
                live->watches, when);
    if (live->misuse)
        finding(c, "come back to the loop thread with post(); release() only what alloc() gave",
                "%zu wrong uses of the host table up to %s (see stderr)", live->misuse, when);
    if (dead_http_open(d->http))
        finding(c, "cancel() HTTP requests in destroy()", "%zu HTTP requests are open after %s",
                dead_http_open(d->http), when);
}

void drive_end(struct drive *d, const char *when)
{
    struct aiex_fake_live live;

    if (d->self)
        aiex_fake_stop(d->host, d->c->plugin, d->self);
    aiex_fake_live(d->host, &live);
    balance(d, &live, when);
    /* the balance was reported; a second report on stderr would only confuse */
    fflush(stderr);
    aiex_fake_host_free(d->host);
    dead_http_free(d->http);
    memset(d, 0, sizeof(*d));
}
