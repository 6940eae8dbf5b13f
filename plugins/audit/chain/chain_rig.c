/* chain_rig.c - see chain_rig.h. */
#include "chain_rig.h"
#include "chain.h"
#include "rig_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
char dir[64];
int64_t now = NOON;

int64_t wall_ms(void)
{
    return __atomic_load_n(&now, __ATOMIC_RELAXED);
}

uint64_t mono_ms(const struct aiex_host *host)
{
    return host->now_ms(host);
}

/* ---- The disk ---- */

ssize_t __real_pwrite(int fd, const void *mem, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *mem, size_t n, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t disk_changed = PTHREAD_COND_INITIALIZER;
static int disk_error, disk_hanging, disk_inside;
static unsigned n_syncs;

/* A full disk takes the first bytes, and then nothing. */
ssize_t __wrap_pwrite(int fd, const void *mem, size_t n, off_t at)
{
    int error;

    pthread_mutex_lock(&disk_lock);
    error = disk_error;
    pthread_mutex_unlock(&disk_lock);
    if (!error)
        return __real_pwrite(fd, mem, n, at);
    if (n > 1 && error == ENOSPC)
        return __real_pwrite(fd, mem, 1, at);
    errno = error;
    return -1;
}

int __wrap_fdatasync(int fd)
{
    pthread_mutex_lock(&disk_lock);
    n_syncs++;
    disk_inside++;
    pthread_cond_broadcast(&disk_changed);
    while (disk_hanging)
        pthread_cond_wait(&disk_changed, &disk_lock);
    disk_inside--;
    pthread_mutex_unlock(&disk_lock);
    return __real_fdatasync(fd);
}

void disk_fails(int error)
{
    pthread_mutex_lock(&disk_lock);
    disk_error = error;
    pthread_mutex_unlock(&disk_lock);
}

void disk_hangs(int hangs)
{
    pthread_mutex_lock(&disk_lock);
    disk_hanging = hangs;
    pthread_cond_broadcast(&disk_changed);
    pthread_mutex_unlock(&disk_lock);
}

void disk_entered(void)
{
    pthread_mutex_lock(&disk_lock);
    while (disk_inside == 0)
        pthread_cond_wait(&disk_changed, &disk_lock);
    pthread_mutex_unlock(&disk_lock);
}

unsigned disk_syncs(void)
{
    unsigned n;

    pthread_mutex_lock(&disk_lock);
    n = n_syncs;
    pthread_mutex_unlock(&disk_lock);
    return n;
}

/* ---- Life ---- */

static int is_open(void *arg)
{
    char reason[400];
    uint64_t size;

    return writer_state(arg, reason, &size) != STATE_OPENING;
}

void rig_open(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("audit_chain");
    aiex_fake_data_dir(h, dir);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL_FATAL("the plugin did not start");
    }
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_open, self, 60000), 0);
    pass(50); /* the loop has seen it, too */
}

void rig_close(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void rig_begin(const struct aiex_fake_pair *pairs)
{
    strcpy(dir, "/tmp/aiex_audit_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    now = NOON;
    rig_open(pairs);
}

void rig_end(void)
{
    CU_ASSERT_EQUAL(rig_folder_remove(dir), 0);
}

const char *rig_path(const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* ---- Requests ---- */

static struct aiex_slice map_of(const char *const *pairs)
{
    static uint8_t mem[1 << 18];
    struct aiex_writer w;
    uint32_t n = 0;

    while (pairs[n])
        n++;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, n / 2);
    for (uint32_t i = 0; i < n; i += 2) {
        const char *v = pairs[i + 1];

        aiex_w_str(&w, pairs[i] + (pairs[i][0] == '@'));
        if (pairs[i][0] == '@')
            aiex_w_bin(&w, v, strlen(v));
        else if (v[0] == '#')
            aiex_w_int(&w, atoll(v + 1));
        else if (strcmp(v, "true") == 0)
            aiex_w_bool(&w, 1);
        else
            aiex_w_str(&w, v);
    }
    CU_ASSERT_FALSE_FATAL(w.failed);
    return aiex_written(&w);
}

uint64_t send(const char *method, const char *const *pairs)
{
    return aiex_fake_request(h, p, self, method, map_of(pairs), 0);
}

static int is_over(void *arg)
{
    return aiex_fake_answer(h, *(uint64_t *)arg) != NULL;
}

void wait_end(uint64_t id)
{
    CU_ASSERT_EQUAL(aiex_fake_poll_until(h, is_over, &id, 60000), 0);
}

uint64_t ask(const char *method, const char *const *pairs)
{
    uint64_t id = send(method, pairs);

    wait_end(id);
    return id;
}

void pass(unsigned ms)
{
    for (unsigned at = 0; at < ms; at += TICK_MS) {
        aiex_fake_poll(h, 0);
        aiex_fake_advance(h, TICK_MS);
        aiex_fake_poll(h, 2);
    }
}

unsigned pass_until(uint64_t id)
{
    unsigned ms = 0;

    for (; ms < 20000 && !is_over(&id); ms += TICK_MS)
        pass(TICK_MS);
    return ms;
}

struct aiex_slice answer_of(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    return r ? r->body : (struct aiex_slice){NULL, 0};
}

const char *code_of(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    return r ? r->code : "open";
}

const char *text_of(uint64_t id)
{
    const struct aiex_fake_record *r = aiex_fake_answer(h, id);

    return r ? r->text : "open";
}

int64_t number(struct aiex_slice map, const char *key)
{
    int64_t v = -1;

    aiex_get_int(map, key, &v);
    return v;
}

const char *text(struct aiex_slice map, const char *key)
{
    static char out[4][8192];
    static unsigned turn;
    char *mem = out[turn++ % 4];

    strcpy(mem, "?");
    aiex_get_text(map, key, mem, 8192);
    return mem;
}

/* ---- Entries ---- */

int64_t put(unsigned n)
{
    static const char *const writers[] = {"gateway", "files", "config"};
    uint64_t *ids = calloc(n, sizeof(*ids));
    int64_t last = -1;

    for (unsigned i = 0; i < n; i++) {
        char subject[32], payload[64];

        snprintf(subject, sizeof(subject), "file %u", i);
        snprintf(payload, sizeof(payload), "content of %u", i);
        now++;
        ids[i] = i % 4 == 1 ? SEND("audit.append", "type", "file.read", "actor", "ann", "subject",
                                   subject, "writer", writers[i % 3], "@payload", payload)
                            : SEND("audit.append", "type", "file.read", "actor", "ann", "subject",
                                   subject, "writer", writers[i % 3]);
    }
    for (unsigned i = 0; i < n; i++) {
        wait_end(ids[i]);
        CU_ASSERT_STRING_EQUAL(code_of(ids[i]), "");
        last = number(answer_of(ids[i]), "seq");
    }
    free(ids);
    return last;
}

const char *verify(void)
{
    static char told[8192];
    uint64_t id = ASK("audit.verify");
    size_t n = 0;
    int64_t faults = 0;

    told[0] = 0;
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    for (size_t i = 0;; i++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_STREAM, i);

        if (!r)
            break;
        if (r->id != id)
            continue;
        CU_ASSERT_TRUE(text(r->body, "text")[0] != '?');
        n += (size_t)snprintf(told + n, sizeof(told) - n, "%s %s\n", text(r->body, "where"),
                              text(r->body, "kind"));
        faults++;
    }
    CU_ASSERT_EQUAL(number(answer_of(id), "faults"), faults);
    return told;
}

static char told_export[8192];

static void on_fault(void *arg, const struct aiex_fault *f)
{
    size_t n = strlen(told_export);
    char where[48];

    (void)arg;
    snprintf(told_export + n, sizeof(told_export) - n, "%s %s\n", aiex_fault_where(f, where),
             f->kind);
}

const char *check_export(const char *from, const char *to, char **ret)
{
    struct aiex_export_setup s = {.fault = on_fault};
    struct aiex_export_sum sum;
    struct aiex_error err;
    struct aiex_export *x;
    struct aiex_slice all;
    uint64_t id = from ? ASK("audit.export", "from", from, "to", to) : ASK("audit.export");
    const char *at, *end;

    told_export[0] = 0;
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    all = aiex_fake_parts(h, id);
    CU_ASSERT_EQUAL_FATAL(aiex_export_new(&s, &x, &err), 0);
    for (at = (const char *)all.data, end = at + all.len; at < end;) {
        size_t n = (size_t)((char *)memchr(at, '\n', (size_t)(end - at)) - at);

        CU_ASSERT_EQUAL(aiex_export_line(x, (struct aiex_slice){(const uint8_t *)at, n}, &err), 0);
        at += n + 1;
    }
    CU_ASSERT_EQUAL(aiex_export_finish(x, &sum, &err), 0);
    CU_ASSERT_EQUAL((int64_t)sum.entries, number(answer_of(id), "entries"));
    aiex_export_free(x);
    if (ret)
        *ret = strndup((const char *)all.data, all.len);
    return told_export;
}
