/* policy.c - which acts must be recorded before they may happen. */
#include "chain.h"

#include <errno.h>
#include <string.h>

#define BLANKS " ,\t"

static int matches(const char *word, size_t len, struct aiex_slice type)
{
    if (len && word[len - 1] == '*')
        return type.len >= len - 1 && memcmp(type.data, word, len - 1) == 0;
    return type.len == len && memcmp(type.data, word, len) == 0;
}

int policy_must(const char *list, struct aiex_slice type)
{
    for (;;) {
        size_t len;

        list += strspn(list, BLANKS);
        len = strcspn(list, BLANKS);
        if (len == 0)
            return 0;
        if (matches(list, len, type))
            return 1;
        list += len;
    }
}

int policy_check(const char *list, struct aiex_error *err)
{
    for (;;) {
        const char *star;
        size_t len;

        list += strspn(list, BLANKS);
        len = strcspn(list, BLANKS);
        if (len == 0)
            return 0;
        star = memchr(list, '*', len);
        if (len > 128 || (star && star != list + len - 1))
            return aiex_failed(
                err, -EINVAL,
                "'%.*s' in the option must is not a type of act; a * stands at its end",
                (int)(len < 130 ? len : 130), list);
        list += len;
    }
}
