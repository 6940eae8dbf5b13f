/* checkpoints_rig.c - see checkpoints_rig.h. */
#include "checkpoints_rig.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 256

struct room {
    const char *service, *instance, *file; /* file NULL: it is linked */
    const struct aiex_plugin *plugin;
    struct aiex_fake_host *host;
    void *self;
    char folder[64];
};

static struct room rooms[N_PLACES] = {
    [CHECKPOINTS] = {.service = "checkpoints", .instance = "service_checkpoints"},
    [STORE] = {.service = "store", .instance = "store_bdb", .file = AIEX_STORE_SO},
    [SESSIONS_ROOM] = {.service = "sessions",
                       .instance = "service_sessions",
                       .file = AIEX_SESSIONS_SO},
    [TEMPLATES] = {.service = "templates",
                   .instance = "service_templates",
                   .file = AIEX_TEMPLATES_SO},
    [GATEWAY] = {.service = "gateway", .instance = "service_gateway", .file = AIEX_GATEWAY_SO},
};

/* A call of one room that another one serves. */
struct link {
    enum place from, to;
    uint64_t call, request; /* 0 = not carried yet */
    char method[64];
    uint8_t *body;
    size_t len;
    int lost;
    char lost_code[32];
};

static struct link links[MAX_LINKS];
static int n_links;
static char dir[64];
int forgets;
const char *max_bytes = "8G";
const char *(*on_carry)(enum place to, const char *method, int answered);

static int64_t real_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void die(const char *why)
{
    printf("\n  %s\n", why);
    CU_FAIL_FATAL("the rig can not go on");
}

/* ---- Carrying ---- */

static int is_for(const char *service, const struct room *room)
{
    return strcmp(service, room->service) == 0 || strcmp(service, room->instance) == 0;
}

static int on_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    struct room *from = arg;
    struct link *l = &links[n_links];

    for (int i = 0; i < N_PLACES; i++) {
        if (!is_for(call->service, &rooms[i]) || &rooms[i] == from)
            continue;
        CU_ASSERT_FATAL(n_links < MAX_LINKS);
        *l = (struct link){.from = (enum place)(from - rooms), .to = (enum place)i};
        l->call = call->id;
        snprintf(l->method, sizeof(l->method), "%s", call->name);
        l->len = call->body.len;
        l->body = malloc(l->len + 1);
        memcpy(l->body, call->body.data, l->len);
        n_links++;
        return 0;
    }
    return aiex_fake_answer_error(h, call->id, AIEX_E_UNAVAILABLE, "nobody serves that", 0,
                                  (struct aiex_slice){NULL, 0}) < 0
               ? -22
               : 0;
}

static void on_part(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *part)
{
    struct room *to = arg;

    (void)h;
    for (int i = 0; i < n_links; i++)
        if (&rooms[links[i].to] == to && links[i].request == part->id && !links[i].lost)
            aiex_fake_answer_part(rooms[links[i].from].host, links[i].call, part->body);
}

static void unlink_at(int i)
{
    free(links[i].body);
    links[i] = links[--n_links];
}

static int caller_waits(const struct link *l)
{
    struct aiex_fake_host *h = rooms[l->from].host;
    const struct aiex_fake_record *r;

    if (!h)
        return 0;
    for (size_t i = 0; (r = aiex_fake_nth(h, AIEX_FAKE_CANCEL, i)) != NULL; i++)
        if (r->id == l->call)
            return 0;
    return 1;
}

static void refuse(const struct link *l, const char *code)
{
    const struct aiex_slice none = {NULL, 0};

    aiex_fake_answer_error(rooms[l->from].host, l->call, code, "the test says so", 0, none);
}

/* 1 = the link is over. */
static int carry(struct link *l)
{
    struct room *to = &rooms[l->to];
    const struct aiex_slice body = {l->body, l->len};
    const char *code = on_carry ? on_carry(l->to, l->method, 0) : NULL;

    if (!code && !to->host)
        code = AIEX_E_UNAVAILABLE;
    if (code) {
        refuse(l, code);
        return 1;
    }
    code = on_carry ? on_carry(l->to, l->method, 1) : NULL;
    l->lost = code != NULL;
    snprintf(l->lost_code, sizeof(l->lost_code), "%s", code ? code : "");
    l->request = aiex_fake_deliver(to->host, to->plugin, to->self,
                                   &(struct aiex_message){.method = l->method,
                                                          .caller = rooms[l->from].instance,
                                                          .body = body});
    return 0;
}

static int bring_back(const struct link *l)
{
    struct room *to = &rooms[l->to], *from = &rooms[l->from];
    const struct aiex_fake_record *r;

    if (!to->host) {
        refuse(l, AIEX_E_CRASHED);
        return 1;
    }
    r = aiex_fake_answer(to->host, l->request);
    if (!r)
        return 0;
    if (l->lost)
        refuse(l, l->lost_code);
    else if (r->kind == AIEX_FAKE_FAIL)
        aiex_fake_answer_error(from->host, l->call, r->code, r->text, r->retry_after_ms, r->body);
    else
        aiex_fake_answer_ok(from->host, l->call, r->body);
    return 1;
}

/* on_carry() may ask questions of its own: meanwhile nothing else is carried. */
static void serve_links(void)
{
    static int busy;

    if (busy)
        return;
    busy = 1;
    for (int i = 0; i < n_links; i++) {
        int over;

        if (!caller_waits(&links[i])) {
            if (links[i].request && rooms[links[i].to].host)
                aiex_fake_cancel(rooms[links[i].to].host, links[i].request);
            unlink_at(i--);
            continue;
        }
        over = links[i].request ? bring_back(&links[i]) : carry(&links[i]);
        if (over)
            unlink_at(i--);
    }
    busy = 0;
}

void turn(void)
{
    static int64_t last;
    int64_t now = real_ms();

    for (int i = 0; i < N_PLACES; i++) {
        if (!rooms[i].host)
            continue;
        aiex_fake_poll(rooms[i].host, i == CHECKPOINTS ? 1 : 0);
        if (last && now > last) /* the hosts' clocks run as ours does */
            aiex_fake_advance(rooms[i].host, (uint64_t)(now - last));
    }
    last = now;
    serve_links();
}

/* ---- Life ---- */

static const struct aiex_plugin *load(struct room *r)
{
    struct aiex_error err = {""};
    const struct aiex_plugin *plugin = r->file ? aiex_fake_load(r->file, &err)
                                               : aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);

    if (!plugin)
        die(err.text);
    return plugin;
}

void room_open(enum place place)
{
    const struct aiex_fake_pair own[] = {
        {"store_wait", "3s"}, {"min_free", "0"}, {"max_bytes", max_bytes}, {0}};
    static const struct aiex_fake_pair other[] = {{0}};
    static const struct aiex_fake_pair stored[] = {{"store", "store"}, {0}};
    static const struct aiex_fake_pair forgetting[] = {
        {"store", "store"}, {"keep_revoked", "1ms"}, {0}};
    static const struct aiex_fake_pair store[] = {{"min_free", "1M"}, {"ballast", "0"}, {0}};
    struct room *r = &rooms[place];
    struct aiex_error err = {""};
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, r->folder);
    mkdir(path, 0700);
    r->host = aiex_fake_host_new(r->instance);
    aiex_fake_data_dir(r->host, path);
    aiex_fake_set_now(r->host, 1000);
    r->plugin = load(r);
    aiex_fake_on_call(r->host, on_call, r);
    aiex_fake_on_part(r->host, on_part, r);
    if (aiex_fake_start(r->host, r->plugin,
                        place == CHECKPOINTS          ? own
                        : place == STORE              ? store
                        : place == GATEWAY && forgets ? forgetting
                        : place >= TEMPLATES          ? stored
                                                      : other,
                        &r->self, &err) != 0)
        die(err.text);
}

void room_kill(enum place place)
{
    struct room *r = &rooms[place];

    if (!r->host)
        return;
    for (int i = 0; i < n_links; i++)
        if (links[i].from == place)
            unlink_at(i--);
    aiex_fake_stop(r->host, r->plugin, r->self);
    aiex_fake_host_free(r->host);
    r->host = NULL;
}

void room_close(enum place place)
{
    struct room *r = &rooms[place];
    int64_t end = real_ms() + RIG_WAIT_MS;

    if (!r->host)
        return;
    if (aiex_fake_drain(r->host, r->plugin, r->self) != 1)
        while (!aiex_fake_drained(r->host) && real_ms() < end)
            turn();
    CU_ASSERT_TRUE(aiex_fake_drained(r->host));
    for (int i = 0; i < n_links; i++)
        if (links[i].from == place)
            unlink_at(i--);
    aiex_fake_stop(r->host, r->plugin, r->self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(r->host), 0);
    r->host = NULL;
}

void room_move(enum place place, const char *folder)
{
    snprintf(rooms[place].folder, sizeof(rooms[place].folder), "%s", folder);
}

void rig_begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/aiex_checkpoints_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    for (int i = 0; i < N_PLACES; i++)
        room_move((enum place)i, rooms[i].service);
    on_carry = NULL;
    wall_off = 0;
}

void rig_open(int with_sessions)
{
    room_open(STORE);
    if (with_sessions)
        room_open(SESSIONS_ROOM);
    room_open(CHECKPOINTS);
    if (with_sessions)
        CU_ASSERT_TRUE(comes(SESSIONS_ROOM, "sessions.status", "'phase':'ready'"));
    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'ready':true"));
}

void rig_close(void)
{
    room_close(CHECKPOINTS);
    room_close(GATEWAY);
    room_close(TEMPLATES);
    room_close(SESSIONS_ROOM);
    room_close(STORE);
}

void rig_end(void)
{
    rig_folder_remove(dir);
}

const char *rig_path(const char *name)
{
    static char path[4][400];
    static unsigned next;
    char *out = path[next++ % 4];

    snprintf(out, 400, "%s/%s", dir, name);
    return out;
}

static int count_files(const char *path)
{
    struct dirent *e;
    struct stat st;
    DIR *d = opendir(path);
    char inside[800];
    int n = 0;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, e->d_name);
        if (stat(inside, &st) == 0)
            n += S_ISDIR(st.st_mode) ? count_files(inside) : 1;
    }
    if (d)
        closedir(d);
    return n;
}

int files_below(const char *name)
{
    return count_files(rig_path(name));
}

/* ---- Questions ---- */

uint64_t begin_bytes(enum place place, const char *method, struct aiex_slice body)
{
    struct room *r = &rooms[place];

    return aiex_fake_request(r->host, r->plugin, r->self, method, body, 0);
}

static uint64_t begin_va(enum place place, const char *method, const char *format, va_list args)
{
    struct aiex_slice body = rig_text_read(format, args);
    uint64_t id = begin_bytes(place, method, body);

    rig_text_free(body);
    return id;
}

uint64_t begin(enum place place, const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(place, method, format, args);
    va_end(args);
    return id;
}

int is_open(enum place place, uint64_t id)
{
    return !aiex_fake_answer(rooms[place].host, id);
}

void give_up(enum place place, uint64_t id)
{
    aiex_fake_cancel(rooms[place].host, id);
}

void narrow(enum place place, size_t bytes)
{
    aiex_fake_window(rooms[place].host, bytes);
}

void widen(enum place place, uint64_t id)
{
    aiex_fake_resume(rooms[place].host, id);
}

const char *end_of(enum place place, uint64_t id)
{
    static char *out[8];
    static unsigned next;
    char **mem = &out[next++ % 8];
    int64_t end = real_ms() + RIG_WAIT_MS;
    const struct aiex_fake_record *r;
    size_t n = 0;

    if (!*mem)
        *mem = malloc(RIG_TEXT);
    while (is_open(place, id) && real_ms() < end)
        turn();
    r = aiex_fake_answer(rooms[place].host, id);
    if (!r)
        return "open";
    if (r->kind == AIEX_FAKE_FAIL)
        n = (size_t)snprintf(*mem, RIG_TEXT, "%s: %s ", r->code, r->text);
    rig_text_write(r->body, *mem + n, RIG_TEXT - n);
    return *mem;
}

static size_t put_parts(enum place place, uint64_t id, char *out, size_t size)
{
    const struct aiex_fake_record *r;
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; (r = aiex_fake_nth(rooms[place].host, AIEX_FAKE_STREAM, i)) != NULL; i++)
        if (r->id == id)
            n += rig_text_write(r->body, out + n, size - n);
    return n;
}

const char *parts_of(enum place place, uint64_t id)
{
    static char *mem;

    if (!mem)
        mem = malloc(RIG_TEXT);
    put_parts(place, id, mem, RIG_TEXT);
    return mem;
}

struct aiex_slice bytes_of(enum place place, uint64_t id)
{
    return aiex_fake_parts(rooms[place].host, id);
}

const char *query(enum place place, const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(place, method, format, args);
    va_end(args);
    return end_of(place, id);
}

const char *query_all(enum place place, const char *method, const char *format, ...)
{
    static char *mem[2];
    static unsigned next;
    char **out = &mem[next++ % 2];
    va_list args;
    uint64_t id;
    const char *end;
    size_t n;

    if (!*out)
        *out = malloc(2 * RIG_TEXT);
    va_start(args, format);
    id = begin_va(place, method, format, args);
    va_end(args);
    end = end_of(place, id);
    n = put_parts(place, id, *out, RIG_TEXT);
    snprintf(*out + n, RIG_TEXT, " %s", end);
    return *out;
}

int comes(enum place place, const char *method, const char *part)
{
    int64_t end = real_ms() + RIG_WAIT_MS;
    const char *answer;

    do {
        answer = query(place, method, "{}");
        if (strstr(answer, part))
            return 1;
        turn();
    } while (real_ms() < end);
    return rig_text_has(answer, part);
}

int has_not(const char *text, const char *part)
{
    if (!strstr(text, part))
        return 1;
    printf("\n  not wanted: %s\n  in:         %.2000s\n", part, text);
    return 0;
}
