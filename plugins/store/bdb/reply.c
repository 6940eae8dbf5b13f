/* reply.c - an answer that finds no memory is an answer, too. */
#include "store.h"

#include <errno.h>

void store_reply(struct store *s, uint64_t id, aiex_write_fn write, const void *arg)
{
    if (aiex_reply_by(s->host, id, write, arg) == -ENOMEM)
        aiex_refuse(s->host, id, AIEX_E_BUSY, "no memory for the answer; what was asked is done");
}
