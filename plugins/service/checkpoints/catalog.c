/* catalog.c - all checkpoints, in memory: lists, names that are taken, chunks that are used. */
#include "checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not by the clock alone: it may have been set back since. */
static int by_age(const void *a, const void *b)
{
    const struct about *x = *(struct about *const *)a, *y = *(struct about *const *)b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return strcmp(x->name, y->name);
}

void catalog_done(struct catalog *c)
{
    while (c->n)
        free(c->all[--c->n]);
    free(c->all);
    free(c->spare);
    c->all = NULL;
    c->spare = NULL;
}

static int reserve(struct catalog *c)
{
    struct about **all = realloc(c->all, (c->n + 1) * sizeof(*all));

    if (!all)
        return -ENOMEM;
    c->all = all;
    if (!c->spare)
        c->spare = malloc(sizeof(*c->spare));
    return c->spare ? 0 : -ENOMEM;
}

int catalog_reserve(struct catalog *c)
{
    int r;

    pthread_mutex_lock(&c->lock);
    r = reserve(c);
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int add(struct catalog *c, const struct about *a)
{
    if (!c->spare && reserve(c) < 0)
        return -ENOMEM;
    *c->spare = *a;
    c->all[c->n++] = c->spare;
    c->spare = NULL;
    qsort(c->all, c->n, sizeof(*c->all), by_age);
    return 0;
}

int catalog_add(struct catalog *c, const struct about *a)
{
    int r;

    pthread_mutex_lock(&c->lock);
    r = add(c, a);
    pthread_mutex_unlock(&c->lock);
    return r;
}

int64_t catalog_next(struct catalog *c)
{
    int64_t next;

    pthread_mutex_lock(&c->lock);
    next = c->n ? c->all[c->n - 1]->number + 1 : 1;
    pthread_mutex_unlock(&c->lock);
    return next;
}

void catalog_drop(struct catalog *c, const char *name)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->all[i]->name, name) == 0) {
            free(c->all[i]);
            memmove(&c->all[i], &c->all[i + 1], (c->n - i - 1) * sizeof(*c->all));
            c->n--;
            break;
        }
    pthread_mutex_unlock(&c->lock);
}

int catalog_find(struct catalog *c, const char *name, struct about *ret)
{
    int r = -ENOENT;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n && r < 0; i++)
        if (strcmp(c->all[i]->name, name) == 0) {
            *ret = *c->all[i];
            r = 0;
        }
    pthread_mutex_unlock(&c->lock);
    return r;
}

int catalog_newest(struct catalog *c, int (*fits)(void *arg, const struct about *a), void *arg,
                   struct about *ret)
{
    int r = -ENOENT;

    pthread_mutex_lock(&c->lock);
    for (size_t i = c->n; i-- > 0 && r < 0;)
        if (fits(arg, c->all[i])) {
            *ret = *c->all[i];
            r = 0;
        }
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* ---- From the folder ---- */

/* A manifest that can not be read stays where it is: who knows what an operator can still do. */
static int load_one(struct cps *s, const char *name, struct catalog *c)
{
    struct aiex_error err = {""};
    struct manifest m;
    int r = manifest_read(s->manifests, name, &m, &err);

    if (r == 0)
        r = add(c, &m.about);
    else if (r != -ENOMEM) {
        c->broken++;
        snprintf(c->why, sizeof(c->why), "%.290s", err.text);
        aiex_logf(s->host, AIEX_LOG_ERROR, 0,
                  "%.400s; the checkpoint is left out, its chunks are kept", err.text);
        r = 0;
    }
    manifest_done(&m);
    return r;
}

static void remove_draft(struct cps *s, const char *name)
{
    char path[800];

    snprintf(path, sizeof(path), "%s/%s", s->manifests, name);
    unlink(path);
}

static int ends_in_tmp(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static int load_all(struct cps *s, struct catalog *c)
{
    struct dirent *e;
    DIR *d = opendir(s->manifests);
    int r = 0;

    if (!d)
        return -errno;
    while (r == 0 && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        if (ends_in_tmp(e->d_name))
            remove_draft(s, e->d_name);
        else
            r = load_one(s, e->d_name, c);
    }
    closedir(d);
    return r;
}

/* Read beside the one that is shown, so that the loop never waits for files. */
int catalog_load(struct cps *s)
{
    struct catalog *c = &s->catalog, fresh = {.n = 0}, old;
    int r = load_all(s, &fresh);

    if (r == 0) {
        pthread_mutex_lock(&c->lock);
        old = *c;
        c->all = fresh.all;
        c->n = fresh.n;
        c->spare = fresh.spare;
        c->broken = fresh.broken;
        memcpy(c->why, fresh.why, sizeof(c->why));
        c->loaded = 1;
        pthread_mutex_unlock(&c->lock);
        fresh = old;
    }
    catalog_done(&fresh);
    return r;
}

/* ---- What is used ---- */

struct used {
    uint8_t (*all)[CHUNK_HASH];
    size_t n, size;
};

static int use_list(struct used *u, const struct chunk_list *list)
{
    if (u->n + list->n > u->size) {
        size_t size = (u->n + list->n) * 2;
        uint8_t(*all)[CHUNK_HASH] = realloc(u->all, size * sizeof(*all));

        if (!all)
            return -ENOMEM;
        u->all = all;
        u->size = size;
    }
    for (size_t i = 0; i < list->n; i++)
        memcpy(u->all[u->n++], list->all[i].hash, CHUNK_HASH);
    return 0;
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, CHUNK_HASH);
}

static int is_used(void *arg, const uint8_t *hash)
{
    const struct used *u = arg;

    return u->n && bsearch(hash, u->all, u->n, CHUNK_HASH, by_hash) != NULL;
}

static int use_manifest(struct used *u, const struct manifest *m)
{
    int r = use_list(u, &m->events);

    r = r ? r : use_list(u, &m->heads);
    for (int64_t i = 0; i < m->about.n_tables && r == 0; i++)
        r = use_list(u, &m->tables[i].chunks);
    return r;
}

int catalog_collect(struct job *j, size_t *ret_n, int64_t *ret_bytes)
{
    struct cps *s = j->s;
    struct used u = {NULL, 0, 0};
    int r = 0;

    *ret_n = 0;
    *ret_bytes = 0;
    if (s->catalog.broken) /* it may name anything */
        return 0;
    for (size_t i = 0; i < s->catalog.n && r == 0; i++) { /* only the worker changes it */
        struct aiex_error err = {""};
        struct manifest m;

        r = manifest_read(s->manifests, s->catalog.all[i]->name, &m, &err);
        r = r ? job_errno(j, r, err.text) : use_manifest(&u, &m);
        manifest_done(&m);
    }
    if (r == 0) {
        if (u.n)
            qsort(u.all, u.n, CHUNK_HASH, by_hash);
        *ret_n = chunks_collect(&s->chunks, is_used, &u, ret_bytes);
    }
    free(u.all);
    return r;
}

/* ---- list, show ---- */

struct listing {
    struct catalog *c;
    char tag[MAX_TAG + 1];
};

static int has_tag(const struct about *a, const char *tag)
{
    if (!tag[0])
        return 1;
    for (uint32_t i = 0; i < a->n_tags; i++)
        if (strcmp(a->tags[i], tag) == 0)
            return 1;
    return 0;
}

/* With the catalog's lock. Newest first. */
static void write_listing(struct aiex_writer *w, const void *arg)
{
    const struct listing *l = arg;
    uint32_t n = 0;

    for (size_t i = 0; i < l->c->n; i++)
        n += (uint32_t)has_tag(l->c->all[i], l->tag);
    aiex_w_map(w, 2);
    aiex_w_str(w, "checkpoints");
    aiex_w_array(w, n);
    for (size_t i = l->c->n; i-- > 0;)
        if (has_tag(l->c->all[i], l->tag))
            about_write(w, l->c->all[i]);
    aiex_w_key_uint(w, "broken", l->c->broken);
}

int run_list(struct job *j)
{
    struct listing l = {.c = &j->s->catalog, .tag = ""};
    int r = job_text(j, "tag", l.tag, sizeof(l.tag));

    if (r < 0)
        return r;
    pthread_mutex_lock(&l.c->lock);
    r = job_end_by(j, write_listing, &l);
    pthread_mutex_unlock(&l.c->lock);
    return r;
}

static void write_about(struct aiex_writer *w, const void *arg)
{
    about_write(w, arg);
}

int run_show(struct job *j)
{
    struct about about;
    char name[MAX_NAME + 1] = "";
    int r = job_text(j, "name", name, sizeof(name));

    if (r < 0)
        return r;
    if (catalog_find(&j->s->catalog, name, &about) < 0)
        return job_fail(j, AIEX_E_NOT_FOUND, "there is no checkpoint '%s'", name);
    return job_end_by(j, write_about, &about);
}
