/* money.h - micro-dollars as dollars, days and moments of UTC, as people write and read them. */
#ifndef AIEX_CLI_MONEY_H
#define AIEX_CLI_MONEY_H

#include <aiex/aiex_plugin.h>

#define MONEY_TEXT 40

/* "$12.34"; "$0.0012" where cents say too little. Returns out. */
char *money_text(int64_t micros, char out[MONEY_TEXT]);
/* "12", "12.5", "$0.000001". 0, or -EINVAL with a reason: no such number, or beyond 10^12 dollars.
 */
int money_read(const char *text, int64_t *ret_micros, struct aiex_error *err);
/* "2026-11-21" as the wall milliseconds of its begin in UTC. 0, or -EINVAL with a reason. */
int day_read(const char *text, int64_t *ret_ms, struct aiex_error *err);
/* "2026-11-21T12:00", "2026-11-21 12:00:05.250Z", or milliseconds since 1970 as they stand. UTC. 0,
 * or -EINVAL with a reason. */
int moment_read(const char *text, int64_t *ret_ms, struct aiex_error *err);

#endif
