/*
 * quote.c - what a request of a key with a budget may cost: from the prices of the last second, or
 * asked of the coordinator, with the message kept until the answer comes.
 */
#include "gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* For the next requests of the same model. */
static void keep(struct flight *f, const struct ask *a)
{
    struct gateway *g = f->gateway;

    prices_keep(&g->prices, a->model, &f->rates, g->host->now_ms(g->host));
}

static void resume(struct flight *f)
{
    uint8_t *message = f->message;
    const struct aiex_message m = {.body = {message, f->message_len}, .caller = ""};
    struct ask a;

    f->message = NULL;
    if (!ask_read(&m, &a)) {
        keep(f, &a);
        chat_admit(f, &a);
    }
    free(message);
}

static void on_price(void *arg, const struct aiex_answer *a)
{
    struct flight *f = arg;
    int known = 0;

    if (a->kind != AIEX_ANSWER_END)
        return;
    f->priced = 1;
    f->call = 0;
    if (!a->code && aiex_get_bool(a->body, "known", &known) == 1 && known &&
        aiex_get_int(a->body, "cost", &f->price) == 1) {
        f->price_known = 1;
        f->rates = price_rates_of(a->body);
    }
    if (!f->price_known || f->price < 0)
        f->price = 0;
    if (f->price > MAX_BUDGET)
        f->price = MAX_BUDGET;
    if (!f->calling)
        resume(f);
}

static int is_at_hand(struct flight *f, const struct ask *a)
{
    struct gateway *g = f->gateway;
    const struct price_rates *rates = prices_find(&g->prices, a->model, g->host->now_ms(g->host));

    if (!rates)
        return 0;
    f->price = price_cost(rates, f->input, f->output, MAX_BUDGET);
    f->priced = f->price_known = 1;
    return 1;
}

int quote_ask(struct flight *f, const struct ask *a, struct aiex_slice message)
{
    struct gateway *g = f->gateway;
    struct aiex_request q = {.struct_size = sizeof(q),
                             .service = g->config->coordinator,
                             .method = "coordinator.price",
                             .parent = f->id,
                             .trace = f->trace,
                             .timeout_ms = f->timeout_ms < 2000 ? f->timeout_ms : 2000};
    uint8_t mem[MAX_MODEL + 96];
    struct aiex_writer w;
    uint64_t call = 0;
    int r;

    f->pricing = 1;
    if (is_at_hand(f, a))
        return 1;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_strn(&w, "model", (const char *)a->model.data, a->model.len);
    aiex_w_key_int(&w, "input_tokens", f->input);
    aiex_w_key_int(&w, "output_tokens", f->output);
    q.body = aiex_written(&w);
    f->calling = 1;
    r = g->host->call(g->host, &q, on_price, f, &call);
    f->calling = 0;
    if (f->priced)
        keep(f, a);
    if (r < 0 || f->priced || f->over)
        return 1;
    f->call = call;
    f->message = malloc(message.len + 1);
    if (!f->message) {
        chat_give_up(f);
        return -ENOMEM;
    }
    memcpy(f->message, message.data, message.len);
    f->message_len = message.len;
    return 0;
}
