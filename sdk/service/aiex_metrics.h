/*
 * aiex_metrics.h - numbers of a plugin for GET /metrics: the one way by which any plugin gives
 * them.
 *
 * A plugin that joins the group `metrics` and answers `service.metrics` is on the page. The answer
 * {text} is Prometheus text (exposition format 0.0.4); whoever gathers it merges families of the
 * same name, so several plugins may have the same ones.
 *
 *     static int on_metrics(void *self, const struct aiex_message *m)
 *     {
 *         struct tally *t = self;
 *         struct aiex_metrics x;
 *
 *         aiex_metrics_begin(&x, t->host);
 *         aiex_metrics_one(&x, "aiex_tally_words", "gauge", "Words that are counted.", t->n);
 *         return aiex_metrics_reply(&x, m->id);
 *     }
 *     {"service.metrics", on_metrics},                        in the table of methods
 *     aiex_metrics_join(host);                                in start()
 *
 * Every sample has the label `plugin`, the instance. Names and help are the plugin's own and not
 * checked; values of labels are escaped. At most 256 KiB: what is beyond is left out whole.
 *
 * Threads: the loop thread. Memory: the text, from begin to reply or done.
 */
#ifndef AIEX_METRICS_H
#define AIEX_METRICS_H

#include <aiex/aiex_pack.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_METRICS_GROUP "metrics"

struct aiex_metrics {
    const struct aiex_host *host;
    const char *family; /* the one that is open */
    char *text;
    size_t len, cap;
    int failed; /* no memory: the answer is `busy` */
};

/* As join() does; the page lacks a plugin that could not. */
int aiex_metrics_join(const struct aiex_host *host);

void aiex_metrics_begin(struct aiex_metrics *m, const struct aiex_host *host);
/* HELP and TYPE ("counter", "gauge") of what aiex_metrics_sample() adds next. Strings live until
 * the next one. */
void aiex_metrics_family(struct aiex_metrics *m, const char *name, const char *type,
                         const char *help);
/* One sample of the open family. `labels`: name, value, name, value ... NULL; NULL = none besides
 * `plugin`. */
void aiex_metrics_sample(struct aiex_metrics *m, const char *const *labels, double value);
/* A family with one sample. */
void aiex_metrics_one(struct aiex_metrics *m, const char *name, const char *type, const char *help,
                      double value);

/* Ends `id` with the text, and is done. What reply() returned. */
int aiex_metrics_reply(struct aiex_metrics *m, uint64_t id);
/* Frees the text without an answer. */
void aiex_metrics_done(struct aiex_metrics *m);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_METRICS_H */
