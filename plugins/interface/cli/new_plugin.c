/*
 * new_plugin.c - aiex new-plugin: a copy of the SDK's template under a name of one's own.
 *
 * In files that end in .in (the ending goes) and in all file names, @kind@, @name@ and @KIND_NAME@
 * are replaced; other files are copied as they are. All is checked before anything is written, and
 * nothing that exists is ever overwritten.
 */
#include "command.h"

#include "own_path.h"
#include "read_text.h"
#include "reason.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 2048
#define MAX_DEPTH  8

struct names {
    const char *kind, *name;
    char upper[160]; /* KIND_NAME */
};

struct copying {
    struct command *command;
    struct names names;
    int dry_run;
    int n_files;
    struct aiex_error *err;
};

/* ---- Names ---- */

static int is_word(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return n > 0 && n <= 40 && !text[n] && *text >= 'a' && *text <= 'z';
}

static int make_names(struct names *n, const char *kind, const char *name, struct aiex_error *err)
{
    size_t len;

    if (!is_word(kind) || strchr(kind, '_'))
        return fail(err, -EINVAL, "kind '%.64s' is not a lower-case word, as in provider", kind);
    if (!is_word(name))
        return fail(err, -EINVAL, "name '%.64s' must be lower-case letters, digits and _", name);
    n->kind = kind;
    n->name = name;
    snprintf(n->upper, sizeof(n->upper), "%s_%s", kind, name);
    len = strlen(n->upper);
    for (size_t i = 0; i < len; i++)
        if (n->upper[i] >= 'a' && n->upper[i] <= 'z')
            n->upper[i] = (char)(n->upper[i] - 'a' + 'A');
    return 0;
}

/* Writes `text` with the names put in. */
static void put_replaced(FILE *to, const char *text, size_t len, const struct names *n)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"@kind@", n->kind}, {"@name@", n->name}, {"@KIND_NAME@", n->upper}};

    for (size_t at = 0; at < len;) {
        size_t i, m = 0;

        for (i = 0; i < 3; i++) {
            m = strlen(marks[i].mark);
            if (m <= len - at && memcmp(text + at, marks[i].mark, m) == 0)
                break;
        }
        if (i < 3) {
            fputs(marks[i].value, to);
            at += m;
        } else {
            putc(text[at++], to);
        }
    }
}

/* The path of a copy: names put in, the .in gone. */
static int target_path(const struct copying *c, const char *dir, const char *entry, char *out)
{
    char name[PATH_BYTES];
    FILE *f = fmemopen(name, sizeof(name), "w");
    size_t len;

    if (!f)
        return -ENOMEM;
    put_replaced(f, entry, strlen(entry), &c->names);
    fclose(f);
    len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".in") == 0)
        name[len - 3] = 0;
    return (size_t)snprintf(out, PATH_BYTES, "%.*s/%.*s", PATH_BYTES / 2, dir, PATH_BYTES / 2 - 2,
                            name) < PATH_BYTES
               ? 0
               : -ENAMETOOLONG;
}

/* ---- Copying ---- */

static int copy_file(struct copying *c, const char *from, const char *to)
{
    struct read_text text;
    size_t len = strlen(from);
    int failed, fd;
    FILE *f;

    c->n_files++;
    if (c->dry_run) {
        printf("%s\n", to);
        return 0;
    }
    failed = read_text(from, from, READ_TEXT_FILE_BYTES, &text, c->err);
    if (failed)
        return failed;
    fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        failed = fail(c->err, -errno, "can not make %.400s: %s", to, strerror(errno));
        free(text.data);
        return failed;
    }
    if (len > 3 && strcmp(from + len - 3, ".in") == 0)
        put_replaced(f, text.data, text.len, &c->names);
    else
        fwrite(text.data, 1, text.len, f);
    free(text.data);
    failed = ferror(f);
    failed |= fclose(f);
    return failed ? fail(c->err, -EIO, "can not write %.400s", to) : 0;
}

static int make_dir(struct copying *c, const char *path)
{
    if (c->dry_run || mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    return fail(c->err, -errno, "can not make folder %.400s: %s", path, strerror(errno));
}

static int copy_tree(struct copying *c, const char *from, const char *to, int depth);

static int copy_entry(struct copying *c, const char *from, const char *to, const char *entry,
                      int depth)
{
    char source[PATH_BYTES], target[PATH_BYTES];
    struct stat st;

    if (*entry == '.' && (!entry[1] || (entry[1] == '.' && !entry[2])))
        return 0;
    if ((size_t)snprintf(source, sizeof(source), "%s/%s", from, entry) >= sizeof(source) ||
        target_path(c, to, entry, target) != 0)
        return fail(c->err, -ENAMETOOLONG, "the path of %.400s is too long", entry);
    if (stat(source, &st) != 0)
        return fail(c->err, -errno, "can not read %.400s: %s", source, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return copy_tree(c, source, target, depth + 1);
    return S_ISREG(st.st_mode) ? copy_file(c, source, target) : 0;
}

/* 1 = `dir` also has entry.in: then this one belongs to the SDK's own tree (its CMakeLists.txt),
 * and the plugin's is made from the .in. */
static int has_in(const char *dir, const char *entry)
{
    char path[PATH_BYTES];

    return (size_t)snprintf(path, sizeof(path), "%s/%s.in", dir, entry) < sizeof(path) &&
           access(path, F_OK) == 0;
}

static int copy_tree(struct copying *c, const char *from, const char *to, int depth)
{
    struct dirent **entries;
    int n, failed;

    if (depth > MAX_DEPTH)
        return fail(c->err, -ELOOP, "the template is nested too deeply at %.400s", from);
    n = scandir(from, &entries, NULL, alphasort);
    if (n < 0)
        return fail(c->err, -errno, "can not read the template %.400s: %s", from, strerror(errno));
    failed = make_dir(c, to);
    for (int i = 0; i < n; i++) {
        if (!failed && !has_in(from, entries[i]->d_name))
            failed = copy_entry(c, from, to, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

/* ---- Where ---- */

static int is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Installed beside us, or in the source tree that a folder above us is. */
static int find_template(char *out, size_t size)
{
    char folder[PATH_BYTES];
    char *slash;

    if (own_folder(folder, sizeof(folder)) != 0)
        return -ENOENT;
    if ((size_t)snprintf(out, size, "%s/../share/aiex/template", folder) < size && is_dir(out))
        return 0;
    while ((slash = strrchr(folder, '/')) != NULL) {
        *slash = 0;
        if ((size_t)snprintf(out, size, "%s/sdk/template", folder) < size && is_dir(out))
            return 0;
    }
    return -ENOENT;
}

/* 1 = there is something at `path` that a copy could damage. */
static int is_occupied(const char *path)
{
    struct dirent **entries;
    int n;

    if (access(path, F_OK) != 0)
        return 0;
    n = scandir(path, &entries, NULL, NULL);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
    return n != 2; /* an empty folder has two entries */
}

static void show_next(const struct copying *c, const char *dir)
{
    const char *kind = c->names.kind, *name = c->names.name;

    if (c->command->screen.quiet)
        return;
    fprintf(stderr,
            "%s has your plugin (%d files). Next:\n"
            "  cmake -S %s -B %s/build && cmake --build %s/build\n"
            "  aiex-check --kind %s/1 %s/build/%s_%s.so\n"
            "  aiex plugin load %s/build/%s_%s.so\n",
            dir, c->n_files, dir, dir, dir, kind, dir, kind, name, dir, kind, name);
}

enum outcome verb_new_plugin(struct command *c)
{
    struct copying copying = {.command = c, .dry_run = arguments_has(&c->args, "dry-run")};
    const char *dir = arguments_value(&c->args, "dir");
    const char *template = arguments_value(&c->args, "template");
    char found[PATH_BYTES + 64], own[128];
    struct aiex_error err;
    enum outcome outcome = OUTCOME_OK;

    copying.err = &err;
    if (make_names(&copying.names, c->args.words[0], c->args.words[1], &err) != 0) {
        complain(&c->screen, "%s", err.text);
        return OUTCOME_USAGE;
    }
    snprintf(own, sizeof(own), "%s_%s", copying.names.kind, copying.names.name);
    if (!dir)
        dir = own;
    if (!template && find_template(found, sizeof(found)) == 0)
        template = found;
    if (!template || !is_dir(template)) {
        complain(&c->screen, "there is no template%s%s; give its folder with --template",
                 template ? " at " : "", template ? template : "");
        return OUTCOME_NOT_FOUND;
    }
    if (is_occupied(dir)) {
        complain(&c->screen, "%s exists and is not empty; name another with --dir", dir);
        return OUTCOME_FAILED;
    }
    if (copy_tree(&copying, template, dir, 0) != 0) {
        complain(&c->screen, "%s", err.text);
        outcome = OUTCOME_FAILED;
    } else if (!copying.dry_run) {
        show_next(&copying, dir);
    }
    return outcome;
}
