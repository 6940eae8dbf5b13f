/*
 * zone.h - one time zone of the system's database, read from its TZif file (RFC 8536,
 * versions 1 to 4). The process's own TZ is neither used nor changed; zones are
 * independent of each other and constant after opening.
 */
#ifndef AIEX_SCHEDULE_ZONE_H
#define AIEX_SCHEDULE_ZONE_H

#include "base/err.h"

#include <stdint.h>

struct zone;

/* "Europe/Prague" from the system's database; "UTC" and "" need no file; "local" is what
 * /etc/localtime says (UTC when there is none). Blocks on the disk: for configuration time only.
 * 0, -EINVAL (not a zone's name, or a damaged file), -ENOENT, -ENOMEM. zone_free() when done. */
int zone_open(const char *name, struct zone **ret_zone, struct aiex_error *);
/* The same from the bytes of a TZif file. 0, -EINVAL, -ENOMEM. */
int zone_parse(const uint8_t *bytes, size_t len, struct zone **ret_zone, struct aiex_error *);
void zone_free(struct zone *);

/* Seconds east of UTC at a time. NULL is UTC, here and below. */
int32_t zone_offset(const struct zone *, int64_t utc_s);
/* The first change of offset after a time, INT64_MAX = none. */
int64_t zone_next_change(const struct zone *, int64_t utc_s);
/* The time at which clocks show `local_s` (seconds since 1970-01-01 of the wall's own calendar).
 * A time shown twice gives the first; a time that is skipped gives the end of the gap. */
int64_t zone_utc(const struct zone *, int64_t local_s);

#endif
