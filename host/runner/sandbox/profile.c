#include "runner/sandbox/profile.h"

#include "base/err.h"

#include <string.h>

#define FILES_FEW  256  /* rings, eventfds, arenas, some spare */
#define FILES_SOME 4096 /* one descriptor per connection or per table */
#define FILES_MANY 65536

#define MAY_MOST (AIEX_NEED_HTTP | AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS)

const struct sandbox_profile sandbox_profiles[] = {
    {"provider", AIEX_NEED_HTTP | AIEX_NEED_READ | AIEX_NEED_THREADS, 0, FILES_SOME},
    {"interface", MAY_MOST | AIEX_NEED_LISTEN, 0, FILES_MANY},
    {"service", MAY_MOST, 0, FILES_SOME},
    {"store", AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS, 0, FILES_SOME},
    {"audit", AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS, 0, FILES_SOME},
    {"tier", AIEX_NEED_DATA | AIEX_NEED_THREADS, 0, FILES_FEW},
    {"chunker", AIEX_NEED_READ | AIEX_NEED_THREADS, 0, FILES_FEW},
    {"resolver", AIEX_NEED_THREADS, SET_NAMES, FILES_FEW},
    {"discovery", AIEX_NEED_HTTP | AIEX_NEED_READ, 0, FILES_FEW},
    {"bridge", AIEX_NEED_LISTEN | AIEX_NEED_HTTP | AIEX_NEED_READ | AIEX_NEED_THREADS, 0,
     FILES_SOME},
    {NULL, MAY_MOST, 0, FILES_FEW},
};

static const struct {
    uint32_t need;
    const char *word;
} need_words[] = {
    {AIEX_NEED_HTTP, "http"},       {AIEX_NEED_LISTEN, "listen"}, {AIEX_NEED_DATA, "data"},
    {AIEX_NEED_THREADS, "threads"}, {AIEX_NEED_READ, "read"},
};

const struct sandbox_profile *profile_of(const char *kind)
{
    size_t len = strcspn(kind, "/");
    const struct sandbox_profile *p = sandbox_profiles;

    while (p->kind && (strlen(p->kind) != len || strncmp(p->kind, kind, len) != 0))
        p++;
    return p;
}

static const char *need_word(uint32_t needs)
{
    for (size_t i = 0; i < sizeof need_words / sizeof *need_words; i++)
        if (needs & need_words[i].need)
            return need_words[i].word;
    return "unknown";
}

static int one_set(const struct sandbox_spec *s, uint32_t *sets, struct aiex_error *err)
{
    uint32_t needs;
    uint32_t excess;

    if (!s->kind || !*s->kind || !s->plugin_path || !*s->plugin_path)
        return fail(err, -EINVAL, "sandbox: a plugin without kind or path can not be sealed");
    if ((s->n_ports && !s->ports) || (s->n_read_dirs && !s->read_dirs))
        return fail(err, -EINVAL, "sandbox of '%s': a list has a length and no content",
                    s->plugin_path);
    needs = s->needs | (s->data_dir ? AIEX_NEED_DATA : 0);
    excess = needs & ~profile_of(s->kind)->may;
    if (excess)
        return fail(err, -EPERM, "plugin '%s' needs '%s', which the sandbox of kind '%s' has not",
                    s->plugin_path, need_word(excess), s->kind);
    *sets |= profile_of(s->kind)->gives;
    if ((s->needs & AIEX_NEED_HTTP) && s->n_ports)
        *sets |= SET_HTTP;
    if (s->needs & AIEX_NEED_LISTEN)
        *sets |= SET_LISTEN;
    if (s->data_dir)
        *sets |= SET_DATA;
    if ((s->needs & AIEX_NEED_READ) && s->n_read_dirs)
        *sets |= SET_READ;
    if (s->needs & AIEX_NEED_THREADS)
        *sets |= SET_THREADS;
    return 0;
}

int profile_sets(const struct sandbox_spec *spec, uint32_t *ret_sets, struct aiex_error *err)
{
    uint32_t sets = SET_BASE | (SANDBOX_SANITIZER ? SET_SANITIZER : 0);

    for (const struct sandbox_spec *s = spec; s; s = s->next) {
        int rc = one_set(s, &sets, err);

        if (rc)
            return rc;
        if (!s->off != !spec->off)
            return fail(err, -EINVAL,
                        "plugin '%s' shares a cell and must have the same sandbox "
                        "option as '%s'",
                        s->plugin_path, spec->plugin_path);
    }
    *ret_sets = sets;
    return 0;
}
