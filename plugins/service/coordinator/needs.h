/*
 * needs.h - what a request demands of a model, seen without parsing it.
 *
 * Bodies are searched for the names of the keys that matter (keys.h), wherever they stand: a tool's
 * schema with a property called "tools" is taken for tools. That errs on the side of the stronger
 * model. Pure.
 */
#ifndef COORDINATOR_NEEDS_H
#define COORDINATOR_NEEDS_H

#include <aiex/aiex_plugin.h>

#define NEED_TOOLS  1u
#define NEED_VISION 2u
#define NEED_JSON   4u /* structured output */
#define NEED_FIM    8u /* a suffix */
#define NEED_EMBED  16u
#define N_NEEDS     5u

/* Names of the bits in the order of their value, as `capabilities` and conditions have them. */
extern const char *const need_names[N_NEEDS];

unsigned needs_of(struct aiex_slice dialect, struct aiex_slice body);
/* Bits of a provider's `capabilities` (msgpack array of str). */
unsigned needs_from(struct aiex_slice array, uint32_t count);

#endif
