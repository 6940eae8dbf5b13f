/* own_path.h - where this program lies, to find what was installed with it. */
#ifndef AIEX_CLI_OWN_PATH_H
#define AIEX_CLI_OWN_PATH_H

#include <stddef.h>

/* The folder of this program. 0, -ENAMETOOLONG, -errno. */
int own_folder(char *out, size_t size);
/* An executable beside this program. 0, -ENOENT, -ENAMETOOLONG. */
int own_sibling(const char *name, char *out, size_t size);

#endif
