/*
 * projection_verbs.c - aiex projection list and rebuild, aiex aggregate show: what plugins derive
 * from stored events (sdk/events).
 *
 * A projection announces itself by its row in the table "projections": its name and the instance
 * that runs it. That one is asked how it is; when it does not answer, that is what is shown.
 */
#include "answer_table.h"
#include "event_out.h"
#include "event_verbs.h"
#include "json_out.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE       "projections"
#define SNAPSHOTS   "snapshots"
#define PROJECTIONS 1024 /* that are listed */
#define ASK_MS      5000

struct known {
    char name[64], service[128];
    int64_t version, generation, building;
};

struct listing {
    struct command *command;
    struct known *all; /* PROJECTIONS places */
    size_t n;
};

/* ---- What there is ---- */

static void pack_range(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 1);
    aiex_w_key_str(w, "table", TABLE);
}

/* Rows of builds, NAME/GENERATION, are left to those who run them. */
static int on_row(void *arg, struct aiex_slice row)
{
    struct listing *l = arg;
    struct known *k = &l->all[l->n];
    struct aiex_slice key = {NULL, 0}, value = {NULL, 0};

    if (aiex_get_bytes(row, "key", &key) != 1 || aiex_get_bytes(row, "value", &value) != 1 ||
        memchr(key.data, '/', key.len) || !aiex_is_map(value) || l->n == PROJECTIONS)
        return 0;
    memset(k, 0, sizeof(*k));
    if (aiex_get_text(value, "name", k->name, sizeof(k->name)) != 1 ||
        aiex_get_text(value, "service", k->service, sizeof(k->service)) != 1)
        return 0;
    aiex_get_int(value, "version", &k->version);
    aiex_get_int(value, "generation", &k->generation);
    aiex_get_int(value, "building", &k->building);
    l->n++;
    return 0;
}

static int on_rows(void *arg, struct aiex_slice part)
{
    return event_each(part, on_row, arg);
}

static enum outcome find_all(struct listing *l)
{
    const struct command_call call = {.service = event_store(l->command),
                                      .method = "store.range",
                                      .pack = pack_range,
                                      .part = on_rows,
                                      .part_arg = l};
    struct control_end end;
    enum outcome outcome;

    l->all = calloc(PROJECTIONS + 1, sizeof(*l->all));
    if (!l->all) {
        complain(&l->command->screen, "out of memory");
        return OUTCOME_FAILED;
    }
    outcome = command_call(l->command, &call, &end);
    control_end_done(&end);
    return outcome;
}

/* ---- How each is ---- */

struct search {
    const char *name;
    struct aiex_slice found;
};

static int is_it(void *arg, struct aiex_slice item)
{
    struct search *s = arg;
    struct aiex_slice name;

    if (aiex_get_str(item, "name", &name) == 1 && aiex_slice_is(name, s->name))
        s->found = item;
    return s->found.len != 0;
}

static int copy_pair(void *arg, const char *key, struct aiex_slice value)
{
    struct aiex_writer *w = arg;

    aiex_w_str(w, key);
    aiex_w_raw(w, value.data, value.len);
    return 0;
}

static int count_pair(void *arg, const char *key, struct aiex_slice value)
{
    (void)key;
    (void)value;
    ++*(uint32_t *)arg;
    return 0;
}

/* As the one who runs it says, and who that is; else what its row says. */
static void put_one(struct aiex_writer *w, const struct known *k, struct aiex_slice found,
                    const char *why)
{
    uint32_t n = 0;

    field_each(found, count_pair, &n);
    aiex_w_map(w, n ? n + 1 : 7);
    aiex_w_key_str(w, "service", k->service);
    field_each(found, copy_pair, w);
    if (n)
        return;
    aiex_w_key_str(w, "name", k->name);
    aiex_w_key_str(w, "state", "down");
    aiex_w_key_str(w, "error", why);
    aiex_w_key_int(w, "version", k->version);
    aiex_w_key_int(w, "generation", k->generation);
    aiex_w_key_int(w, "building", k->building);
}

static void ask_one(struct command *c, const struct known *k, struct aiex_writer *w)
{
    const struct control_request request = {
        .service = k->service, .method = "projection.list", .timeout_ms = ASK_MS};
    struct search search = {.name = k->name};
    struct control_end end;
    struct aiex_error err = {"it does not run there any more"};

    if (control_call(c->control, &request, NULL, NULL, &end, &err) == 0) {
        if (*end.code)
            snprintf(err.text, sizeof(err.text), "%.300s (%s)", end.text, end.code);
        field_each_item(end.body, "projections", is_it, &search);
    }
    put_one(w, k, search.found, err.text);
    control_end_done(&end);
}

static const struct answer_column columns[] = {
    {{"NAME", 0, 0, 0}, "name", CELL_PLAIN},
    {{"STATE", 0, 0, 0}, "state", CELL_PLAIN},
    {{"LAG", 1, 0, 0}, "lag", CELL_PLAIN},
    {{"POSITION", 1, 2, 0}, "position", CELL_PLAIN},
    {{"VERSION", 1, 3, 0}, "version", CELL_PLAIN},
    {{"BUILD", 1, 4, 0}, "generation", CELL_PLAIN},
    {{"BUILDING", 1, 1, 0}, "building", CELL_LIMIT},
    {{"FAILURES", 1, 5, 0}, "failures", CELL_LIMIT},
    {{"INSTANCE", 0, 1, 1}, "service", CELL_PLAIN},
    {{"ERROR", 0, 0, 1}, "error", CELL_PLAIN},
};

static enum outcome show_all(const struct listing *l, struct aiex_slice body)
{
    struct aiex_slice array = {NULL, 0};

    if (!command_wants_json(l->command))
        return answer_table(l->command, body, "projections", columns,
                            sizeof(columns) / sizeof(*columns));
    aiex_get_whole(body, "projections", &array);
    return command_print_json(l->command, array);
}

enum outcome verb_projection_list(struct command *c)
{
    struct listing l = {.command = c};
    enum outcome outcome = find_all(&l);
    size_t size = 64 + l.n * 2048; /* names, numbers, and an error of 512 bytes at most */
    void *mem = outcome == OUTCOME_OK ? malloc(size) : NULL;
    struct aiex_writer w;

    aiex_writer_init(&w, mem, mem ? size : 0);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "projections");
    aiex_w_array(&w, (uint32_t)l.n);
    for (size_t i = 0; mem && i < l.n; i++)
        ask_one(c, &l.all[i], &w);
    if (mem && !w.failed) {
        outcome = show_all(&l, aiex_written(&w));
    } else if (outcome == OUTCOME_OK) {
        complain(&c->screen,
                 mem ? "an instance's answer is longer than it may be" : "out of memory");
        outcome = OUTCOME_FAILED;
    }
    free(mem);
    free(l.all);
    return outcome;
}

/* ---- rebuild ---- */

static void pack_name(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "name", c->args.words[0]);
}

enum outcome verb_projection_rebuild(struct command *c)
{
    struct listing l = {.command = c};
    struct command_call call = {.method = "projection.rebuild", .pack = pack_name, .pack_arg = c};
    enum outcome outcome = find_all(&l);

    for (size_t i = 0; outcome == OUTCOME_OK && i < l.n; i++)
        if (strcmp(l.all[i].name, c->args.words[0]) == 0)
            call.service = l.all[i].service;
    if (call.service) {
        outcome = answer_done(c, &call, "a new build runs beside the old one:", c->args.words[0]);
    } else if (outcome == OUTCOME_OK) {
        complain(&c->screen, "no projection '%s' is known; `aiex projection list` has all",
                 c->args.words[0]);
        outcome = OUTCOME_NOT_FOUND;
    }
    free(l.all);
    return outcome;
}

/* ---- aggregate show ---- */

static void pack_last(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "stream", c->args.words[0]);
    aiex_w_key_bool(w, "backwards", 1);
    aiex_w_key_int(w, "limit", 1);
}

static void pack_snapshot(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", SNAPSHOTS);
    aiex_w_key_bin(w, "key", c->args.words[0], strlen(c->args.words[0]));
}

static int take_version(void *arg, struct aiex_slice event)
{
    aiex_get_int(event, "version", arg);
    return 0;
}

static int on_last(void *arg, struct aiex_slice part)
{
    return event_each(part, take_version, arg);
}

static void show_aggregate(struct command *c, int64_t version, struct aiex_slice snapshot)
{
    struct aiex_slice state = {NULL, 0};
    int64_t saved = 0, form = 0;
    enum json_form json = command_wants_json(c) ? JSON_LINE : JSON_PRETTY;

    aiex_get_int(snapshot, "version", &saved);
    aiex_get_int(snapshot, "form", &form);
    fputs("{\"stream\":", stdout);
    json_out_string(stdout, c->args.words[0], strlen(c->args.words[0]));
    printf(",\"version\":%lld,\"snapshot\":%lld,\"form\":%lld,\"state\":", (long long)version,
           (long long)saved, (long long)form);
    if (aiex_get_bytes(snapshot, "state", &state) != 1 || !state.len ||
        json_out(stdout, state, json) != 0)
        fputs("null", stdout);
    fputs("}\n", stdout);
}

enum outcome verb_aggregate_show(struct command *c)
{
    int64_t version = 0;
    const struct command_call last = {.service = event_store(c),
                                      .method = "store.read",
                                      .pack = pack_last,
                                      .pack_arg = c,
                                      .part = on_last,
                                      .part_arg = &version};
    const struct command_call get = {
        .service = event_store(c), .method = "store.get", .pack = pack_snapshot, .pack_arg = c};
    struct aiex_slice value = {NULL, 0};
    struct control_end end;
    enum outcome outcome = command_call(c, &last, &end);

    control_end_done(&end);
    if (outcome == OUTCOME_OK && !version) {
        complain(&c->screen, "stream '%s' has no events", c->args.words[0]);
        return OUTCOME_NOT_FOUND;
    }
    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &get, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_bytes(end.body, "value", &value);
    show_aggregate(c, version, value);
    control_end_done(&end);
    return OUTCOME_OK;
}
