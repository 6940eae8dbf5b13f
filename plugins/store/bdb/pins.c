/* pins.c - see pins.h. The notes are a skip list: sorted, and emptied from its front. */
#include "pins.h"

#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 12

struct note_of_row {
    struct pinned_row row;
    uint32_t table;
    size_t bytes;
    unsigned levels;
    struct note_of_row *next[]; /* behind them: key and value */
};

struct pin {
    pthread_mutex_t lock;
    struct pin *next;
    uint32_t *tables; /* ids, ascending */
    uint32_t n_tables;
    int lost, dropped;
    size_t bytes, peak;
    uint64_t dice;
    uint32_t read_table; /* all before it was read, */
    uint8_t read_key[MAX_KEY];
    size_t read_len; /* and of it all up to this key; 0 = nothing yet */
    struct note_of_row *first[LEVELS];
};

/* ---- Order ---- */

static int compare(uint32_t table, struct aiex_slice key, uint32_t other,
                   struct aiex_slice other_key)
{
    size_t n = key.len < other_key.len ? key.len : other_key.len;
    int r;

    if (table != other)
        return table < other ? -1 : 1;
    r = n ? memcmp(key.data, other_key.data, n) : 0;
    if (r)
        return r;
    return key.len == other_key.len ? 0 : key.len < other_key.len ? -1 : 1;
}

static int was_read(const struct pin *pin, uint32_t table, struct aiex_slice key)
{
    const struct aiex_slice upto = {pin->read_key, pin->read_len};

    if (table != pin->read_table)
        return table < pin->read_table;
    return pin->read_len && compare(table, key, table, upto) <= 0;
}

static int is_pinned(const struct pin *pin, uint32_t table)
{
    for (uint32_t i = 0; i < pin->n_tables; i++)
        if (pin->tables[i] == table)
            return 1;
    return 0;
}

/* ---- Notes ---- */

static unsigned roll(struct pin *pin)
{
    unsigned n = 1;

    pin->dice ^= pin->dice << 13;
    pin->dice ^= pin->dice >> 7;
    pin->dice ^= pin->dice << 17;
    for (uint64_t bits = pin->dice; (bits & 3) == 0 && n < LEVELS; bits >>= 2)
        n++;
    return n;
}

static struct note_of_row *note_new(const struct pinned_row *row, uint32_t table, unsigned levels)
{
    size_t links = levels * sizeof(struct note_of_row *);
    size_t bytes = sizeof(struct note_of_row) + links + row->key.len + row->value.len;
    struct note_of_row *n = malloc(bytes);
    uint8_t *at;

    if (!n)
        return NULL;
    at = (uint8_t *)n + sizeof(*n) + links;
    n->row = *row;
    n->table = table;
    n->bytes = bytes;
    n->levels = levels;
    n->row.key.data = at;
    n->row.value.data = at + row->key.len;
    memcpy(at, row->key.data, row->key.len);
    if (row->value.len)
        memcpy(at + row->key.len, row->value.data, row->value.len);
    return n;
}

static void forget_all(struct pin *pin)
{
    struct note_of_row *n = pin->first[0];

    while (n) {
        struct note_of_row *next = n->next[0];

        free(n);
        n = next;
    }
    memset(pin->first, 0, sizeof(pin->first));
    pin->bytes = 0;
}

static void lose(struct pin *pin)
{
    pin->lost = 1;
    forget_all(pin);
}

/* Where a note of this key belongs, on each level; 1 = it is there already. */
static int find(struct pin *pin, uint32_t table, struct aiex_slice key,
                struct note_of_row **links[LEVELS])
{
    struct note_of_row **row = pin->first, *next = NULL;

    for (int level = LEVELS; level-- > 0;) {
        while ((next = row[level]) != NULL && compare(next->table, next->row.key, table, key) < 0)
            row = next->next;
        links[level] = &row[level];
    }
    return next && compare(next->table, next->row.key, table, key) == 0;
}

static void note(struct pin *pin, uint32_t table, const struct pinned_row *old)
{
    struct note_of_row **links[LEVELS], *n;

    if (pin->lost || pin->dropped || was_read(pin, table, old->key) ||
        find(pin, table, old->key, links))
        return;
    n = note_new(old, table, roll(pin));
    if (!n || pin->bytes + n->bytes > PIN_BYTES) {
        free(n);
        lose(pin);
        return;
    }
    for (unsigned level = 0; level < n->levels; level++) {
        n->next[level] = *links[level];
        *links[level] = n;
    }
    pin->bytes += n->bytes;
    pin->peak = pin->bytes > pin->peak ? pin->bytes : pin->peak;
}

/* ---- The writer's side ---- */

static void pin_free(struct pin *pin)
{
    forget_all(pin);
    pthread_mutex_destroy(&pin->lock);
    free(pin->tables);
    free(pin);
}

/* With the gate. */
static void sweep_dropped(struct store *s)
{
    struct pin **at = &s->pins;

    while (*at) {
        struct pin *pin = *at;
        int dropped;

        pthread_mutex_lock(&pin->lock);
        dropped = pin->dropped;
        pthread_mutex_unlock(&pin->lock);
        if (dropped) {
            *at = pin->next;
            pin_free(pin);
        } else {
            at = &pin->next;
        }
    }
}

int pin_set(struct store *s, struct table *const *tables, uint32_t n, struct pin **ret_pin)
{
    struct pin *pin;
    unsigned set = 0;

    sweep_dropped(s);
    for (pin = s->pins; pin; pin = pin->next)
        set++;
    if (set >= MAX_PINS)
        return -EBUSY;
    pin = calloc(1, sizeof(*pin));
    if (pin)
        pin->tables = malloc((n + 1) * sizeof(*pin->tables));
    if (!pin || !pin->tables) {
        free(pin);
        return -ENOMEM;
    }
    pthread_mutex_init(&pin->lock, NULL);
    pin->dice = 0x9e3779b97f4a7c15ull;
    for (pin->n_tables = 0; pin->n_tables < n; pin->n_tables++)
        pin->tables[pin->n_tables] = tables[pin->n_tables]->id;
    pin->next = s->pins;
    s->pins = pin;
    *ret_pin = pin;
    return 0;
}

void pin_end(struct store *s, struct pin *pin)
{
    pin_drop(pin);
    sweep_dropped(s);
}

void pin_drop(struct pin *pin)
{
    pthread_mutex_lock(&pin->lock);
    forget_all(pin);
    pin->dropped = 1;
    pthread_mutex_unlock(&pin->lock);
}

void pins_note(struct store *s, const struct table *t, const struct pinned_row *old)
{
    if (!s->pins)
        return;
    for (struct pin *pin = s->pins; pin; pin = pin->next) {
        pthread_mutex_lock(&pin->lock);
        if (is_pinned(pin, t->id))
            note(pin, t->id, old);
        pthread_mutex_unlock(&pin->lock);
    }
}

void pins_done(struct store *s)
{
    while (s->pins) {
        struct pin *pin = s->pins;

        s->pins = pin->next;
        pin_free(pin);
    }
}

/* ---- The reader's side ---- */

void pin_lock(struct pin *pin)
{
    pthread_mutex_lock(&pin->lock);
}

void pin_unlock(struct pin *pin)
{
    pthread_mutex_unlock(&pin->lock);
}

const struct pinned_row *pin_first(struct pin *pin, const struct table *t)
{
    struct note_of_row *n = pin->first[0];

    return n && n->table == t->id ? &n->row : NULL;
}

void pin_pass(struct pin *pin)
{
    struct note_of_row *n = pin->first[0];

    for (unsigned level = 0; level < n->levels; level++)
        pin->first[level] = n->next[level];
    pin->bytes -= n->bytes;
    free(n);
}

void pin_read(struct pin *pin, const struct table *t, const struct aiex_slice *key)
{
    pin->read_table = key ? t->id : t->id + 1;
    pin->read_len = key ? key->len : 0;
    if (key)
        memcpy(pin->read_key, key->data, key->len);
}

int pin_is_lost(const struct pin *pin)
{
    return pin->lost;
}

size_t pin_peak(const struct pin *pin)
{
    return pin->peak;
}
