/* gateway_store_rig.h - what the tests of a gateway with a store share, beside gateway_rig.h. */
#ifndef GATEWAY_STORE_RIG_H
#define GATEWAY_STORE_RIG_H

#include "gateway_rig.h"
#include "stored.h"

extern const struct aiex_fake_pair with_store[], alone[];

/* A gateway and an empty store; the store ends with finish_stored(). */
void begin_stored(void);
void finish_stored(void);
void restart_stored(void); /* as after kill -9 */
void empty_folder(void);
void pass(uint64_t ms); /* by both clocks */

/* The n-th event of a stream: its type ("none"), and its data in *ret (may be NULL). */
const char *stored_event(const char *stream, unsigned n, struct aiex_slice *ret);

int is_good(const char *key);
void revoke_key(const char *id);
void set_limit(const char *name, int64_t rpm); /* of a user */
int64_t limit_of(const char *name);

/* The other gateway, with a folder of its own: swapped with the one that the rig works on. */
struct gateway_of_test {
    struct aiex_fake_host *host;
    const struct aiex_plugin *plugin;
    void *self;
    char folder[64];
};
void swap_gateways(struct gateway_of_test *other);

#endif
