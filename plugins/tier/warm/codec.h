/*
 * codec.h - values made smaller by Zstandard (RFC 8878), level 1.
 *
 * It runs on the loop thread, so a value of more than CODEC_MOST bytes stays as it is: at some 300
 * MB/s that is under a millisecond. Contexts are made when first needed and kept.
 */
#ifndef WARM_CODEC_H
#define WARM_CODEC_H

#include <aiex/aiex_plugin.h>

#define CODEC_MOST (256u << 10)

/* Zeroed = nothing made yet. */
struct codec {
    void *in, *out;
};

/* As struct aiex_tier_codec says; arg is a struct codec. */
size_t codec_pack(void *arg, struct aiex_slice from, uint8_t *to);
int codec_unpack(void *arg, struct aiex_slice from, uint8_t *to, size_t len);
void codec_done(struct codec *c);

#endif
