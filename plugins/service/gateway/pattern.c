/* pattern.c - see pattern.h. */
#include "pattern.h"

#include <string.h>

#define MAX_PATTERN 64u

/* Goes back to the last star only. */
int pattern_matches(const char *pattern, struct aiex_slice text)
{
    const char *star = NULL;
    size_t at = 0, again = 0;

    while (at < text.len) {
        if (*pattern == '*') {
            star = ++pattern;
            again = at;
        } else if (*pattern && *pattern == (char)text.data[at]) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star;
            at = ++again;
        } else {
            return 0;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

int pattern_in_list(const char *list, const char *text)
{
    struct aiex_slice name = {(const uint8_t *)text, strlen(text)};

    for (const char *at = list; *at;) {
        char pattern[MAX_PATTERN + 1];
        size_t n;

        at += strspn(at, ", \t");
        n = strcspn(at, ", \t");
        if (n && n <= MAX_PATTERN) {
            memcpy(pattern, at, n);
            pattern[n] = 0;
            if (pattern_matches(pattern, name))
                return 1;
        }
        at += n;
    }
    return 0;
}
