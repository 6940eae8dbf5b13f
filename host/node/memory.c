/* memory.c - see memory.h. */
#include "node/memory.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/node_private.h"

#include <errno.h>

#include <stdlib.h>
#include <unistd.h>

#define SLOW_US     2000 /* a look at a cell that took longer is not repeated */
#define LARGE_BYTES (INT64_C(512) << 20)

struct node_memory {
    struct node *node;
    struct loop_timer *timer;
    struct pressure pressure;
    struct pressure_limits limits;
    struct memory_reading reading;
    char stall[512], info[512], group[512];
    uint64_t interval_ms, told_ms, since_ms, rises;
    int told, tell; /* told: something, ever; tell: at the next reading */
    unsigned look;  /* the cell that is looked at next */
    int64_t own_bytes;
    void (*fn)(void *arg);
    void *arg;
};

/* ---- Cells ---- */

static struct process *process_at(struct node *node, unsigned i)
{
    list_each (it, &node->units)
        list_each (jt, &list_of(it, struct unit, link)->processes)
            if (i-- == 0)
                return list_of(jt, struct process, link);
    return NULL;
}

static void look_at(struct process *p)
{
    int pid = cell_pid(p->cell);
    uint64_t began = clock_ns();

    if (!pid)
        return;
    if ((int64_t)cell_rss_bytes(p->cell) > LARGE_BYTES)
        p->memory_quick = 1;
    p->memory_bytes = memory_of_process(pid, p->memory_quick);
    if ((clock_ns() - began) / 1000 > SLOW_US)
        p->memory_quick = 1;
}

static void look_at_next(struct node_memory *m)
{
    struct process *p = m->look ? process_at(m->node, m->look - 1) : NULL;

    if (!m->look || !p) { /* the host has its turn */
        m->own_bytes = memory_of_process((int)getpid(), 0);
        m->look = 1;
        return;
    }
    look_at(p);
    m->look++;
}

int node_memory_cell(struct node *node, unsigned i, struct node_cell_memory *ret)
{
    struct process *p = i ? process_at(node, i - 1) : NULL;

    if (i && !p)
        return -ENOENT;
    *ret = p ? (struct node_cell_memory){p->unit->name, cell_pid(p->cell), p->memory_bytes}
             : (struct node_cell_memory){"", (int)getpid(), node->memory->own_bytes};
    return 0;
}

/* ---- Readings ---- */

static void tell(struct node_memory *m, uint64_t now)
{
    m->told = 1;
    m->tell = 0;
    m->told_ms = now;
    if (m->fn)
        m->fn(m->arg);
}

static void log_level(struct node_memory *m, enum pressure_level before)
{
    const struct memory_reading *r = &m->reading;

    m->since_ms = loop_now_ms(m->node->loop);
    m->rises += m->pressure.level > before;
    if (m->pressure.level > before)
        log_warn(
            "memory: %s (%d %% of what the %s has is in use, %d %% of the time was waited for it); "
            "caches give back",
            pressure_level_text(m->pressure.level), r->used_percent,
            *r->limited_by ? r->limited_by : "machine", r->stall_percent);
    else
        log_notice("memory: %s again (%d %% in use)", pressure_level_text(m->pressure.level),
                   r->used_percent);
}

static void on_timer(void *arg)
{
    struct node_memory *m = arg;
    const struct memory_paths paths = {m->stall, m->info, m->group};
    enum pressure_level before = m->pressure.level;
    struct pressure_reading reading;
    uint64_t now = loop_now_ms(m->node->loop);
    int changed;

    memory_read(&paths, &m->reading);
    reading = (struct pressure_reading){m->reading.used_percent, m->reading.stall_percent};
    changed = pressure_feed(&m->pressure, &m->limits, &reading, now);
    look_at_next(m);
    if (m->pressure.level != before)
        log_level(m, before);
    if (changed || m->tell ||
        (m->told && now - m->told_ms >= (m->pressure.step ? MEMORY_TELL_MS : MEMORY_CALM_MS)))
        tell(m, now);
}

/* ---- Life ---- */

struct node_memory *node_memory_new(struct node *node)
{
    struct node_memory *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->node = node;
    m->reading = (struct memory_reading){.used_percent = -1, .stall_percent = -1, .limited_by = ""};
    m->timer = loop_timer_new(node->loop, on_timer, m);
    if (m->timer)
        return m;
    free(m);
    return NULL;
}

void node_memory_free(struct node_memory *m)
{
    if (!m)
        return;
    loop_timer_free(m->timer);
    free(m);
}

/* A worse level does not begin below a better one. */
static void set_limits(int out[PRESSURE_LEVELS], int64_t elevated, int64_t high, int64_t critical)
{
    out[PRESSURE_ELEVATED] = (int)elevated;
    out[PRESSURE_HIGH] = (int)(high && high < elevated ? elevated : high);
    out[PRESSURE_CRITICAL] = (int)(critical && critical < out[PRESSURE_HIGH] ? out[PRESSURE_HIGH]
                                                                             : critical);
}

void node_memory_apply(struct node_memory *m, const struct config_host *host, int again)
{
    snprintf(m->stall, sizeof(m->stall), "%s", host->memory_stall_file);
    snprintf(m->info, sizeof(m->info), "%s", host->memory_info_file);
    snprintf(m->group, sizeof(m->group), "%s", host->memory_group);
    set_limits(m->limits.used, host->memory_elevated, host->memory_high, host->memory_critical);
    set_limits(m->limits.stall, host->stall_elevated, host->stall_high, host->stall_critical);
    m->limits.calm_ms = (uint64_t)host->memory_calm_ms;
    m->tell |= again;
    if (m->interval_ms != (uint64_t)host->memory_interval_ms) {
        m->interval_ms = (uint64_t)host->memory_interval_ms;
        if (m->interval_ms)
            loop_timer_set(m->timer, m->interval_ms, m->interval_ms);
        else
            loop_timer_stop(m->timer);
    }
    if (!m->interval_ms && m->pressure.level) { /* nobody looks any more: nothing is held back */
        m->pressure = (struct pressure){0};
        tell(m, loop_now_ms(m->node->loop));
    }
}

void node_memory_info(const struct node_memory *m, struct node_memory_info *ret)
{
    *ret = (struct node_memory_info){
        .pressure = m->pressure,
        .reading = m->reading,
        .watched = m->interval_ms != 0,
        .rises = m->rises,
        .since_ms = m->since_ms ? loop_now_ms(m->node->loop) - m->since_ms : 0,
    };
}

void node_memory_on_change(struct node_memory *m, void (*fn)(void *arg), void *arg)
{
    m->fn = fn;
    m->arg = arg;
}
