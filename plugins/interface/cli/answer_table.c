/* answer_table.c - what verbs that list things share. */
#include "answer_table.h"

#include "money.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

static void date_text(int64_t ms, char *out)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&s, &tm);
    strftime(out, FIELD_TEXT, "%Y-%m-%d %H:%M:%S", &tm);
}

int answer_has_text(struct aiex_slice map, const char *key)
{
    struct aiex_slice text;

    return aiex_get_str(map, key, &text) == 1 && text.len > 0;
}

char *answer_cell(struct aiex_slice map, const char *key, enum cell_form form, char *out)
{
    int64_t number = 0;
    int has = aiex_get_int(map, key, &number) == 1;
    struct aiex_value value;

    strcpy(out, "-");
    switch (form) {
    case CELL_PLAIN:
        field_text(map, key, FIELD_PLAIN, out);
        break;
    case CELL_RESULT:
        field_text(map, key, FIELD_PLAIN, out);
        if (!answer_has_text(map, key))
            strcpy(out, "ok");
        break;
    case CELL_LOCAL:
        field_text(map, key, FIELD_DATE, out);
        break;
    case CELL_WORDS:
        field_text(map, key, FIELD_WORDS, out);
        break;
    case CELL_MS:
        field_text(map, key, FIELD_DURATION, out);
        break;
    case CELL_BYTES:
        if (has && number)
            field_text(map, key, FIELD_BYTES, out);
        break;
    case CELL_SCORE:
        if (aiex_get(map, key, &value) == 1 && value.type == AIEX_T_REAL)
            snprintf(out, FIELD_TEXT, "%.2f", value.real);
        break;
    case CELL_MONEY:
        if (has)
            money_text(number, out);
        break;
    case CELL_BUDGET:
        if (has && number)
            money_text(number, out);
        break;
    case CELL_LIMIT:
        if (has && number)
            snprintf(out, FIELD_TEXT, "%" PRId64, number);
        break;
    case CELL_DATE:
        if (has && number > 0)
            date_text(number, out);
        break;
    }
    return out;
}

struct filling {
    struct table *table;
    const struct answer_column *columns;
    size_t n;
};

static int add_row(void *arg, struct aiex_slice map)
{
    const struct filling *f = arg;
    char text[FIELD_TEXT];

    if (table_row(f->table) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < f->n; i++)
        table_set(f->table, i, PAINT_NONE,
                  answer_cell(map, f->columns[i].key, f->columns[i].form, text));
    return 0;
}

enum outcome answer_table(struct command *c, struct aiex_slice body, const char *array,
                          const struct answer_column *columns, size_t n_columns)
{
    struct table_column heads[TABLE_COLUMNS];
    struct filling f = {.columns = columns, .n = n_columns};
    struct aiex_slice whole;
    int failed;

    if (aiex_get_whole(body, array, &whole) != 1) {
        complain(&c->screen, "the answer has no '%s'; is the service older?", array);
        return OUTCOME_FAILED;
    }
    for (size_t i = 0; i < n_columns; i++)
        heads[i] = columns[i].column;
    f.table = table_new(heads, n_columns);
    failed = f.table ? field_each_item(body, array, add_row, &f) : -ENOMEM;
    if (!failed)
        table_print(f.table, stdout, c->screen.width, c->screen.out_colour);
    else
        complain(&c->screen, "out of memory");
    table_free(f.table);
    return failed ? OUTCOME_FAILED : OUTCOME_OK;
}

enum outcome answer_list(struct command *c, const struct command_call *call, const char *array,
                         const struct answer_column *columns, size_t n_columns)
{
    struct aiex_slice whole;
    struct control_end end;
    enum outcome outcome = command_call(c, call, &end);
    int more = 0;

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c) && aiex_get_whole(end.body, array, &whole) == 1)
        outcome = command_print_json(c, whole);
    else
        outcome = answer_table(c, end.body, array, columns, n_columns);
    if (aiex_get_bool(end.body, "more", &more) == 1 && more)
        notice(&c->screen, "there are more than these; `aiex call` gets the rest with 'after'");
    control_end_done(&end);
    return outcome;
}

enum outcome answer_done(struct command *c, const struct command_call *call, const char *done,
                         const char *what)
{
    struct control_end end;
    enum outcome outcome = command_call(c, call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "%s%s%s", done, *what ? " " : "", what);
    control_end_done(&end);
    return outcome;
}
