/* testkit_test.c - the fake host against its own header: records, splice, window, clock, sockets.
 */
#include "test.h"

#include <aiex/aiex_listen.h>
#include <aiex/aiex_pack.h>
#include <aiex/aiex_settings.h>
#include <aiex_fake_host.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static const struct aiex_slice none;

/* A plugin whose handle() only remembers. */
struct probe {
    const struct aiex_host *host;
    struct aiex_message last;
    int n, result;
};

static int probe_create(const struct aiex_host *host, const void *config, void **ret_self,
                        struct aiex_error *err)
{
    static struct probe probe;

    memset(&probe, 0, sizeof(probe));
    probe.host = host;
    *ret_self = &probe;
    return 0;
}

static int probe_handle(void *self, const struct aiex_message *m)
{
    struct probe *p = self;

    p->last = *m;
    p->n++;
    return p->result;
}

struct config {
    const char *text, *secret;
    int64_t number, flag, size, wait, choice;
    double real;
};

static const char *const colours[] = {"red", "green", NULL};

#define AT(field) .offset = offsetof(struct config, field)

static const struct aiex_option options[] = {
    {.name = "text",
     .def = "${AIEX_TESTKIT_UNSET:-other} ${AIEX_TESTKIT_SET}",
     .help = "h",
     .type = AIEX_OPT_STRING,
     AT(text)},
    {.name = "secret", .help = "h", .type = AIEX_OPT_SECRET, AT(secret)},
    {.name = "number",
     .def = "3",
     .help = "h",
     .type = AIEX_OPT_INT,
     .min = 1,
     .max = 9,
     AT(number)},
    {.name = "flag", .def = "on", .help = "h", .type = AIEX_OPT_BOOL, AT(flag)},
    {.name = "size", .def = "64k", .help = "h", .type = AIEX_OPT_SIZE, AT(size)},
    {.name = "wait", .def = "2m", .help = "h", .type = AIEX_OPT_DURATION, AT(wait)},
    {.name = "choice",
     .def = "green",
     .help = "h",
     .type = AIEX_OPT_CHOICE,
     .choices = colours,
     AT(choice)},
    {.name = "real", .flags = AIEX_OPT_REQUIRED, .help = "h", .type = AIEX_OPT_REAL, AT(real)},
    {0},
};

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_probe",
    .version = "1.0.0",
    .summary = "for tests",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = probe_create,
    .handle = probe_handle,
};

static const struct aiex_fake_pair enough[] = {{"real", "1.5"}, {0}};

static struct aiex_fake_host *begin(const struct aiex_host **ret_table, struct probe **ret_probe)
{
    struct aiex_fake_host *h = aiex_fake_host_new("service_probe:t");
    void *self = NULL;

    CU_ASSERT_EQUAL_FATAL(aiex_fake_start(h, &plugin, enough, &self, NULL), 0);
    *ret_table = aiex_fake_host_table(h);
    *ret_probe = self;
    return h;
}

/* ---- Options ---- */

static void option_values(void)
{
    const struct aiex_fake_pair pairs[] = {{"real", "-0.5"}, {"number", "9"}, {"size", "1G"}, {0}};
    struct config *c;

    unsetenv("AIEX_TESTKIT_UNSET");
    setenv("AIEX_TESTKIT_SET", "value", 1);
    c = aiex_fake_config(&plugin, pairs, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->text, "other value");
    CU_ASSERT_STRING_EQUAL(c->secret, "");
    CU_ASSERT_EQUAL(c->number, 9);
    CU_ASSERT_EQUAL(c->flag, 1);
    CU_ASSERT_EQUAL(c->size, 1024 * 1024 * 1024);
    CU_ASSERT_EQUAL(c->wait, 120000);
    CU_ASSERT_EQUAL(c->choice, 1);
    CU_ASSERT_DOUBLE_EQUAL(c->real, -0.5, 0);
    aiex_fake_config_free(c);
}

static void option_families(void)
{
    static const struct aiex_option table[] = {
        {.name = "alias.*", .help = "h", .type = AIEX_OPT_STRING, AT(text)},
        {.name = "alias.deep.*", .help = "h", .type = AIEX_OPT_SECRET, AT(secret)},
        {.name = "alias.number", .def = "3", .help = "h", .type = AIEX_OPT_INT, AT(number)},
        {0},
    };
    const struct aiex_fake_pair pairs[] = {{"alias.b", "1"},      {"alias.number", "9"},
                                           {"alias.deep.x", "y"}, {"alias.gone", ""},
                                           {"alias.a", "2 3"},    {0}};
    static const struct aiex_fake_pair bad[][2] = {{{"alias.", "1"}, {0}},
                                                   {{"alais.a", "1"}, {0}},
                                                   {{"alias.a\tb", "1"}, {0}},
                                                   {{"alias.a", "1\n2"}, {0}}};
    struct aiex_plugin p = plugin;
    struct aiex_error err;
    struct config *c;

    p.options = table;
    c = aiex_fake_config(&p, pairs, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->text, "b\t1\na\t2 3\n");
    CU_ASSERT_STRING_EQUAL(c->secret, "x\ty\n");
    CU_ASSERT_EQUAL(c->number, 9);
    aiex_fake_config_free(c);
    c = aiex_fake_config(&p, NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(c->text, "");
    aiex_fake_config_free(c);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_PTR_NULL(aiex_fake_config(&p, bad[i], &err));
}

static void option_refusals(void)
{
    static const char *const wrong[][3] = {
        {"number", "0", "number = '0': expected from 1 to 9"},
        {"number", "3x", "number = '3x': 'x' is not a unit here"},
        {"number", "", "number = '': expected a whole number"},
        {"number", "99999999999999999999",
         "number = '99999999999999999999': expected a whole number"},
        {"flag", "maybe", "flag = 'maybe': expected yes or no"},
        {"size", "9999999999G", "size = '9999999999G': 'G' is not a unit here"},
        {"wait", "30 parsecs", "wait = '30 parsecs': ' parsecs' is not a unit here"},
        {"choice", "blue", "choice = 'blue': not one of its choices"},
        {"real", "nan", "real = 'nan': expected a number"},
        {"text", "${OPEN", "value '${OPEN' opens '${' and does not close it"},
        {"modle", "x", "unknown option 'modle' of service_probe"},
    };
    struct aiex_error err = {""};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct aiex_fake_pair pairs[3] = {{wrong[i][0], wrong[i][1]}};

        if (strcmp(wrong[i][0], "real") != 0)
            pairs[1] = enough[0];
        CU_ASSERT_PTR_NULL(aiex_fake_config(&plugin, pairs, &err));
        CU_ASSERT_STRING_EQUAL(err.text, wrong[i][2]);
    }
    CU_ASSERT_PTR_NULL(aiex_fake_config(&plugin, NULL, &err));
    CU_ASSERT_STRING_EQUAL(err.text,
                           "option 'real' of service_probe is required and has no default");
}

/* ---- Records ---- */

static void what_the_plugin_did(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "a.b", .type = "up", .subject = "s"};
    uint64_t id = aiex_fake_request(h, &plugin, p, "probe.ask", slice("body"), AIEX_MF_IDEMPOTENT);
    char text[8] = "one";

    CU_ASSERT_EQUAL(p->last.kind, AIEX_MSG_REQUEST);
    CU_ASSERT_EQUAL(p->last.id, id);
    CU_ASSERT_EQUAL(p->last.flags, AIEX_MF_IDEMPOTENT);
    CU_ASSERT_STRING_EQUAL(p->last.service, "service_probe:t");
    t->log(t, AIEX_LOG_WARN, 7, text);
    memcpy(text, "two", 4); /* the record has a copy */
    t->log(t, AIEX_LOG_INFO, 0, text);
    CU_ASSERT_EQUAL(t->join(t, "probe", AIEX_NAME_GROUP), 0);
    CU_ASSERT_EQUAL(t->join(t, "", AIEX_NAME_GROUP), -EINVAL);
    CU_ASSERT_EQUAL(t->publish(t, &e), 0);
    CU_ASSERT_EQUAL(t->subscribe(t, "x.*"), 0);
    CU_ASSERT_EQUAL(t->unsubscribe(t, "x.*"), 0);
    CU_ASSERT_EQUAL(t->unsubscribe(t, "x.*"), -ENOENT);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("pa")), 0);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("rt")), 0);
    CU_ASSERT_EQUAL(t->reply(t, id, none), 0);
    CU_ASSERT_EQUAL(t->reply(t, id, none), -ENOENT);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("late")), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_LOG), 2);
    CU_ASSERT_STRING_EQUAL(aiex_fake_nth(h, AIEX_FAKE_LOG, 0)->text, "one");
    CU_ASSERT_EQUAL(aiex_fake_find(h, AIEX_FAKE_LOG, "wo", 0)->level, AIEX_LOG_INFO);
    CU_ASSERT_STRING_EQUAL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "a.b", 0)->type, "up");
    CU_ASSERT_EQUAL(aiex_fake_find(h, AIEX_FAKE_JOIN, "", 0)->result, -EINVAL);
    CU_ASSERT_TRUE(aiex_slice_is(aiex_fake_parts(h, id), "part"));
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->kind, AIEX_FAKE_REPLY);
    CU_ASSERT_PTR_NULL(aiex_fake_nth(h, AIEX_FAKE_STREAM, 3));
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_ANY)->result, -ENOENT);
    aiex_fake_forget(h);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_ANY), 0);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void handle_that_returns_an_error(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    const struct aiex_fake_record *r;

    p->result = -ENOSYS;
    r = aiex_fake_answer(h, aiex_fake_request(h, &plugin, p, "x", none, 0));
    CU_ASSERT_STRING_EQUAL(r->code, AIEX_E_NOT_FOUND);
    CU_ASSERT_TRUE(r->by_host);
    p->result = -EIO;
    r = aiex_fake_answer(h, aiex_fake_request(h, &plugin, p, "x", none, 0));
    CU_ASSERT_STRING_EQUAL(r->code, AIEX_E_INTERNAL);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

/* ---- Window ---- */

static void pause_and_resume(void)
{
    static uint8_t big[700 * 1024];
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    uint64_t id = aiex_fake_request(h, &plugin, p, "x", none, 0);

    aiex_fake_window(h, 4);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("123")), 0);
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), 0);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("1234")), AIEX_PAUSE);
    CU_ASSERT_EQUAL(t->stream(t, id, (struct aiex_slice){big, sizeof(big)}), AIEX_PAUSE);
    CU_ASSERT_EQUAL(t->stream(t, id, (struct aiex_slice){big, sizeof(big)}), AIEX_PAUSE);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("x")), -ENOBUFS);
    p->last.kind = 0;
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), 1);
    CU_ASSERT_EQUAL(p->last.kind, AIEX_MSG_RESUME);
    CU_ASSERT_EQUAL(p->last.id, id);
    CU_ASSERT_EQUAL(t->stream(t, id, slice("1")), 0);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(p->last.kind, AIEX_MSG_CANCEL);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_resume(h, id), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

/* ---- Calls ---- */

struct answers {
    int n;
    uint32_t kind, flags;
    char code[32];
};

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct answers *got = arg;

    got->n++;
    got->kind = a->kind;
    got->flags = a->flags;
    snprintf(got->code, sizeof(got->code), "%s", a->code ? a->code : "");
}

static uint64_t make_call(const struct aiex_host *t, uint64_t parent, uint32_t flags,
                          struct answers *got)
{
    struct aiex_request rq = {.struct_size = sizeof(rq),
                              .service = "other",
                              .method = "other.do",
                              .parent = parent,
                              .flags = flags,
                              .body = slice("q")};
    uint64_t call = 0;

    memset(got, 0, sizeof(*got));
    CU_ASSERT_EQUAL(t->call(t, &rq, on_answer, got, &call), 0);
    return call;
}

static void calls_by_hand(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    uint64_t id = aiex_fake_request(h, &plugin, p, "x", none, 0), call;
    struct aiex_request bad = {.struct_size = sizeof(bad), .service = "other"};
    struct answers got;

    call = make_call(t, id, AIEX_CALL_MANUAL, &got);
    CU_ASSERT_EQUAL(aiex_fake_find(h, AIEX_FAKE_CALL, "other.do", 0)->id, call);
    CU_ASSERT_EQUAL(aiex_fake_find(h, AIEX_FAKE_CALL, "other.do", 0)->trace, p->last.trace);
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, call, slice("12345")), 0);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, call), 5);
    CU_ASSERT_EQUAL(t->credit(t, call, 3), 0);
    CU_ASSERT_EQUAL(aiex_fake_uncredited(h, call), 2);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, call, none), 0);
    CU_ASSERT_EQUAL(got.n, 2);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, call, none), -ENOENT);
    CU_ASSERT_EQUAL(t->credit(t, call, 1), -ENOENT);
    call = make_call(t, id, 0, &got);
    CU_ASSERT_EQUAL(t->cancel(t, call), 0);
    CU_ASSERT_EQUAL(t->cancel(t, call), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, call, none), -ENOENT);
    CU_ASSERT_EQUAL(got.n, 0);
    CU_ASSERT_EQUAL(t->call(t, &bad, on_answer, &got, &call), -EINVAL);
    bad.method = "other.cast";
    CU_ASSERT_EQUAL(t->call(t, &bad, NULL, NULL, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_CAST, "other.cast", 0));
    call = make_call(t, id, 0, &got);
    aiex_fake_cancel(h, id); /* goes down to the open child */
    CU_ASSERT_EQUAL(got.n, 0);
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_CANCEL)->id, call);
    CU_ASSERT_TRUE(aiex_fake_last(h, AIEX_FAKE_CANCEL)->by_host);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, call, none), -ENOENT);
    bad.flags = AIEX_CALL_SPLICE; /* into a call that is over */
    bad.parent = id;
    CU_ASSERT_EQUAL(t->call(t, &bad, on_answer, &got, &call), -EINVAL);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void splice(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    uint64_t id = aiex_fake_request(h, &plugin, p, "x", none, 0), call;
    struct answers got;

    call = make_call(t, id, AIEX_CALL_SPLICE, &got);
    CU_ASSERT_EQUAL(aiex_fake_answer_error(h, call, AIEX_E_BUSY, "full", 5, none), 0);
    CU_ASSERT_STRING_EQUAL(got.code, AIEX_E_BUSY);
    CU_ASSERT_EQUAL(got.flags, 0);
    CU_ASSERT_PTR_NULL(aiex_fake_answer(h, id)); /* the parent is open: try elsewhere */
    call = make_call(t, id, AIEX_CALL_SPLICE, &got);
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, call, slice("part")), 0);
    CU_ASSERT_EQUAL(got.n, 0);
    CU_ASSERT_TRUE(aiex_slice_is(aiex_fake_parts(h, id), "part"));
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, call, slice("end")), 0);
    CU_ASSERT_EQUAL(got.flags, AIEX_AF_SPLICED);
    CU_ASSERT_TRUE(aiex_fake_answer(h, id)->by_host);
    CU_ASSERT_TRUE(aiex_slice_is(aiex_fake_answer(h, id)->body, "end"));
    CU_ASSERT_EQUAL(t->reply(t, id, none), -ENOENT);

    id = aiex_fake_request(h, &plugin, p, "x", none, 0);
    call = make_call(t, id, AIEX_CALL_SPLICE, &got);
    aiex_fake_answer_part(h, call, slice("part"));
    aiex_fake_answer_error(h, call, AIEX_E_CRASHED, "gone", 0, none);
    CU_ASSERT_EQUAL(got.flags, AIEX_AF_SPLICED);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->code, AIEX_E_CRASHED);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static int answer_at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    int *refuse = arg;

    return *refuse ? -EBUSY : aiex_fake_answer_ok(h, call->id, none);
}

static void answered_inside_call(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    struct aiex_request rq = {.struct_size = sizeof(rq), .service = "o", .method = "o.do"};
    struct answers got;
    uint64_t call;
    int refuse = 0;

    aiex_fake_on_call(h, answer_at_once, &refuse);
    make_call(t, 0, 0, &got);
    CU_ASSERT_EQUAL(got.n, 1);
    refuse = 1;
    CU_ASSERT_EQUAL(t->call(t, &rq, on_answer, &got, &call), -EBUSY);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

/* ---- Clock, posts, sockets ---- */

struct ticks {
    const struct aiex_host *host;
    uint64_t at[8], stop_id;
    size_t n;
};

static void on_tick(void *arg)
{
    struct ticks *k = arg;

    k->at[k->n++] = k->host->now_ms(k->host);
    if (k->n == 3 && k->stop_id)
        k->host->unwatch(k->host, k->stop_id);
}

static void timers(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    struct ticks k = {.host = t};
    uint64_t start = t->now_ms(t), once;

    CU_ASSERT_EQUAL(t->timer(t, 10, 20, on_tick, &k, &k.stop_id), 0);
    CU_ASSERT_EQUAL(t->timer(t, 15, 0, on_tick, &k, &once), 0);
    CU_ASSERT_EQUAL(aiex_fake_advance(h, 9), 0);
    CU_ASSERT_EQUAL(aiex_fake_advance(h, 91), 3);
    CU_ASSERT_EQUAL(k.at[0], start + 10);
    CU_ASSERT_EQUAL(k.at[1], start + 15);
    CU_ASSERT_EQUAL(k.at[2], start + 30);
    CU_ASSERT_EQUAL(t->now_ms(t), start + 100);
    CU_ASSERT_EQUAL(t->unwatch(t, once), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void count(void *arg)
{
    (*(int *)arg)++;
}

static void *post_from_thread(void *arg)
{
    const struct aiex_host **t = arg;
    static int ran;

    (*t)->post(*t, count, &ran);
    return &ran;
}

static int is_set(void *arg)
{
    return *(int *)arg;
}

static void posts(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    pthread_t thread;
    int ran = 0;
    void *theirs;

    t->post(t, count, &ran);
    t->post(t, count, &ran);
    CU_ASSERT_EQUAL(ran, 0);
    CU_ASSERT_EQUAL(aiex_fake_run_posts(h), 2);
    CU_ASSERT_EQUAL(ran, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, post_from_thread, &t), 0);
    pthread_join(thread, &theirs);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_set, theirs, 10000), 0);
    ran = 0;
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_set, &ran, 1), -ETIMEDOUT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void on_accept(void *arg, uint32_t events)
{
    int *listener = arg, fd = accept(*listener, NULL, NULL);

    CU_ASSERT_EQUAL(events, AIEX_WATCH_READ);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
    *listener = -1;
}

static int is_accepted(void *arg)
{
    return *(int *)arg == -1;
}

static void a_real_socket(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    const struct aiex_listen *listen_table = t->extension(t, AIEX_LISTEN_ID);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct aiex_error err = {""};
    int listener = listen_table->open(t, "127.0.0.1:7420", &err), kept = listener;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t watch;

    CU_ASSERT_TRUE_FATAL(listener >= 0);
    CU_ASSERT_EQUAL(t->watch(t, listener, AIEX_WATCH_READ, on_accept, &listener, &watch), 0);
    CU_ASSERT_EQUAL(aiex_fake_poll(h, 0), 0);
    to.sin_port = htons(aiex_fake_listen_port(h, 0));
    CU_ASSERT_EQUAL(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    CU_ASSERT_EQUAL(t->rewatch(t, watch, 0), 0);
    CU_ASSERT_EQUAL(aiex_fake_poll(h, 0), 0); /* paused */
    CU_ASSERT_EQUAL(t->rewatch(t, watch, AIEX_WATCH_READ), 0);
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_accepted, &listener, 10000), 0);
    CU_ASSERT_EQUAL(t->unwatch(t, watch), 0);
    aiex_fake_listen_fail(h, -EADDRINUSE);
    CU_ASSERT_EQUAL(listen_table->open(t, "127.0.0.1:1", &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "127.0.0.1:1"));
    close(client);
    close(kept);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

/* ---- Failures ---- */

static void *log_and_misuse(void *arg)
{
    const struct aiex_host *t = arg;

    t->log(t, AIEX_LOG_INFO, 0, "from a thread");
    t->join(t, "wrong", AIEX_NAME_GROUP);
    return NULL;
}

static void leaks_are_counted(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    struct aiex_fake_live live;
    pthread_t thread;
    uint64_t id;
    int foreign[16] = {0};

    t->alloc(t, 10);
    t->timer(t, 1, 0, count, NULL, &id);
    t->watch(t, 0, AIEX_WATCH_READ, on_accept, NULL, &id);
    t->post(t, count, NULL);
    aiex_fake_request(h, &plugin, p, "x", none, 0);
    t->release(t, foreign + 8);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, log_and_misuse, (void *)t), 0);
    pthread_join(thread, NULL);
    aiex_fake_live(h, &live);
    CU_ASSERT_EQUAL(live.allocs, 1);
    CU_ASSERT_EQUAL(live.alloc_bytes, 10);
    CU_ASSERT_EQUAL(live.misuse, 2);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 7);
}

static void nth_allocation_fails(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    void *a, *b;

    aiex_fake_fail_alloc(h, 2);
    a = t->alloc(t, 1);
    b = t->alloc(t, 1);
    CU_ASSERT_PTR_NOT_NULL(a);
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_EQUAL(t->post(t, count, NULL), 0);
    CU_ASSERT_EQUAL(aiex_fake_fail_alloc(h, 1), 3);
    CU_ASSERT_EQUAL(t->post(t, count, NULL), -ENOMEM);
    t->release(t, a);
    aiex_fake_stop(h, &plugin, p);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void extensions_and_settings(void)
{
    const struct aiex_host *t;
    struct probe *p;
    struct aiex_fake_host *h = begin(&t, &p);
    const struct aiex_settings *settings = t->extension(t, AIEX_SETTINGS_ID);
    const int64_t *value;
    char text[4];

    CU_ASSERT_PTR_NULL(t->extension(t, "my.table/1"));
    aiex_fake_extension(h, "my.table/1", p);
    CU_ASSERT_PTR_EQUAL(t->extension(t, "my.table/1"), p);
    CU_ASSERT_PTR_NULL(settings->find(t, "limit"));
    aiex_fake_setting(h, "limit", "12");
    value = settings->find(t, "limit");
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    CU_ASSERT_EQUAL(*value, 12);
    aiex_fake_setting(h, "limit", "1234");
    CU_ASSERT_EQUAL(*value, 1234);
    CU_ASSERT_EQUAL(settings->version(t), 2);
    CU_ASSERT_EQUAL(settings->text(t, "limit", text, sizeof(text)), -ENOSPC);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void plugins_beside(void)
{
    struct aiex_error err = {""};

    CU_ASSERT_PTR_NULL(aiex_fake_load("/nowhere/plugin.so", &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "plugin '/nowhere/plugin.so': "));
    CU_ASSERT_PTR_NULL(aiex_fake_load("libm.so.6", &err)); /* no plugin */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "aiex_plugin_entry"));
    CU_ASSERT_PTR_NULL(aiex_fake_load("/nowhere/plugin.so", NULL));
}

const struct test_case tests[] = {
    {"plugins beside", plugins_beside},
    {"option values", option_values},
    {"option families", option_families},
    {"option refusals", option_refusals},
    {"what the plugin did", what_the_plugin_did},
    {"handle that returns an error", handle_that_returns_an_error},
    {"pause and resume", pause_and_resume},
    {"calls by hand", calls_by_hand},
    {"splice", splice},
    {"answered inside call", answered_inside_call},
    {"timers", timers},
    {"posts", posts},
    {"a real socket", a_real_socket},
    {"leaks are counted", leaks_are_counted},
    {"nth allocation fails", nth_allocation_fails},
    {"extensions and settings", extensions_and_settings},
    {0},
};
