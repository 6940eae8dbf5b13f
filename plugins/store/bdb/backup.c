/* backup.c - placeholder until written */
#include "store.h"
int backup_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "x");
}
