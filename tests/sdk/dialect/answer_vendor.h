/*
 * answer_vendor.h - answers as data, and how each vendor would send them.
 *
 * A `struct said` is what a model says. vendor_stream() and vendor_whole() put it into a
 * vendor's form as its documents describe it; read_chat() takes openai.chat bytes of a client
 * back to data. Texts are JSON string content.
 */
#ifndef ANSWER_VENDOR_H
#define ANSWER_VENDOR_H

#include <aiex_chat.h>

#define SAID_TEXT      1
#define SAID_REASONING 2
#define SAID_CALL      3

struct said_block {
    int kind, n_pieces;
    const char *id, *name; /* of a call */
    char pieces[8][96];    /* deltas; of a call: raw pieces of its arguments */
};

struct said {
    int n_blocks;
    struct said_block blocks[8];
    int finish; /* AIEX_FINISH_* */
    int input, output, cached;
};

/* Different for each seed: texts with escapes, several scripts, tools, reasoning. */
void said_make(struct said *s, unsigned seed, int with_tools);
/* 0-terminated, in static memory of 256 KiB, until the next call. */
const char *vendor_stream(const struct said *s, int dialect);
const char *vendor_whole(const struct said *s, int dialect);

/* What a client of openai.chat was told; texts as JSON string content. */
struct heard {
    char text[4096], reasoning[4096];
    int n_calls;
    struct {
        char id[128], name[64], args[1024];
    } calls[16];
    char finish[32];
    int done, n_finish;
    long input, output, cached;
};
/* 0, or -1 and what is wrong with the stream on stdout. */
int heard_stream(const char *bytes, struct heard *ret);
int heard_whole(const char *bytes, struct heard *ret);

#endif
