#include "base/topic.h"

#include <aiex/aiex_plugin.h>

#include <errno.h>
#include <string.h>

int topic_valid(const char *pattern, int is_pattern)
{
    size_t n = strlen(pattern);

    if (n == 0 || n > AIEX_MAX_NAME)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = pattern[i];

        if (c == '*')
            return is_pattern && i == n - 1 && (i == 0 || pattern[i - 1] == '.');
        if (c == '.' && (i == 0 || i == n - 1 || pattern[i - 1] == '.'))
            return 0; /* an empty word */
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-' || c == '.'))
            return 0;
    }
    return 1;
}

int topic_matches(const char *pattern, const char *topic)
{
    size_t n = strlen(pattern);

    if (n && pattern[n - 1] == '*')
        return strncmp(pattern, topic, n - 1) == 0;
    return strcmp(pattern, topic) == 0;
}

int topic_next(const char **at, char topic[TOPIC_BYTES])
{
    size_t n;

    *at += strspn(*at, ", \t");
    n = strcspn(*at, ", \t");
    if (n >= TOPIC_BYTES)
        return -EINVAL;
    memcpy(topic, *at, n);
    topic[n] = 0;
    if (n && !topic_valid(topic, 1))
        return -EINVAL;
    *at += n;
    return n != 0;
}
