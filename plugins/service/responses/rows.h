/* rows.h - what the files about rows share. */
#ifndef RESPONSES_ROWS_H
#define RESPONSES_ROWS_H

#include "responses.h"

#define HEADS     "responses"
#define PIECES    "responses.piece"
#define PIECE_KEY (MAX_ID + 8u)

/* Two pairs of a map: table and key. */
void rows_write_place(struct aiex_writer *w, const char *table, const char *key);
/* The next value of an array whose head was read. 0 = there is none. */
int rows_cut_one(struct aiex_slice *at, struct aiex_slice *ret);

/* One question of a work, asked as long as it may wait. */
void rows_ask(struct work *w, const char *method, aiex_write_fn write, aiex_ask_part_fn part,
              aiex_ask_end_fn end);
/* The store's error into the work. */
void rows_failed(struct work *w, const struct aiex_answer *end);
/* It is looked up when it is wanted again. */
void rows_drop_known(struct work *w, const char *id);
/* A head into the index. NULL when it is none, or without memory. */
struct entry *rows_take_head(struct responses *r, const char *id, struct aiex_slice value,
                             int64_t version);

#endif
