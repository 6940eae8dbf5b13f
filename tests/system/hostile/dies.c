/* dies.c - its constructor takes the process with it. */
#include <stdlib.h>

__attribute__((constructor)) static void die(void)
{
    abort();
}
