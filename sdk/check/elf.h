/* elf.h - what can be told of a shared object without mapping its code. */
#ifndef AIEX_CHECK_ELF_H
#define AIEX_CHECK_ELF_H

#include <aiex/aiex_plugin.h>

/* 0 when `path` is a readable shared object for this machine; else negative errno and a sentence.
 */
int elf_look(const char *path, struct aiex_error *err);

/* Calls fn for every dynamic symbol: `defined` 1 = exported, 0 = wanted from others. 0, or -ENOEXEC
 * and a reason when the tables are broken or stripped. */
int elf_symbols(const char *path, void (*fn)(void *arg, const char *name, int defined), void *arg,
                struct aiex_error *err);

#endif
