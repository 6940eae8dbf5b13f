/*
 * events_test.c - aiex events ... against a scripted host: what is sent, what is printed, and how
 * it ends when the host is slow, wrong or gone.
 */
#include "test.h"

#include "json_in.h"
#include "json_out.h"
#include "scripted_host.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUN(as, ret, ...) run_aiex(as, (const char *const[]){__VA_ARGS__, NULL}, ret)

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

static int is(const char *text, const char *wanted)
{
    if (strcmp(text, wanted) == 0)
        return 1;
    printf("\n  wanted: %s\n  got:    %s\n", wanted, text);
    return 0;
}

static struct aiex_slice map_of(const char *json)
{
    struct aiex_slice map = {NULL, 0};
    struct aiex_error err;

    if (json_in(json, strlen(json), &map, &err) != 0) {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }
    return map;
}

static void end_with(struct peer *p, int64_t id, const char *json)
{
    struct aiex_slice map = map_of(json);

    peer_end(p, id, map);
    free((void *)(uintptr_t)map.data);
}

/* An array as a part: {"a": [...]}. */
static void part_with(struct peer *p, int64_t id, const char *json)
{
    struct aiex_slice map = map_of(json), array = {NULL, 0};

    aiex_get_whole(map, "a", &array);
    peer_part(p, id, array.data, array.len);
    free((void *)(uintptr_t)map.data);
}

static void expect_body(struct peer *p, const char *service, const char *method, const char *wanted)
{
    struct aiex_slice body = peer_expect_call(p, service, method);
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    json_out(f, body, JSON_LINE);
    fclose(f);
    if (!is(text, wanted))
        p->failed = 1;
    free(text);
}

static void run_with(script_fn script, void *arg, const char *input, const char *const *args)
{
    struct scripted_host *h = scripted_host_new(script, arg);
    const struct run_as as = {.socket = scripted_host_path(h), .input = input};

    run_aiex(&as, args, &ran);
    CU_ASSERT(scripted_host_free(h));
}

#define WITH(script, arg, input, ...)                                                              \
    run_with(script, (void *)(uintptr_t)(arg), input, (const char *const[]){__VA_ARGS__, NULL})

/* ---- append ---- */

/* All three are under way before the first is answered. */
static void answer_backwards(struct peer *p)
{
    int64_t ids[3];

    for (int i = 0; i < 3; i++) {
        peer_expect_call(p, "store", "store.append");
        ids[i] = peer_id(p);
    }
    end_with(p, ids[2], "{\"version\":1,\"sequence\":9,\"duplicate\":false}");
    end_with(p, ids[1], "{\"version\":5,\"sequence\":8,\"duplicate\":true}");
    end_with(p, ids[0], "{\"version\":3,\"sequence\":6,\"duplicate\":false}");
}

static void acknowledged_in_order(void)
{
    WITH(answer_backwards, NULL,
         "{\"type\":\"a\",\"id\":\"1\"}\n"
         "[{\"type\":\"b\",\"id\":\"2\"},{\"type\":\"b\",\"id\":\"3\"}]\n"
         "{\"type\":\"c\",\"id\":\"4\",\"stream\":\"other\"}",
         "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 0);
    /* the other stream waits for nobody; where its line stands depends on how answers arrive */
    CU_ASSERT(has(ran.out, "{\"stream\":\"other\",\"version\":1,\"seq\":9,\"id\":\"4\"}\n"));
    CU_ASSERT(has(ran.out,
                  "{\"stream\":\"s\",\"version\":3,\"seq\":6,\"id\":\"1\"}\n"
                  "{\"stream\":\"s\",\"version\":4,\"seq\":7,\"id\":\"2\",\"duplicate\":true}\n"
                  "{\"stream\":\"s\",\"version\":5,\"seq\":8,\"id\":\"3\",\"duplicate\":true}\n"));
    CU_ASSERT(is(ran.err, ""));
}

static void refuse_some(struct peer *p)
{
    expect_body(p, "here", "store.append",
                "{\"level\":\"applied\",\"stream\":\"s\",\"expected\":0,\"events\":[{\"id\":\"1\","
                "\"type\":\"a\"}]}");
    end_with(p, peer_id(p), "{\"version\":1,\"sequence\":1}");
    expect_body(p, "here", "store.append",
                "{\"level\":\"applied\",\"stream\":\"s\",\"expected\":1,\"events\":[{\"id\":\"2\","
                "\"type\":\"b\"}]}");
    peer_error(p, peer_id(p), "read_only", "the disk is full");
}

static void bad_lines_lose_nothing_else(void)
{
    WITH(refuse_some, NULL,
         "{\"type\":\"a\",\"id\":\"1\"}\n\n{\"type\":}\n   "
         "\n{\"type\":\"b\",\"id\":\"2\",\"expect\":1}\n",
         "events", "append", "s", "--expect", "none", "--ack", "applied", "--store", "here");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out, "{\"stream\":\"s\",\"version\":1,\"seq\":1,\"id\":\"1\"}\n"));
    CU_ASSERT(has(ran.out, "{\"error\":\"invalid\",\"text\":\"the JSON is wrong at column 9: "));
    CU_ASSERT(has(ran.out, "\"line\":3}\n"));
    CU_ASSERT(has(ran.out,
                  "{\"error\":\"read_only\",\"text\":\"the disk is full\",\"stream\":\"s\","
                  "\"id\":\"2\",\"line\":5}\n"));
    CU_ASSERT(has(ran.err, "aiex: 2 of 3 events were not acknowledged; the first is in line 3: "));
}

static void go_away(struct peer *p)
{
    peer_expect_call(p, "store", "store.append");
    end_with(p, peer_id(p), "{\"version\":1,\"sequence\":1}");
    peer_expect_call(p, "store", "store.append");
}

static void what_the_host_took_along_is_unknown(void)
{
    WITH(go_away, NULL, "{\"type\":\"a\",\"id\":\"1\"}\n{\"type\":\"a\",\"id\":\"2\"}\n", "events",
         "append", "s");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out, "{\"stream\":\"s\",\"version\":1,\"seq\":1,\"id\":\"1\"}\n"
                           "{\"error\":\"unknown\",\"text\":\"the host on "));
    CU_ASSERT(has(ran.out, "\"stream\":\"s\",\"id\":\"2\",\"line\":2}\n"));
    CU_ASSERT(has(ran.err, "closed the connection before the answer was complete"));
    CU_ASSERT(has(ran.err, "what follows line 2 was not sent"));
}

static void stay_silent(struct peer *p)
{
    peer_expect_call(p, "store", "store.append");
    while (peer_read(p))
        ;
}

static void silence_is_unknown_too(void)
{
    WITH(stay_silent, NULL, "{\"type\":\"a\",\"id\":\"1\"}\n", "events", "append", "s", "--timeout",
         "10ms");
    CU_ASSERT_EQUAL(ran.code, 6);
    CU_ASSERT(has(ran.out, "{\"error\":\"unknown\",\"text\":\"no answer from the host on "));
}

static void time_out(struct peer *p)
{
    peer_expect_call(p, "store", "store.append");
    peer_error(p, peer_id(p), "timeout", "the deadline passed");
}

static void a_timeout_is_unknown(void)
{
    WITH(time_out, NULL, "{\"type\":\"a\",\"id\":\"1\"}\n", "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 6);
    CU_ASSERT(is(ran.out,
                 "{\"error\":\"unknown\",\"text\":\"the deadline passed\",\"stream\":\"s\","
                 "\"id\":\"1\",\"line\":1}\n"));
}

static void talk_nonsense(struct peer *p)
{
    peer_expect_call(p, "store", "store.append");
    peer_raw(p, "\5\0\0\0hello", 9);
    while (peer_read(p))
        ;
}

static void nonsense_is_unknown_too(void)
{
    WITH(talk_nonsense, NULL, "{\"type\":\"a\",\"id\":\"1\"}\n", "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out, "\"error\":\"unknown\""));
    CU_ASSERT(has(ran.err, "does not speak the control protocol"));
}

static void interrupt_it(struct peer *p)
{
    int64_t first;

    peer_expect_call(p, "store", "store.append");
    first = peer_id(p);
    peer_expect_call(p, "store", "store.append");
    kill(p->client, SIGINT);
    end_with(p, first, "{\"version\":1,\"sequence\":1}");
    while (peer_read(p))
        ;
}

static void interrupted(void)
{
    WITH(interrupt_it, NULL, "{\"type\":\"a\",\"id\":\"1\"}\n{\"type\":\"a\",\"id\":\"2\"}\n",
         "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 130);
    CU_ASSERT(has(ran.out, "{\"stream\":\"s\",\"version\":1,\"seq\":1,\"id\":\"1\"}\n"));
    CU_ASSERT(has(ran.out, "\"error\":\"unknown\""));
}

#define MANY 700

/* No more than so many are open; each answer makes room for one. */
static void hold_back(struct peer *p)
{
    uint8_t byte;
    int64_t ids[MANY];
    char body[80];

    for (int i = 0; i < 240; i++) {
        peer_expect_call(p, "store", "store.append");
        ids[i] = peer_id(p);
    }
    if (recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        p->failed = 1;
    for (int i = 0; i < MANY && !p->failed; i++) {
        snprintf(body, sizeof(body), "{\"version\":%d,\"sequence\":%d}", i + 1, i + 1);
        end_with(p, ids[i], body);
        if (i + 240 >= MANY)
            continue;
        peer_expect_call(p, "store", "store.append");
        ids[i + 240] = peer_id(p);
    }
}

static void many_in_flight(void)
{
    char *input = malloc(MANY * 64);
    size_t n = 0;
    int lines = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(input);
    for (int i = 0; i < MANY; i++)
        n += (size_t)sprintf(input + n, "{\"type\":\"a\",\"id\":\"%d\"}\n", i);
    WITH(hold_back, NULL, input, "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 0);
    for (const char *at = ran.out; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CU_ASSERT_EQUAL(lines, MANY);
    CU_ASSERT(has(ran.out, "{\"stream\":\"s\",\"version\":700,\"seq\":700,\"id\":\"699\"}\n"));
    free(input);
}

static void wrong_usage(void)
{
    static const struct run_as as = {.input = "{\"type\":\"a\"}\n"};

    RUN(&as, &ran, "events", "append", "s");
    CU_ASSERT_EQUAL(ran.code, 3);
    CU_ASSERT(is(ran.out, ""));
    RUN(&as, &ran, "events", "append");
    CU_ASSERT_EQUAL(ran.code, 2);
    RUN(&as, &ran, "events", "append", "");
    CU_ASSERT_EQUAL(ran.code, 2);
    RUN(&as, &ran, "events", "append", "s", "--expect", "some");
    CU_ASSERT_EQUAL(ran.code, 2);
    CU_ASSERT(has(ran.err, "--expect 'some' is none of any, none, exists or a version"));
    RUN(&as, &ran, "events", "append", "s", "--ack", "soon");
    CU_ASSERT_EQUAL(ran.code, 2);
    RUN(&as, &ran, "events", "read");
    CU_ASSERT(ran.code == 2 && has(ran.err, "which stream? name one, or all of them by --all"));
    RUN(&as, &ran, "events", "read", "s", "--all");
    CU_ASSERT(ran.code == 2 && has(ran.err, "leave out 's' or --all"));
    RUN(&as, &ran, "events", "read", "s", "--limit", "x");
    CU_ASSERT(ran.code == 2 && has(ran.err, "--limit"));
    RUN(&as, &ran, "events", "restore", "b", "--to-sequence", "-1");
    CU_ASSERT(ran.code == 2 && has(ran.err, "--to-sequence"));
    RUN(&as, &ran, "events", "restore", "b", "--to-time", "noon");
    CU_ASSERT(ran.code == 2 && has(ran.err, "time 'noon' is none"));
    RUN(&as, &ran, "events", "tail", "host.job", "--all");
    CU_ASSERT(ran.code == 2 && has(ran.err, "topic 'host.job'"));
    RUN(&as, &ran, "events", "import", "/nonexistent/file");
    CU_ASSERT(ran.code == 5 && has(ran.err, "can not read /nonexistent/file"));
    RUN(&as, &ran, "events", "import", "/");
    CU_ASSERT(ran.code != 0);
}

/* ---- One call each ---- */

struct script {
    const char *method, *sent;
    const char *parts[3];
    const char *answer;
};

static void play(struct peer *p)
{
    const struct script *s = p->arg;

    expect_body(p, "store", s->method, s->sent);
    for (int i = 0; i < 3 && s->parts[i]; i++)
        part_with(p, peer_id(p), s->parts[i]);
    end_with(p, peer_id(p), s->answer);
}

#define EVENT                                                                                      \
    "{\"stream\":\"s\",\"version\":2,\"sequence\":7,\"id\":\"i\",\"type\":\"t\",\"time\":0,"       \
    "\"data\":\"{\\\"a\\\": 1}\",\"correlation\":\"c\"}"
#define LINE                                                                                       \
    "{\"stream\":\"s\",\"version\":2,\"seq\":7,\"id\":\"i\",\"type\":\"t\",\"time\":0,"            \
    "\"data\":{\"a\": 1},\"correlation\":\"c\"}\n"

static void read_in_both_forms(void)
{
    static const struct script one = {
        "store.read",
        "{\"stream\":\"s\",\"from\":2,\"to\":9,\"type\":\"t\",\"correlation\":\"c\",\"backwards\":"
        "true,"
        "\"limit\":5}",
        {"{\"a\":[" EVENT "," EVENT "]}", "{\"a\":[]}", "{\"a\":[" EVENT "]}"},
        "{\"events\":3}"};
    static const struct script all = {
        "store.read", "{}", {"{\"a\":[" EVENT "]}"}, "{\"events\":1}"};

    WITH(play, &one, NULL, "events", "read", "s", "--json", "--from", "2", "--to", "9", "--type",
         "t", "--correlation", "c", "--backwards", "-n5");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(is(ran.out, LINE LINE LINE));
    WITH(play, &all, NULL, "events", "read", "--all");
    CU_ASSERT(ran.code == 0 && has(ran.out, "7  -  s"));
    CU_ASSERT(has(ran.out, "  s  2  t  {\"a\": 1}\n"));
    WITH(play, &all, NULL, "events", "export");
    CU_ASSERT(ran.code == 0 && is(ran.out, LINE));
}

static void read_what_is_broken(void)
{
    static const struct script broken = {
        "store.read", "{\"stream\":\"s\"}", {"{\"a\":{\"b\":1}}"}, "{\"events\":1}"};
    static const struct script no_map = {
        "store.read", "{\"stream\":\"s\"}", {"{\"a\":[1]}"}, "{\"events\":1}"};

    WITH(play, &broken, NULL, "events", "read", "s");
    CU_ASSERT(ran.code == 1 && has(ran.err, "no array of events"));
    WITH(play, &no_map, NULL, "events", "read", "s");
    CU_ASSERT(ran.code == 1 && has(ran.err, "no array of events"));
}

static void care(void)
{
    static const struct script good = {
        "store.verify", "{}", {NULL}, "{\"checked\":9,\"faults\":0,\"whole\":true}"};
    static const struct script bad = {
        "store.verify",
        "{}",
        {"{\"a\":[{\"file\":\"events.db\",\"sequence\":4,\"what\":\"its hash\\u001b is wrong\"}]}"},
        "{\"checked\":9,\"faults\":1,\"whole\":true}"};
    static const struct script backup = {
        "store.backup", "{\"path\":\"b1\"}", {NULL}, "{\"sequence\":9}"};
    static const struct script restore = {
        "store.restore", "{\"path\":\"b1\"}", {NULL}, "{\"sequence\":9}"};
    static const struct script backups = {
        "store.backups",
        "{}",
        {NULL},
        "{\"backups\":[{\"path\":\"b1\",\"sequence\":9,\"time\":0,\"bytes\":77,"
        "\"verified\":true,\"encrypted\":false,\"points\":true}]}"};
    static const struct script dry = {
        "store.restore",
        "{\"path\":\"b1\",\"to_time\":1795262400250,\"dry_run\":true}",
        {NULL},
        "{\"sequence\":9,\"time\":0,\"lost_events\":2,\"lost_transactions\":3,\"dry_run\":true}"};
    static const struct script point = {
        "store.restore",
        "{\"path\":\"b1\",\"to_sequence\":8}",
        {NULL},
        "{\"sequence\":8,\"time\":0,\"lost_events\":1,\"lost_transactions\":1,\"dry_run\":false}"};
    static const struct script compact = {
        "store.shrink", "{\"forget\":true}", {NULL}, "{\"freed\":2048,\"bytes\":1024}"};
    static const struct script rewrite = {
        "store.rewrite", "{}", {NULL}, "{\"sequence\":9,\"encrypted\":true}"};
    static const struct script stats = {
        "store.status", "{}", {NULL}, "{\"sequence\":9,\"reason\":\"none\"}"};

    WITH(play, &good, NULL, "events", "verify");
    CU_ASSERT(ran.code == 0 && has(ran.err, "9 things were checked and are right"));
    WITH(play, &bad, NULL, "events", "verify");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(is(ran.out, "events.db  4  its hash is wrong\n"));
    CU_ASSERT(has(ran.err, "1 faults in 9 things"));
    WITH(play, &bad, NULL, "events", "verify", "--json");
    CU_ASSERT(ran.code == 1 &&
              has(ran.out, "\"sequence\":4,\"what\":\"its hash\\u001b is wrong\"}\n"
                           "{\"checked\":9,"));
    WITH(play, &backup, NULL, "events", "backup", "b1");
    CU_ASSERT(ran.code == 0 && has(ran.err, "b1"));
    WITH(play, &restore, NULL, "events", "restore", "b1", "--json");
    CU_ASSERT(ran.code == 0 && has(ran.out, "\"sequence\": 9"));
    WITH(play, &backups, NULL, "events", "backups");
    CU_ASSERT(ran.code == 0 && has(ran.out, "b1") && has(ran.out, "77"));
    WITH(play, &backups, NULL, "events", "backups", "--json");
    CU_ASSERT(ran.code == 0 && has(ran.out, "\"points\": true"));
    WITH(play, &dry, NULL, "events", "restore", "b1", "--to-time", "2026-11-21T12:00:00.25", "-n");
    CU_ASSERT(ran.code == 0 && has(ran.err, "2 events and 3 transactions would be lost"));
    WITH(play, &point, NULL, "events", "restore", "b1", "--to-sequence", "8");
    CU_ASSERT(ran.code == 0 && has(ran.err, "the store is that of sequence 8"));
    WITH(play, &compact, NULL, "events", "compact", "--forget");
    CU_ASSERT(ran.code == 0 && has(ran.err, "2.0K were given back, 1.0K are used"));
    WITH(play, &rewrite, NULL, "events", "rewrite");
    CU_ASSERT(ran.code == 0 && has(ran.err, "written anew"));
    WITH(play, &stats, NULL, "events", "stats");
    CU_ASSERT(ran.code == 0 && is(ran.out, "sequence       9\nreason         none\n"));
}

/* ---- import ---- */

static void take_import(struct peer *p)
{
    expect_body(p, "store", "store.append",
                "{\"level\":\"synced\",\"stream\":\"s\",\"expected\":-1,\"events\":[{\"id\":\"i\","
                "\"type\":\"t\",\"time\":0,\"data\":\"{\\\"a\\\": 1}\",\"correlation\":\"c\"}]}");
    end_with(p, peer_id(p), "{\"version\":1,\"sequence\":1,\"duplicate\":true}");
    peer_expect_call(p, "store", "store.append");
    peer_error(p, peer_id(p), "conflict", "stream 's' is closed");
}

static void import_what_was_exported(void)
{
    WITH(take_import, NULL,
         LINE "{\"type\":\"t\",\"id\":\"1\",\"stream\":\"s\"}\n{\"type\":\"t\"}\n", "events",
         "import", "--json");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.out,
                  "{\"error\":\"conflict\",\"text\":\"stream 's' is closed\",\"stream\":\"s\","
                  "\"id\":\"1\",\"line\":2}\n"));
    CU_ASSERT(has(ran.out, "'stream' must be text of 1 to 255 bytes\",\"line\":3}\n"));
    CU_ASSERT(has(ran.out, "{\"events\":1,\"duplicates\":1,\"failed\":2}\n"));
}

#define THEIRS "denied", "stream 'gateway/keys' belongs to service_gateway"

/* The second one was sent before the first was denied. */
static void deny_first(struct peer *p)
{
    int64_t first;

    peer_expect_call(p, "store", "store.append");
    first = peer_id(p);
    peer_expect_call(p, "store", "store.append");
    peer_error(p, first, THEIRS);
    end_with(p, peer_id(p), "{\"version\":1,\"sequence\":1}");
    while (peer_read(p))
        p->failed = 1;
}

static void import_ends_at_what_is_denied(void)
{
    WITH(deny_first, NULL,
         "{\"type\":\"t\",\"id\":\"1\",\"stream\":\"gateway/keys\"}\n"
         "{\"type\":\"t\",\"id\":\"2\",\"stream\":\"s\"}\n",
         "events", "import");
    CU_ASSERT(ran.code != 0);
    CU_ASSERT(has(ran.out,
                  "{\"error\":\"denied\",\"text\":\"stream 'gateway/keys' belongs to "
                  "service_gateway\",\"stream\":\"gateway/keys\",\"id\":\"1\",\"line\":1}"));
    CU_ASSERT(has(ran.err, "what follows line 2 was not sent. --skip-denied imports all but"));
    CU_ASSERT(has(ran.err, "1 events are in the store"));
}

static void deny_some(struct peer *p)
{
    int64_t ids[6];

    for (int i = 0; i < 6; i++) {
        peer_expect_call(p, "store", i == 4 ? "store.transact" : "store.append");
        ids[i] = peer_id(p);
    }
    peer_error(p, ids[0], THEIRS);
    end_with(p, ids[1], "{\"version\":1,\"sequence\":1}");
    peer_error(p, ids[2], THEIRS);
    peer_error(p, ids[3], "denied", "stream 'templates' belongs to service_templates");
    peer_error(p, ids[4], THEIRS);
    peer_error(p, ids[5], "conflict", "stream 's' is closed");
}

static void import_without_what_is_denied(void)
{
    static const char lines[] = "{\"type\":\"t\",\"id\":\"1\",\"stream\":\"gateway/keys\"}\n"
                                "{\"type\":\"t\",\"id\":\"2\",\"stream\":\"s\"}\n"
                                "[{\"type\":\"t\",\"id\":\"3\",\"stream\":\"gateway/keys\"},"
                                "{\"type\":\"t\",\"id\":\"4\",\"stream\":\"gateway/keys\"}]\n"
                                "{\"type\":\"t\",\"id\":\"5\",\"stream\":\"templates\"}\n"
                                "[{\"type\":\"t\",\"id\":\"6\",\"stream\":\"gateway/keys\"},"
                                "{\"type\":\"t\",\"id\":\"7\",\"stream\":\"free\"}]\n"
                                "{\"type\":\"t\",\"id\":\"8\",\"stream\":\"s\"}\n";

    WITH(deny_some, NULL, lines, "events", "import", "--skip-denied", "--json");
    CU_ASSERT(ran.code != 0); /* the batch over two streams, and a conflict */
    CU_ASSERT(has(ran.out, "{\"events\":1,\"duplicates\":0,\"failed\":3,\"left_out\":"
                           "{\"gateway/keys\":3,\"templates\":1}}\n"));
    CU_ASSERT(has(ran.out, "\"id\":\"7\",\"line\":5}\n"));
    CU_ASSERT_PTR_NULL(strstr(ran.out, "\"line\":1}"));
    WITH(deny_some, NULL, lines, "events", "import", "--skip-denied");
    CU_ASSERT(has(ran.err, "stream 'gateway/keys' belongs to others: 3 events were left out"));
    CU_ASSERT(has(ran.err, "stream 'templates' belongs to others: 1 events were left out"));
}

static void deny_many(struct peer *p)
{
    for (int i = 0; i < 70; i++) {
        peer_expect_call(p, "store", "store.append");
        peer_error(p, peer_id(p), THEIRS);
    }
}

static void more_is_left_out_than_has_names(void)
{
    char lines[70 * 64];
    size_t n = 0;

    for (int i = 0; i < 70; i++)
        n += (size_t)sprintf(lines + n, "{\"type\":\"t\",\"id\":\"%d\",\"stream\":\"s%d\"}\n", i,
                             i);
    WITH(deny_many, NULL, lines, "events", "import", "--skip-denied", "--json");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "{\"events\":0,\"duplicates\":0,\"failed\":0,\"left_out\":{\"s0\":1,"));
    CU_ASSERT(has(ran.out, ",\"s63\":1,\"...\":6}}\n"));
}

/* ---- tail ---- */

static void feed_tail(struct peer *p)
{
    int64_t id;

    expect_body(p, "store", "store.read", "{\"backwards\":true,\"limit\":1}");
    part_with(p, peer_id(p), "{\"a\":[" EVENT "]}");
    end_with(p, peer_id(p), "{\"events\":1,\"sequence\":7}");
    if (!peer_expect_op(p, "call"))
        return;
    /* nothing new; then the store starts anew; then two events, of which one is wanted */
    id = peer_id(p);
    end_with(p, id, "{\"events\":0,\"end\":true,\"sequence\":9}");
    expect_body(p, "store", "store.read", "{\"type\":\"t\",\"from\":10,\"limit\":5000}");
    peer_error(p, peer_id(p), "unavailable", "nobody serves 'store'");
    expect_body(p, "store", "store.read", "{\"type\":\"t\",\"from\":10,\"limit\":5000}");
    part_with(p, peer_id(p), "{\"a\":[" EVENT "," EVENT "]}");
    peer_expect_op(p, "cancel");
    peer_error(p, peer_id(p), "cancelled", "");
}

static void follows_what_is_stored(void)
{
    WITH(feed_tail, NULL, NULL, "events", "tail", "--type", "t", "--json", "-n1");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(is(ran.out, LINE));
    CU_ASSERT(has(ran.err, "nobody serves 'store' (unavailable); waiting for it"));
}

static void refuse_tail(struct peer *p)
{
    expect_body(p, "store", "store.read", "{\"stream\":\"s\",\"from\":1,\"limit\":5000}");
    peer_error(p, peer_id(p), "invalid", "no");
}

static void a_refusal_ends_it(void)
{
    WITH(refuse_tail, NULL, NULL, "events", "tail", "--stream", "s", "--from", "0");
    CU_ASSERT(ran.code == 1 && has(ran.err, "store.read: no (invalid)"));
}

const struct test_case tests[] = {
    {"acknowledged_in_order", acknowledged_in_order},
    {"bad_lines_lose_nothing_else", bad_lines_lose_nothing_else},
    {"what_the_host_took_along_is_unknown", what_the_host_took_along_is_unknown},
    {"silence_is_unknown_too", silence_is_unknown_too},
    {"a_timeout_is_unknown", a_timeout_is_unknown},
    {"nonsense_is_unknown_too", nonsense_is_unknown_too},
    {"interrupted", interrupted},
    {"many_in_flight", many_in_flight},
    {"wrong_usage", wrong_usage},
    {"read_in_both_forms", read_in_both_forms},
    {"read_what_is_broken", read_what_is_broken},
    {"care", care},
    {"import_what_was_exported", import_what_was_exported},
    {"import_ends_at_what_is_denied", import_ends_at_what_is_denied},
    {"import_without_what_is_denied", import_without_what_is_denied},
    {"more_is_left_out_than_has_names", more_is_left_out_than_has_names},
    {"follows_what_is_stored", follows_what_is_stored},
    {"a_refusal_ends_it", a_refusal_ends_it},
    {0},
};
