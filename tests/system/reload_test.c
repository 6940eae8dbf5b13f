/*
 * reload_test.c - a new configuration for a running host: only what changed is touched,
 * and a wrong one is refused as a whole.
 */
#include "load.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char first[] =
    "[host]\nnode = test\n[service_faulty]\nnote = one\n[service_faulty:two]\n";

static struct answer note(struct rig *rig, const char *service)
{
    return rig_call(rig, service, "note", 0, NULL);
}

static int note_is(struct rig *rig, const char *service, const char *text)
{
    struct answer a = note(rig, service);
    struct aiex_slice s = {0};

    return a.got && !a.code[0] && aiex_get_str(a.body, "note", &s) == 1 && aiex_slice_is(s, text);
}

static int note_is_two(struct rig *rig, void *arg)
{
    return note_is(rig, arg, "two");
}

static void set(struct rig *rig, const char *ini)
{
    rig_write(rig, "10.ini", ini);
    rig_reload(rig);
}

static pid_t pid_of(struct rig *rig, const char *name)
{
    return rig_plugin(rig, name).pid;
}

/* A sentence of the log; waits for it. */
static int log_says(struct rig *rig, void *arg)
{
    char *text = rig_log(rig);
    int says = text && strstr(text, arg);

    free(text);
    return says;
}

static void unchanged_is_untouched(void)
{
    struct rig *rig = rig_start(first);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two");

    rig_reload(rig);
    rig_write(rig, "20.ini",
              "; another order, and in another file\n[service_faulty]\nnote = one\n");
    set(rig, "[service_faulty:two]\n[host]\nnode = test\n");
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    rig_end(rig);
}

static void reloadable_option(void)
{
    struct rig *rig = rig_start(first);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two");

    CU_ASSERT(note_is(rig, "service_faulty", "one"));
    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = two\n[service_faulty:two]\n");
    CU_ASSERT(rig_until(rig, note_is_two, "service_faulty"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);

    /* the plugin may say no: it keeps what it had, and the log says so */
    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = refuse\n[service_faulty:two]\n");
    CU_ASSERT(rig_until(rig, log_says, "told to refuse"));
    CU_ASSERT(note_is(rig, "service_faulty", "two"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    rig_end(rig);
}

static void other_option_replaces(void)
{
    struct rig *rig = rig_start(first);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two");

    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = one\nsubscribe = "
             "a.b\n[service_faulty:two]\n");
    CU_ASSERT(rig_until_back(rig, "service_faulty", 0, one));
    CU_ASSERT(process_gone(one, RIG_WAIT_MS));
    CU_ASSERT(note_is(rig, "service_faulty", "one"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    one = pid_of(rig, "service_faulty");
    set(rig,
        "[host]\nnode = test\n[service_faulty]\nnote = one\nsubscribe = a.b\nlimit_files = 40\n"
        "[service_faulty:two]\n");
    CU_ASSERT(rig_until_back(rig, "service_faulty", 0, one));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    rig_end(rig);
}

static void added_removed_moved(void)
{
    struct rig *rig = rig_start(first);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two");

    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = one\n[service_faulty:three]\n");
    CU_ASSERT(rig_until_state(rig, "service_faulty:three", "up"));
    CU_ASSERT(process_gone(two, RIG_WAIT_MS));
    CU_ASSERT_FALSE(rig_plugin(rig, "service_faulty:two").found);
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty:two", "echo", 0, NULL).code,
                           "unavailable");
    CU_ASSERT(rig_echo(rig, "service_faulty:three"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);

    /* disabled is as good as removed */
    set(rig,
        "[host]\nnode = test\n[service_faulty]\nnote = one\n[service_faulty:three]\nenabled = no\n"
        "[service_faulty:two]\n");
    CU_ASSERT(rig_until_state(rig, "service_faulty:two", "up"));
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty:three", "echo", 0, NULL).code,
                           "unavailable");

    /* two that had cells of their own move into one */
    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = one\ncell = "
             "both\n[service_faulty:two]\ncell = both\n");
    CU_ASSERT(rig_until_state(rig, "service_faulty:two", "up"));
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), pid_of(rig, "service_faulty:two"));
    CU_ASSERT(process_gone(one, RIG_WAIT_MS));
    rig_end(rig);
}

static int one_in_flight(struct rig *rig, void *arg)
{
    return rig_plugin(rig, arg).in_flight == 1;
}

/* Wanted again while the old process still works: both do their part. */
static void removed_and_added_again(void)
{
    struct rig *rig = rig_start(first);
    pid_t two = pid_of(rig, "service_faulty:two");
    struct client *c = client_open(rig->socket);
    struct frame f = {0};
    int64_t id;

    CU_ASSERT_FATAL(c != NULL);
    id = client_call(c, "service_faulty:two", "slow", body_of(1500, NULL), 60000);
    CU_ASSERT_EQUAL(client_send(c), 0);
    CU_ASSERT(rig_until(rig, one_in_flight, "service_faulty:two"));
    set(rig, "[host]\nnode = test\n[service_faulty]\nnote = one\n");
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty:two", "echo", 0, NULL).code,
                           "unavailable");
    set(rig, first);
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    CU_ASSERT(pid_of(rig, "service_faulty:two") != two);
    CU_ASSERT_EQUAL(process_gone(two, 0), 0); /* it still owes an answer */
    CU_ASSERT_EQUAL(client_next(c, &f, RIG_WAIT_MS), 1);
    CU_ASSERT(f.id == id && !f.code[0]);
    CU_ASSERT(process_gone(two, RIG_WAIT_MS));
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    client_close(c);
    rig_end(rig);
}

static void wrong_is_refused_whole(void)
{
    static const char wrong[] =
        "[host]\nnode = test\n[service_faulty]\nnote = changed\nnoet = x\n"
        "[service_faulty:two]\nat_start = never\n[service_faulty:new]\n[service_absent]\n";
    struct rig *rig = rig_start(first);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two");
    struct answer a;

    rig_write(rig, "10.ini", wrong);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_FALSE(
            rig_host(rig, i ? "host.config_reload" : "host.config_check", NULL, NULL, &a));
        CU_ASSERT_STRING_EQUAL(a.code, "");
        /* the body is msgpack, its sentences are readable in it */
        CU_ASSERT(memmem(a.body.data, a.body.len, "10.ini:5", 8) != NULL);
        CU_ASSERT(memmem(a.body.data, a.body.len, "noet", 4) != NULL);
        CU_ASSERT(memmem(a.body.data, a.body.len, "10.ini:7", 8) != NULL);
        CU_ASSERT(memmem(a.body.data, a.body.len, "service_absent", 14) != NULL);
    }
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, log_says, "the new configuration is refused, the old one holds"));
    CU_ASSERT(note_is(rig, "service_faulty", "one"));
    CU_ASSERT_FALSE(rig_plugin(rig, "service_faulty:new").found);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);

    /* and a right one is taken afterwards, through the socket too */
    rig_write(rig, "10.ini",
              "[host]\nnode = test\n[service_faulty]\nnote = two\n[service_faulty:two]\n");
    CU_ASSERT(rig_host(rig, "host.config_reload", NULL, NULL, NULL));
    CU_ASSERT(rig_until(rig, note_is_two, "service_faulty"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);
    rig_end(rig);
}

static void under_load(void)
{
    struct rig *rig = rig_start(
        "[host]\nnode = test\n[service_faulty]\nhang = 10s\n[service_faulty:two]\n");
    struct load load;
    pid_t pid = pid_of(rig, "service_faulty");

    load_start(&load, rig, "service_faulty");
    for (int i = 0; i < 10; i++) {
        char ini[256];
        int64_t until = now_ms() + RIG_WAIT_MS;
        struct plugin p;

        /* one option is told, the other replaces; a neighbour comes and goes */
        snprintf(
            ini, sizeof(ini),
            "[host]\nnode = test\n[service_faulty]\nhang = 10s\nnote = n%d\nsubscribe = t%d\n%s", i,
            i / 2, i % 2 ? "" : "[service_faulty:two]\n");
        set(rig, ini);
        do {
            load_run(&load, 20);
            p = rig_plugin(rig, "service_faulty");
        } while (now_ms() < until && (strcmp(p.state, "up") || (i % 2 == 0 && p.pid == pid)));
        CU_ASSERT_EQUAL(p.pid != pid, i % 2 == 0);
        pid = p.pid;
    }
    load_run(&load, 100);
    load_finish(&load);
    rig_end(rig);
}

static const char stale[] = "[host]\nnode = test\n[service_faulty]\n"
                            "[service_faulty:two]\nreload_on = test.stale, other.*\n";

/* Lets the load run until the instance has another process than this one. */
static pid_t replaced(struct rig *rig, struct load *load, pid_t pid)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    struct plugin p;

    do {
        load_run(load, 20);
        p = rig_plugin(rig, "service_faulty:two");
    } while (now_ms() < until && (strcmp(p.state, "up") || p.pid == pid));
    CU_ASSERT_NOT_EQUAL(p.pid, pid);
    CU_ASSERT_EQUAL(p.restarts, 0); /* nothing crashed */
    return p.pid;
}

/* Whose memory an event makes untrue is replaced, and no request fails; nobody else is, and who
 * tells without end does not keep it from working. */
static void replaced_by_events(void)
{
    struct rig *rig = rig_start(stale);
    pid_t one = pid_of(rig, "service_faulty"), two = pid_of(rig, "service_faulty:two"), at_end;
    int64_t began = now_ms();
    int replacements = 0;
    struct load load;

    load_start(&load, rig, "service_faulty:two");
    rig_call(rig, "service_faulty", "publish", 1, "test.stale_not");
    rig_call(rig, "service_faulty", "publish", 1, "other");
    load_run(&load, 100);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    rig_call(rig, "service_faulty", "publish", 1, "test.stale");
    two = replaced(rig, &load, two);
    rig_call(rig, "service_faulty", "publish", 1, "other.below");
    at_end = two = replaced(rig, &load, two);
    for (int i = 0; i < 300; i++) {
        rig_call(rig, "service_faulty", "publish", 50, "test.stale");
        load_run(&load, 5);
        replacements += pid_of(rig, "service_faulty:two") != at_end;
        at_end = pid_of(rig, "service_faulty:two");
    }
    CU_ASSERT(replacements <= 2 + (now_ms() - began) / 500);
    CU_ASSERT(rig_upgrade(rig)); /* the next host listens, too */
    two = pid_of(rig, "service_faulty:two");
    rig_call(rig, "service_faulty", "publish", 1, "test.stale");
    replaced(rig, &load, two);
    load_run(&load, 100);
    load_finish(&load);
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty"), one);
    /* without the key nobody listens any more */
    two = pid_of(rig, "service_faulty:two");
    set(rig, "[host]\nnode = test\n[service_faulty]\n[service_faulty:two]\n");
    CU_ASSERT(rig_until_back(rig, "service_faulty:two", 0, two));
    two = pid_of(rig, "service_faulty:two");
    rig_call(rig, "service_faulty", "publish", 1, "test.stale");
    rig_call(rig, "service_faulty", "publish", 1, "other.below");
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:two"), two);
    rig_end(rig);
}

static void loaded_and_removed_by_hand(void)
{
    struct rig *rig = rig_start(first);
    char path[200], wrong[200];
    struct answer a;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/more.txt", rig->dir);
    snprintf(wrong, sizeof(wrong), "%s/wrong.txt", rig->dir);
    rig_write(rig, "../more.txt", "[service_faulty:more]\nnote = more\n");
    rig_write(rig, "../wrong.txt", "[service_faulty:wrong]\nnotes = more\n");
    CU_ASSERT_FALSE(rig_host(rig, "host.load", "file", wrong, &a));
    CU_ASSERT(memmem(a.body.data, a.body.len, "wrong.txt:2", 11) != NULL);
    CU_ASSERT_FALSE(rig_host(rig, "host.load", "file", "/nonexistent/x.ini", &a));
    CU_ASSERT_FALSE(rig_host(rig, "host.load", "plugin", "/nonexistent/service_x.so", &a));
    snprintf(wrong, sizeof(wrong), "%s/run/loaded-service_x.ini", rig->data);
    CU_ASSERT_EQUAL(access(wrong, F_OK), -1); /* nothing of it stays */
    CU_ASSERT(rig_host(rig, "host.load", "file", path, NULL));
    CU_ASSERT(rig_until_state(rig, "service_faulty:more", "up"));
    CU_ASSERT(note_is(rig, "service_faulty:more", "more"));
    pid = pid_of(rig, "service_faulty:more");
    rig_reload(rig); /* stays over a reload */
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:more"), pid);
    CU_ASSERT(rig_host(rig, "host.remove", "name", "service_faulty:more", NULL));
    CU_ASSERT(process_gone(pid, RIG_WAIT_MS));
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty:more", "echo", 0, NULL).code,
                           "unavailable");
    CU_ASSERT_FALSE(rig_host(rig, "host.remove", "name", "service_faulty:more", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "not_found");
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

/* The name of what was loaded and removed is free; one that is configured comes back by a reload.
 */
static void loaded_again(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n");
    struct answer a;

    for (int i = 0; i < 2; i++) {
        CU_ASSERT(rig_host(rig, "host.load", "plugin", "service_faulty", NULL));
        CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
        CU_ASSERT_FALSE(rig_host(rig, "host.load", "plugin", "service_faulty", &a));
        CU_ASSERT(rig_host(rig, "host.remove", "name", "service_faulty", NULL));
    }
    set(rig, first);
    CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
    CU_ASSERT(rig_host(rig, "host.remove", "name", "service_faulty", NULL));
    CU_ASSERT_FALSE(rig_host(rig, "host.load", "plugin", "service_faulty", &a));
    CU_ASSERT(memmem(a.body.data, a.body.len, "config reload", 13) != NULL);
    CU_ASSERT(rig_host(rig, "host.config_reload", NULL, NULL, &a)); /* and says so */
    CU_ASSERT(memmem(a.body.data, a.body.len, "service_faulty", 14) != NULL);
    CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
    rig_end(rig);
}

/* Only the owner's programs may talk to the host. */
static void socket_is_private(void)
{
    struct rig *rig = rig_start(first);
    struct stat st;

    CU_ASSERT_EQUAL(stat(rig->socket, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(stat(rig->data, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
    rig_end(rig);
}

/* The prepared process has not mapped the HTTP library: cells that need it find it in their
 * sandbox. */
static void http_comes_later(void)
{
    struct rig *rig = rig_start_raw("[host]\nnode = test\n", AIEX_BUILD_DIR "/plugins");

    set(rig, "[host]\nnode = test\n[provider_openai]\nbase_url = http://127.0.0.1:9/v1\n");
    CU_ASSERT(rig_until_state(rig, "provider_openai", "up"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"what did not change is untouched", unchanged_is_untouched},
    {"an option that can be told", reloadable_option},
    {"an option that replaces", other_option_replaces},
    {"added, removed, moved", added_removed_moved},
    {"removed and added again", removed_and_added_again},
    {"a wrong one is refused whole", wrong_is_refused_whole},
    {"under load", under_load},
    {"replaced by events", replaced_by_events},
    {"loaded and removed by hand", loaded_and_removed_by_hand},
    {"loaded again", loaded_again},
    {"the socket is private", socket_is_private},
    {"HTTP comes later", http_comes_later},
    {0},
};
