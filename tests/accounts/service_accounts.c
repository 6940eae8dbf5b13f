/*
 * service_accounts.c - for tests: an aggregate and a projection on a real store.
 *
 *     account.move {id, sum}   money goes in or out; never below 0
 *     account.show {id}        {version, money}
 *     account.row {id}         {found, n, money} of the projection
 */
#include <aiex/aiex_pack.h>
#include <aiex_events.h>
#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>

struct account {
    int64_t money;
};

struct self {
    const struct aiex_host *host;
    struct aiex_aggregates *accounts;
    struct aiex_projections *projections;
};

/* A call that waits for its command or row. */
struct waiting {
    struct self *self;
    uint64_t id;
    int only_money;
};

/* ---- The aggregate ---- */

static int64_t sum_of(struct aiex_slice data)
{
    int64_t sum = 0;

    aiex_get_int(data, "sum", &sum);
    return sum;
}

static int apply(void *state, const struct aiex_stored_event *e)
{
    struct account *a = state;

    a->money += sum_of(e->data);
    return 0;
}

static int validate(const void *state, struct aiex_slice command, struct aiex_decision *d,
                    struct aiex_error *err)
{
    const struct account *a = state;
    uint8_t mem[64];
    struct aiex_writer w;

    if (a->money + sum_of(command) < 0)
        return aiex_failed(err, -EINVAL, "only %lld are there", (long long)a->money);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "sum", sum_of(command));
    return aiex_decide(d, "moved", aiex_written(&w));
}

static void save(const void *state, struct aiex_writer *w)
{
    const struct account *a = state;

    aiex_w_map(w, 1);
    aiex_w_key_int(w, "money", a->money);
}

static int load(void *state, struct aiex_slice saved)
{
    struct account *a = state;

    return aiex_get_int(saved, "money", &a->money) == 1 ? 0 : -EBADMSG;
}

static const struct aiex_aggregate account = {.name = "account",
                                              .state_size = sizeof(struct account),
                                              .apply = apply,
                                              .validate = validate,
                                              .snapshot_every = 10,
                                              .form = 1,
                                              .save = save,
                                              .load = load};

struct shown {
    int64_t version, money;
};

static void write_shown(struct aiex_writer *w, const void *arg)
{
    const struct shown *s = arg;

    aiex_w_map(w, 2);
    aiex_w_key_int(w, "version", s->version);
    aiex_w_key_int(w, "money", s->money);
}

static void on_done(void *arg, const struct aiex_command_end *end)
{
    struct waiting *w = arg;
    const struct aiex_host *host = w->self->host;
    const struct account *a = end->state;
    const struct shown s = {end->version, a ? a->money : 0};

    if (end->code)
        aiex_refuse(host, w->id, end->code, "%s", end->text);
    else
        aiex_reply_by(host, w->id, write_shown, &s);
    host->release(host, w);
}

static int command(struct self *self, const struct aiex_message *m, int only_load)
{
    struct waiting *w = self->host->alloc(self->host, sizeof(*w));
    char id[64] = "";
    const struct aiex_command c = {
        .type = &account, .id = id, .body = m->body, .only_load = only_load, .trace = m->trace};
    int r;

    aiex_get_text(m->body, "id", id, sizeof(id));
    if (!w)
        return -ENOMEM;
    w->self = self;
    w->id = m->id;
    r = aiex_command_run(self->accounts, &c, on_done, w, NULL);
    if (r == 0)
        return 0;
    self->host->release(self->host, w);
    return aiex_refuse(self->host, m->id, r == -EBUSY ? AIEX_E_BUSY : AIEX_E_INVALID, "no command");
}

static int on_move(void *self, const struct aiex_message *m)
{
    return command(self, m, 0);
}

static int on_show(void *self, const struct aiex_message *m)
{
    return command(self, m, 1);
}

/* ---- The projection: events and money of each account ---- */

struct row {
    int64_t n, money;
};

static int needs(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r)
{
    (void)arg;
    return aiex_rows_need(r, e->stream);
}

static int project(void *arg, const struct aiex_stored_event *e, struct aiex_rows *r,
                   struct aiex_error *err)
{
    struct aiex_slice was;
    struct row row = {0, 0};

    (void)arg;
    (void)err;
    if (aiex_rows_get(r, e->stream, &was) == 1 && was.len == sizeof(row))
        memcpy(&row, was.data, sizeof(row));
    row.n++;
    row.money += sum_of(e->data);
    return aiex_rows_put(r, e->stream, (struct aiex_slice){(uint8_t *)&row, sizeof(row)});
}

static const struct aiex_projection sums = {
    .name = "accounts", .version = 1, .type = "moved", .needs = needs, .project = project};

static void write_row(struct aiex_writer *w, const void *arg)
{
    const struct row *row = arg;

    aiex_w_map(w, 2);
    aiex_w_key_int(w, "n", row->n);
    aiex_w_key_int(w, "money", row->money);
}

static void on_row(void *arg, const struct aiex_answer *answer)
{
    struct waiting *w = arg;
    const struct aiex_host *host = w->self->host;
    struct aiex_slice value = {NULL, 0};
    struct row row = {0, 0};

    if (answer->kind != AIEX_ANSWER_END)
        return;
    aiex_get_bytes(answer->body, "value", &value);
    if (value.len == sizeof(row))
        memcpy(&row, value.data, sizeof(row));
    if (answer->code)
        aiex_refuse(host, w->id, answer->code, "%s", answer->text);
    else
        aiex_reply_by(host, w->id, write_row, &row);
    host->release(host, w);
}

static int on_row_wanted(void *arg, const struct aiex_message *m)
{
    struct self *self = arg;
    struct waiting *waits = self->host->alloc(self->host, sizeof(*waits));
    struct aiex_request r = {.struct_size = sizeof(r), .service = "store", .method = "store.get"};
    char table[AIEX_PROJECTION_TABLE_SIZE], id[64] = "", stream[80];
    uint8_t key[128], mem[256];
    struct aiex_writer w;
    uint64_t call;
    int n;

    if (!waits)
        return -ENOMEM;
    aiex_get_text(m->body, "id", id, sizeof(id));
    snprintf(stream, sizeof(stream), "account-%s", id);
    n = aiex_projection_place(self->projections, "accounts",
                              (struct aiex_slice){(uint8_t *)stream, strlen(stream)}, table, key,
                              sizeof(key));
    waits->self = self;
    waits->id = m->id;
    if (n >= 0) {
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "table", table);
        aiex_w_key_bin(&w, "key", key, (size_t)n);
        r.body = aiex_written(&w);
        n = self->host->call(self->host, &r, on_row, waits, &call);
        if (n == 0)
            return 0;
    }
    self->host->release(self->host, waits);
    return aiex_refuse(self->host, m->id, AIEX_E_UNAVAILABLE, "there are no rows yet");
}

/* ---- Life ---- */

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct self *self = host->alloc(host, sizeof(*self));

    (void)config;
    if (!self)
        return aiex_failed(err, -ENOMEM, "no memory");
    self->host = host;
    *ret_self = self;
    if (aiex_aggregates_new(&(struct aiex_aggregates_setting){.host = host}, &self->accounts) < 0 ||
        aiex_projections_new(&(struct aiex_projections_setting){.host = host}, &self->projections) <
            0)
        return aiex_failed(err, -ENOMEM, "no memory");
    return 0;
}

static int start(void *arg, struct aiex_error *err)
{
    struct self *self = arg;
    int r = aiex_projection_start(self->projections, &sums);

    return r < 0 ? aiex_failed(err, r, "the projection can not be started") : 0;
}

static const struct aiex_method methods[] = {
    {"account.move", on_move}, {"account.show", on_show}, {"account.row", on_row_wanted}, {0}};

static int handle(void *arg, const struct aiex_message *m)
{
    struct self *self = arg;
    int r;

    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    r = aiex_projections_handle(self->projections, m);
    return r == -ENOSYS ? aiex_dispatch(methods, self, m) : r;
}

static void destroy(void *arg)
{
    struct self *self = arg;

    aiex_aggregates_free(self->accounts);
    aiex_projections_free(self->projections);
    self->host->release(self->host, self);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .abi_major = AIEX_ABI_MAJOR,
                                          .abi_minor = AIEX_ABI_MINOR,
                                          .option_size = sizeof(struct aiex_option),
                                          .name = "service_accounts",
                                          .version = "0.1.0",
                                          .summary = "accounts on a store, for tests",
                                          .kind = "service/1",
                                          .create = create,
                                          .start = start,
                                          .handle = handle,
                                          .destroy = destroy};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
