/*
 * turns.c - questions of a session that were begun and whose answer was not recorded yet.
 *
 * They stand in the session's row as "NAME@wall-ms,NAME@wall-ms", the first one first, so that one
 * that never ends (the process that asked has died) is found after any restart and marked in the
 * history. A session that is idle has none, and they cost it one byte.
 */
#include "sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

unsigned turns_count(const struct row *row)
{
    unsigned n = row->turns[0] != 0;

    for (const char *p = row->turns; *p; p++)
        n += *p == ',';
    return n;
}

/* The place of a turn, or NULL. */
static char *find(struct row *row, const char *turn)
{
    size_t n = strlen(turn);
    char *at = row->turns;

    while (at && *at && !(strncmp(at, turn, n) == 0 && at[n] == '@')) {
        at = strchr(at, ',');
        at += at != NULL;
    }
    return at && *at ? at : NULL;
}

int turns_begin(struct row *row, const char *turn, int64_t now)
{
    size_t len = strlen(row->turns);

    if (find(row, turn))
        return 0;
    if (turns_count(row) == MAX_TURNS)
        return -EBUSY;
    snprintf(row->turns + len, sizeof(row->turns) - len, "%s%s@%lld", len ? "," : "", turn,
             (long long)now);
    return 0;
}

int turns_end(struct row *row, const char *turn)
{
    char *at = find(row, turn), *next;

    if (!at)
        return 0;
    next = strchr(at, ',');
    if (next)
        memmove(at, next + 1, strlen(next));
    else
        *(at > row->turns ? at - 1 : at) = 0;
    return 1;
}

int64_t turns_first(const char *turns, size_t len, char name[MAX_TURN + 1])
{
    const char *at = memchr(turns, '@', len);
    size_t n = at ? (size_t)(at - turns) : 0;
    char number[24];

    if (!at || n > MAX_TURN)
        return INT64_MAX;
    snprintf(number, sizeof(number), "%.*s", (int)(len - n - 1), at + 1);
    if (name) {
        memcpy(name, turns, n);
        name[n] = 0;
    }
    return strtoll(number, NULL, 10);
}
