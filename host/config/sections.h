/*
 * sections.h - all files merged: one section per name, one pair per key, values
 * expanded. Between ini.h (what is written) and config.h (what it means).
 */
#ifndef AIEX_CONFIG_SECTIONS_H
#define AIEX_CONFIG_SECTIONS_H

#include "config/arena.h"
#include "config/ini.h"
#include "config/report.h"
#include "config/value.h"

struct config_pair {
    const char *key;
    const char *text; /* expanded */
    struct place at;
    int is_literal;  /* stood in the file itself */
    int is_secret;   /* `text` is the mark of a secret of the vault */
    int is_broken;   /* could not be expanded; reported when it matters */
    const char *why; /* is_broken: the reason */
};

struct config_section {
    const char *name;
    struct place at;           /* its first head */
    struct config_pair *pairs; /* in order of first appearance */
    size_t n, cap;
};

struct config_sections {
    struct arena arena; /* all texts here and in struct config */
    struct config_section *list;
    size_t n, cap;
    struct value_source source; /* of the environment, for defaults of plugins */
};

/* Merges: later entries override, empty values remove. Values are not expanded yet. 0, -ENOMEM. */
int sections_merge(struct config_sections *s, const struct ini *ini);
/* Expands every value. 0, -ENOMEM. */
int sections_expand(struct config_sections *s, const struct value_source *source);
void sections_done(struct config_sections *s);

/* NULL when it is not set. */
const struct config_pair *section_get(const struct config_section *section, const char *key);

#endif
