/*
 * added_verbs.h - the verbs that other plugins added to `aiex`, as interface_cli keeps them.
 *
 * A verb is forgotten when the plugin adds it anew from the same service; what belongs to a plugin
 * that is gone stays listed and fails with `unavailable` when it is called.
 */
#ifndef AIEX_CLI_ADDED_VERBS_H
#define AIEX_CLI_ADDED_VERBS_H

#include <aiex/aiex_pack.h>

#define ADDED_VERBS_MAX 128u

struct added_verbs;

/* NULL = out of memory. */
struct added_verbs *added_verbs_new(void);
void added_verbs_free(struct added_verbs *v);
/* Takes a request of cli.verb_add or cli.verb_remove. 0, or -EINVAL (a field is missing or wrong),
 * -EEXIST (built in, or another service has it), -ENOSPC, -ENOENT; *ret_text is for people. */
int added_verbs_add(struct added_verbs *v, struct aiex_slice body, const char **ret_text);
int added_verbs_remove(struct added_verbs *v, struct aiex_slice body, const char **ret_text);
/* Writes {verbs: [...]}; a count pass with an empty writer is fine. */
void added_verbs_write(const struct added_verbs *v, struct aiex_writer *w);

#endif
