/* prove.c - audit.proof: that an entry is in the log, or that a log continues an earlier one. */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct proving {
    struct job job;
    int64_t seq, size, size1, size2; /* -1 = not given */
};

static void free_proving(struct job *j)
{
    free(j);
}

static void write_end(struct proving *p, const struct aiex_proof *proof, const uint8_t *leaf,
                      uint64_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, p->job.end, sizeof(p->job.end));
    aiex_w_map(&w, leaf ? 3 : 2);
    aiex_w_str(&w, "proof");
    aiex_w_array(&w, proof->n);
    for (uint32_t i = 0; i < proof->n; i++)
        aiex_w_bin(&w, proof->hashes[i], AIEX_HASH);
    if (leaf)
        aiex_w_key_bin(&w, "leaf", leaf, AIEX_HASH);
    aiex_w_key_uint(&w, "size", size);
    p->job.end_len = w.len;
}

static int step(struct job *j)
{
    struct proving *p = (struct proving *)j;
    struct log *l = &j->chain->log;
    uint8_t item[INDEX_ITEM];
    struct aiex_proof proof;
    uint64_t size;
    int r = 0;

    pthread_mutex_lock(&l->lock);
    size = p->seq >= 0 ? (p->size < 0 ? l->size : (uint64_t)p->size)
                       : (p->size2 < 0 ? l->size : (uint64_t)p->size2);
    if (size > l->size)
        r = -ERANGE;
    else if (p->seq < 0)
        r = aiex_tree_consistency(&l->tree, (uint64_t)p->size1, size, &proof);
    else
        r = aiex_tree_inclusion(&l->tree, (uint64_t)p->seq, size, &proof);
    if (r == 0 && p->seq >= 0)
        r = index_read(&l->index, (uint64_t)p->seq, 1, item);
    pthread_mutex_unlock(&l->lock);
    if (r == -ERANGE)
        return job_fail(j, AIEX_E_NOT_FOUND, "the log has not that many entries");
    if (r < 0)
        return job_fail(j, AIEX_E_INTERNAL, "the proof can not be made: %s", strerror(-r));
    write_end(p, &proof, p->seq >= 0 ? item : NULL, size);
    return JOB_DONE;
}

int proof_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct proving *p = (struct proving *)job_new(c, m->id, sizeof(*p));
    struct aiex_slice b = m->body;

    if (!p)
        return 0;
    p->job.free = free_proving;
    p->job.step = step;
    p->seq = p->size = p->size1 = p->size2 = -1;
    if (!aiex_is_map(b) || aiex_get_int(b, "seq", &p->seq) < 0 ||
        aiex_get_int(b, "size", &p->size) < 0 || aiex_get_int(b, "size1", &p->size1) < 0 ||
        aiex_get_int(b, "size2", &p->size2) < 0 || (p->seq < 0) == (p->size1 < 0))
        job_refuse(&p->job, AIEX_E_INVALID,
                   "give 'seq' and 'size' for an entry, or 'size1' and 'size2' for two sizes");
    else
        job_begin(&p->job);
    return 0;
}
