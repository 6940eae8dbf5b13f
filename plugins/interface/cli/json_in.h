/* json_in.h - JSON text as msgpack, for the arguments of `aiex call`. */
#ifndef AIEX_CLI_JSON_IN_H
#define AIEX_CLI_JSON_IN_H

#include <aiex/aiex_plugin.h>

/* Makes the msgpack map of a JSON object; *ret_map.data is malloc'ed and the caller's to free.
 * Whole numbers of 64 bits stay exact, others become reals. 0, -ENOMEM, or -EINVAL with line and
 * column: no JSON, no object, or nested deeper than AIEX_PACK_DEPTH. */
int json_in(const char *text, size_t len, struct aiex_slice *ret_map, struct aiex_error *err);

#endif
