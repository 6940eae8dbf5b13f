/* fold.h - letters without the difference of upper and lower case. */
#ifndef CONTEXT_FOLD_H
#define CONTEXT_FOLD_H

#include <stdint.h>

/* The simple case folding of Unicode (CaseFolding.txt, status C and S) for Latin, Greek, Cyrillic,
 * Armenian, Georgian, full-width and Deseret letters; all others stay as they are.
 */
uint32_t fold_letter(uint32_t cp);
/* Folding changes it because it is upper case (a final sigma is not). */
int fold_is_upper(uint32_t cp);

#endif
