/* variables.h - declared variables of a template, and the values that a caller gives for them. */
#ifndef VARIABLES_H
#define VARIABLES_H

#include "syntax.h"

#include <aiex/aiex_pack.h>

#define MAX_VARIABLES 64u
#define MAX_CHOICES   64u

enum variable_type { VAR_STRING, VAR_INT, VAR_BOOL, VAR_CHOICE, N_VARIABLE_TYPES };

extern const char *const variable_types[N_VARIABLE_TYPES];

struct variable {
    char name[MAX_VARIABLE + 1];
    enum variable_type type;
    int required, has_value;
    struct aiex_slice choices[MAX_CHOICES];
    unsigned n_choices;
    struct aiex_slice text; /* its value (at first the default) as it is put into the text */
    int truth;
    char number[24]; /* what `text` points at for numbers */
};

struct variables {
    unsigned n;
    struct variable v[MAX_VARIABLES];
};

/* Takes declarations: an array of maps as in the contract (bytes of the whole value; empty = no
 * variables). Points into them. 0, or -EINVAL with a reason. */
int variables_read(struct variables *vars, struct aiex_slice array, struct aiex_error *err);
/* Adds a required string; -ENOSPC when there are MAX_VARIABLES. */
int variables_add(struct variables *vars, const char *name);
struct variable *variables_find(struct variables *vars, const char *name);
/* Takes values: a map of name and value. Text is taken for numbers and booleans, too. 0, or -EINVAL
 * with a reason and the variable's name (or ""). */
int variables_bind(struct variables *vars, struct aiex_slice values,
                   char ret_name[MAX_VARIABLE + 1], struct aiex_error *err);
/* A syntax_value_fn for a struct variables. */
int variables_value(void *vars, const char *name, struct aiex_slice *ret_text, int *ret_true);

#endif
