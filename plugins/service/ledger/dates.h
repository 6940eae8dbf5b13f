/* dates.h - days of UTC as numbers (0 = 1970-01-01) and as text. */
#ifndef DATES_H
#define DATES_H

#include <stdint.h>

#define DAY_MS   86400000ll
#define DAY_TEXT 11u /* "2026-11-21" with its 0 */

/* Milliseconds since 1970; clock.c, or a test's own. */
int64_t wall_ms(void);

int64_t day_of(int64_t ms);
/* Counts months from year 0; equal for days of one month. */
int64_t month_of(int64_t day);
/* Years 0 to 9999; others are written as the nearest of these. */
void day_text(int64_t day, char out[DAY_TEXT]);
/* Of a text that begins with YYYY-MM-DD. 1 and the day, or 0. */
int day_read(const char *text, int64_t *ret_day);

#endif
