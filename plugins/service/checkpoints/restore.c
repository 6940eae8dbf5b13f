/*
 * restore.c - checkpoints.restore, from begin to end.
 *
 *     is it whole -> a checkpoint of now -> `restoring` -> streams -> tables -> `restoring` goes
 *
 * Nothing is changed unless the checkpoint is whole. Before the first change a checkpoint of what
 * is there now is made, so that a restore can be undone by another one. The file `restoring` says
 * what was asked for; a start that finds it goes on: every step looks at what is there and does
 * only what is still to be done. A restore that fails or is given up by its caller is not gone on
 * with; what it did stays, and the same request again does the rest.
 */
#include "checkpoints.h"

#include <aiex_file.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAGIC       "AIEXCPR1"
#define MAX_REQUEST (64u << 10)
#define BEFORE_TAG  "before-restore"

int restore_has_stream(const struct restore *x, struct aiex_slice stream)
{
    const struct choice made = {(char(*)[MAX_PART + 1])(uintptr_t)x->m.about.parts,
                                x->m.about.n_parts};

    return choice_has_stream(&made, stream) && choice_has_stream(&x->choice, stream);
}

int restore_has_table(const struct restore *x, const char *table)
{
    const struct choice made = {(char(*)[MAX_PART + 1])(uintptr_t)x->m.about.parts,
                                x->m.about.n_parts};

    return choice_has_table(&made, table) && choice_has_table(&x->choice, table);
}

int restore_marks(const struct restore *x, struct aiex_slice stream)
{
    return x->mark && choice_names_stream(&x->choice, stream);
}

/* Who keeps rows in memory and does not look again (conf.d: reload_on). Folds of streams look by themselves. */
static const struct {
    const char *begin, *instance;
} keepers[] = {{SESSION_TABLE, "service_sessions"},
               {"context_", "service_context"},
               {"responses", "service_responses"}};

#define N_KEEPERS (sizeof(keepers) / sizeof(*keepers))

void restore_touches(struct restore *x, const char *table)
{
    for (size_t i = 0; i < N_KEEPERS; i++)
        if (strncmp(table, keepers[i].begin, strlen(keepers[i].begin)) == 0)
            x->restarts |= 1u << i;
}

static void restore_free(struct restore *x)
{
    if (!x)
        return;
    heads_free(x->here);
    batch_done(&x->batch);
    tally_done(&x->tally);
    manifest_done(&x->m);
    free(x);
}

/* ---- The request ---- */

static int read_choice(struct job *j, struct restore *x)
{
    x->choice.parts = x->parts;
    return choice_read(j, x->parts, &x->choice.n);
}

static int names_streams(const struct restore *x)
{
    for (uint32_t i = 0; i < x->choice.n; i++)
        if (strncmp(x->parts[i], "stream:", 7) == 0)
            return 1;
    return 0;
}

static int read_fields(struct job *j, struct restore *x, int *ret_backup)
{
    int r = job_bool(j, "dry_run", &x->dry);

    if (r >= 0)
        r = job_bool(j, "keep_added", &x->keep_added);
    if (r >= 0)
        r = job_bool(j, "mark", &x->mark);
    if (r >= 0)
        r = job_bool(j, "keys", &x->keys);
    if (r >= 0)
        r = job_bool(j, "backup", ret_backup);
    if (r >= 0)
        r = read_choice(j, x);
    if (r >= 0 && x->mark && !names_streams(x))
        return job_fail(j, AIEX_E_INVALID,
                        "field 'mark' needs parts stream:BEGIN: only the owner of a stream knows "
                        "what the mark means");
    return r < 0 ? r : job_manifest(j, "name", &x->m);
}

static int check_whole(struct restore *x)
{
    int64_t faults = 0;
    int r = verify_all(x->job, &x->m, 1, &faults);

    if (r == 0 && faults)
        return job_fail(x->job, AIEX_E_INTERNAL,
                        "checkpoint '%s' has %lld faults, nothing was changed; see "
                        "checkpoints.verify",
                        x->m.about.name, (long long)faults);
    return r;
}

/* What the order of events is now, and whether it goes on from the checkpoint. */
static int look_at_store(struct restore *x)
{
    struct aiex_slice event = {NULL, 0};
    struct call c = {0};
    int r = goes_on(x->job, &x->m.about);

    x->same_store = r == 1;
    if (r >= 0)
        r = read_one(x->job, NULL, 0, &c, &event);
    if (r == 1)
        aiex_get_int(event, "sequence", &x->now);
    call_done(&c);
    return r < 0 ? job_errno(x->job, r, "the store can not be read") : 0;
}

/* ---- The way back ---- */

static void name_before(struct restore *x, struct about *a)
{
    struct about other;
    char base[48];

    snprintf(base, sizeof(base), "before-%.36s", x->m.about.name);
    snprintf(a->name, sizeof(a->name), "%s", base);
    for (unsigned i = 2; catalog_find(&x->job->s->catalog, a->name, &other) == 0; i++)
        snprintf(a->name, sizeof(a->name), "%s.%u", base, i);
}

static int make_before(struct restore *x)
{
    const struct about *of = &x->m.about;
    struct manifest m;
    struct about *a = &m.about;
    int chosen = x->choice.n != 0, r;

    memset(&m, 0, sizeof(m));
    a->created = wall_ms();
    name_before(x, a);
    strcpy(a->tags[a->n_tags++], BEFORE_TAG);
    snprintf(a->description, sizeof(a->description), "before '%s' was restored", of->name);
    a->n_parts = chosen ? x->choice.n : of->n_parts;
    memcpy(a->parts, chosen ? x->parts : of->parts, sizeof(a->parts));
    r = create_now(x->job, &m, 0);
    strcpy(x->before, a->name);
    manifest_done(&m);
    if (r == 0)
        return 0;
    memset(x->before, 0, sizeof(x->before));
    return r;
}

/* ---- What a crash leaves ---- */

static void write_request(struct aiex_writer *w, const void *arg)
{
    const struct restore *x = arg;

    aiex_w_map(w, 7);
    aiex_w_key_str(w, "id", x->id);
    aiex_w_key_str(w, "name", x->m.about.name);
    aiex_w_key_str(w, "before", x->before);
    aiex_w_key_bool(w, "keep_added", x->keep_added);
    aiex_w_key_bool(w, "mark", x->mark);
    aiex_w_key_bool(w, "keys", x->keys);
    aiex_w_str(w, "parts");
    aiex_w_array(w, x->choice.n);
    for (uint32_t i = 0; i < x->choice.n; i++)
        aiex_w_str(w, x->parts[i]);
}

static int note(struct restore *x)
{
    struct aiex_slice pieces[3] = {{(const uint8_t *)MAGIC, 8}, {NULL, 0}, {NULL, CHUNK_HASH}};
    struct aiex_error err = {""};
    uint8_t hash[CHUNK_HASH];
    int r = aiex_write_alloc(write_request, x, &pieces[1]);

    if (r < 0)
        return job_errno(x->job, r, "the restore's own file");
    crypto_generichash(hash, sizeof(hash), pieces[1].data, pieces[1].len, NULL, 0);
    pieces[2].data = hash;
    r = aiex_file_replace(x->job->s->restoring, pieces, 3, AIEX_FILE_SYNC, &err);
    free((void *)(uintptr_t)pieces[1].data);
    return r < 0 ? job_errno(x->job, r, err.text) : 0;
}

/* The request of a restore that did not end: the job's body. 1, 0 = none, negative. */
static int read_note(struct cps *s, uint8_t **ret_mem, struct aiex_slice *ret_body)
{
    uint8_t hash[CHUNK_HASH];
    size_t len = 0;
    int r = aiex_file_read(s->restoring, MAX_REQUEST, ret_mem, &len);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (len < 8 + CHUNK_HASH || memcmp(*ret_mem, MAGIC, 8) != 0)
        return -EBADMSG;
    *ret_body = (struct aiex_slice){*ret_mem + 8, len - 8 - CHUNK_HASH};
    crypto_generichash(hash, sizeof(hash), ret_body->data, ret_body->len, NULL, 0);
    return memcmp(hash, *ret_mem + len - CHUNK_HASH, CHUNK_HASH) == 0 ? 1 : -EBADMSG;
}

/* ---- The log ---- */

struct line {
    const struct restore *x;
    const char *type;
    char id[80];
};

static void write_data(struct aiex_writer *w, const struct line *l)
{
    aiex_w_map(w, 4 + TALLY_PAIRS);
    aiex_w_key_str(w, "restore", l->x->id);
    aiex_w_key_str(w, "checkpoint", l->x->m.about.name);
    aiex_w_key_str(w, "before", l->x->before);
    aiex_w_key_int(w, "sequence", l->x->m.about.sequence);
    tally_write(w, &l->x->tally);
}

static void write_line(struct aiex_writer *w, const void *arg)
{
    const struct line *l = arg;
    struct aiex_writer length;

    aiex_writer_init(&length, NULL, 0);
    write_data(&length, l);
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", OWN_RESTORES);
    aiex_w_str(w, "events");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "id", l->id);
    aiex_w_key_str(w, "type", l->type);
    aiex_w_str(w, "data");
    aiex_w_bin_head(w, length.len);
    write_data(w, l);
}

static int tell_event(struct restore *x, const char *type)
{
    struct line l = {.x = x, .type = type};
    struct call c = {0};
    int r;

    snprintf(l.id, sizeof(l.id), "cp-%s-%.6s", x->id, strchr(type, '.') + 1);
    r = ask(x->job, &c, x->job->s->config->store, "store.append", write_line, &l);
    if (r == -EREMOTEIO)
        r = job_refused_by(x->job, &c, "the restore can not be recorded");
    call_done(&c);
    return r < 0 ? job_errno(x->job, r, "the restore can not be recorded") : 0;
}

/* ---- The end ---- */

static void write_restored(struct aiex_writer *w, const void *arg)
{
    const struct restore *x = arg;

    aiex_w_map(w, 6 + TALLY_PAIRS);
    aiex_w_key_str(w, "name", x->m.about.name);
    aiex_w_key_str(w, "restore", x->id);
    aiex_w_key_str(w, "before", x->before);
    aiex_w_key_bool(w, "dry_run", x->dry);
    aiex_w_key_bool(w, "same_store", x->same_store);
    aiex_w_str(w, "restart");
    aiex_w_array(w, (uint32_t)__builtin_popcount(x->restarts));
    for (size_t i = 0; i < N_KEEPERS; i++)
        if (x->restarts & 1u << i)
            aiex_w_str(w, keepers[i].instance);
    tally_write(w, &x->tally);
}

/* Loop: who keeps rows in memory may not know what is there now. */
static void tell_keepers(void *arg)
{
    const struct aiex_host *host = ((struct cps *)arg)->host;
    const struct aiex_event event = {.struct_size = sizeof(event),
                                     .topic = "checkpoint.restored",
                                     .type = "rows",
                                     .subject = host->instance};

    if (host->publish(host, &event) < 0)
        aiex_logf(host, AIEX_LOG_WARN, 0,
                  "nobody could be told that rows were restored; reload who keeps them");
}

static int change_all(struct restore *x)
{
    struct cps *s = x->job->s;
    int r = batch_begin(&x->batch, x->job, &x->tally, x->dry);

    r = r ? r : restore_streams(x);
    r = r ? r : restore_tables(x);
    if (x->restarts && !x->dry && s->host->post(s->host, tell_keepers, s) != 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0,
                  "no memory to tell that rows were restored; reload who keeps them");
    return r;
}

static int carry_out(struct restore *x)
{
    struct cps *s = x->job->s;
    int r = tell_event(x, "restore.begun");

    r = r ? r : change_all(x);
    if (r == 0) {
        atomic_fetch_add(&s->restored, 1);
        r = tell_event(x, "restore.ended");
    }
    if (r == 0 || !work_is_stopping(s))
        unlink(s->restoring);
    return r;
}

static int restore(struct restore *x, int backup)
{
    uint8_t id[16];
    int r = check_whole(x);

    randombytes_buf(id, sizeof(id));
    sodium_bin2hex(x->id, sizeof(x->id), id, sizeof(id));
    r = r ? r : look_at_store(x);
    if (r < 0 || x->dry)
        return r ? r : change_all(x);
    if (backup)
        r = make_before(x);
    r = r ? r : note(x);
    return r ? r : carry_out(x);
}

int run_restore(struct job *j)
{
    struct restore *x = calloc(1, sizeof(*x));
    int backup = 1, r;

    if (!x)
        return job_errno(j, -ENOMEM, "the restore");
    x->job = j;
    r = read_fields(j, x, &backup);
    r = r ? r : tally_begin(&x->tally, j);
    r = r ? r : restore(x, backup);
    if (r == 0)
        job_done_by(j, write_restored, x);
    restore_free(x);
    return r;
}

/* ---- After a crash ---- */

static int go_on(struct job *j)
{
    struct restore *x = calloc(1, sizeof(*x));
    int backup = 0, r;

    if (!x)
        return job_errno(j, -ENOMEM, "the restore");
    x->job = j;
    r = read_fields(j, x, &backup);
    if (r == 0 && (job_text(j, "id", x->id, sizeof(x->id)) != 1 ||
                   job_text(j, "before", x->before, sizeof(x->before)) != 1))
        r = job_fail(j, AIEX_E_INTERNAL, "its request is not complete");
    r = r ? r : tally_begin(&x->tally, j);
    if (r == 0)
        aiex_logf(j->s->host, AIEX_LOG_NOTICE, 0, "going on with the restore of '%s'",
                  x->m.about.name);
    r = r ? r : look_at_store(x);
    r = r ? r : carry_out(x);
    restore_free(x);
    return r;
}

int run_resume(struct job *j)
{
    struct cps *s = j->s;
    uint8_t *mem = NULL;
    int r = read_note(s, &mem, &j->body);

    if (r == 1)
        r = go_on(j);
    else if (r < 0)
        r = job_fail(j, AIEX_E_INTERNAL, "its request '%.300s' is damaged", s->restoring);
    if (r < 0 && !work_is_stopping(s))
        unlink(s->restoring);
    free(mem);
    return r;
}
