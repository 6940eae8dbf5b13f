/* acts_ask.c - an act that must not happen unrecorded waits for the audit log; see acts.h. */
#include "admin/acts_private.h"

#include "base/err.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct acts_asked {
    struct acts *acts;
    acts_asked_fn fn;
    void *arg;
    uint64_t call;          /* 0: it may happen anyway */
    struct loop_timer *now; /* for that */
};

static void asked_free(struct acts_asked *k)
{
    loop_timer_free(k->now);
    free(k);
}

static void finish(struct acts_asked *k, int may_go, const char *reason)
{
    acts_asked_fn fn = k->fn;
    void *arg = k->arg;

    asked_free(k);
    fn(arg, may_go, reason);
}

static void on_now(void *arg)
{
    finish(arg, 1, "");
}

/* The reason of one that says nothing itself. */
static const char *reason_of(const struct aiex_answer *a, char *mem, size_t size)
{
    char word[16] = "";

    if (aiex_get_text(a->body, "act", word, sizeof(word)) == 1)
        return a->text ? a->text : a->code;
    snprintf(mem, size, "not recorded: the audit log does not answer (%s: %.200s); this act must not happen unrecorded",
             a->code, a->text ? a->text : "");
    return mem;
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct acts_asked *k = arg;
    char act[16] = "", mem[400];

    if (a->kind != AIEX_ANSWER_END)
        return;
    k->call = 0;
    if (!a->code)
        finish(k, 1, "");
    else if (aiex_get_text(a->body, "act", act, sizeof(act)) == 1 && strcmp(act, "may") == 0)
        finish(k, 1, "");
    else
        finish(k, 0, reason_of(a, mem, sizeof(mem)));
}

static int call(struct acts_asked *k, const char *type, const char *actor, const char *subject)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = ACTS_SERVICE,
                             .method = "audit.append",
                             .timeout_ms = ACTS_TIMEOUT_MS};
    struct pack p;
    int r;

    pack_init(&p, 4096);
    acts_pack(&p, type, actor, subject, (struct aiex_slice){0}, 0, 1);
    q.body = pack_slice(&p);
    r = q.body.len ? endpoint_call(k->acts->endpoint, k->acts->part, &q, on_answer, k, &k->call) : -ENOMEM;
    pack_done(&p);
    return r;
}

int acts_ask(struct acts *acts, const char *type, const char *actor, const char *subject, acts_asked_fn fn,
             void *arg, struct acts_asked **ret)
{
    struct acts_asked *k = calloc(1, sizeof(*k));
    int r = 0;

    if (!k)
        return -ENOMEM;
    *k = (struct acts_asked){.acts = acts, .fn = fn, .arg = arg};
    if (acts_must(acts, type)) {
        r = call(k, type, actor, subject);
    } else {
        acts_tell(acts, type, actor, subject, (struct aiex_slice){0});
        k->now = loop_timer_new(node_loop(acts->node), on_now, k);
        r = k->now ? 0 : -ENOMEM;
        if (r == 0)
            loop_timer_set(k->now, 0, 0);
    }
    if (r < 0) {
        asked_free(k);
        return r;
    }
    *ret = k;
    return 0;
}

void acts_cancel(struct acts_asked *k)
{
    if (!k)
        return;
    if (k->call)
        endpoint_cancel(k->acts->endpoint, k->call);
    asked_free(k);
}

uint64_t acts_asked_call(const struct acts_asked *k)
{
    return k->call;
}

static void on_dropped(void *arg, const struct aiex_answer *a)
{
    (void)arg;
    (void)a;
}

void acts_drop_call(struct acts *acts, uint64_t call)
{
    endpoint_rebind(acts->endpoint, call, on_dropped, NULL);
}
