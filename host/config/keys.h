/*
 * keys.h - the keys that belong to the host, as option tables: one per kind of section.
 * The same tables read, check, show and document them.
 */
#ifndef AIEX_CONFIG_KEYS_H
#define AIEX_CONFIG_KEYS_H

#include "config/config.h"
#include "config/sections.h"

/* What may be done with a host key of an instance. */
#define KEY_OF_CELL  1 /* may stand in [cell:NAME]; there only when the cell is shared */
#define KEY_OWN_CELL 2 /* makes no sense in a shared cell */
#define KEY_YIELDS   4 /* the plugin's when its table has an option of that name */

extern const struct aiex_option host_keys[];     /* struct config_host */
extern const struct aiex_option instance_keys[]; /* struct config_keys */
extern const struct aiex_option cell_keys[];     /* struct config_keys, a part of it */
extern const struct aiex_option group_keys[];    /* struct config_group */
extern const struct aiex_option job_keys[];      /* struct config_job */

/* KEY_* of an instance's key, 0 for none. */
unsigned key_rules(const char *name);
int key_find(const struct aiex_option *keys, const char *name); /* index or -ENOENT */
/* NULL-terminated names of instance_keys, for "did you mean". */
const char *const *key_names(void);

/* Sets every field of `out` that a table names: from the section (may be NULL), else the default.
 * Wrong and missing values are reported. Texts are borrowed from the section. */
void keys_fill(const struct aiex_option *keys, const struct config_section *section, void *out,
               struct report *report);
/* One key out of the section; the field keeps its value when it is not there or wrong. */
void keys_fill_one(const struct aiex_option *key, const struct config_section *section, void *out,
                   struct report *report);
/* Reports every pair that the table does not name. */
void keys_refuse_others(const struct aiex_option *keys, const struct config_section *section,
                        struct report *report);

#endif
