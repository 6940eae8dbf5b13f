/* Templates as events of a store: what survives, who wins, what goes on without it. */
#include "stored.h"
#include "test.h"

#include <aiex_fake_host.h>
#include <errno.h>
#include <fcntl.h>
#include <memory_store.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct node {
    struct aiex_fake_host *h;
    const struct aiex_plugin *p;
    void *self;
    char dir[64];
};

static struct node nodes[2], *at = nodes;
static struct memory_store *store;

static const struct aiex_fake_pair with_store[] = {{"store", "store"}, {0}};
static const struct aiex_fake_pair alone[] = {{0}};

static void open_it(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    at->h = aiex_fake_host_new("service_templates");
    aiex_fake_data_dir(at->h, at->dir);
    aiex_fake_on_call(at->h, memory_store_call, store);
    at->p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    at->self = NULL;
    if (aiex_fake_start(at->h, at->p, pairs, &at->self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void close_it(void)
{
    aiex_fake_stop(at->h, at->p, at->self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(at->h), 0);
}

static void begin_node(struct node *n, const struct aiex_fake_pair *pairs)
{
    at = n;
    strcpy(at->dir, "/tmp/aiex_templates_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(at->dir));
    open_it(pairs);
}

static void begin(const struct aiex_fake_pair *pairs)
{
    store = memory_store_new();
    begin_node(&nodes[0], pairs);
}

static char *log_path(void)
{
    static char path[100];

    snprintf(path, sizeof(path), "%s/templates.log", at->dir);
    return path;
}

static void finish_node(struct node *n)
{
    at = n;
    close_it();
    unlink(log_path());
    CU_ASSERT_EQUAL(rmdir(at->dir), 0);
}

static void finish(void)
{
    finish_node(&nodes[0]);
    memory_store_free(store);
}

static void reopen(void)
{
    close_it();
    open_it(with_store);
}

static void empty_folder(void)
{
    close_it();
    unlink(log_path());
    open_it(with_store);
}

static void pass(uint64_t ms)
{
    for (; ms > 0; ms -= ms < 100 ? ms : 100)
        aiex_fake_advance(at->h, 100);
}

static void away(void)
{
    memory_store_fail(store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
}

static void heal(void)
{
    memory_store_heal(store);
    pass(3000);
}

/* ---- Requests ---- */

/* Pairs of texts, ended by NULL. */
static uint64_t ask(const char *method, ...)
{
    const char *key;
    struct aiex_writer w;
    uint8_t mem[8192];
    uint32_t n = 0;
    va_list ap;

    va_start(ap, method);
    while (va_arg(ap, const char *))
        n++;
    va_end(ap);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, n / 2);
    va_start(ap, method);
    while ((key = va_arg(ap, const char *)) != NULL)
        aiex_w_key_str(&w, key, va_arg(ap, const char *));
    va_end(ap);
    return aiex_fake_request(at->h, at->p, at->self, method, aiex_written(&w), 0);
}

static uint64_t put(const char *name, const char *words)
{
    return ask("templates.put", "name", name, "text", words, NULL);
}

static int is_open(uint64_t id)
{
    return aiex_fake_answer(at->h, id) == NULL;
}

static const char *code(uint64_t id)
{
    return is_open(id) ? "open" : aiex_fake_answer(at->h, id)->code;
}

static int64_t version(uint64_t id)
{
    int64_t v = -1;

    if (!is_open(id))
        aiex_get_int(aiex_fake_answer(at->h, id)->body, "version", &v);
    return v;
}

/* What a template renders as: its text, or the code of the refusal. */
static const char *render(const char *name)
{
    static char out[64];
    uint64_t id = ask("templates.render", "name", name, NULL);

    if (code(id)[0])
        return code(id);
    aiex_get_text(aiex_fake_answer(at->h, id)->body, "text", out, sizeof(out));
    return out;
}

static unsigned events(void)
{
    return memory_store_events(store, "templates");
}

static const char *event(unsigned n, const char *field)
{
    static char type[64], value[64];
    struct aiex_slice map, data = {NULL, 0};

    type[0] = value[0] = 0;
    if (!memory_store_event(store, "templates", n, &map))
        return "none";
    aiex_get_text(map, "type", type, sizeof(type));
    aiex_get_bytes(map, "data", &data);
    if (field)
        aiex_get_text(data, field, value, sizeof(value));
    return field ? value : type;
}

/* ---- Cases ---- */

static void every_change_is_an_event(void)
{
    uint64_t id;

    begin(with_store);
    CU_ASSERT_EQUAL(version(put("a", "one")), 1);
    CU_ASSERT_EQUAL(version(put("a", "two")), 2);
    CU_ASSERT_STRING_EQUAL(code(ask("templates.remove", "name", "a", NULL)), "");
    CU_ASSERT_EQUAL(version(put("a", "three")), 3);
    CU_ASSERT_EQUAL(version(put("review", "mine")), 2); /* behind what is built in */
    CU_ASSERT_EQUAL(events(), 5);
    CU_ASSERT_STRING_EQUAL(event(0, NULL), "template.put");
    CU_ASSERT_STRING_EQUAL(event(0, "name"), "a");
    CU_ASSERT_STRING_EQUAL(event(0, "text"), "one");
    CU_ASSERT_STRING_NOT_EQUAL(event(0, "caller"), "");
    CU_ASSERT_STRING_EQUAL(event(2, NULL), "template.removed");
    id = ask("templates.show", "name", "a", NULL);
    CU_ASSERT_EQUAL(version(id), 3);
    /* what is refused is none */
    CU_ASSERT_STRING_EQUAL(code(put("a b", "x")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(put("a", "{{")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(ask("templates.remove", "name", "none", NULL)), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ask("templates.remove", "name", "explain", NULL)), "denied");
    CU_ASSERT_EQUAL(events(), 5);
    finish();
}

static void they_survive_the_end_of_either(void)
{
    begin(with_store);
    put("a", "one");
    put("b", "two");
    ask("templates.remove", "name", "b", NULL);
    away();
    reopen();
    CU_ASSERT_STRING_EQUAL(render("a"), "one");
    CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
    heal();
    empty_folder();
    CU_ASSERT_STRING_EQUAL(render("a"), "one");
    CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
    CU_ASSERT_EQUAL(version(put("b", "new")), 2); /* numbers are not used again */
    away();
    reopen(); /* from the file that was written as a whole */
    CU_ASSERT_STRING_EQUAL(render("b"), "new");
    heal();
    ask("templates.remove", "name", "b", NULL);
    empty_folder();
    reopen();
    CU_ASSERT_EQUAL(version(put("b", "newer")), 3);
    CU_ASSERT_EQUAL(events(), 6);
    finish();
}

static void a_store_that_is_away_stops_changes_alone(void)
{
    uint64_t id, gone;

    begin(with_store);
    put("a", "one");
    away();
    id = put("a", "two");
    gone = ask("templates.remove", "name", "a", NULL);
    CU_ASSERT_STRING_EQUAL(render("a"), "one");
    CU_ASSERT_TRUE(is_open(id) && is_open(gone));
    pass(7000);
    CU_ASSERT_STRING_EQUAL(code(id), "unavailable");
    CU_ASSERT_STRING_EQUAL(code(gone), "unavailable");
    CU_ASSERT_STRING_EQUAL(render("a"), "one");
    heal();
    CU_ASSERT_EQUAL(version(put("a", "two")), 2);
    memory_store_fail(store, "store.append", 0, 1, AIEX_E_READ_ONLY, NOT_DONE);
    CU_ASSERT_STRING_EQUAL(code(put("a", "three")), "read_only");
    CU_ASSERT_EQUAL(events(), 2);
    finish();
}

static void a_lost_answer_makes_one_version(void)
{
    uint64_t id;

    begin(with_store);
    memory_store_fail(store, "store.append", 0, 2, AIEX_E_CRASHED, DONE);
    id = put("a", "one");
    pass(1000);
    CU_ASSERT_EQUAL(version(id), 1);
    CU_ASSERT_EQUAL(events(), 1);
    memory_store_fail(store, "store.append", 0, 1000000, AIEX_E_TIMEOUT, DONE);
    id = put("a", "two");
    pass(7000);
    CU_ASSERT_STRING_EQUAL(code(id), "timeout");
    heal();
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    finish();
}

/* An empty folder: nobody is told that there is no such template before that is known. */
static void an_empty_folder_waits_for_the_store(void)
{
    uint64_t read, built_in, change, late;

    begin(with_store);
    put("a", "one");
    put("explain", "mine");
    close_it();
    unlink(log_path());
    away();
    open_it(with_store);
    read = ask("templates.render", "name", "a", NULL);
    built_in = ask("templates.render", "name", "explain", NULL);
    change = put("a", "two");
    CU_ASSERT_TRUE(is_open(read) && is_open(built_in) && is_open(change));
    heal();
    CU_ASSERT_EQUAL(version(read), 1);
    CU_ASSERT_EQUAL(version(built_in), 2);
    CU_ASSERT_EQUAL(version(change), 2);
    close_it();
    unlink(log_path());
    away();
    open_it(with_store);
    late = ask("templates.render", "name", "a", NULL);
    change = put("a", "three");
    pass(7000);
    CU_ASSERT_STRING_EQUAL(code(late), "unavailable");
    CU_ASSERT_STRING_EQUAL(code(change), "unavailable");
    heal();
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    CU_ASSERT_EQUAL(events(), 3);
    finish();
}

static void two_nodes_agree(void)
{
    begin(with_store);
    begin_node(&nodes[1], with_store);
    at = &nodes[0];
    CU_ASSERT_EQUAL(version(put("a", "one")), 1);
    at = &nodes[1];
    CU_ASSERT_EQUAL(version(put("a", "two")), 2); /* after a conflict */
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    at = &nodes[0];
    CU_ASSERT_STRING_EQUAL(render("a"), "one");
    pass(2100);
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    ask("templates.remove", "name", "a", NULL);
    at = &nodes[1];
    CU_ASSERT_STRING_EQUAL(code(ask("templates.remove", "name", "a", NULL)), "not_found");
    CU_ASSERT_STRING_EQUAL(render("a"), "not_found");
    finish_node(&nodes[1]);
    at = &nodes[0];
    finish();
}

/* ---- What is here and not there ---- */

static void an_older_log_is_taken_over_once(void)
{
    begin(alone);
    put("a", "one");
    put("a", "two");
    put("b", "gone");
    ask("templates.remove", "name", "b", NULL);
    CU_ASSERT_EQUAL(events(), 0);
    reopen();
    CU_ASSERT_EQUAL(events(), 2);
    CU_ASSERT_STRING_EQUAL(event(0, NULL), "template.imported");
    reopen();
    CU_ASSERT_EQUAL(events(), 2);
    empty_folder();
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
    /* and back: the file has everything; and forth: the new one alone */
    close_it();
    open_it(alone);
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    CU_ASSERT_EQUAL(version(put("a", "three")), 3);
    reopen();
    CU_ASSERT_EQUAL(events(), 3);
    CU_ASSERT_STRING_EQUAL(render("a"), "three");
    finish();
}

static void an_import_in_pieces_imports_once(void)
{
    char name[8];

    begin(alone);
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        put(name, "one");
        put(name, "two");
    }
    for (int i = 0; i < 6; i++) {
        close_it();
        memory_store_fail(store, "store.append", 1, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
        open_it(with_store);
        CU_ASSERT_STRING_EQUAL(render("t7"), "two");
        memory_store_heal(store);
    }
    heal();
    CU_ASSERT_EQUAL(events(), 240);
    empty_folder();
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        CU_ASSERT_STRING_EQUAL(render(name), "two");
    }
    CU_ASSERT_EQUAL(version(put("t7", "three")), 3);
    finish();
}

/* A second node with a log of its own: nothing is lost, and nothing of the first is replaced. */
static void two_logs_become_one_stream(void)
{
    begin(alone);
    put("a", "here");
    put("b", "removed");
    ask("templates.remove", "name", "b", NULL);
    reopen();
    begin_node(&nodes[1], alone);
    put("a", "there");
    put("c", "only there");
    close_it();
    open_it(with_store);
    CU_ASSERT_EQUAL(events(), 3);
    CU_ASSERT_STRING_EQUAL(render("a"), "there"); /* version 2 */
    CU_ASSERT_EQUAL(version(ask("templates.show", "name", "a", NULL)), 2);
    reopen();
    CU_ASSERT_EQUAL(events(), 3);
    finish_node(&nodes[1]);
    at = &nodes[0];
    pass(2100);
    CU_ASSERT_EQUAL(version(ask("templates.show", "name", "a", NULL)), 2);
    CU_ASSERT_STRING_EQUAL(render("c"), "only there");
    finish();
}

static void a_restored_backup_loses_nothing(void)
{
    begin(with_store);
    put("a", "one");
    put("b", "gone");
    put("a", "two");
    ask("templates.remove", "name", "b", NULL);
    for (long long to = 2; to >= 0; to -= 2)
        for (int running = 0; running < 2; running++) {
            if (!running)
                close_it();
            memory_store_forget(store, "templates", to);
            if (!running)
                open_it(with_store);
            else
                pass(4000);
            CU_ASSERT_STRING_EQUAL(render("a"), "two");
            CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
            CU_ASSERT_EQUAL(events(), to ? 4 : 2);
            empty_folder();
            CU_ASSERT_STRING_EQUAL(render("a"), "two");
            CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
        }
    finish();
}

/* A checkpoint's mark changes nothing; what nobody knows stops the reading, and is said. */
static void foreign_events(void)
{
    begin(with_store);
    put("a", "one");
    memory_store_append(store, "templates", "mark", "stream.restored");
    pass(3000);
    CU_ASSERT_EQUAL(version(put("a", "two")), 2);
    away();
    reopen();
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    heal();
    memory_store_append(store, "templates", "odd", "template.of_tomorrow");
    pass(3000);
    CU_ASSERT_STRING_EQUAL(render("a"), "two");
    CU_ASSERT_STRING_NOT_EQUAL(stored_trouble(at->self), "");
    finish();
}

static void a_damaged_file_is_no_loss(void)
{
    static uint8_t whole[65536];
    unsigned before;
    ssize_t n;
    int fd;

    begin(with_store);
    put("a", "one");
    put("b", "gone");
    empty_folder();
    put("a", "two");
    ask("templates.remove", "name", "b", NULL);
    close_it();
    before = events();
    fd = open(log_path(), O_RDONLY);
    n = read(fd, whole, sizeof(whole));
    close(fd);
    for (ssize_t i = AIEX_RLOG_HEAD; i < n; i += 7) {
        whole[i] ^= 1;
        fd = open(log_path(), O_WRONLY | O_TRUNC);
        CU_ASSERT_EQUAL(write(fd, whole, (size_t)n), n);
        close(fd);
        whole[i] ^= 1;
        open_it(with_store);
        CU_ASSERT_STRING_EQUAL(render("a"), "two");
        CU_ASSERT_STRING_EQUAL(render("b"), "not_found");
        CU_ASSERT_EQUAL(events(), before);
        close_it();
    }
    open_it(with_store);
    finish();
}

/* A file that can not be written is written anew when it can. */
static void the_file_is_made_good(void)
{
    struct templates *t;
    int fd;

    begin(with_store);
    put("a", "one");
    t = at->self;
    fd = t->log.fd;
    t->log.fd = open("/dev/full", O_RDWR);
    CU_ASSERT_EQUAL(version(put("a", "two")), 2);
    CU_ASSERT_EQUAL(t->stale, 1);
    CU_ASSERT_EQUAL(version(put("a", "three")), 3);
    close(fd);
    pass(2000);
    CU_ASSERT_EQUAL(t->stale, 0);
    away();
    reopen();
    CU_ASSERT_STRING_EQUAL(render("a"), "three");
    heal();
    finish();
}

/* ---- Callers ---- */

static void a_caller_may_leave(void)
{
    const struct templates *t;
    uint64_t sent, waiting;

    begin(with_store);
    t = at->self;
    memory_store_fail(store, "store.append", 0, 3, AIEX_E_BUSY, NOT_DONE);
    sent = put("a", "one");
    waiting = put("a", "two");
    aiex_fake_cancel(at->h, sent);
    aiex_fake_cancel(at->h, waiting);
    pass(1000);
    CU_ASSERT_TRUE(is_open(sent) && is_open(waiting));
    CU_ASSERT_STRING_EQUAL(render("a"), "one"); /* it was being stored */
    CU_ASSERT_EQUAL(t->n_kept, 0);
    /* and one that waits to be read */
    away();
    close_it();
    unlink(log_path());
    open_it(with_store);
    t = at->self;
    waiting = ask("templates.render", "name", "a", NULL);
    CU_ASSERT_EQUAL(t->n_kept, 1);
    aiex_fake_cancel(at->h, waiting);
    CU_ASSERT_EQUAL(t->n_kept, 0);
    CU_ASSERT_TRUE(is_open(waiting));
    finish();
}

static void what_waits_is_bounded_and_drained(void)
{
    uint64_t last = 0;

    begin(with_store);
    away();
    for (unsigned i = 0; i < MAX_KEPT; i++)
        last = put("a", "one");
    CU_ASSERT_TRUE(is_open(last));
    CU_ASSERT_STRING_EQUAL(code(put("a", "one")), "busy");
    CU_ASSERT_EQUAL(aiex_fake_drain(at->h, at->p, at->self), 0);
    CU_ASSERT_EQUAL(aiex_fake_drained(at->h), 0);
    pass(7000);
    CU_ASSERT_EQUAL(aiex_fake_drained(at->h), 1);
    CU_ASSERT_STRING_EQUAL(code(last), "unavailable");
    finish();
}

static void memory_ends(void)
{
    for (size_t n = 1; n < 30; n++) {
        uint64_t id;

        begin(with_store);
        aiex_fake_fail_alloc(at->h, n);
        id = put("a", "one");
        aiex_fake_fail_alloc(at->h, 0);
        pass(9000);
        CU_ASSERT_FALSE(is_open(id));
        CU_ASSERT_EQUAL(events(), code(id)[0] == 0);
        reopen();
        CU_ASSERT_STRING_EQUAL(render("a"), events() ? "one" : "not_found");
        finish();
    }
}

const struct test_case tests[] = {
    {"every_change_is_an_event", every_change_is_an_event},
    {"they_survive_the_end_of_either", they_survive_the_end_of_either},
    {"a_store_that_is_away_stops_changes_alone", a_store_that_is_away_stops_changes_alone},
    {"a_lost_answer_makes_one_version", a_lost_answer_makes_one_version},
    {"an_empty_folder_waits_for_the_store", an_empty_folder_waits_for_the_store},
    {"two_nodes_agree", two_nodes_agree},
    {"an_older_log_is_taken_over_once", an_older_log_is_taken_over_once},
    {"an_import_in_pieces_imports_once", an_import_in_pieces_imports_once},
    {"two_logs_become_one_stream", two_logs_become_one_stream},
    {"a_restored_backup_loses_nothing", a_restored_backup_loses_nothing},
    {"foreign_events", foreign_events},
    {"a_damaged_file_is_no_loss", a_damaged_file_is_no_loss},
    {"the_file_is_made_good", the_file_is_made_good},
    {"a_caller_may_leave", a_caller_may_leave},
    {"what_waits_is_bounded_and_drained", what_waits_is_bounded_and_drained},
    {"memory_ends", memory_ends},
    {0},
};
