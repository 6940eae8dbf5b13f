/* pattern.h - names with `*`, as the keys of prices and limits have them. Pure. */
#ifndef COORDINATOR_PATTERN_H
#define COORDINATOR_PATTERN_H

/* 1 when `text` fits `pattern`, in which `*` is any number of characters. A `.` in the pattern also
 * fits a `:`, which a key of the configuration can not hold. */
int pattern_fits(const char *pattern, const char *text);
/* How well the pattern of an instance fits its name ("provider_openai:work"): 0 not, 1 the pattern
 * leaves out the name behind the colon and so speaks of every instance of the plugin, 2 wholly.
 * "provider_" may be left out. */
int pattern_fits_instance(const char *pattern, const char *name);

#endif
