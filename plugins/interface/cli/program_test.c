/*
 * program_test.c - `aiex` itself against a scripted host: what it sends, what it prints where, and
 * with which code it ends.
 */
#include "test.h"

#include "scripted_host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN(as, ret, ...) run_aiex(as, (const char *const[]){__VA_ARGS__, NULL}, ret)
#define MAP(out, ...)     make_map(out, sizeof(out), (const char *const[]){__VA_ARGS__, NULL})

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

/* ---- Without a host ---- */

static void no_host(void)
{
    const struct run_as as = {0};

    RUN(&as, &ran, "status");
    CU_ASSERT_EQUAL(ran.code, 3);
    CU_ASSERT_STRING_EQUAL(ran.out, "");
    CU_ASSERT(has(ran.err, "no host listens on /nonexistent/aiex.sock; start one with ./run"));
    RUN(&as, &ran, "status", "--socket", "/dev/null");
    CU_ASSERT_EQUAL(ran.code, 3);
    CU_ASSERT(has(ran.err, "/dev/null is not a socket"));
    RUN(&as, &ran, "ask", "hello");
    CU_ASSERT_EQUAL(ran.code, 3);
}

static void wrong_usage(void)
{
    static const struct {
        const char *args[6];
        const char *says;
    } cases[] = {
        {{NULL}, "usage: aiex VERB"},
        {{"statsu", NULL}, "did you mean `aiex status`?"},
        {{"plugin", "lsit", NULL}, "did you mean `aiex plugin list`?"},
        {{"plugin", NULL}, "plugin needs a verb"},
        {{"status", "--jsno", NULL}, "unknown option --jsno; did you mean --json?"},
        {{"status", "-x", NULL}, "unknown option -x"},
        {{"status", "more", NULL}, "status does not take 'more'"},
        {{"plugin", "remove", NULL}, "plugin remove needs NAME"},
        {{"ask", "-m", NULL}, "option --model needs a value"},
        {{"status", "--json=1", NULL}, "option --json takes no value"},
        {{"status", "--color", "blue", NULL}, "is none of: auto always never"},
        {{"status", "--timeout", "soon", NULL}, "time 'soon' is none"},
        {{"call", "a", "b", "{\"x\":}", NULL}, "the JSON is wrong at line 1, column 6"},
        {{"call", "a", "b", "[1]", NULL}, "must be an object"},
        {{"ask", NULL}, "nothing to ask"},
        {{"completion", "tcsh", NULL}, "none for 'tcsh'"},
        {{"plugin", "load", "x", "--set", "y", NULL}, "is not KEY=VALUE"},
        {{"new-plugin", "Bad", "name", NULL}, "is not a lower-case word"},
    };
    const struct run_as as = {0};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        run_aiex(&as, cases[i].args, &ran);
        CU_ASSERT_EQUAL(ran.code, 2);
        CU_ASSERT_STRING_EQUAL(ran.out, "");
        CU_ASSERT(has(ran.err, cases[i].says));
    }
}

static void help_and_version_need_no_host(void)
{
    const struct run_as as = {0};

    RUN(&as, &ran, "help");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "plugin list"));
    CU_ASSERT_STRING_EQUAL(ran.err, "");
    RUN(&as, &ran, "--help");
    CU_ASSERT_EQUAL(ran.code, 0);
    RUN(&as, &ran, "plugin", "--help");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "plugin trace"));
    CU_ASSERT_PTR_NULL(strstr(ran.out, "config check"));
    RUN(&as, &ran, "ask", "-h");
    CU_ASSERT(has(ran.out, "--no-stream"));
    RUN(&as, &ran, "help", "events", "tail");
    CU_ASSERT(has(ran.out, "usage: aiex events tail"));
    RUN(&as, &ran, "help", "nothing");
    CU_ASSERT_EQUAL(ran.code, 5);
    RUN(&as, &ran, "--version");
    CU_ASSERT_EQUAL(strncmp(ran.out, "aiex ", 5), 0);
    RUN(&as, &ran, "version", "--json");
    CU_ASSERT(has(ran.out, "\"abi\": \"1.2\""));
}

/* ---- status ---- */

static void script_status(struct peer *p)
{
    uint8_t mem[512];

    peer_expect_call(p, "host", "host.status");
    peer_end(p, peer_id(p),
             MAP(mem, "node", "alpha", "version", "0.1.0", "uptime_ms", "#65000", "ready", "false",
                 "reason", "starting \033[2Jx", "plugins", "#9"));
}

static void status(void)
{
    struct scripted_host *h = scripted_host_new(script_status, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "status", "--json");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "{\n  \"node\": \"alpha\",\n  \"version\": \"0.1.0\",\n"
                                    "  \"uptime_ms\": 65000,\n  \"ready\": false,\n"
                                    "  \"reason\": \"starting \\u001b[2Jx\",\n"
                                    "  \"plugins\": 9\n}\n");
    CU_ASSERT(scripted_host_free(h));
}

static void status_for_people(void)
{
    struct scripted_host *h = scripted_host_new(script_status, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "status", "--check");
    CU_ASSERT_EQUAL(ran.code, 1); /* not ready */
    CU_ASSERT(has(ran.out, "node        alpha\n"));
    CU_ASSERT(has(ran.out, "up          1m05s\n"));
    CU_ASSERT(has(ran.out, "reason      starting [2Jx\n")); /* the escape is gone */
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    CU_ASSERT(scripted_host_free(h));
}

/* ---- plugin list ---- */

static void script_plugins(struct peer *p)
{
    static const char *const names[] = {"provider_openai:work", "service_coordinator"};
    uint8_t mem[1024];
    struct aiex_writer w;

    peer_expect_call(p, "host", "host.plugins");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "plugins");
    aiex_w_array(&w, 2);
    for (size_t i = 0; i < 2; i++) {
        aiex_w_map(&w, 11);
        aiex_w_key_str(&w, "name", names[i]);
        aiex_w_key_str(&w, "plugin", i ? names[1] : "provider_openai");
        aiex_w_key_str(&w, "kind", i ? "service/1" : "provider/1");
        aiex_w_key_str(&w, "cell", names[i]);
        aiex_w_key_int(&w, "pid", 1000 + (int)i);
        aiex_w_key_str(&w, "state", i ? "failed" : "up");
        aiex_w_key_int(&w, "restarts", (int)i * 12);
        aiex_w_key_str(&w, "last_exit", i ? "signal 11" : "");
        aiex_w_key_int(&w, "rss_bytes", 5 * 1024 * 1024);
        aiex_w_key_int(&w, "uptime_ms", 3600000);
        aiex_w_key_str(&w, "summary", "chats with the models of a vendor over the network");
    }
    peer_end(p, peer_id(p), aiex_written(&w));
}

static void run_list(const struct run_as *like, const char *option)
{
    struct scripted_host *h = scripted_host_new(script_plugins, NULL);
    struct run_as as = *like;

    as.socket = scripted_host_path(h);
    RUN(&as, &ran, "plugin", "list", option);
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(scripted_host_free(h));
}

static void list_json(void)
{
    static const char *const keys[] = {"name",  "plugin",   "kind",      "cell",     "pid",
                                       "state", "restarts", "last_exit", "rss_bytes"};
    const struct run_as as = {0};
    char key[32];

    run_list(&as, "--json");
    CU_ASSERT_EQUAL(strncmp(ran.out, "[\n  {\n", 6), 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        snprintf(key, sizeof(key), "\"%s\": ", keys[i]);
        CU_ASSERT(has(ran.out, key));
    }
    run_list(&as, "--names");
    CU_ASSERT_STRING_EQUAL(ran.out, "provider_openai:work\nservice_coordinator\n");
}

/* Columns of the widest line; escapes are not counted. */
static size_t widest(const char *text)
{
    size_t width = 0, best = 0;

    for (; *text; text++) {
        if (*text == '\033') {
            while (*text && *text != 'm')
                text++;
            continue;
        }
        if (*text == '\n')
            width = 0;
        else if (*text != '\r' && ((unsigned char)*text & 0xc0) != 0x80)
            width++;
        best = width > best ? width : best;
    }
    return best;
}

static void list_fits_the_terminal(void)
{
    static const unsigned widths[] = {40, 60, 80, 120, 200};

    for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++) {
        const struct run_as as = {.columns = widths[i]};

        run_list(&as, "-q");
        CU_ASSERT(widest(ran.out) <= widths[i]);
        CU_ASSERT(has(ran.out, "NAME"));
        CU_ASSERT(has(ran.out, "STATE"));
    }
    CU_ASSERT(has(ran.out, "SUMMARY")); /* 200 columns are enough for all */
}

static void colour_only_where_wanted(void)
{
    const struct run_as pipe = {0};
    const struct run_as terminal = {.columns = 80};
    const struct run_as no_color = {.columns = 80, .env = {"NO_COLOR=1"}};
    const struct run_as empty_no_color = {.columns = 80, .env = {"NO_COLOR="}};
    const struct run_as dumb = {.columns = 80, .env = {"TERM=dumb"}};

    run_list(&pipe, "-q");
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    CU_ASSERT(has(ran.out, "SUMMARY")); /* a pipe gets every column */
    run_list(&pipe, "--color=always");
    CU_ASSERT_PTR_NOT_NULL(strstr(ran.out, "\033[32mup"));
    run_list(&terminal, "-q");
    CU_ASSERT_PTR_NOT_NULL(strstr(ran.out, "\033[32mup"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ran.out, "\033[31mfailed"));
    run_list(&terminal, "--no-color");
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    run_list(&no_color, "-q");
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    run_list(&empty_no_color, "-q");
    CU_ASSERT_PTR_NOT_NULL(strchr(ran.out, '\033'));
    run_list(&dumb, "-q");
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
}

/* ---- Errors and exit codes ---- */

static void script_error(struct peer *p)
{
    peer_expect_call(p, "host", "host.stop");
    peer_error(p, peer_id(p), p->arg, "because");
}

static void codes_of_errors(void)
{
    static const struct {
        const char *code;
        int exit;
    } cases[] = {
        {"timeout", 6},   {"busy", 7},     {"denied", 4},      {"read_only", 4}, {"not_found", 5},
        {"invalid", 1},   {"crashed", 1},  {"unavailable", 1}, {"conflict", 1},  {"upstream", 1},
        {"cancelled", 1}, {"internal", 1}, {"something", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct scripted_host *h = scripted_host_new(script_error, (void *)(uintptr_t)cases[i].code);
        const struct run_as as = {.socket = scripted_host_path(h)};
        char says[64];

        RUN(&as, &ran, "stop");
        CU_ASSERT_EQUAL(ran.code, cases[i].exit);
        snprintf(says, sizeof(says), "aiex: host.stop: because (%s)\n", cases[i].code);
        CU_ASSERT_STRING_EQUAL(ran.err, says);
        CU_ASSERT(scripted_host_free(h));
    }
}

static void script_close(struct peer *p)
{
    peer_expect_call(p, "cli", "cli.ask");
    peer_part(p, peer_id(p),
              "\x81\xa4text\xa3"
              "abc",
              10);
    peer_expect_op(p, "credit");
}

static void host_closes_in_the_middle(void)
{
    struct scripted_host *h = scripted_host_new(script_close, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "ask", "hello");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT_STRING_EQUAL(ran.out, "abc");
    CU_ASSERT(has(ran.err, "closed the connection before the answer was complete"));
    CU_ASSERT(scripted_host_free(h));
}

static void script_other_protocol(struct peer *p)
{
    const char *text = p->arg;

    peer_read(p);
    peer_raw(p, text + 1, (size_t)text[0]);
}

static void another_protocol(void)
{
    static const char *const texts[] = {"\x0cHTTP/1.1 400", "\x05\x01\0\0\0x"};

    for (size_t i = 0; i < 2; i++) {
        struct scripted_host *h = scripted_host_new(script_other_protocol,
                                                    (void *)(uintptr_t)texts[i]);
        const struct run_as as = {.socket = scripted_host_path(h)};

        RUN(&as, &ran, "status");
        CU_ASSERT_EQUAL(ran.code, 1);
        CU_ASSERT(has(ran.err, "it is no Aiex host"));
        CU_ASSERT(scripted_host_free(h));
    }
}

static void script_silent(struct peer *p)
{
    int64_t timeout = 0;
    struct aiex_slice frame;

    peer_expect_call(p, "host", "host.status");
    frame.data = p->frame;
    frame.len = p->frame_len;
    aiex_get_int(frame, "timeout_ms", &timeout);
    p->failed |= timeout != 1;
    peer_expect_op(p, "cancel");
    peer_error(p, peer_id(p), "cancelled", "");
}

static void silence_is_a_timeout(void)
{
    struct scripted_host *h = scripted_host_new(script_silent, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "status", "--timeout", "1ms");
    CU_ASSERT_EQUAL(ran.code, 6);
    CU_ASSERT(has(ran.err, "no answer from the host"));
    CU_ASSERT(scripted_host_free(h));
}

/* ---- ask ---- */

static int body_has(struct aiex_slice body, const char *key, const char *value)
{
    struct aiex_slice s;

    return aiex_get_str(body, key, &s) == 1 && s.len == strlen(value) &&
           memcmp(s.data, value, s.len) == 0;
}

static void send_text(struct peer *p, int64_t id, const char *key, const char *text)
{
    uint8_t mem[512];

    peer_part(p, id, mem, MAP(mem, key, text).len);
}

static void script_ask(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "cli", "cli.ask");
    int64_t id = peer_id(p);
    struct aiex_value files;
    uint8_t mem[256];

    p->failed |= !body_has(body, "prompt", "what is this") || !body_has(body, "model", "small") ||
                 !body_has(body, "system", "be brief");
    p->failed |= aiex_get(body, "files", &files) != 1 || files.count != 1;
    send_text(p, id, "reasoning", "let me see");
    send_text(p, id, "text", "It is ");
    peer_expect_op(p, "credit");
    send_text(p, id, "notice", "something happened");
    send_text(p, id, "text", "a\033[31m test");
    peer_end(p, id,
             MAP(mem, "id", "00000000000000ab", "model", "small", "provider", "provider_offline",
                 "offline", "true", "input_tokens", "#3", "output_tokens", "#4", "cost", "#12",
                 "finish", "stop"));
}

static void ask_streams_the_answer_only(void)
{
    struct scripted_host *h = scripted_host_new(script_ask, NULL);
    const struct run_as as = {.socket = scripted_host_path(h), .input = "int main;\n"};

    RUN(&as, &ran, "ask", "-msmall", "--system=be brief", "what", "is", "this");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "It is a\033[31m test"); /* a pipe gets every byte */
    CU_ASSERT(has(ran.err, "let me see"));
    CU_ASSERT(has(ran.err, "something happened"));
    CU_ASSERT(has(ran.err, "answered offline by provider_offline"));
    CU_ASSERT(scripted_host_free(h));
}

static void ask_on_a_terminal_is_harmless(void)
{
    struct scripted_host *h = scripted_host_new(script_ask, NULL);
    const struct run_as as = {.socket = scripted_host_path(h),
                              .columns = 80,
                              .input = "int main;\n",
                              .env = {"NO_COLOR=1"}};

    RUN(&as, &ran, "ask", "-m", "small", "-s", "be brief", "what is this");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_PTR_NULL(strchr(ran.out, '\033'));
    CU_ASSERT(has(ran.out, "a[31m test\r\n"));
    CU_ASSERT(scripted_host_free(h));
}

static void ask_json(void)
{
    struct scripted_host *h = scripted_host_new(script_ask, NULL);
    const struct run_as as = {.socket = scripted_host_path(h), .input = "int main;\n"};

    RUN(&as, &ran, "ask", "-q", "--json", "-m", "small", "-s", "be brief", "what is this");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "{\n  \"text\": \"It is a\\u001b[31m test\",\n"
                                    "  \"id\": \"00000000000000ab\",\n"
                                    "  \"model\": \"small\",\n"
                                    "  \"provider\": \"provider_offline\",\n"
                                    "  \"input_tokens\": 3,\n  \"output_tokens\": 4,\n"
                                    "  \"cost\": 12,\n  \"finish\": \"stop\",\n"
                                    "  \"cached\": null,\n  \"offline\": true,\n  \"session\": null\n}\n");
    CU_ASSERT_STRING_EQUAL(ran.err, "");
    CU_ASSERT(scripted_host_free(h));
}

static void script_ask_stdin(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "cli", "cli.ask");
    static const uint8_t nothing[] = {0x80};
    struct aiex_slice end = {nothing, 1};
    int stream = 1;

    p->failed |= !body_has(body, "prompt", "from a pipe\n");
    p->failed |= aiex_get_bool(body, "stream", &stream) != 1 || stream;
    peer_end(p, peer_id(p), end);
}

static void ask_takes_the_prompt_from_stdin(void)
{
    struct scripted_host *h = scripted_host_new(script_ask_stdin, NULL);
    const struct run_as as = {.socket = scripted_host_path(h), .input = "from a pipe\n"};

    RUN(&as, &ran, "ask", "--no-stream");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(scripted_host_free(h));
}

static void ask_refuses_bad_files(void)
{
    const struct run_as as = {0}, binary = {.input = "a\xff\n"};
    char path[] = "/tmp/aiex-cli-big-XXXXXX";
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    RUN(&as, &ran, "ask", "-f", "/nonexistent/x.c", "hello");
    CU_ASSERT_EQUAL(ran.code, 5);
    CU_ASSERT(has(ran.err, "can not open /nonexistent/x.c: No such file"));
    RUN(&as, &ran, "ask", "-f", "/bin/true", "hello");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "/bin/true is binary, not UTF-8 text"));
    RUN(&binary, &ran, "ask");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "standard input is binary"));
    CU_ASSERT_EQUAL(ftruncate(fd, 2 * 1024 * 1024 + 1), 0);
    RUN(&as, &ran, "ask", "-f", path, "hello");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "is larger than 2097152 bytes"));
    close(fd);
    unlink(path);
}

static void script_interrupt(struct peer *p)
{
    peer_expect_call(p, "cli", "cli.ask");
    send_text(p, peer_id(p), "text", "begun");
    peer_expect_op(p, "credit"); /* the part has been shown */
    kill(p->client, SIGINT);
    if (peer_expect_op(p, "cancel"))
        peer_error(p, peer_id(p), "cancelled", "the caller gave up");
}

static void interrupt_cancels(void)
{
    struct scripted_host *h = scripted_host_new(script_interrupt, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "ask", "hello");
    CU_ASSERT_EQUAL(ran.code, 130);
    CU_ASSERT_STRING_EQUAL(ran.out, "begun");
    CU_ASSERT_STRING_EQUAL(ran.err, "");
    CU_ASSERT(scripted_host_free(h));
}

/* ---- Following ---- */

static void script_events(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "host", "host.events");
    int64_t id = peer_id(p);
    uint8_t mem[512];
    struct aiex_slice part;

    p->failed |= !body_has(body, "topic", "provider.*");
    part = MAP(mem, "id", "1", "topic", "provider.health", "type", "up", "time", "#1700000000123",
               "subject", "provider_openai:work", "missed", "#4");
    for (int i = 0; i < 3; i++)
        peer_part(p, id, part.data, part.len);
    if (peer_expect_op(p, "cancel"))
        peer_error(p, id, "cancelled", "");
}

static void events_end_after_count(void)
{
    struct scripted_host *h = scripted_host_new(script_events, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};
    const char *first, *second;

    RUN(&as, &ran, "events", "tail", "provider.*", "--json", "-n2");
    CU_ASSERT_EQUAL(ran.code, 0);
    first = strchr(ran.out, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    second = strchr(first + 1, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    CU_ASSERT_STRING_EQUAL(second, "\n"); /* two lines, not three */
    CU_ASSERT(has(ran.out, "{\"id\":\"1\",\"topic\":\"provider.health\","));
    CU_ASSERT(scripted_host_free(h));
}

static void events_for_people(void)
{
    struct scripted_host *h = scripted_host_new(script_events, NULL);
    const struct run_as as = {.socket = scripted_host_path(h), .env = {"TZ=UTC"}};

    RUN(&as, &ran, "events", "tail", "provider.*", "--count", "1");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "22:13:20.123  provider.health  up  provider_openai:work\n");
    CU_ASSERT(has(ran.err, "4 events before this one were dropped"));
    CU_ASSERT(scripted_host_free(h));
}

/* ---- call, verbs of plugins ---- */

static void script_call(struct peer *p)
{
    struct aiex_slice body = peer_expect_call(p, "store", "store.read");
    struct aiex_slice list;
    struct aiex_value v;
    uint8_t mem[128];
    int64_t big = 0;

    p->failed |= aiex_get_int(body, "big", &big) != 1 || big != 9007199254740993;
    p->failed |= aiex_get_whole(body, "list", &list) != 1 || aiex_r_value(&list, &v) != 0 ||
                 v.type != AIEX_T_ARRAY || v.count != 3;
    peer_part(p, peer_id(p), mem, MAP(mem, "n", "#1").len);
    peer_part(p, peer_id(p), mem, MAP(mem, "n", "#2").len);
    peer_end(p, peer_id(p), MAP(mem, "done", "true"));
}

static void call_prints_parts_as_lines(void)
{
    struct scripted_host *h = scripted_host_new(script_call, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "call", "store", "store.read",
        " {\"big\": 9007199254740993, \"list\": [true, null, \"\\u00e9\"]} ");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT_STRING_EQUAL(ran.out, "{\"n\":1}\n{\"n\":2}\n{\"done\":true}\n");
    CU_ASSERT(scripted_host_free(h));
}

static void script_added(struct peer *p)
{
    uint8_t mem[512];
    struct aiex_writer w;
    struct aiex_slice body, argv;
    struct aiex_value v;

    peer_expect_call(p, "cli", "cli.verbs");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "verbs");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "verb", "shout");
    aiex_w_key_str(&w, "help", "say it loudly");
    aiex_w_key_str(&w, "service", "shouter");
    aiex_w_key_str(&w, "method", "shouter.run");
    peer_end(p, peer_id(p), aiex_written(&w));
    body = peer_expect_call(p, "shouter", "shouter.run");
    p->failed |= aiex_get_whole(body, "argv", &argv) != 1 || aiex_r_value(&argv, &v) != 0 ||
                 v.count != 2;
    p->failed |= !body_has(body, "stdin", "in");
    send_text(p, peer_id(p), "text", "HELLO\n");
    peer_end(p, peer_id(p), MAP(mem, "exit", "#9"));
}

static void verbs_of_plugins(void)
{
    struct scripted_host *h = scripted_host_new(script_added, NULL);
    const struct run_as as = {.socket = scripted_host_path(h), .input = "in"};

    RUN(&as, &ran, "shout", "--loud", "hello");
    CU_ASSERT_EQUAL(ran.code, 9);
    CU_ASSERT_STRING_EQUAL(ran.out, "HELLO\n");
    CU_ASSERT(scripted_host_free(h));
}

/* ---- config ---- */

static void script_check(struct peer *p)
{
    uint8_t mem[256];
    struct aiex_writer w;

    peer_expect_call(p, "host", "host.config_check");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_bool(&w, "ok", 0);
    aiex_w_str(&w, "errors");
    aiex_w_array(&w, 1);
    aiex_w_str(&w, "a.ini:3: [x] unknown key 'modle'");
    aiex_w_str(&w, "warnings");
    aiex_w_array(&w, 0);
    peer_end(p, peer_id(p), aiex_written(&w));
}

static void config_check_fails_on_errors(void)
{
    struct scripted_host *h = scripted_host_new(script_check, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "config", "check");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT_STRING_EQUAL(ran.out, "error: a.ini:3: [x] unknown key 'modle'\n");
    CU_ASSERT(scripted_host_free(h));
}

const struct test_case tests[] = {
    {"no_host", no_host},
    {"wrong_usage", wrong_usage},
    {"help_and_version_need_no_host", help_and_version_need_no_host},
    {"status", status},
    {"status_for_people", status_for_people},
    {"list_json", list_json},
    {"list_fits_the_terminal", list_fits_the_terminal},
    {"colour_only_where_wanted", colour_only_where_wanted},
    {"codes_of_errors", codes_of_errors},
    {"host_closes_in_the_middle", host_closes_in_the_middle},
    {"another_protocol", another_protocol},
    {"silence_is_a_timeout", silence_is_a_timeout},
    {"ask_streams_the_answer_only", ask_streams_the_answer_only},
    {"ask_on_a_terminal_is_harmless", ask_on_a_terminal_is_harmless},
    {"ask_json", ask_json},
    {"ask_takes_the_prompt_from_stdin", ask_takes_the_prompt_from_stdin},
    {"ask_refuses_bad_files", ask_refuses_bad_files},
    {"interrupt_cancels", interrupt_cancels},
    {"events_end_after_count", events_end_after_count},
    {"events_for_people", events_for_people},
    {"call_prints_parts_as_lines", call_prints_parts_as_lines},
    {"verbs_of_plugins", verbs_of_plugins},
    {"config_check_fails_on_errors", config_check_fails_on_errors},
    {0},
};
