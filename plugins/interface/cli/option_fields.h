/*
 * option_fields.h - options of a verb as fields of a request, by a table: which option, which
 * field, in which form. An option that was not given is no field.
 */
#ifndef AIEX_CLI_OPTION_FIELDS_H
#define AIEX_CLI_OPTION_FIELDS_H

#include "command.h"

enum option_form {
    FORM_TEXT,
    FORM_COUNT,    /* a whole number from 0 on */
    FORM_MONEY,    /* dollars, sent as micro-dollars */
    FORM_DAY,      /* YYYY-MM-DD: the begin of it */
    FORM_DAY_END,  /* the begin of the day after */
    FORM_MOMENT,   /* milliseconds since 1970, or a time of UTC as moment_read() takes it */
    FORM_DURATION, /* milliseconds */
    FORM_LIST,     /* words separated by commas; "" = an empty list */
    FORM_SWITCH    /* true */
};

struct option_field {
    const char *option; /* NULL ends a table */
    const char *field;
    enum option_form form;
};

/* Every given value can be read: OUTCOME_OK, or OUTCOME_USAGE, said. */
enum outcome option_fields_check(struct command *c, const struct option_field *fields);
/* How many of them were given. */
uint32_t option_fields_count(const struct command *c, const struct option_field *fields);
/* Writes those pairs. */
void option_fields_pack(struct aiex_writer *w, const struct command *c,
                        const struct option_field *fields);

#endif
