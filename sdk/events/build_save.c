/*
 * build_save.c - rows and position of a build in one transaction. See projection.h.
 */
#include "projection.h"

#include <time.h>

const char *const ev_build_states[] = {"starting", "catching_up", "live", "failed"};

static void put_state(struct aiex_writer *w, const struct build *b)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    aiex_w_map(w, 8);
    aiex_w_key_str(w, "name", b->p->name);
    aiex_w_key_uint(w, "generation", b->generation);
    aiex_w_key_uint(w, "version", b->p->def.version);
    aiex_w_key_int(w, "position", b->position);
    aiex_w_key_int(w, "sequence", b->sequence);
    aiex_w_key_str(w, "state",
                   b->pause_ms          ? ev_build_states[BUILD_FAILED]
                   : b->more || b->left ? ev_build_states[BUILD_CATCHING_UP]
                                        : ev_build_states[BUILD_LIVE]);
    aiex_w_key_str(w, "error", b->pause_ms ? b->error : "");
    aiex_w_key_int(w, "time", (int64_t)t.tv_sec * 1000);
}

static void put_row(struct aiex_writer *w, const struct build *b, const struct row *row)
{
    aiex_w_map(w, row->exists ? 4 : 3);
    aiex_w_key_str(w, "op", row->exists ? "put" : "delete");
    ev_put_place(w, b, row->key);
    if (row->exists)
        aiex_w_key_bin(w, "value", row->value.data, row->value.len);
}

static void put_own_row(struct aiex_writer *w, const struct build *b)
{
    struct aiex_writer measure;

    aiex_writer_init(&measure, NULL, 0);
    put_state(&measure, b);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", b->key, strlen(b->key));
    aiex_w_str(w, "value");
    aiex_w_bin_head(w, measure.len);
    put_state(w, b);
}

static void write_save(struct aiex_writer *w, const void *arg)
{
    const struct build *b = arg;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "level", "written"); /* rows and position stay or go together */
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", b->key, strlen(b->key));
    aiex_w_key_int(w, "version", b->row_version);
    aiex_w_str(w, "operations");
    aiex_w_array(w, ev_rows_dirty(&b->rows) + 1);
    for (uint32_t i = 0; i < b->rows.kept.n; i++)
        if (b->rows.kept.rows[i].dirty)
            put_row(w, b, &b->rows.kept.rows[i]);
    put_own_row(w, b);
}

static void on_saved(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    uint64_t pause = b->pause_ms;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        ev_build_lost(b, answer->code,
                      strcmp(answer->code, AIEX_E_CONFLICT) == 0
                          ? "another process builds the same rows; only one may run it"
                          : answer->text);
        return;
    }
    aiex_get_int(answer->body, "version", &b->row_version);
    b->saved = b->position;
    b->pause_ms = 0;
    ev_rows_drop(b->ask.host, &b->rows.kept);
    if (pause)
        ev_build_later(b, pause, ev_build_look);
    else if (b->left)
        ev_build_work(b);
    else
        ev_build_next(b);
}

void ev_build_save(struct build *b)
{
    int failed;

    b->ask.fn = on_saved;
    failed = ev_asking_call(&b->ask, "store.transact", write_save, b);
    if (failed)
        ev_build_not_asked(b, failed);
}
