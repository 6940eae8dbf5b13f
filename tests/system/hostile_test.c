/*
 * hostile_test.c - what comes from outside and is wrong: frames on the control socket,
 * files in the plugin folder. Each is refused in words, and nobody else notices.
 */
#include "rig.h"

#include "test.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB     (1024 * 1024)
#define FAR_MS  60000
#define HOSTILE AIEX_BUILD_DIR "/tests/hostile"

static const char one[] = "[host]\nnode = test\n[service_faulty]\n";

/* ---- Frames ---- */

static void put_length(struct client *c, uint32_t n)
{
    uint8_t head[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

    client_raw(c, head, 4);
}

static void put_frame(struct client *c, const void *bytes, size_t n)
{
    put_length(c, (uint32_t)n);
    client_raw(c, bytes, n);
}

/* Expects {id: 0, end, invalid} and the end of the connection. */
static void expect_refusal(struct client *c)
{
    struct frame f = {0};

    CU_ASSERT_EQUAL(client_next(c, &f, RIG_WAIT_MS), 1);
    CU_ASSERT_EQUAL(f.id, 0);
    CU_ASSERT_STRING_EQUAL(f.code, "invalid");
    CU_ASSERT(f.text[0] != 0);
    CU_ASSERT_EQUAL(client_next(c, &f, RIG_WAIT_MS), -1);
    client_close(c);
}

static void frames_that_end_the_connection(void)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t n;
    } frames[] = {
        {"empty", "", 0},
        {"not msgpack", "\xc1\xc1\xc1", 3},
        {"text", "GET / HTTP/1.1\r\n\r\n", 18},
        {"an array", "\x93\x01\x02\x03", 4},
        {"cut off", "\x83\xa2id\x01\xa2op", 8},
        {"more after it", "\x80\x80", 2},
        {"no op", "\x81\xa2id\x01", 5},
        {"unknown op", "\x82\xa2id\x01\xa2op\xa4halt", 13},
        {"op is a number", "\x82\xa2id\x01\xa2op\x07", 9},
        {"id is a text",
         "\x82\xa2id\xa1x\xa2op\xa4"
         "call",
         14},
        {"no id",
         "\x81\xa2op\xa4"
         "call",
         9},
        {"count of a map that is a lie", "\xdf\xff\xff\xff\xff", 5},
        {"length of a text that is a lie", "\x81\xdb\xff\xff\xff\xff", 6},
    };
    struct rig *rig = rig_start(one);
    struct client *c;
    uint8_t deep[200];

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        c = client_open(rig->socket);
        CU_ASSERT_FATAL(c != NULL);
        printf("\n    %s", frames[i].what);
        put_frame(c, frames[i].bytes, frames[i].n);
        expect_refusal(c);
        CU_ASSERT(rig_echo(rig, "service_faulty"));
    }
    c = client_open(rig->socket);
    CU_ASSERT_FATAL(c != NULL);
    printf("\n    nested too deeply");
    memset(deep, 0x91, sizeof(deep));
    memcpy(deep, "\x81\xa1x", 3);
    put_frame(c, deep, sizeof(deep));
    expect_refusal(c);
    c = client_open(rig->socket);
    CU_ASSERT_FATAL(c != NULL);
    printf("\n    longer than allowed");
    put_length(c, 32 * MIB + 1);
    expect_refusal(c);
    c = client_open(rig->socket);
    CU_ASSERT_FATAL(c != NULL);
    put_length(c, UINT32_MAX);
    expect_refusal(c);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static int64_t raw_call(struct client *c, int64_t id, const char *service, const char *method,
                        const char *body, size_t n)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2u + !!service + !!method + !!body);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "op", "call");
    if (service)
        aiex_w_key_str(&w, "service", service);
    if (method)
        aiex_w_key_str(&w, "method", method);
    if (body) {
        aiex_w_str(&w, "body");
        aiex_w_raw(&w, body, n);
    }
    put_frame(c, mem, w.len);
    return id;
}

static void expect_code(struct client *c, int64_t id, const char *code)
{
    struct frame f = {0};

    CU_ASSERT_EQUAL(client_next(c, &f, RIG_WAIT_MS), 1);
    CU_ASSERT_EQUAL(f.id, id);
    CU_ASSERT_STRING_EQUAL(f.code, code);
    if (strcmp(f.code, code))
        printf("\n    call %lld ended with '%s', not '%s': %s", (long long)id, f.code, code,
               f.text);
}

/* Wrong calls get an answer of their own; the connection and its other calls go on. */
static void calls_that_are_refused(void)
{
    char name[300];
    struct rig *rig = rig_start(one);
    struct client *c = client_open(rig->socket);

    CU_ASSERT_FATAL(c != NULL);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    expect_code(c, raw_call(c, 1, NULL, "echo", NULL, 0), "invalid");
    expect_code(c, raw_call(c, 2, "service_faulty", NULL, NULL, 0), "invalid");
    expect_code(c, raw_call(c, 3, name, "echo", NULL, 0), "invalid");
    expect_code(c, raw_call(c, 4, "service_faulty", name, NULL, 0), "invalid");
    expect_code(c, raw_call(c, 5, "service_faulty", "no_such_method", NULL, 0), "not_found");
    expect_code(c, raw_call(c, 6, "service_unknown", "echo", NULL, 0), "unavailable");
    expect_code(c, raw_call(c, 7, "", "", NULL, 0), "invalid");
    expect_code(c, raw_call(c, 8, "host", "host.nothing", NULL, 0), "not_found");
    expect_code(c, raw_call(c, 9, "service_faulty", "sum", "\x93\x01\x02\x03", 4), "invalid");
    expect_code(c, raw_call(c, 10, "service_faulty", "sum", "\xa1x", 2), "invalid");
    expect_code(c, raw_call(c, -5, "service_faulty", "sum", "\x80", 1), "");
    expect_code(c, raw_call(c, INT64_MAX, "service_faulty", "sum", "\x80", 1), "");
    raw_call(c, 11, "service_faulty", "silent", NULL, 0);
    expect_code(c, raw_call(c, 11, "service_faulty", "sum", NULL, 0), "invalid"); /* in use */
    client_credit(c, 12345, 1);
    client_cancel(c, 12345);
    client_credit(c, 11, UINT32_MAX);
    client_cancel(c, 11);
    client_cancel(c, 11);
    expect_code(c, raw_call(c, 12, "service_faulty", "sum", NULL, 0), "");
    client_close(c);
    rig_end(rig);
}

static int idle(struct rig *rig, void *arg)
{
    return rig_plugin(rig, "service_faulty").in_flight == 0;
}

/* More open calls, more connections than one may have. */
static void too_many(void)
{
    struct rig *rig = rig_start(one);
    struct client *c = client_open(rig->socket), *crowd[300];
    int64_t id = 0;
    struct frame f;
    int closed = 0;

    CU_ASSERT_FATAL(c != NULL);
    for (int i = 0; i < 257; i++)
        id = client_call(c, "service_faulty", "silent", body_of(i, NULL), FAR_MS);
    CU_ASSERT_EQUAL(client_next(c, &f, RIG_WAIT_MS), 1);
    CU_ASSERT_EQUAL(f.id, id);
    CU_ASSERT(f.code[0] != 0);
    client_close(c);
    CU_ASSERT(rig_until(rig, idle, NULL));
    for (int i = 0; i < 300; i++) {
        crowd[i] = client_open(rig->socket);
        if (crowd[i])
            client_call(crowd[i], "service_faulty", "echo", body_of(i, NULL), FAR_MS);
    }
    for (int i = 0; i < 300; i++)
        closed += !crowd[i] || client_next(crowd[i], &f, RIG_WAIT_MS) != 1;
    CU_ASSERT(closed >= 300 - 256 && closed < 60);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    for (int i = 0; i < 300; i++)
        client_close(crowd[i]);
    c = NULL;
    for (int64_t until = now_ms() + RIG_WAIT_MS; now_ms() < until;) {
        c = client_open(rig->socket);
        CU_ASSERT_FATAL(c != NULL);
        client_call(c, "service_faulty", "echo", body_of(1, NULL), FAR_MS);
        closed = client_next(c, &f, RIG_WAIT_MS) != 1;
        client_close(c);
        if (!closed)
            break;
    }
    CU_ASSERT_EQUAL(closed, 0); /* there is room again */
    rig_end(rig);
}

/* Half a frame, then nothing, or the end: costs no more than what came. */
static void half_frames(void)
{
    enum { N = 50 };
    struct rig *rig = rig_start(one);
    int64_t before = process_rss_bytes(rig->pid);
    struct client *c[N];

    for (int i = 0; i < N; i++) {
        c[i] = client_open(rig->socket);
        CU_ASSERT_FATAL(c[i] != NULL);
        put_length(c[i], 32 * MIB);
        client_raw(c[i], "\x86\xa2id\x01", 5);
        CU_ASSERT_EQUAL(client_send(c[i]), 0);
    }
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT(process_rss_bytes(rig->pid) - before < 32 * MIB);
    for (int i = 0; i < N; i++)
        client_close(c[i]);
    c[0] = client_open(rig->socket);
    CU_ASSERT_FATAL(c[0] != NULL);
    client_raw(c[0], "\x05", 1); /* not even a whole length */
    CU_ASSERT_EQUAL(client_send(c[0]), 0);
    client_close(c[0]);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static uint32_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* Good calls with some bytes changed: answered or refused, never more. */
static void changed_bytes(void)
{
    struct rig *rig = rig_start(one);
    uint64_t seed = 0x9e3779b97f4a7c15u;

    for (int i = 0; i < 400; i++) {
        struct client *c = client_open(rig->socket);
        uint8_t mem[200];
        struct aiex_writer w;
        struct frame f;

        CU_ASSERT_FATAL(c != NULL);
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 5);
        aiex_w_key_int(&w, "id", 1);
        aiex_w_key_str(&w, "op", "call");
        aiex_w_key_str(&w, "service", i % 2 ? "service_faulty" : "host");
        aiex_w_key_str(&w, "method", i % 2 ? "sum" : "host.status");
        aiex_w_str(&w, "body");
        aiex_w_map(&w, 0);
        for (uint32_t k = next_random(&seed) % 4; k != UINT32_MAX; k--)
            mem[next_random(&seed) % w.len] = (uint8_t)next_random(&seed);
        put_frame(c, mem, w.len);
        client_send(c);
        client_next(c, &f, 20);
        client_close(c);
    }
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").restarts, 0);
    rig_end(rig);
}

/* ---- Plugin files ---- */

static char folder[64];

static void path_of(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", folder, name);
}

/* Copies at most `max` bytes of a file, then puts `n` bytes at `at`. */
static void copy(const char *from, const char *to, size_t max, size_t at, const void *bytes,
                 size_t n)
{
    FILE *in = fopen(from, "re"), *out;
    char path[128], mem[65536];
    size_t got;

    path_of(path, sizeof(path), to);
    out = fopen(path, "we");
    CU_ASSERT_FATAL(in && out);
    while (max && (got = fread(mem, 1, max < sizeof(mem) ? max : sizeof(mem), in)) > 0) {
        CU_ASSERT_EQUAL(fwrite(mem, 1, got, out), got);
        max -= got;
    }
    if (n) {
        CU_ASSERT_EQUAL(fseek(out, (long)at, SEEK_SET), 0);
        CU_ASSERT_EQUAL(fwrite(bytes, 1, n, out), n);
    }
    fclose(in);
    fclose(out);
}

static const struct {
    const char *plugin, *sentence;
} files[] = {
    {"service_text", "not an ELF file, so not a shared object"},
    {"service_empty", "not an ELF file, so not a shared object"},
    {"service_short", "ends the process with signal 7"},
    {"service_foreign", "built for another processor"},
    {"service_small", "built for another processor"},
    {"service_program", "but not a shared object"},
    {"service_folder", "can not be read: "},
    {"service_dangling", "service_dangling"},
    {"service_renamed", "calls itself 'service_faulty'"},
    {"service_no_entry", "does not export aiex_plugin_entry"},
    {"service_hangs", "its constructor hangs"},
    {"service_dies", "ends the process with signal 6"},
    {"service_other_major", "ABI"},
};

#define N_FILES (sizeof(files) / sizeof(files[0]))

static void fill_folder(void)
{
    static const char good[] = AIEX_BUILD_DIR "/tests/plugins/service_faulty.so";
    uint16_t machine = sizeof(void *) == 8 ? EM_S390 : EM_386, type = ET_REL;
    uint8_t class32 = ELFCLASS32;
    char path[128];

    snprintf(folder, sizeof(folder), "/tmp/aiex-hostile-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    copy(good, "service_faulty.so", SIZE_MAX, 0, NULL, 0);
    copy(good, "service_renamed.so", SIZE_MAX, 0, NULL, 0);
    copy(good, "service_text.so", 0, 0, "#!/bin/sh\necho plugin\n", 22);
    copy(good, "service_empty.so", 0, 0, NULL, 0);
    copy(good, "service_short.so", 1000, 0, NULL, 0);
    copy(good, "service_foreign.so", SIZE_MAX, offsetof(Elf64_Ehdr, e_machine), &machine, 2);
    copy(good, "service_small.so", SIZE_MAX, EI_CLASS, &class32, 1);
    copy(good, "service_program.so", SIZE_MAX, offsetof(Elf64_Ehdr, e_type), &type, 2);
    copy(HOSTILE "/service_no_entry.so", "service_no_entry.so", SIZE_MAX, 0, NULL, 0);
    copy(HOSTILE "/service_hangs.so", "service_hangs.so", SIZE_MAX, 0, NULL, 0);
    copy(HOSTILE "/service_dies.so", "service_dies.so", SIZE_MAX, 0, NULL, 0);
    copy(HOSTILE "/service_other_major.so", "service_other_major.so", SIZE_MAX, 0, NULL, 0);
    path_of(path, sizeof(path), "service_folder.so");
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    path_of(path, sizeof(path), "service_dangling.so");
    CU_ASSERT_EQUAL(symlink("/nonexistent/plugin.so", path), 0);
}

static void empty_folder(void)
{
    char path[128];

    for (size_t i = 0; i < N_FILES; i++) {
        snprintf(path, sizeof(path), "%s/%s.so", folder, files[i].plugin);
        if (unlink(path) < 0)
            rmdir(path);
    }
    path_of(path, sizeof(path), "service_faulty.so");
    unlink(path);
    rmdir(folder);
}

/* The line of the report that is about this plugin. */
static int line_says(const char *report, const char *plugin, const char *sentence)
{
    char section[64];
    const char *at, *end;

    snprintf(section, sizeof(section), "[%s]", plugin);
    at = strstr(report, section);
    if (!at)
        return 0;
    end = at + strcspn(at, "\n");
    return memmem(at, (size_t)(end - at), sentence, strlen(sentence)) != NULL;
}

static void write_ini(char *ini, size_t size)
{
    snprintf(ini, size, "[host]\nnode = test\n[service_faulty]\n");
    for (size_t i = 0; i < N_FILES; i++)
        snprintf(ini + strlen(ini), size - strlen(ini), "[%s]\n", files[i].plugin);
}

static void files_refused_by_check(void)
{
    char ini[2048], out[16384];

    fill_folder();
    write_ini(ini, sizeof(ini));
    CU_ASSERT_EQUAL(rig_check(ini, folder, out, sizeof(out)), 2);
    for (size_t i = 0; i < N_FILES; i++) {
        int says = line_says(out, files[i].plugin, files[i].sentence);

        CU_ASSERT(says);
        if (!says)
            printf("\n    %s should be told '%s'", files[i].plugin, files[i].sentence);
    }
    CU_ASSERT_PTR_NULL(strstr(out, "[service_faulty]"));
    if (CU_get_number_of_failures())
        printf("\n%s", out);
    empty_folder();
}

/* A running host refuses each by itself and goes on with what it has. */
static void files_refused_by_load(void)
{
    struct rig *rig;
    pid_t pid;

    fill_folder();
    rig = rig_start_raw(one, folder);
    CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
    pid = rig_plugin(rig, "service_faulty").pid;
    for (size_t i = 0; i < N_FILES; i++) {
        char ini[128], path[128];
        struct answer a;

        snprintf(ini, sizeof(ini), "[%s]\n", files[i].plugin);
        snprintf(path, sizeof(path), "%s/more.txt", rig->dir);
        rig_write(rig, "../more.txt", ini);
        CU_ASSERT_FALSE(rig_host(rig, "host.load", "file", path, &a));
        CU_ASSERT(memmem(a.body.data, a.body.len, files[i].sentence, strlen(files[i].sentence)) !=
                  NULL);
        CU_ASSERT_FALSE(rig_plugin(rig, files[i].plugin).found);
        CU_ASSERT(rig_echo(rig, "service_faulty"));
    }
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").pid, pid);
    rig_end(rig);
    empty_folder();
}

const struct test_case tests[] = {
    {"frames that end the connection", frames_that_end_the_connection},
    {"calls that are refused", calls_that_are_refused},
    {"too many", too_many},
    {"half frames", half_frames},
    {"changed bytes", changed_bytes},
    {"files refused by check", files_refused_by_check},
    {"files refused by load", files_refused_by_load},
    {0},
};
