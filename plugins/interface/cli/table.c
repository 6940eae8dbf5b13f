#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cell {
    enum paint paint;
    char text[TABLE_CELL];
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    struct cell *cells; /* n_rows times n_columns */
    size_t n_rows, cap;
};

struct table *table_new(const struct table_column *columns, size_t n_columns)
{
    struct table *t = calloc(1, sizeof(*t));

    if (t) {
        t->columns = columns;
        t->n_columns = n_columns;
    }
    return t;
}

void table_free(struct table *t)
{
    if (t)
        free(t->cells);
    free(t);
}

int table_row(struct table *t)
{
    if (t->n_rows == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct cell *grown = reallocarray(t->cells, cap * t->n_columns, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        t->cells = grown;
        t->cap = cap;
    }
    memset(&t->cells[t->n_rows * t->n_columns], 0, t->n_columns * sizeof(*t->cells));
    t->n_rows++;
    return 0;
}

static int continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void table_set(struct table *t, size_t column, enum paint paint, const char *text)
{
    struct cell *cell = &t->cells[(t->n_rows - 1) * t->n_columns + column];
    size_t len = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        /* the same controls as clean_write(), and a cell has one line */
        if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0) {
            text++;
            continue;
        }
        if (c < 0x20 || c == 0x7f)
            continue;
        if (len == sizeof(cell->text) - 1)
            break;
        cell->text[len++] = *text;
    }
    if (*text)
        while (len && continues(*text))
            text--, len--;
    cell->text[len] = 0;
    cell->paint = paint;
}

/* Characters, which is columns for all but the wide scripts. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += !continues(*text);
    return n;
}

/* How wide each column is; 0 = left out. */
struct layout {
    size_t widths[TABLE_COLUMNS];
};

static size_t total(const struct table *t, const struct layout *l)
{
    size_t sum = 0;

    for (size_t c = 0; c < t->n_columns; c++)
        if (l->widths[c])
            sum += l->widths[c] + (sum ? 2 : 0);
    return sum;
}

static void measure(const struct table *t, struct layout *l)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        l->widths[c] = width_of(t->columns[c].title);
        for (size_t r = 0; r < t->n_rows; r++) {
            size_t w = width_of(t->cells[r * t->n_columns + c].text);

            if (w > l->widths[c])
                l->widths[c] = w;
        }
    }
}

/* The column to leave out next, or n_columns. */
static size_t most_dispensable(const struct table *t, const struct layout *l)
{
    size_t found = t->n_columns;

    for (size_t c = 0; c < t->n_columns; c++)
        if (l->widths[c] && t->columns[c].rank &&
            (found == t->n_columns || t->columns[c].rank > t->columns[found].rank))
            found = c;
    return found;
}

/* Cuts one column by what is too much, but not below `least`. 1 = the table fits now. */
static int cut(const struct table *t, struct layout *l, size_t column, size_t least, size_t width)
{
    size_t over = total(t, l) - width, spare = l->widths[column];

    spare = spare > least ? spare - least : 0;
    l->widths[column] -= over < spare ? over : spare;
    return over <= spare;
}

static void fit(const struct table *t, struct layout *l, size_t width)
{
    while (width && total(t, l) > width) {
        size_t victim = most_dispensable(t, l);

        if (victim == t->n_columns)
            break;
        if (t->columns[victim].gives && cut(t, l, victim, TABLE_LEAST_CUT, width))
            return;
        l->widths[victim] = 0;
    }
    for (size_t c = 0; width && c < t->n_columns && total(t, l) > width; c++)
        if (l->widths[c] && t->columns[c].gives)
            cut(t, l, c, width_of(t->columns[c].title), width);
}

/* Text, cut to `width` with an ellipsis. */
static void put_cut(FILE *to, const char *text, size_t width)
{
    size_t shown = 0;
    int cut = width_of(text) > width;

    for (; *text; text++) {
        if (!continues(*text) && ++shown > width - (size_t)cut)
            break;
        putc(*text, to);
    }
    if (cut)
        fputs("\xe2\x80\xa6", to);
}

static void put_cell(const struct table *t, const struct layout *l, FILE *to, size_t column,
                     const char *text, enum paint paint, int colour, int last)
{
    size_t width = l->widths[column], w = width_of(text);
    size_t pad = w < width ? width - w : 0;
    int right = t->columns[column].right;

    if (right)
        fprintf(to, "%*s", (int)pad, "");
    fputs(screen_begin(colour, paint), to);
    put_cut(to, text, width);
    fputs(screen_end(colour, paint), to);
    if (!right && !last)
        fprintf(to, "%*s", (int)pad, "");
}

static void put_line(const struct table *t, const struct layout *l, FILE *to,
                     const struct cell *row, int colour)
{
    size_t last = 0;
    int first = 1;

    for (size_t c = 0; c < t->n_columns; c++)
        if (l->widths[c])
            last = c;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!l->widths[c])
            continue;
        if (!first)
            fputs("  ", to);
        first = 0;
        if (row)
            put_cell(t, l, to, c, row[c].text, row[c].paint, colour, c == last);
        else
            put_cell(t, l, to, c, t->columns[c].title, PAINT_BOLD, colour, c == last);
    }
    putc('\n', to);
}

void table_print(const struct table *t, FILE *to, size_t width, int colour)
{
    struct layout l = {{0}};

    measure(t, &l);
    fit(t, &l, width);
    put_line(t, &l, to, NULL, colour);
    for (size_t r = 0; r < t->n_rows; r++)
        put_line(t, &l, to, &t->cells[r * t->n_columns], colour);
}
