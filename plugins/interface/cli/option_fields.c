/* option_fields.c - from --budget-day 12.50 to {budget_day: 12500000}. */
#include "option_fields.h"

#include "money.h"

#include <errno.h>
#include <stdlib.h>

#define DAY_MS 86400000ll

/* The number that a value stands for, where its form is one. */
static int read_number(const char *text, enum option_form form, int64_t *ret,
                       struct aiex_error *err)
{
    uint32_t ms;
    char *end;
    int r;

    switch (form) {
    case FORM_MONEY:
        return money_read(text, ret, err);
    case FORM_DAY:
        return day_read(text, ret, err);
    case FORM_DAY_END:
        r = day_read(text, ret, err);
        *ret += r == 0 ? DAY_MS : 0;
        return r;
    case FORM_MOMENT:
        return moment_read(text, ret, err);
    case FORM_DURATION:
        r = arguments_duration(text, &ms, err);
        *ret = r == 0 ? ms : 0;
        return r;
    case FORM_COUNT:
        errno = 0;
        *ret = strtoll(text, &end, 10);
        if (errno || *end || !*text || *ret < 0) {
            snprintf(err->text, sizeof(err->text), "'%.60s' is no whole number from 0 on", text);
            return -EINVAL;
        }
        return 0;
    default:
        return 0;
    }
}

enum outcome option_fields_check(struct command *c, const struct option_field *fields)
{
    struct aiex_error err;
    int64_t number = 0;

    for (; fields->option; fields++) {
        const char *value = arguments_value(&c->args, fields->option);

        if (value && read_number(value, fields->form, &number, &err) != 0) {
            complain(&c->screen, "--%s: %s", fields->option, err.text);
            return OUTCOME_USAGE;
        }
    }
    return OUTCOME_OK;
}

uint32_t option_fields_count(const struct command *c, const struct option_field *fields)
{
    uint32_t n = 0;

    for (; fields->option; fields++)
        n += arguments_has(&c->args, fields->option) != 0;
    return n;
}

static void pack_list(struct aiex_writer *w, const char *text)
{
    uint32_t n = *text != 0;

    for (const char *p = text; *p; p++)
        n += *p == ',';
    aiex_w_array(w, n);
    while (n--) {
        size_t len = strcspn(text, ",");

        aiex_w_strn(w, text, len);
        text += len + 1;
    }
}

void option_fields_pack(struct aiex_writer *w, const struct command *c,
                        const struct option_field *fields)
{
    struct aiex_error err;
    int64_t number = 0;

    for (; fields->option; fields++) {
        const char *value = arguments_value(&c->args, fields->option);

        if (!arguments_has(&c->args, fields->option))
            continue;
        aiex_w_str(w, fields->field);
        if (fields->form == FORM_SWITCH) {
            aiex_w_bool(w, 1);
        } else if (fields->form == FORM_TEXT) {
            aiex_w_str(w, value);
        } else if (fields->form == FORM_LIST) {
            pack_list(w, value);
        } else {
            read_number(value, fields->form, &number, &err);
            aiex_w_int(w, number);
        }
    }
}
