/* runs.c - see runs.h. */
#include "runs.h"

#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES (256u << 10)

int run_is_full(const struct run *run, size_t size)
{
    return run->n && (run->n == RUN_ENTRIES || run->len + RUN_HEAD + size > RUN_FILL);
}

uint8_t *run_room(struct run *run, size_t size)
{
    size_t wanted = run->len + RUN_HEAD + size;
    uint8_t *mem;

    if (wanted > run->size) {
        wanted = wanted < 2 * RUN_FILL ? 2 * RUN_FILL : wanted;
        mem = realloc(run->mem, wanted);
        if (!mem)
            return NULL;
        run->mem = mem;
        run->size = wanted;
    }
    return run->mem + run->len + RUN_HEAD;
}

void run_took(struct run *run, uint64_t number, size_t len)
{
    put_be(run->mem + run->len, len, 4);
    put_be(run->mem + run->len + 4, number, 8);
    run->len += RUN_HEAD + len;
    run->last = number;
    run->n++;
}

void run_clear(struct run *run)
{
    if (run->size > KEPT_BYTES)
        run_done(run);
    run->len = 0;
    run->n = 0;
}

void run_done(struct run *run)
{
    free(run->mem);
    memset(run, 0, sizeof(*run));
}

int run_next(struct aiex_slice *rest, struct run_entry *ret)
{
    size_t len;

    if (!rest->len)
        return 0;
    len = rest->len >= RUN_HEAD ? get_be(rest->data, 4) : SIZE_MAX;
    if (len > rest->len - RUN_HEAD)
        return -EBADMSG;
    ret->number = get_be(rest->data + 4, 8);
    ret->record = rest->data + RUN_HEAD;
    ret->len = len;
    rest->data += RUN_HEAD + len;
    rest->len -= RUN_HEAD + len;
    return 1;
}

int run_find(struct aiex_slice run, uint64_t number, struct run_entry *ret)
{
    int r;

    do
        r = run_next(&run, ret);
    while (r == 1 && ret->number < number);
    return r;
}

int run_all(struct aiex_slice run, struct run_entry ret[RUN_ENTRIES])
{
    struct run_entry entry;
    int n = 0, r;

    while ((r = run_next(&run, &entry)) == 1) {
        if (n == (int)RUN_ENTRIES)
            return -EBADMSG;
        ret[n++] = entry;
    }
    return r < 0 ? r : n;
}

int run_without(struct run *run, struct aiex_slice from, uint64_t low, uint64_t high)
{
    struct run_entry e;
    int r;

    while ((r = run_next(&from, &e)) == 1) {
        uint8_t *to;

        if (e.number >= low && e.number <= high)
            continue;
        to = run_room(run, e.len);
        if (!to)
            return -ENOMEM;
        memcpy(to, e.record, e.len);
        run_took(run, e.number, e.len);
    }
    return r;
}
