/*
 * scrub.h - what is no longer said does not stay in the free room of a page.
 *
 * Berkeley DB takes an item out of a page by moving the others over it: its bytes stay between the
 * index and the items, in pages that were split or merged, and in those that are free. Whoever
 * reads the file finds there what was erased long ago. So the free room of a page is zero before
 * it goes to the disk, and its checksum is made anew (33 * sum + byte, over the whole page).
 *
 *     page: lsn 8 | number 4 | before 4 | behind 4 | entries 2 | begin of items 2 | level 1 |
 *           type 1 | 2 | checksum 4 | index, 2 bytes for each entry | free room | items
 */
#ifndef SCRUB_H
#define SCRUB_H

#include <stddef.h>
#include <stdint.h>

/* A page of a tree with checksums, not encrypted. Pages of other kinds stay as they are. 1 when
 * something was taken out. */
int scrub_page(uint8_t *page, size_t len);

#endif
