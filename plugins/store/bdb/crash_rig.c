/* crash_rig.c - see crash_rig.h. */
#include "crash_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 64
#define STREAMS 7
#define MAX_N   20000
#define CHUNK   500 /* events of a request of crash_fill() */

/* What the child tells of each acknowledgement. */
struct ack {
    int writer, n;
    int64_t version, sequence;
};

void (*crash_prepare)(void);

static struct writer {
    int next; /* n that is not acknowledged yet */
    struct ack *acks;
} writers[WRITERS];

static const struct aiex_fake_pair small[] = {
    {"log_file", "9M"}, {"checkpoint", "1M"}, {"ballast", "0"}, {"cache", "4M"}, {0}};

/* ---- The child ---- */

static uint64_t send_one(int w, int n, const char *given)
{
    static const char *const level[] = {"synced", "synced", "written"};

    if (w % 4)
        return begin("store.append",
                     "{'stream': 's%d', 'level': '%s', 'events': [{'id': '%d.%d', 'type': 't%d', "
                     "'correlation': 'w%d', 'data': '%0300d'}]}",
                     w % STREAMS, given ? given : level[w % 3], w, n, n % 5, w, n);
    return begin("store.transact",
                 "{'operations': [{'op': 'append', 'stream': 's%d', 'events': [{'id': '%d.%d', "
                 "'type': 't%d', 'correlation': 'w%d'}]}, {'op': 'put', 'table': 'rows', 'key': "
                 "'%d', 'value': '%d'}]}",
                 w % STREAMS, w, n, n % 5, w, w, n);
}

static void tell(int fd, int w, int n, struct aiex_slice body)
{
    struct ack ack = {.writer = w, .n = n};
    struct aiex_value v;
    struct aiex_slice one = body;

    if (aiex_get(body, "appends", &v) == 1)
        one = v.bytes;
    aiex_get_int(one, "version", &ack.version);
    aiex_get_int(one, "sequence", &ack.sequence);
    if (write(fd, &ack, sizeof(ack)) != (ssize_t)sizeof(ack))
        _exit(3);
}

_Noreturn static void child(int fd, const char *fail, const char *level)
{
    uint64_t calls[WRITERS] = {0};

    if (fail)
        setenv("AIEX_FAIL", fail, 1);
    if (crash_prepare)
        crash_prepare();
    rig_open(small);
    for (;;) {
        const struct aiex_fake_record *r;

        for (int w = 0; w < WRITERS; w++)
            if (!calls[w])
                calls[w] = send_one(w, writers[w].next, level);
        aiex_fake_poll(h, 1000);
        for (int w = 0; w < WRITERS; w++) {
            r = aiex_fake_answer(h, calls[w]);
            if (!r)
                continue;
            if (r->kind != AIEX_FAKE_REPLY) {
                fprintf(stderr, "writer %d: %s: %s\n", w, r->code, r->text);
                _exit(2);
            }
            tell(fd, w, writers[w].next++, r->body);
            calls[w] = 0;
        }
        aiex_fake_forget(h);
    }
}

/* ---- The parent ---- */

int crash_run(const char *fail, int limit, const char *level)
{
    struct ack ack;
    int fds[2], status = 0, n = 0;
    pid_t pid;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        alarm(60);
        child(fds[1], fail, level);
    }
    close(fds[1]);
    while (read(fds[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
        struct writer *w = &writers[ack.writer];

        CU_ASSERT_EQUAL_FATAL(ack.n, w->next);
        w->acks[w->next++] = ack;
        if (++n == limit)
            kill(pid, SIGKILL);
    }
    close(fds[0]);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return n;
}

static struct seen {
    int last[WRITERS];
    int64_t versions[STREAMS], sequence, events;
    int bad;
} seen;

/* The next event in the order of all. */
static void look(struct aiex_slice event)
{
    int64_t version = 0, sequence = 0;
    char id[65] = "", stream[256] = "";
    int w = -1, n = -1, s = -1;

    aiex_get_text(event, "id", id, sizeof(id));
    aiex_get_text(event, "stream", stream, sizeof(stream));
    aiex_get_int(event, "version", &version);
    aiex_get_int(event, "sequence", &sequence);
    seen.bad += sequence != ++seen.sequence;
    seen.events++;
    if (strcmp(stream, "before") == 0)
        return;
    if (sscanf(id, "%d.%d", &w, &n) != 2 || sscanf(stream, "s%d", &s) != 1 || w < 0 ||
        w >= WRITERS || s != w % STREAMS) {
        seen.bad++;
        return;
    }
    /* nothing lost, doubled or moved: each n once, in order, without gaps anywhere */
    seen.bad += version != ++seen.versions[s];
    seen.bad += n != seen.last[w] + 1;
    seen.last[w] = n;
    if (n < writers[w].next) {
        seen.bad += writers[w].acks[n].version != version;
        seen.bad += writers[w].acks[n].sequence != sequence;
    }
}

static void look_at_all(uint64_t id)
{
    const struct aiex_fake_record *r;

    for (size_t i = 0; (r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i)) != NULL; i++) {
        struct aiex_slice at = r->body;
        struct aiex_value v;

        if (r->id != id || aiex_r_value(&at, &v) != 0)
            continue;
        for (uint32_t n = v.count; n--;) {
            struct aiex_slice one = at;

            if (aiex_r_skip(&at) != 0)
                return;
            one.len -= at.len;
            look(one);
        }
    }
}

static void check_rows(void)
{
    for (int w = 0; w < WRITERS; w += 4) {
        uint64_t id = begin("store.get", "{'table': 'rows', 'key': '%d'}", w);
        struct aiex_slice value = {(const uint8_t *)"-1", 2};
        char text[16] = "";

        end_of(id);
        aiex_get_bytes(aiex_fake_answer(h, id)->body, "value", &value);
        memcpy(text, value.data, value.len < 15 ? value.len : 15);
        CU_ASSERT_EQUAL(atoi(text), seen.last[w]);
    }
}

long long crash_check(void)
{
    uint64_t id;

    memset(&seen, 0, sizeof(seen));
    memset(seen.last, 255, sizeof(seen.last));
    rig_open(small);
    CU_ASSERT_TRUE(comes("store.status", "'phase':'open'"));
    HAS(ask("store.verify", "{}"), "'faults':0");
    id = begin("store.read", "{}");
    HAS(end_of(id), "'end':true");
    look_at_all(id);
    CU_ASSERT_EQUAL(seen.bad, 0);
    for (int w = 0; w < WRITERS; w++) /* all that was acknowledged, and one more at most */
        CU_ASSERT_TRUE(seen.last[w] + 1 == writers[w].next ||
                       seen.last[w] + 1 == writers[w].next + 1);
    check_rows();
    HAS(ask("store.health", "{}"), "'healthy':true");
    rig_close();
    return seen.events;
}

void crash_begin(void)
{
    strcpy(dir, "/tmp/aiex_store_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (int w = 0; w < WRITERS; w++) {
        writers[w].next = 0;
        writers[w].acks = calloc(MAX_N, sizeof(struct ack));
    }
}

void crash_fill(int events)
{
    static char body[CHUNK * 40 + 100];

    rig_open(small);
    for (int n = 0; n < events;) {
        int len = snprintf(body, sizeof(body), "{'stream': 'before', 'events': [");

        for (int i = 0; i < CHUNK; i++, n++)
            len += snprintf(body + len, sizeof(body) - (size_t)len,
                            "%s{'id': 'b%08x', 'type': 't'}", i ? "," : "",
                            (unsigned)n * 2654435761u);
        snprintf(body + len, sizeof(body) - (size_t)len, "]}");
        HAS(ask("store.append", "%s", body), "'duplicate':false");
    }
    rig_close();
}

void crash_end(void)
{
    for (int w = 0; w < WRITERS; w++)
        free(writers[w].acks);
    rig_end();
}
