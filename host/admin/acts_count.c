/*
 * acts_count.c - acts of which one script makes thousands: what operators write into the store.
 *
 * They are told as one act a second at most for each who, type and stream, with how many events
 * were written (`count`), refused (`failed`), and of how many nobody knows because the one who
 * asked left (`unknown`). COUNTED_ROWS are counted one by one; what is beyond is told together,
 * with the subject "others", still by who did it as long as that is one.
 */
#include "admin/acts_private.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MS    1000u
#define OTHERS_ROW  COUNTED_ROWS
#define PAYLOAD_MAX 256u

static void tell(struct acts *a, const struct act_count *row)
{
    struct pack p;

    pack_init(&p, PAYLOAD_MAX);
    pack_map(&p, 3);
    pack_key_int(&p, "count", (int64_t)row->n[ACT_DONE]);
    pack_key_int(&p, "failed", (int64_t)row->n[ACT_FAILED]);
    pack_key_int(&p, "unknown", (int64_t)row->n[ACT_UNKNOWN]);
    acts_tell(a, row->type, row->actor, row->subject, pack_slice(&p));
    pack_done(&p);
}

void acts_count_tell(struct acts *a)
{
    for (unsigned i = 0; i <= OTHERS_ROW; i++) {
        struct act_count *row = &a->counts[i];

        if (row->type)
            tell(a, row);
        memset(row, 0, sizeof(*row));
    }
    loop_timer_stop(a->count_timer);
    a->counting = 0;
}

void acts_count_due(void *arg)
{
    acts_count_tell(arg);
}

static struct act_count *row_of(struct acts *a, const char *type, const char *actor,
                                const char *subject)
{
    struct act_count *row = a->counts;

    for (; row < &a->counts[OTHERS_ROW] && row->type; row++)
        if (strcmp(row->type, type) == 0 && strcmp(row->actor, actor) == 0 &&
            strcmp(row->subject, subject) == 0)
            return row;
    if (row == &a->counts[OTHERS_ROW])
        subject = "others";
    if (row->type && strcmp(row->actor, actor) != 0)
        actor = "several";
    row->type = row->type ? row->type : type;
    snprintf(row->actor, sizeof(row->actor), "%s", actor);
    snprintf(row->subject, sizeof(row->subject), "%s", subject);
    return row;
}

static void count(struct acts *a, const char *type, const char *actor, const char *subject,
                  uint64_t n, enum act_outcome outcome)
{
    row_of(a, type, actor, subject)->n[outcome] += n;
    if (a->counting)
        return;
    a->counting = 1;
    loop_timer_set(a->count_timer, PAUSE_MS, 0);
}

/* An append, or an operation of a transaction. */
static void count_one(struct acts *a, const char *actor, struct aiex_slice map,
                      enum act_outcome outcome)
{
    char subject[256] = "";
    struct aiex_value events = {0};
    int is_stream = aiex_get_text(map, "stream", subject, sizeof(subject)) == 1;

    if (!is_stream)
        aiex_get_text(map, "table", subject, sizeof(subject));
    if (aiex_get(map, "events", &events) != 1 || events.type != AIEX_T_ARRAY)
        events.count = 1;
    count(a, is_stream ? "data.append" : "data.write", actor, subject, events.count, outcome);
}

void acts_count(struct acts *a, const char *actor, struct aiex_slice body, enum act_outcome outcome)
{
    struct aiex_slice list, one;
    struct aiex_value head;

    if (aiex_get_whole(body, "operations", &list) != 1 || aiex_r_value(&list, &head) != 0 ||
        head.type != AIEX_T_ARRAY) {
        count_one(a, actor, body, outcome);
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        one = list;
        if (aiex_r_skip(&list) != 0)
            return;
        one.len -= list.len;
        count_one(a, actor, one, outcome);
    }
}
