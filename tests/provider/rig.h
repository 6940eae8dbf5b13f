/*
 * rig.h - a provider under test: its descriptor in a fake host, the vendor played by hand.
 *
 * One instance at a time. rig_begin() starts it, rig_finish() stops it and asserts that nothing was
 * left behind.
 */
#ifndef PROVIDER_RIG_H
#define PROVIDER_RIG_H

#include "fake_http.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct aiex_fake_host *host;
    const struct aiex_plugin *plugin;
    void *self;
};
extern struct rig rig;

#define SSE    "content-type: text/event-stream; charset=utf-8\n"
#define NDJSON "content-type: application/x-ndjson\n"
#define JSON   "content-type: application/json\n"

void rig_begin(const struct aiex_fake_pair *pairs);
void rig_finish(void);

/* A request as sdk/kinds/provider.md has it; what is 0 or NULL is left out. */
struct rig_call {
    const char *method; /* NULL = that of the dialect */
    const char *dialect, *model, *body, *account, *settle;
    int stream, attempt;
    int64_t first_token_ms, idle_ms, total_ms;
    const char *header, *value; /* one of `headers` */
};
uint64_t rig_call(const struct rig_call *call);
/* A method without fields. */
uint64_t rig_ask(const char *method);

int64_t rig_number(const struct aiex_fake_record *r, const char *key); /* -999 = missing */
int rig_truth(const struct aiex_fake_record *r, const char *key);      /* -1 = missing */
int rig_is(const struct aiex_fake_record *r, const char *key, const char *text);
/* 1 when the text or bytes of `key` have `part` somewhere. */
int rig_has(const struct aiex_fake_record *r, const char *key, const char *part);
/* The same of all parts of a call. */
int rig_parts_have(uint64_t id, const char *part);
void rig_parts_are(uint64_t id, const char *text);

/* The call ended with this error, or well; the record. */
const struct aiex_fake_record *rig_failed(uint64_t id, const char *code, int http_status);
const struct aiex_fake_record *rig_good(uint64_t id);

int rig_healthy(void);
const char *rig_event(size_t n); /* type of the n-th published event, "none" */
/* The n-th model of an answer to provider.models, empty when there is none. */
struct aiex_slice rig_model(const struct aiex_fake_record *r, size_t n);
size_t rig_n_models(const struct aiex_fake_record *r); /* 999 = no list */

#endif
