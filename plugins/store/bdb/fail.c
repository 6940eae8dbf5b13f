/* fail.c - see fail.h. */
#include "fail.h"

#include <aiex_service.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const fail_names[FAIL_N] = {
    [FAIL_BATCH] = "batch",           [FAIL_COMMIT] = "commit",
    [FAIL_FLUSH] = "flush",           [FAIL_SIDE] = "side",
    [FAIL_ANSWER] = "answer",         [FAIL_STAMP] = "stamp",
    [FAIL_CHECKPOINT] = "checkpoint", [FAIL_OPEN] = "open",
};

const char *fail_name(enum fail_place place)
{
    return fail_names[place];
}

static int arm(struct fail *f, const char *name, size_t len, const char *nth)
{
    for (int i = 0; i < FAIL_N; i++)
        if (strlen(fail_names[i]) == len && memcmp(fail_names[i], name, len) == 0) {
            f->left[i] = strtoull(nth, NULL, 10);
            f->armed |= f->left[i] != 0;
            return f->left[i] ? 0 : -EINVAL;
        }
    return -EINVAL;
}

int fail_init(struct fail *f, const char *text, struct aiex_error *err)
{
    memset(f, 0, sizeof(*f));
    while (text && *text) {
        size_t len = strcspn(text, ":,");

        if (text[len] != ':' || arm(f, text, len, text + len + 1) < 0)
            return aiex_failed(err, -EINVAL, "AIEX_FAIL: '%.40s' is no name:nth of this store",
                               text);
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return 0;
}

void fail_pass(struct fail *f, enum fail_place place)
{
    if (f->armed && f->left[place] && --f->left[place] == 0)
        kill(getpid(), SIGKILL);
}
