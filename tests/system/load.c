#include "load.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define FAR_MS 60000

static void load_send(struct load *l)
{
    static const char *const methods[] = {"echo", "slow", "stream", "sum"};
    const char *method = methods[l->sent % 4];
    int64_t id = client_call(l->client, l->service, method,
                             body_of(method[1] == 'l' ? 3 : 5, "payload"), FAR_MS);

    CU_ASSERT_FATAL(id < l->cap);
    l->open[id] = 1;
    l->sent++;
}

void load_start(struct load *l, struct rig *rig, const char *service)
{
    *l = (struct load){.service = service, .client = client_open(rig->socket), .cap = 4 << 20};
    l->open = calloc(1, (size_t)l->cap);
    CU_ASSERT_FATAL(l->client && l->open);
    while (l->sent < LOAD_WINDOW)
        load_send(l);
}

static void take(struct load *l, const struct frame *f)
{
    if (f->is_part) {
        client_credit(l->client, f->id, (uint32_t)f->body.len);
        return;
    }
    l->ended++;
    l->twice += !l->open[f->id];
    l->open[f->id] = 0;
    if (f->code[0] && !l->failed++)
        snprintf(l->error, sizeof(l->error), "%s: %s", f->code, f->text);
}

void load_run(struct load *l, int64_t more)
{
    int64_t until = l->ended + more;
    struct frame f;

    while (l->ended < until) {
        int64_t before = l->ended;

        CU_ASSERT_FATAL(client_next(l->client, &f, RIG_WAIT_MS) == 1);
        take(l, &f);
        if (l->ended > before)
            load_send(l);
    }
}

void load_finish(struct load *l)
{
    struct frame f;

    while (l->ended < l->sent) {
        CU_ASSERT_FATAL(client_next(l->client, &f, RIG_WAIT_MS) == 1);
        take(l, &f);
    }
    CU_ASSERT_EQUAL(client_next(l->client, &f, 0), 0);
    printf("\n    %lld requests, %lld failed%s%s", (long long)l->sent, (long long)l->failed,
           l->failed ? ", first with " : "", l->error);
    CU_ASSERT_EQUAL(l->failed, 0);
    CU_ASSERT_EQUAL(l->twice, 0);
    client_close(l->client);
    free(l->open);
}
