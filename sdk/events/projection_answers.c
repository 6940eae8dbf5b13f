/* projection_answers.c - projection.list and projection.rebuild, for operators. */
#include "projection.h"

#include <errno.h>

static void write_one(struct aiex_writer *w, const struct aiex_projections *all, const char *name)
{
    struct aiex_projection_state s;

    if (aiex_projection_state(all, name, &s) < 0)
        return;
    aiex_w_map(w, 11);
    aiex_w_key_str(w, "name", name);
    aiex_w_key_str(w, "state", s.state);
    aiex_w_key_str(w, "error", s.error);
    aiex_w_key_uint(w, "version", s.version);
    aiex_w_key_uint(w, "generation", s.generation);
    aiex_w_key_uint(w, "building", s.building);
    aiex_w_key_int(w, "position", s.position);
    aiex_w_key_int(w, "lag", s.lag);
    aiex_w_key_int(w, "building_lag", s.building_lag);
    aiex_w_key_uint(w, "events", s.events);
    aiex_w_key_uint(w, "failures", s.failures);
}

static void write_list(struct aiex_writer *w, const void *arg)
{
    const struct aiex_projections *all = arg;
    uint32_t n = 0;

    for (const struct projection *p = all->first; p; p = p->next)
        n++;
    aiex_w_map(w, 1);
    aiex_w_str(w, "projections");
    aiex_w_array(w, n);
    for (const struct projection *p = all->first; p; p = p->next)
        write_one(w, all, p->name);
}

static int rebuild(struct aiex_projections *all, const struct aiex_message *m)
{
    char name[AIEX_PROJECTION_NAME + 1] = "";

    if (aiex_get_text(m->body, "name", name, sizeof(name)) != 1)
        return aiex_refuse(all->host, m->id, AIEX_E_INVALID,
                           "field 'name' must be text of 1 to %u "
                           "bytes",
                           AIEX_PROJECTION_NAME);
    switch (aiex_projection_rebuild(all, name)) {
    case 0:
        return aiex_reply_done(all->host, m->id);
    case -ENOENT:
        return aiex_refuse(all->host, m->id, AIEX_E_NOT_FOUND, "no projection '%s' runs here",
                           name);
    case -EALREADY:
        return aiex_refuse(all->host, m->id, AIEX_E_CONFLICT,
                           "projection '%s' is being built already", name);
    default:
        return aiex_refuse(all->host, m->id, AIEX_E_BUSY,
                           "projection '%s' waits for the store; try again", name);
    }
}

int aiex_projections_handle(struct aiex_projections *all, const struct aiex_message *m)
{
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return -ENOSYS;
    if (strcmp(m->method, "projection.list") == 0)
        return aiex_reply_by(all->host, m->id, write_list, all);
    if (strcmp(m->method, "projection.rebuild") == 0)
        return rebuild(all, m);
    return -ENOSYS;
}
