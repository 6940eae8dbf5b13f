/* copy.c - see copy.h. */
#include "copy.h"

#include "folder.h"
#include "verify.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_CACHE (16ll << 20)

static int copy_verify(struct store *copy, struct verify *v, struct aiex_error *err)
{
    struct tail tail;
    int r = tail_get(copy, &tail);

    r = r ? r : tables_load(copy);
    if (r < 0)
        return aiex_failed(err, r, "the copy can not be read: %s", copy->env.said);
    copy->writer.tail = tail;
    verify_init(v, copy, tail.sequence);
    do
        r = verify_slice(v);
    while (r == 0);
    if (r < 0 || v->faults || memcmp(v->chain, tail.chain, EVENT_HASH) != 0)
        return aiex_failed(err, -EBADMSG, "the copy has %llu faults up to sequence %llu",
                           (unsigned long long)v->faults, (unsigned long long)tail.sequence);
    return 0;
}

static int copy_side(struct store *copy, const char *path, struct aiex_error *err)
{
    struct tail *t = &copy->writer.tail;
    struct side_record record = {.sequence = t->sequence,
                                 .commits = t->commits,
                                 .stamp = t->stamp,
                                 .epoch = t->epoch,
                                 .opens = t->opens};
    int r;

    memcpy(record.head, t->chain, SIDE_HASH);
    r = side_open(&copy->side, path, &record, err);
    if (r != 0)
        return r < 0 ? r : -EEXIST;
    r = side_write(&copy->side, &record);
    r = r ? r : side_sync(&copy->side);
    side_close(&copy->side);
    return r < 0 ? aiex_failed(err, r, "side record '%.200s': %s", path, strerror(-r)) : 0;
}

int copy_try(struct store *s, const char *folder, const char *password, int whole_log,
             struct tail *ret_tail, struct aiex_error *err)
{
    const struct env_options options = {.cache_bytes = COPY_CACHE,
                                        .log_bytes = s->config.log_file,
                                        .password = password,
                                        .whole_log = whole_log};
    struct store *copy = calloc(1, sizeof(*copy));
    struct verify v = {0};
    char path[600];
    int r;

    if (!copy)
        return -ENOMEM;
    copy->host = s->host;
    copy->side.fd = -1;
    tables_init(&copy->tables);
    snprintf(path, sizeof(path), "%s/db", folder);
    r = env_open(&copy->env, path, &options, s->host, err);
    r = r ? r : copy_verify(copy, &v, err);
    if (r == 0) {
        r = env_errno(&copy->env, copy->env.env->txn_checkpoint(copy->env.env, 0, 0, DB_FORCE));
        *ret_tail = copy->writer.tail;
    }
    env_close(&copy->env);
    r = r ? r : folder_sync(path);
    snprintf(path, sizeof(path), "%s/side", folder);
    r = r ? r : copy_side(copy, path, err);
    verify_done(&v);
    tables_done(&copy->tables);
    free(copy);
    return r;
}
