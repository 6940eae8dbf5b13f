/* check_file.c - the file, its symbols, and what its descriptor says of it. */
#include "check.h"

#include "elf.h"
#include "kinds.h"

#include <ctype.h>
#include <string.h>

void check_file(struct check *c)
{
    const struct aiex_plugin *p;
    struct aiex_error err = {""};
    plugin_entry_fn entry;

    at(c, "loading it (constructors run here)");
    if (load_plugin(c->plan->path, &p, &entry, &err) < 0)
        finding(c, "see docs/plugin-guide.md, \"Build\"", "%s", err.text);
}

/* ---- Symbols ---- */

static int begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Put there by the linker and the sanitizers, not by the author. */
static int is_tool_symbol(const char *name)
{
    static const char *const exact[] = {"_init", "_fini", "_edata", "_end", "__bss_start", NULL};
    static const char *const prefixes[] = {
        "__asan_",          "__odr_asan",      "__ubsan_", "__sanitizer_", "__sancov",
        "__start___sancov", "__stop___sancov", "__lsan_",  "__tsan_",      NULL};

    for (size_t i = 0; exact[i]; i++) {
        if (strcmp(name, exact[i]) == 0)
            return 1;
    }
    for (size_t i = 0; prefixes[i]; i++) {
        if (begins(name, prefixes[i]))
            return 1;
    }
    return 0;
}

static void look_at_symbol(void *arg, const char *name, int defined)
{
    struct check *c = arg;

    if (is_tool_symbol(name) || strcmp(name, "aiex_plugin_entry") == 0)
        return;
    if (defined)
        finding(c,
                "build with -fvisibility=hidden and -Wl,--exclude-libs,ALL (aiex_add_plugin does)",
                "exports '%s'", name);
    else if (begins(name, "aiex_"))
        finding(c, "use struct aiex_host, or link the static library that has it",
                "wants '%s' from the host", name);
}

void check_symbols(struct check *c)
{
    struct aiex_error err = {""};

    if (elf_symbols(c->plan->path, look_at_symbol, c, &err) < 0)
        note(c, "%s", err.text);
}

/* ---- Descriptor ---- */

static int is_name(const char *s)
{
    if (!s || !islower((unsigned char)*s) || strlen(s) > AIEX_MAX_NAME)
        return 0;
    for (; *s; s++) {
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
            return 0;
    }
    return 1;
}

static int is_version(const char *s)
{
    unsigned a, b, d;
    int n = 0;

    return s && sscanf(s, "%u.%u.%u%n", &a, &b, &d, &n) == 3 && n > 0 &&
           (s[n] == 0 || s[n] == '-' || s[n] == '+');
}

static void check_name(struct check *c)
{
    const struct aiex_plugin *p = c->plugin;
    const char *base = strrchr(c->plan->path, '/');
    size_t n;

    base = base ? base + 1 : c->plan->path;
    n = strlen(base);
    if (!is_name(p->name)) {
        finding(c, "use kind_name in lower case, digits and '_'", "name '%.80s' is not a name",
                p->name ? p->name : "(null)");
        return;
    }
    if (n < 4 || strcmp(base + n - 3, ".so") != 0 || strlen(p->name) != n - 3 ||
        strncmp(base, p->name, n - 3) != 0)
        finding(c, "give file and descriptor one name", "name '%s' is not the file name '%s'",
                p->name, base);
}

static void check_kind_name(struct check *c)
{
    const struct aiex_plugin *p = c->plugin;
    const struct kind *k;
    size_t n;

    if (!p->kind) {
        finding(c, "set .kind, e.g. \"service/1\"", "kind is not set");
        return;
    }
    if (c->plan->kind && strcmp(c->plan->kind, p->kind) != 0)
        finding(c, "set .kind or leave out --kind", "kind is '%.40s', expected '%s'", p->kind,
                c->plan->kind);
    k = kind_find(p->kind);
    if (!k) {
        finding(c, "use a kind of sdk/kinds, with its major", "kind '%.40s' is not known", p->kind);
        return;
    }
    n = strcspn(p->kind, "/");
    if (p->name && (strncmp(p->name, p->kind, n) != 0 || p->name[n] != '_'))
        finding(c, "name it kind_name", "name '%s' does not begin with its kind '%.*s_'", p->name,
                (int)n, p->kind);
}

static void ask_entry_again(struct check *c)
{
    at(c, "asking the entry for another minor and major");
    for (uint32_t minor = 0; minor < 3; minor++) {
        const struct aiex_plugin *again = c->entry(AIEX_ABI_MAJOR, minor);

        if (again && again->magic != AIEX_ABI_MAGIC)
            finding(c, "answer with a descriptor or NULL",
                    "the entry gives something else to a host with minor %u", minor);
    }
    c->entry(AIEX_ABI_MAJOR + 1, 0);
}

void check_descriptor(struct check *c)
{
    const struct aiex_plugin *p = c->plugin;
    const uint32_t known_needs = AIEX_NEED_HTTP | AIEX_NEED_LISTEN | AIEX_NEED_DATA |
                                 AIEX_NEED_THREADS | AIEX_NEED_READ;

    at(c, "reading the descriptor");
    check_name(c);
    check_kind_name(c);
    if (!is_version(p->version))
        finding(c, "use three numbers: \"1.2.3\"", "version '%.40s' is not a version",
                p->version ? p->version : "(null)");
    if (!p->summary || !*p->summary || strchr(p->summary, '\n'))
        finding(c, "say in one line what it is for", "summary is empty or not one line");
    if (p->needs & ~known_needs)
        finding(c, "use AIEX_NEED_* of this SDK", "needs has unknown bits 0x%x",
                p->needs & ~known_needs);
    if (!p->create)
        finding(c, "set .create", "create() is missing");
    ask_entry_again(c);
}
