/* price.c - see price.h. */
#include "price.h"

#include <aiex/aiex_pack.h>
#include <string.h>

/* FNV-1a, 32 bits: names are few and chosen by those who have a key. */
static uint32_t place_of(struct aiex_slice model)
{
    uint32_t h = 0x811c9dc5u;

    for (size_t i = 0; i < model.len; i++)
        h = (h ^ model.data[i]) * 0x01000193u;
    return (h ^ h >> 16) % PRICES;
}

struct price_rates price_rates_of(struct aiex_slice answer)
{
    struct price_rates r = {-1, -1, 0};

    if (aiex_get_int(answer, "input_price", &r.input) == 1 &&
        aiex_get_int(answer, "output_price", &r.output) == 1)
        r.told = r.input >= 0 && r.output >= 0;
    return r;
}

int64_t price_cost(const struct price_rates *rates, int64_t input, int64_t output, int64_t most)
{
    __int128 sum = (__int128)input * rates->input + (__int128)output * rates->output;

    sum = (sum + 999999) / 1000000;
    return sum < 0 ? 0 : sum > most ? most : (int64_t)sum;
}

const struct price_rates *prices_find(const struct prices *p, struct aiex_slice model,
                                      uint64_t now_ms)
{
    const struct price *row;

    if (model.len == 0 || model.len > PRICE_MODEL)
        return NULL;
    row = &p->rows[place_of(model)];
    if (row->until_ms <= now_ms || row->len != model.len ||
        memcmp(row->model, model.data, model.len) != 0)
        return NULL;
    return &row->rates;
}

void prices_keep(struct prices *p, struct aiex_slice model, const struct price_rates *rates,
                 uint64_t now_ms)
{
    struct price *row;

    if (!rates->told || model.len == 0 || model.len > PRICE_MODEL)
        return;
    row = &p->rows[place_of(model)];
    row->until_ms = now_ms + PRICE_KEPT_MS;
    row->len = model.len;
    memcpy(row->model, model.data, model.len);
    row->rates = *rates;
}
