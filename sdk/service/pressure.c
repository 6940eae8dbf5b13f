/* pressure.c - see aiex_pressure.h. */
#include "aiex_pressure.h"
#include "aiex_service.h"

static const struct {
    const char *name;
    unsigned percent;
} levels[] = {[AIEX_PRESSURE_OK] = {"ok", 100},
              [AIEX_PRESSURE_ELEVATED] = {"elevated", 50},
              [AIEX_PRESSURE_HIGH] = {"high", 25},
              [AIEX_PRESSURE_CRITICAL] = {"critical", 10}};

static void write_use(struct aiex_writer *w, const void *arg)
{
    const struct aiex_pressure *p = arg;
    uint64_t bytes = 0, limit = 0;

    p->tell(p->arg, &bytes, &limit);
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "part", p->part);
    aiex_w_key_int(w, "order", p->order);
    aiex_w_key_int(w, "percent", p->percent);
    aiex_w_key_uint(w, "bytes", bytes);
    aiex_w_key_uint(w, "limit", limit);
    aiex_w_key_uint(w, "given", p->given);
}

void aiex_pressure_report(struct aiex_pressure *p)
{
    uint8_t mem[256];
    struct aiex_writer w;
    uint64_t id;

    aiex_writer_init(&w, mem, sizeof(mem));
    write_use(&w, p);
    (void)p->host->call(p->host,
                        &(struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                               .service = "host",
                                               .method = "host.memory_use",
                                               .body = aiex_written(&w)},
                        NULL, NULL, &id); /* a cast: it is told again with the next event */
}

int aiex_pressure_start(struct aiex_pressure *p)
{
    int r = p->host->subscribe(p->host, AIEX_PRESSURE_TOPIC);

    p->percent = 100;
    aiex_pressure_report(p);
    return r;
}

void aiex_pressure_gave(struct aiex_pressure *p, uint64_t bytes)
{
    p->given += bytes;
    aiex_pressure_report(p);
}

/* 0, or -1: it is not understood. */
static int read_event(struct aiex_slice envelope, enum aiex_pressure_level *ret_level,
                      int64_t *ret_step)
{
    struct aiex_slice data = {NULL, 0}, level = {NULL, 0};

    if (aiex_get_whole(envelope, "data", &data) != 1 || aiex_get_str(data, "level", &level) != 1 ||
        aiex_get_int(data, "step", ret_step) != 1)
        return -1;
    for (int i = AIEX_PRESSURE_OK; i <= AIEX_PRESSURE_CRITICAL; i++)
        if (aiex_slice_is(level, levels[i].name))
            return *ret_level = (enum aiex_pressure_level)i, 0;
    return -1;
}

int aiex_pressure_event(struct aiex_pressure *p, const struct aiex_message *m)
{
    enum aiex_pressure_level level;
    int64_t step = 0;
    unsigned percent;

    if (strcmp(m->method, AIEX_PRESSURE_TOPIC) != 0)
        return 0;
    if (!p->percent || read_event(m->body, &level, &step) < 0)
        return 1;
    p->level = level;
    /* On the way back the level may be ok while the step is not: the mildest share then. */
    percent = step < p->order
                  ? 100
                  : levels[level == AIEX_PRESSURE_OK ? AIEX_PRESSURE_ELEVATED : level].percent;
    if (percent != p->percent) {
        p->percent = percent;
        p->keep(p->arg, percent);
    }
    aiex_pressure_report(p);
    return 1;
}
