/*
 * pages.h - a page on the disk is whole: each is written twice.
 *
 * Berkeley DB writes its pages in place. A power failure, or a disk that becomes full, in the
 * middle of one leaves a page with a wrong checksum, and recovery can do nothing about it. So what
 * it writes goes to a journal first and is held in memory; when Berkeley DB wants a file on the
 * disk, or much is held, the journal is synced, the pages are written in place, the files are
 * synced, and the journal is emptied. Whatever happens in between, one of the two has each page
 * whole, and the next opening writes in place what is whole in the journal.
 *
 *     journal  "AIEXPAGE" | generation u64 | crc u32 of what follows and the generation |
 *              length u32 | offset u64 | name of the file, 24 bytes with zeros | the page
 *
 * Berkeley DB comes here by its hooks (page_hooks.h).
 */
#ifndef PAGES_H
#define PAGES_H

#include <aiex/aiex_plugin.h>
#include <sys/types.h>

struct pages;

/* Writes in place what an earlier process left in the journal of folder `home`, and guards the *.db
 * files that are opened there from now on. 0, -ENOSPC, -ENOMEM, other errno with a reason. */
int pages_begin(struct pages **ret_pages, const char *home, struct aiex_error *err);
/* Files of the log that are made from now on get `bytes` of zeros at once: what is written into
 * them then changes nothing but data, and a sync costs one write of the disk, not two. A disk that
 * is too full for that is left as it is. */
void pages_log(struct pages *p, int64_t bytes);
/* The free room of pages is emptied (scrub.h): they are not encrypted. Before the first is written.
 */
void pages_scrub(struct pages *p);
/* All pages in their place, on the disk. 0 or negative errno; then they stay in the journal. */
int pages_flush(struct pages *p);
/* The same, and the journal keeps nothing of what it was: pages of long ago. */
int pages_wipe(struct pages *p);
/* Ends the guard; its files are closed. What is held is flushed, or stays in the journal. NULL is
 * fine. */
void pages_end(struct pages *p);

/* ---- For the hooks ---- */

/* 1 when the path is that of a file in its folder; its name there. */
int pages_has(const struct pages *p, const char *path, const char **ret_name);
int64_t pages_log_bytes(const struct pages *p);
/* The number of a file; negative errno when there are too many. */
int pages_file(struct pages *p, const char *name);
/* A page; what is none (the head of a file that is being made) goes to its place at once. 0 or
 * negative errno. */
int pages_write(struct pages *p, unsigned file, const void *bytes, size_t len, uint64_t at);
/* As pread() of that file, with what is held over it; the length may grow behind its end. */
ssize_t pages_read(struct pages *p, unsigned file, int fd, void *bytes, size_t len, off_t at);
/* As ftruncate(), behind what is held. 0 or negative errno. */
int pages_cut(struct pages *p, unsigned file, int fd, off_t size);

#endif
