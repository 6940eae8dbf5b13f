/* show.c - ledger.show: recent records by their hash, older ones by reading back day by day. */
#include "ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct show {
    struct job job;
    int64_t *days;
    size_t n_days; /* not read yet; the last one is next */
    int found;
    uint8_t *record; /* of the day that is read: the last with this id */
    size_t record_len;
    struct aiex_rlog_cursor c;
    size_t id_len;
    char id[64];
};

static int show_is(struct aiex_slice record, const char *id)
{
    struct facts f;

    return facts_read(record, &f) == 0 && aiex_slice_is(f.id, id);
}

static int show_recent(struct ledger *l, uint64_t id, const char *wanted)
{
    uint64_t hash = recent_hash((struct aiex_slice){(const uint8_t *)wanted, strlen(wanted)});
    struct aiex_slice record;
    uint8_t *mem;

    for (uint64_t n = l->recent.next; n > recent_first(&l->recent); n--) {
        const struct place *p = &l->recent.ring[(n - 1) % RECENT];

        if (p->id != hash || days_get(l, p, &mem, &record) != 0)
            continue;
        if (show_is(record, wanted)) {
            l->host->reply(l->host, id, record);
            free(mem);
            return 1;
        }
        free(mem);
    }
    return 0;
}

static void show_free(struct job *job)
{
    struct show *s = (struct show *)job;

    aiex_rlog_read_done(&s->c);
    free(s->record);
    free(s->days);
    free(s);
}

static int show_next_day(struct show *s)
{
    struct ledger *l = s->job.l;
    char path[PATH_MAX];

    aiex_rlog_read_done(&s->c);
    if (s->found) {
        l->host->reply(l->host, s->job.id, (struct aiex_slice){s->record, s->record_len});
        return JOB_DONE;
    }
    if (!s->n_days) {
        aiex_refuse(l->host, s->job.id, AIEX_E_NOT_FOUND, "no record has the id '%s'", s->id);
        return JOB_DONE;
    }
    days_path(l, s->days[--s->n_days], ".log", path, sizeof(path));
    aiex_rlog_read(&s->c, path, NULL); /* what can not be opened has nothing to read */
    return JOB_AGAIN;
}

static int show_take_record(struct show *s, struct aiex_slice body)
{
    struct aiex_slice record;
    int64_t ms;
    uint8_t *mem;

    if (days_split(body, &ms, &record) != 0 || !memmem(record.data, record.len, s->id, s->id_len) ||
        !show_is(record, s->id))
        return 0;
    mem = realloc(s->record, record.len);
    if (!mem)
        return -ENOMEM;
    memcpy(mem, record.data, record.len);
    s->record = mem;
    s->record_len = record.len;
    s->found = 1;
    return 0;
}

static int show_step(struct job *job)
{
    struct show *s = (struct show *)job;
    uint64_t stop = s->c.at + SLICE_BYTES;
    struct aiex_rlog_item item;
    int r = 0;

    if (s->c.at >= s->c.end)
        return show_next_day(s);
    while (s->c.at < stop && (r = aiex_rlog_next(&s->c, &item)) > 0)
        if (r == AIEX_RLOG_RECORD && (r = show_take_record(s, item.body)) < 0)
            break;
    if (r < 0) {
        aiex_refuse(job->l->host, job->id, AIEX_E_INTERNAL, "a segment can not be read: %s",
                    strerror(-r));
        return JOB_DONE;
    }
    return JOB_AGAIN;
}

int show_take(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;
    struct show *s;
    char id[64];

    if (aiex_get_text(m->body, "id", id, sizeof(id)) != 1 || !id[0])
        return aiex_refuse(l->host, m->id, AIEX_E_INVALID,
                           "ledger.show needs 'id', the id of a request");
    if (!m->id || show_recent(l, m->id, id))
        return 0;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->job = (struct job){.l = l, .id = m->id, .step = show_step, .free = show_free};
    s->id_len = strlen(id);
    memcpy(s->id, id, sizeof(id));
    if (days_list(l, &s->days, &s->n_days) != 0 || job_begin(&s->job) != 0) {
        show_free(&s->job);
        return aiex_refuse(l->host, m->id, AIEX_E_BUSY, "the ledger is busy; try again later");
    }
    return 0;
}
