/* hangs.c - its constructor, which runs before anything can be asked of it, never ends. */
#include <unistd.h>

__attribute__((constructor)) static void hang(void)
{
    for (;;)
        pause();
}
