#include "pattern.h"

#include <aiex/aiex_plugin.h>

#include <string.h>

static int same(char pattern, char text)
{
    return pattern == text || (pattern == '.' && text == ':');
}

int pattern_fits(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            again = text;
        } else if (same(*pattern, *text)) {
            pattern++;
            text++;
        } else if (star) { /* the last star takes one character more */
            pattern = star;
            text = ++again;
        } else {
            return 0;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static int fits_plugin(const char *pattern, const char *name)
{
    const char *colon = strchr(name, ':');
    char plugin[AIEX_MAX_NAME + 1] = "";

    if (pattern_fits(pattern, name))
        return 2;
    if (!colon || colon - name > (long)AIEX_MAX_NAME)
        return 0;
    memcpy(plugin, name, (size_t)(colon - name));
    return pattern_fits(pattern, plugin);
}

int pattern_fits_instance(const char *pattern, const char *name)
{
    static const char kind[] = "provider_";
    int how = fits_plugin(pattern, name);

    if (how == 0 && strncmp(name, kind, sizeof(kind) - 1) == 0)
        how = fits_plugin(pattern, name + sizeof(kind) - 1);
    return how;
}
