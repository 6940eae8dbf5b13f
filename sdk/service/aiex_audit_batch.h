/*
 * aiex_audit_batch.h - acts that may happen unrecorded, told to the audit log many at a time.
 *
 * A cast for each act costs its sender little and the log a request each, and what the log can not
 * take at that moment is gone. A batch gathers acts for 20 ms, sends them as one request
 * (audit.append_all) and keeps them until the log has said that they are on its disk: a log that is
 * killed, hung, full or not there yet gets them when it is back. Acts are numbered, so that what is
 * sent again is recorded once; only when the log died between writing and answering may an act
 * stand there twice. None is left out without a word.
 *
 *     aiex_audit_batch_init(&b, host, "audit", 1 << 20);    "none" = nobody is told
 *     aiex_audit_batch_add(&b, &act);
 *     aiex_audit_batch_done(&b);                            in destroy()
 *
 * When `max_bytes` are kept, further acts are lost: counted, told in the plugin's log, published as
 * event `audit.alarm` of type `lost` (at most once a second), and recorded as an act `audit.gap` as
 * soon as there is room.
 *
 * Part of aiex_sdk_service. Threads: the loop thread.
 */
#ifndef AIEX_AUDIT_BATCH_H
#define AIEX_AUDIT_BATCH_H

#include "aiex_audit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fields are the batch's own, but for `lost` and `recorded`, which others may read. */
struct aiex_audit_batch {
    const struct aiex_host *host;
    char service[AIEX_MAX_NAME + 1]; /* "" = nobody is told */
    uint8_t *acts;                   /* packed one behind the other, oldest first */
    size_t len, room, max_bytes;
    uint32_t n;
    size_t sent_len; /* of the request that is open */
    uint32_t n_sent;
    int64_t nonce;        /* says who numbers them */
    uint64_t first;       /* number of the oldest act that is kept */
    uint32_t n_alone;     /* of those sent together one is invalid: so many go one by one */
    uint64_t call, timer; /* 0 = none */
    uint64_t lost, lost_told, told_ms, recorded;
    int waiting; /* the log takes nothing; tried again after a pause */
    void (*drained)(void *arg);
    void *drained_arg;
};

/* `service` is copied: names of a configuration are gone after a reload. "none", "" and what is too
 * long for a name = nobody is told. */
void aiex_audit_batch_init(struct aiex_audit_batch *b, const struct aiex_host *host,
                           const char *service, size_t max_bytes);
/* Gives up what is kept. Safe on a zeroed struct. */
void aiex_audit_batch_done(struct aiex_audit_batch *b);
/* Keeps a copy, with the time of now. */
void aiex_audit_batch_add(struct aiex_audit_batch *b, const struct aiex_audit_act *act);
/* Sends now what is kept, if no request is open. */
void aiex_audit_batch_flush(struct aiex_audit_batch *b);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_AUDIT_BATCH_H */
