/*
 * syntax.h - the language of templates: text with {{name}} and {{#if name}} ... {{else}} ...
 * {{/if}}.
 *
 * A block tag that stands alone on its line takes the line with it, so prompts keep their shape.
 * \{{ is a plain {{, and \\{{ a backslash before a tag. Everything else is text. One function
 * checks and renders: what is checked when a template is put is what happens when it is rendered.
 */
#ifndef SYNTAX_H
#define SYNTAX_H

#include <aiex/aiex_plugin.h>

#define MAX_VARIABLE 64u          /* bytes of a variable's name */
#define MAX_NESTED   32u          /* {{#if}} inside of {{#if}} */
#define MAX_TEXT     (256u << 10) /* bytes of a template */
#define MAX_OUTPUT   (1u << 20)   /* bytes of what is rendered */

struct syntax_error {
    size_t line, column;         /* from 1; columns in bytes */
    char name[MAX_VARIABLE + 1]; /* the variable it is about, or "" */
    char text[200];
};

/* What a name stands for. 1 = known, 0 = no such variable. */
typedef int (*syntax_value_fn)(void *arg, const char *name, struct aiex_slice *ret_text,
                               int *ret_true);

struct syntax_output {
    char *data; /* malloc()ed by syntax_run(); free() it, also after an error */
    size_t len, size;
};

/* Renders into `out`, or only checks when that is NULL; both alternatives of an {{#if}} are
 * checked. 0, -EINVAL with *err filled, -EMSGSIZE (beyond MAX_OUTPUT), -ENOMEM. */
int syntax_run(struct aiex_slice text, syntax_value_fn value, void *arg, struct syntax_output *out,
               struct syntax_error *err);

/* 1 when it can name a variable: a letter or _, then letters, digits, _ . - */
int syntax_is_name(const char *name, size_t len);

#endif
