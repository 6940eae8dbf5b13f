/* context_rig.c - see context_rig.h. */
#include "context_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT     (8u << 20)
#define MAX_OPEN 4096u

int64_t wall_ms(void);

struct aiex_fake_host *h;
const struct aiex_plugin *p;
void *self;
struct fake_store *store;
int64_t now = 1795262400000ll;
unsigned fate_at, store_calls;
enum fate fate, fate_all;
int at_once, with_tiers;
uint64_t rig_tail;
unsigned rig_tails;
struct rig_tier tiers[RIG_TIERS];

static uint64_t waiting[MAX_OPEN];
static size_t n_waiting;
static struct silent {
    uint64_t call;
    int64_t until; /* then the host ends it */
} silent[MAX_OPEN];
static size_t n_silent, n_casts;

int64_t wall_ms(void)
{
    return now;
}

/* ---- Tiers ---- */

static struct rig_tier *find_tier(const char *name)
{
    for (int i = 0; i < RIG_TIERS; i++)
        if (strcmp(tiers[i].name, name) == 0)
            return &tiers[i];
    return NULL;
}

static int find_key(const struct rig_tier *t, struct aiex_slice key)
{
    for (unsigned i = 0; i < t->n; i++)
        if (key.len == 16 && memcmp(t->all[i].key, key.data, 16) == 0)
            return (int)i;
    return -1;
}

static void tier_drop(struct rig_tier *t, int at)
{
    if (at < 0)
        return;
    t->bytes -= (int64_t)t->all[at].len;
    free(t->all[at].value);
    t->all[at] = t->all[--t->n];
}

static void tier_take(struct rig_tier *t, struct aiex_slice body, struct aiex_slice key)
{
    struct aiex_slice value = {NULL, 0};
    unsigned at = t->n;

    aiex_get_bytes(body, "value", &value);
    t->puts++;
    tier_drop(t, find_key(t, key));
    at = t->n++;
    CU_ASSERT_FATAL(at < 64 && key.len == 16);
    memcpy(t->all[at].key, key.data, 16);
    t->all[at].value = malloc(value.len + 1);
    memcpy(t->all[at].value, value.data, value.len);
    t->all[at].len = value.len;
    t->all[at].uses = 0;
    aiex_get_int(body, "uses", &t->all[at].uses);
    t->bytes += (int64_t)value.len;
}

static void write_found(struct aiex_writer *w, struct rig_tier *t, struct aiex_slice body, int at)
{
    int touch = 1;

    aiex_get_bool(body, "touch", &touch);
    t->gets += touch != 0;
    aiex_w_map(w, at < 0 ? 1 : 3);
    aiex_w_key_bool(w, "found", at >= 0);
    if (at < 0)
        return;
    t->all[at].uses += touch;
    aiex_w_key_bin(w, "value", t->all[at].value, t->all[at].len);
    aiex_w_key_int(w, "uses", t->all[at].uses);
}

static void write_candidates(struct aiex_writer *w, const struct rig_tier *t)
{
    aiex_w_map(w, 1);
    aiex_w_str(w, "entries");
    aiex_w_array(w, t->n + 1);
    aiex_w_map(w, 2); /* somebody else's */
    aiex_w_key_bin(w, "key", "other", 5);
    aiex_w_key_int(w, "uses", 1000);
    for (unsigned i = 0; i < t->n; i++) {
        aiex_w_map(w, 2);
        aiex_w_key_bin(w, "key", t->all[i].key, 16);
        aiex_w_key_int(w, "uses", t->all[i].uses);
    }
}

static void answer_tier(const struct aiex_fake_record *call)
{
    static uint8_t mem[4 << 20];
    struct rig_tier *t = find_tier(call->service);
    struct aiex_slice key = {NULL, 0};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    if (t->down) {
        aiex_fake_answer_error(h, call->id, AIEX_E_UNAVAILABLE, "down", 0, key);
        return;
    }
    aiex_get_bytes(call->body, "key", &key);
    if (strcmp(call->name, "tier.get") == 0) {
        write_found(&w, t, call->body, find_key(t, key));
    } else if (strcmp(call->name, "tier.candidates") == 0) {
        write_candidates(&w, t);
    } else if (strcmp(call->name, "tier.stats") == 0) {
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "level", t->level);
        aiex_w_key_int(&w, "bytes", t->bytes);
        aiex_w_key_int(&w, "max_bytes", t->max_bytes);
    } else if (strcmp(call->name, "tier.put") == 0) {
        tier_take(t, call->body, key);
        aiex_w_map(&w, 0);
    } else {
        tier_drop(t, find_key(t, key));
        aiex_w_map(&w, 0);
    }
    if (call->id)
        aiex_fake_answer_ok(h, call->id, aiex_written(&w));
}

static void answer_plugins(uint64_t call)
{
    uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "plugins");
    aiex_w_array(&w, with_tiers ? RIG_TIERS + 1 : 1);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "name", "store_bdb");
    aiex_w_key_str(&w, "kind", "store/1");
    for (int i = 0; with_tiers && i < RIG_TIERS; i++) {
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "name", tiers[i].name);
        aiex_w_key_str(&w, "kind", "tier/1");
    }
    aiex_fake_answer_ok(h, call, aiex_written(&w));
}

static void tiers_clear(void)
{
    static const char *const names[RIG_TIERS][2] = {
        {"tier_cold", "cold"}, {"tier_hot", "hot"}, {"tier_warm", "warm"}};

    for (int i = 0; i < RIG_TIERS; i++) {
        while (tiers[i].n)
            tier_drop(&tiers[i], 0);
        tiers[i] = (struct rig_tier){
            .name = names[i][0], .level = names[i][1], .max_bytes = 1 << 20};
    }
}

/* ---- Calls ---- */

static void answer_call(const struct aiex_fake_record *call)
{
    enum fate what = FATE_GOOD;

    if (strcmp(call->service, "host") == 0) {
        answer_plugins(call->id);
        return;
    }
    if (find_tier(call->service)) {
        answer_tier(call);
        return;
    }
    if (strcmp(call->service, "ledger") == 0) {
        rig_tails++;
        rig_tail = call->id;
        return;
    }
    store_calls++;
    if (fate_at) {
        if (--fate_at == 0)
            what = fate;
    } else if (fate_all) {
        what = fate_all;
    }
    if (what == FATE_SILENT && n_silent < MAX_OPEN)
        silent[n_silent++] = (struct silent){call->id, now + call->timeout_ms};
    fake_store_answer(store, h, call, what);
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *call)
{
    (void)arg;
    (void)host;
    if (at_once)
        answer_call(call);
    else if (n_waiting < MAX_OPEN)
        waiting[n_waiting++] = call->id;
    return 0;
}

static const struct aiex_fake_record *call_of(uint64_t id)
{
    size_t n = aiex_fake_count(h, AIEX_FAKE_CALL);

    while (n-- > 0) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CALL, n);

        if (r->id == id)
            return r;
    }
    return NULL;
}

static int answer_one(void)
{
    const struct aiex_fake_record *call;

    if (!n_waiting)
        return 0;
    call = call_of(waiting[0]);
    memmove(waiting, waiting + 1, --n_waiting * sizeof(waiting[0]));
    if (call)
        answer_call(call); /* of a cancelled call nothing is heard */
    return 1;
}

/* Casts are only written down; they come in order, before later answers. */
static void take_casts(void)
{
    size_t n = aiex_fake_count(h, AIEX_FAKE_CAST);

    for (n_casts = n_casts > n ? 0 : n_casts; n_casts < n; n_casts++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CAST, n_casts);

        if (find_tier(r->service) && !find_tier(r->service)->down)
            answer_tier(r);
    }
}

int rig_step(void)
{
    take_casts();
    return aiex_fake_run_posts(h) || answer_one();
}

void rig_kill(void)
{
    aiex_fake_stop(h, p, self);
    aiex_fake_host_free(h); /* callers that were not answered are counted */
}

void rig_run(void)
{
    while (rig_step())
        ;
}

static void end_overdue(void)
{
    for (size_t i = 0; i < n_silent; i++) {
        struct silent s = silent[i];

        if (s.until > now)
            continue;
        silent[i--] = silent[--n_silent];
        aiex_fake_answer_error(h, s.call, AIEX_E_TIMEOUT, "the deadline passed", 0,
                               (struct aiex_slice){NULL, 0});
    }
}

void rig_advance(int64_t ms)
{
    for (; ms > 0; ms -= 50) {
        now += 50;
        aiex_fake_advance(h, 50);
        end_overdue();
        rig_run();
    }
}

/* ---- Life ---- */

void rig_open(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    n_waiting = n_silent = n_casts = 0;
    self = NULL;
    h = aiex_fake_host_new("service_context");
    aiex_fake_on_call(h, on_call, NULL);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        printf("\n  %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(self);
}

void rig_close(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

void rig_begin(const struct aiex_fake_pair *pairs)
{
    fate_at = store_calls = 0;
    fate = fate_all = FATE_GOOD;
    at_once = with_tiers = 0;
    tiers_clear();
    store = fake_store_new();
    rig_open(pairs);
}

void rig_end(void)
{
    rig_close();
    tiers_clear();
    fake_store_free(store);
}

/* ---- Questions ---- */

uint64_t begin_body(const char *method, struct aiex_slice body)
{
    return aiex_fake_request(h, p, self, method, body, 0);
}

static uint64_t begin_va(const char *method, const char *format, va_list args)
{
    struct aiex_slice body = rig_text_read(format, args);
    uint64_t id = begin_body(method, body);

    rig_text_free(body);
    return id;
}

uint64_t begin(const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    return id;
}

const char *end_of(uint64_t id)
{
    static char out[4][TEXT / 4];
    static unsigned turn;
    char *mem = out[turn++ % 4];
    const struct aiex_fake_record *r;
    size_t n = 0;

    rig_run();
    for (int i = 0; i < 600 && !aiex_fake_answer(h, id); i++)
        rig_advance(50);
    r = aiex_fake_answer(h, id);
    if (!r)
        return "open";
    if (r->kind == AIEX_FAKE_FAIL)
        n = (size_t)snprintf(mem, 1024, "%s: %s ", r->code, r->text);
    rig_text_write(r->body, mem + n, sizeof(out[0]) - n);
    return mem;
}

const char *ask(const char *method, const char *format, ...)
{
    va_list args;
    uint64_t id;

    va_start(args, format);
    id = begin_va(method, format, args);
    va_end(args);
    return end_of(id);
}

const char *ids_of(const char *json)
{
    static char out[65536];
    size_t n = 0;

    out[0] = 0;
    for (const char *at = strstr(json, "'id':'"); at; at = strstr(at + 1, "'id':'"))
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%.*s", n ? " " : "",
                              (int)strcspn(at + 6, "'"), at + 6);
    return out;
}
