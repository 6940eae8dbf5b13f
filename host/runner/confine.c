/*
 * confine.c - what a cell's instances need, said to the sandbox. Outgoing ports are
 * those of the URLs among the options: whatever is configured as http://host:port may
 * be connected to on that port, nothing else.
 */
#include "base/err.h"
#include "runner/runner_private.h"
#include "runner/sandbox/sandbox.h"

#include <stdlib.h>
#include <string.h>

#define PORTS_MAX 64
#define DIRS_MAX  32

static struct {
    struct sandbox_spec specs[START_INSTANCES_MAX];
    uint16_t ports[PORTS_MAX];
    size_t n_ports;
    char dirs_text[4096];
    const char *dirs[DIRS_MAX];
    size_t n_dirs;
    struct sandbox_report report;
} sealed;

static void add_port(unsigned long port)
{
    if (port == 0 || port > 65535 || sealed.n_ports == PORTS_MAX)
        return;
    sealed.ports[sealed.n_ports++] = (uint16_t)port;
}

/* The port of "http://host[:port]/..." or of a plain "host:port"; others add nothing. */
static void port_of(const char *text)
{
    unsigned long standard = 0;
    const char *at = text, *colon, *end;

    if (!strncmp(text, "http://", 7)) {
        standard = 80;
        at = text + 7;
    } else if (!strncmp(text, "https://", 8)) {
        standard = 443;
        at = text + 8;
    }
    end = at + strcspn(at, "/?#");
    colon = end;
    while (colon > at && colon[-1] >= '0' && colon[-1] <= '9')
        colon--;
    if (colon > at && colon < end && colon[-1] == ':' && end - colon <= 5)
        add_port(strtoul(colon, NULL, 10));
    else
        add_port(standard);
}

/* Option `root` of AIEX_NEED_READ: a comma list of folders. */
static void add_dirs(const char *list)
{
    size_t used = sealed.n_dirs ? strlen(sealed.dirs_text) + 1 : 0;
    char *at = sealed.dirs_text + used, *save = NULL;

    if (strlen(list) + used + 1 > sizeof(sealed.dirs_text))
        return;
    memcpy(at, list, strlen(list) + 1);
    for (char *dir = strtok_r(at, ", ", &save); dir && sealed.n_dirs < DIRS_MAX;
         dir = strtok_r(NULL, ", ", &save))
        sealed.dirs[sealed.n_dirs++] = dir;
}

int confine_enter(struct runner *runner, struct aiex_error *err)
{
    const struct start *s = &runner->start;

    for (size_t i = 0; i < s->n_instances; i++) {
        const struct start_instance *in = &s->instances[i];

        for (size_t k = 0; k < in->n_options; k++) {
            if (in->needs & AIEX_NEED_HTTP)
                port_of(in->options[k].text);
            if ((in->needs & AIEX_NEED_READ) && !strcmp(in->options[k].name, "root"))
                add_dirs(in->options[k].text);
        }
    }
    for (size_t i = 0; i < s->n_instances; i++) {
        const struct start_instance *in = &s->instances[i];
        int http = !!(in->needs & AIEX_NEED_HTTP), reads = !!(in->needs & AIEX_NEED_READ);

        sealed.specs[i] = (struct sandbox_spec){
            .kind = in->kind,
            .needs = in->needs,
            .off = !s->sandbox,
            .plugin_path = in->path,
            .plugin_dir = s->plugin_dir[0] ? s->plugin_dir : NULL,
            .http_module = http && s->http_module && s->http_module[0] ? s->http_module : NULL,
            .data_dir = in->data_dir[0] ? in->data_dir : NULL,
            .read_dirs = reads && sealed.n_dirs ? sealed.dirs : NULL,
            .n_read_dirs = reads ? sealed.n_dirs : 0,
            .ports = http ? sealed.ports : NULL,
            .n_ports = http ? sealed.n_ports : 0,
            .limit_memory_bytes = s->limit_memory_bytes,
            .limit_files = s->limit_files,
            .limit_threads = s->limit_threads,
            .next = i + 1 < s->n_instances ? &sealed.specs[i + 1] : NULL,
        };
    }
    return sandbox_enter(&sealed.specs[0], &sealed.report, err);
}

int confine_tighten(struct runner *runner, struct aiex_error *err)
{
    return sandbox_tighten(&sealed.specs[0], err);
}

void confine_report(struct runner *runner)
{
    char text[SANDBOX_LAYERS * 128] = "";
    size_t n = 0;

    if (runner->inside)
        snprintf(text, sizeof(text), "-sandbox: none, it runs in the host's own process");
    for (uint32_t i = 0; !runner->inside && i < sealed.report.n_layers && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%c%s", i ? "\n" : "",
                              sealed.report.layers[i].active ? '+' : '-', sealed.report.layers[i].text);
    runner_send(runner,
                &(struct record){.kind = RECORD_HELLO, .status = AIEX_ABI_MAJOR,
                                 .aux = (uint32_t)runner->start.n_instances},
                text, strlen(text));
}

int confine_probe(const char *path, struct aiex_error *err)
{
    sealed.specs[0] = (struct sandbox_spec){.kind = "service/1", .plugin_path = path,
                                            .limit_memory_bytes = 1 << 30};
    return sandbox_enter(&sealed.specs[0], &sealed.report, err);
}
