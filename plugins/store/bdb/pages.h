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
 * Berkeley DB is reached through its db_env_set_func_*(), which belong to the process and get
 * nothing but descriptors. So the table of guarded descriptors is the one thing here that is
 * static; several stores of one process share it.
 */
#ifndef PAGES_H
#define PAGES_H

#include <aiex/aiex_plugin.h>

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
/* This thread makes a checkpoint, or no more: one that meets a page in use would come back to it a
 * second later, and the log that a start repeats would grow for as long. Now it comes back sooner.
 */
void pages_hurry(int on);
/* 1 when the disk had no room for something that this thread wrote since it asked last. The library
 * gives up then, and says something else. */
int pages_met_full_disk(void);
/* All pages in their place, on the disk. 0 or negative errno; then they stay in the journal. */
int pages_flush(struct pages *p);
/* The same, and the journal keeps nothing of what it was: pages of long ago. */
int pages_wipe(struct pages *p);
/* Ends the guard; its files are closed. What is held is flushed, or stays in the journal. NULL is
 * fine. */
void pages_end(struct pages *p);

#endif
