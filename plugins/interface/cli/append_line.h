/*
 * append_line.h - one line of JSON as one request to the store.
 *
 * An object is one event, an array is one atomic batch. Keys of an event: `type` (required), `data`
 * (any JSON: it is stored as it stands) or `data_base64` (any bytes), `id`, `time`, `correlation`,
 * `causation`, `meta` (an object), `stream` and `expect` ("any", "none", "exists" or a version;
 * in a batch that of the stream's first event counts and no later one may have any). Other keys
 * are ignored, so that what `aiex events read --json` and `export` print can be appended again.
 * Batches over several streams become a transaction.
 */
#ifndef AIEX_CLI_APPEND_LINE_H
#define AIEX_CLI_APPEND_LINE_H

#include <aiex/aiex_plugin.h>

#define APPEND_ID     64
#define APPEND_STREAM 255
#define APPEND_EVENTS 1000 /* of a batch */

#define EXPECT_ANY    (-1)
#define EXPECT_EXISTS (-2)

/* What lines that do not say it mean. */
struct append_defaults {
    const char *stream; /* NULL = every event must name one */
    int64_t expected;
    const char *level; /* "synced" */
    int keeps_expect;  /* 0: `expect` in events is ignored */
};

/* The events of one line that go to one stream; they stand one behind the other there. */
struct append_stream {
    char name[APPEND_STREAM + 1];
    int64_t expected;
    uint32_t n_events;
};

struct append_event {
    char id[APPEND_ID + 1]; /* given or made */
    uint32_t stream;        /* index */
    uint32_t place;         /* among the events of its stream here */
};

struct append_line {
    struct append_stream *streams;
    struct append_event *events; /* as in the line */
    uint32_t n_streams, n_events;
    const char *method;     /* store.append, or store.transact */
    struct aiex_slice body; /* owned */
};

/* "any", "none", "exists" or a version. 0, -EINVAL. */
int append_expect(const char *text, int64_t *ret_expected);
/* 0 and a line that append_line_free() frees; -EINVAL with the reason, -ENOMEM. */
int append_line_parse(const char *text, size_t len, const struct append_defaults *defaults,
                      struct append_line **ret_line, struct aiex_error *err);
void append_line_free(struct append_line *l);

#endif
