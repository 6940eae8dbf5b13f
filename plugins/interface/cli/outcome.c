#include "outcome.h"

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <string.h>

const struct outcome_entry outcomes[] = {
    {OUTCOME_OK, "done"},
    {OUTCOME_FAILED, "failed; the message on standard error says why"},
    {OUTCOME_USAGE, "wrong usage: unknown verb or option, missing argument"},
    {OUTCOME_NO_HOST, "no host listens on the control socket"},
    {OUTCOME_DENIED, "refused: no permission, or writes are refused now"},
    {OUTCOME_NOT_FOUND, "no such plugin, instance, service, method, file or verb"},
    {OUTCOME_TIMEOUT, "no answer within the time limit"},
    {OUTCOME_BUSY, "a queue or limit is full; try again later"},
    {OUTCOME_INTERRUPTED, "interrupted; what was running has been cancelled"},
    {0, NULL},
};

static const struct {
    const char *code;
    enum outcome outcome;
} by_code[] = {
    {AIEX_E_TIMEOUT, OUTCOME_TIMEOUT},     {AIEX_E_BUSY, OUTCOME_BUSY},
    {AIEX_E_DENIED, OUTCOME_DENIED},       {AIEX_E_READ_ONLY, OUTCOME_DENIED},
    {AIEX_E_NOT_FOUND, OUTCOME_NOT_FOUND},
};

static const struct {
    int error;
    enum outcome outcome;
} by_errno[] = {
    {-ENOENT, OUTCOME_NO_HOST},    {-ECONNREFUSED, OUTCOME_NO_HOST}, {-ENOTSOCK, OUTCOME_NO_HOST},
    {-EACCES, OUTCOME_DENIED},     {-EPERM, OUTCOME_DENIED},         {-ETIMEDOUT, OUTCOME_TIMEOUT},
    {-EINTR, OUTCOME_INTERRUPTED},
};

enum outcome outcome_of_code(const char *code)
{
    if (!code || !*code)
        return OUTCOME_OK;
    for (size_t i = 0; i < sizeof(by_code) / sizeof(*by_code); i++)
        if (strcmp(code, by_code[i].code) == 0)
            return by_code[i].outcome;
    return OUTCOME_FAILED;
}

enum outcome outcome_of_errno(int error)
{
    if (error >= 0)
        return OUTCOME_OK;
    for (size_t i = 0; i < sizeof(by_errno) / sizeof(*by_errno); i++)
        if (error == by_errno[i].error)
            return by_errno[i].outcome;
    return OUTCOME_FAILED;
}

enum outcome outcome_of_input(int error)
{
    switch (error) {
    case 0:
        return OUTCOME_OK;
    case -EINVAL:
        return OUTCOME_USAGE;
    case -ENOENT:
        return OUTCOME_NOT_FOUND;
    case -EACCES:
        return OUTCOME_DENIED;
    default:
        return OUTCOME_FAILED;
    }
}
