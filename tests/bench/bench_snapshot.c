/*
 * bench_snapshot.c - what it costs the writers of store_bdb to have one state read over all tables
 * and streams: bench_snapshot BUILD.
 *
 * Eight transactions are on their way at any time, each a put into a table of 100,000 rows and an
 * event. What they wait is measured alone, and while the state is read in each of three ways:
 *     snapshot   store.snapshot: the rows that change meanwhile are noted
 *     frozen     the store is frozen, all rows are read by store.range, it goes on
 *     backup     store.backup: a copy of all files, verified
 * Figures: store.state.WAY.* ; `read` is how long the reading takes, `longest` what the unluckiest
 * writer waited, and `rate` the transactions a second meanwhile.
 */
#include "measure.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITERS 8
#define VALUE   200

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static char dir[64];
static long n_rows, next_event;

static struct {
    uint64_t id, began;
    uint8_t body[1024];
    struct aiex_slice request;
} writers[WRITERS];

static struct series times;
static long done;
static uint64_t refused;

/* ---- Writers ---- */

static struct aiex_slice step(uint8_t *mem, size_t size, long row)
{
    static uint8_t value[VALUE];
    struct aiex_writer w;
    char key[24], id[24];

    snprintf(key, sizeof(key), "row%08ld", row);
    snprintf(id, sizeof(id), "e%ld", next_event++);
    memcpy(value, id, strlen(id));
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "level", "written");
    aiex_w_str(&w, "operations");
    aiex_w_array(&w, 2);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "op", "put");
    aiex_w_key_str(&w, "table", "rows");
    aiex_w_key_bin(&w, "key", key, strlen(key));
    aiex_w_key_bin(&w, "value", value, sizeof(value));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "op", "append");
    aiex_w_key_str(&w, "stream", "steps");
    aiex_w_str(&w, "events");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", "step");
    return aiex_written(&w);
}

/* One that was refused (the store is frozen) goes on waiting: it is sent again. */
static void take(int i)
{
    const struct aiex_fake_record *a = writers[i].id ? aiex_fake_answer(h, writers[i].id) : NULL;

    if (writers[i].id && !a)
        return;
    if (a && a->kind == AIEX_FAKE_FAIL) {
        refused++;
    } else {
        if (a) {
            series_add(&times, (double)(now_ns() - writers[i].began) / 1000);
            done++;
        }
        writers[i].began = now_ns();
        writers[i].request = step(writers[i].body, sizeof(writers[i].body), rand() % n_rows);
    }
    writers[i].id = aiex_fake_request(h, p, self, "store.transact", writers[i].request, 0);
}

static void turn(void)
{
    aiex_fake_poll(h, 5);
    for (int i = 0; i < WRITERS; i++)
        take(i);
}

/* Forgets records when nothing else is on its way; answers of writers must be taken before. */
static void forget(void)
{
    for (int i = 0; i < WRITERS; i++) {
        while (writers[i].id && !aiex_fake_answer(h, writers[i].id))
            aiex_fake_poll(h, 5);
        if (writers[i].id && aiex_fake_answer(h, writers[i].id)->kind == AIEX_FAKE_REPLY)
            done++;
        writers[i].id = 0;
    }
    aiex_fake_forget(h);
}

/* ---- Ways ---- */

static struct aiex_slice ask(const char *method, struct aiex_slice body)
{
    uint64_t id = aiex_fake_request(h, p, self, method, body, 0);

    while (!aiex_fake_answer(h, id))
        turn();
    if (aiex_fake_answer(h, id)->kind == AIEX_FAKE_FAIL)
        give_up("%s: %s", method, aiex_fake_answer(h, id)->text);
    return aiex_fake_answer(h, id)->body;
}

static struct aiex_slice map_of(uint8_t *mem, size_t size, const char *key, const char *text,
                                int on)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, key ? 1 : 0);
    if (key && text)
        aiex_w_key_str(&w, key, text);
    else if (key)
        aiex_w_key_bool(&w, key, on);
    return aiex_written(&w);
}

static void by_snapshot(void)
{
    uint8_t mem[64];

    ask("store.snapshot", map_of(mem, sizeof(mem), NULL, NULL, 0));
}

static void by_freezing(void)
{
    uint8_t mem[4096], token[2048];
    struct aiex_slice at = {token, 0}, end;
    struct aiex_writer w;
    int over = 0;

    ask("store.freeze", map_of(mem, sizeof(mem), "on", NULL, 1));
    while (!over) {
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, at.len ? 2 : 1);
        aiex_w_key_str(&w, "table", "rows");
        if (at.len)
            aiex_w_key_bin(&w, "token", token, at.len);
        end = ask("store.range", aiex_written(&w));
        aiex_get_bool(end, "end", &over);
        at.len = 0;
        if (!over && aiex_get_bytes(end, "next", &at) == 1) {
            memcpy(token, at.data, at.len);
            at.data = token;
        }
    }
    ask("store.freeze", map_of(mem, sizeof(mem), "on", NULL, 0));
}

static void by_backup(void)
{
    uint8_t mem[64];

    ask("store.backup", map_of(mem, sizeof(mem), "path", "copy", 0));
}

static void alone(void)
{
    uint64_t until = now_ns() + 2000000000ull;

    while (now_ns() < until)
        turn();
}

static void put_row(const char *way, const char *what, double value, const char *unit)
{
    char name[64];

    snprintf(name, sizeof(name), "store.state.%s.%s", way, what);
    row(name, value, unit);
}

static void measure(const char *way, void (*read_state)(void))
{
    uint64_t began;
    double ms;

    forget();
    times = (struct series){0};
    done = 0;
    began = now_ns();
    read_state();
    ms = (double)(now_ns() - began) / 1e6;
    for (int i = 0; i < WRITERS; i++) /* who waits still, waited for it */
        series_add(&times, (double)(now_ns() - writers[i].began) / 1000);
    put_row(way, "read", ms, "ms");
    put_row(way, "rate", (double)done * 1000 / ms, "transactions/s");
    put_row(way, "p50", series_at(&times, 0.5), "us");
    put_row(way, "p99", series_at(&times, 0.99), "us");
    put_row(way, "longest", series_at(&times, 1), "us");
    series_done(&times);
}

/* ---- The store ---- */

static void fill(void)
{
    uint8_t mem[1024];

    for (long i = 0; i < n_rows; i++) {
        uint64_t id = aiex_fake_request(h, p, self, "store.transact", step(mem, sizeof(mem), i), 0);

        if (i % 1000 != 999 && i + 1 != n_rows)
            continue;
        while (!aiex_fake_answer(h, id))
            aiex_fake_poll(h, 100);
        aiex_fake_forget(h);
    }
}

static int is_open(void *arg)
{
    uint64_t id = aiex_fake_request(h, p, self, "store.status", (struct aiex_slice){NULL, 0}, 0);
    char phase[16] = "";

    while (!aiex_fake_answer(h, id))
        aiex_fake_poll(h, 10);
    aiex_get_text(aiex_fake_answer(h, id)->body, "phase", phase, sizeof(phase));
    return strcmp(phase, "open") == 0;
}

int main(int argc, char **argv)
{
    static const struct aiex_fake_pair options[] = {{"cache", "256M"}, {0}};
    struct aiex_error err = {""};
    const char *tmp = getenv("BENCH_DIR");
    char text[400];

    if (argc != 2)
        give_up("usage: bench_snapshot BUILD");
    snprintf(text, sizeof(text), "%.300s/plugins/store_bdb.so", argv[1]);
    snprintf(dir, sizeof(dir), "%.40s/aiex_bench_XXXXXX", tmp ? tmp : "/var/tmp");
    p = aiex_fake_load(text, &err);
    if (!p || !mkdtemp(dir))
        give_up("%s: %s", dir, err.text);
    h = aiex_fake_host_new("store_bdb");
    aiex_fake_data_dir(h, dir);
    if (aiex_fake_start(h, p, options, &self, &err) != 0)
        give_up("the store does not start: %s", err.text);
    aiex_fake_poll_until(h, is_open, NULL, 30000);
    n_rows = rounds(100000, 2000);
    fill();
    measure("alone", alone);
    measure("snapshot", by_snapshot);
    measure("frozen", by_freezing);
    measure("backup", by_backup);
    forget();
    aiex_fake_stop(h, p, self);
    aiex_fake_host_free(h);
    snprintf(text, sizeof(text), "rm -rf '%s'", dir);
    return system(text) != 0;
}
