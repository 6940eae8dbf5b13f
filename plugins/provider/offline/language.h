/* language.h - what the explainer knows of each programming language, as one table. */
#ifndef OFFLINE_LANGUAGE_H
#define OFFLINE_LANGUAGE_H

#include <stddef.h>

enum extent { BY_BRACES, BY_INDENT, BY_END };

/* A word that begins a definition. */
struct keyword {
    const char *word;
    const char *kind; /* for people: "function", "struct" */
};

/* Where functions without a keyword are found: "type name(args) {". */
enum shape {
    SHAPE_NONE = 0,
    SHAPE_TOP = 1,     /* outside of braces only */
    SHAPE_INSIDE = 2,  /* also inside classes and namespaces */
    SHAPE_NO_TYPE = 4, /* "name(args) {" without a type before it */
};

struct language {
    const char *name;
    const char *fences;        /* words behind ``` and extensions, " c h " */
    const char *line_comments; /* " // " */
    int block_comments;        /* slash star */
    const char *quotes;        /* characters that delimit strings on one or more lines */
    int triple;                /* """ and ''' (Python) or """ (Elixir) too */
    enum extent extent;
    unsigned shapes;
    const char *modifiers; /* words skipped before a keyword */
    struct keyword words[12];
    const char *control; /* words counted as control flow */
};

/* By the word behind a fence ("py", "python") or an extension without dot. NULL = unknown. */
const struct language *language_of_word(const char *word, size_t len);
/* By the extension of a file name. NULL = unknown. */
const struct language *language_of_path(const char *path);
/* By what the text looks like; NULL when nothing speaks for any. */
const struct language *language_of_text(const char *text, size_t len);
/* 1 when the blank-separated list has this word. */
int language_list_has(const char *list, const char *word, size_t len);

#endif
