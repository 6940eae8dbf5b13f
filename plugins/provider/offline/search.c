#include "search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

void search_begin(struct search *s, const struct aiex_host *host, const struct question *q,
                  const char *roots)
{
    *s = (struct search){.host = host, .question = q, .roots = roots};
    s->begun_ms = host->now_ms(host);
}

static void leave(struct search *s)
{
    closedir(s->stack[--s->depth]);
    s->path[s->depth ? s->ends[s->depth - 1] : 0] = 0;
}

void search_done(struct search *s)
{
    while (s->depth)
        leave(s);
    source_done(&s->source);
    free(s->text);
    s->text = NULL;
}

/* ---- Folders ---- */

/* `fd` is taken over. */
static void enter(struct search *s, int fd, const char *name)
{
    size_t at = s->depth ? s->ends[s->depth - 1] : 0, n = strlen(name);
    DIR *dir = NULL;

    if (s->depth < SEARCH_MAX_DEPTH && at + n + 2 < sizeof(s->path))
        dir = fdopendir(fd);
    else
        s->limited = 1;
    if (!dir) {
        close(fd);
        return;
    }
    memcpy(s->path + at, name, n);
    if (n && name[n - 1] != '/')
        s->path[at + n++] = '/';
    s->path[at + n] = 0;
    s->ends[s->depth] = at + n;
    s->stack[s->depth++] = dir;
}

/* Opens the next of the configured folders; 0 = none is left. A link is followed here: the
 * configuration names it. */
static int next_root(struct search *s)
{
    char name[1000];
    size_t n;
    int fd;

    s->roots += strspn(s->roots, ", ");
    n = strcspn(s->roots, ", ");
    if (n == 0)
        return 0;
    snprintf(name, sizeof(name), "%.*s", (int)n, s->roots);
    s->roots += n;
    fd = open(name, (OPEN_FLAGS & ~O_NOFOLLOW) | O_DIRECTORY);
    if (fd >= 0)
        enter(s, fd, name);
    return 1;
}

static int is_left_out(const char *name)
{
    static const char folders[] = " node_modules build target vendor dist __pycache__ _build deps ";

    return name[0] == '.' || language_list_has(folders, name, strlen(name));
}

/* ---- Files ---- */

/* The whole file as malloc()ed text, or NULL: no regular file, too large, unreadable. */
static char *read_file(struct search *s, int fd, size_t *len)
{
    struct stat st;
    char *text;
    ssize_t n;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > SEARCH_MAX_FILE)
        return NULL;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return NULL;
    for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
        n = read(fd, text + *len, (size_t)st.st_size - *len);
        if (n <= 0)
            break;
    }
    text[*len] = 0;
    s->n_bytes += *len;
    s->n_files++;
    return text;
}

static int holds_a_name(const struct question *q, const char *text, size_t len)
{
    for (size_t i = 0; i < q->n_names; i++) {
        const char *name = q->names[i], *tail = strrchr(name, ':');

        tail = tail && tail[1] ? tail + 1 : name;
        if (memmem(text, len, tail, strlen(tail)))
            return 1;
    }
    return 0;
}

/* The question names this file: "search.c" or "host/base/text.c". */
static int is_named(const struct search *s, const char *name)
{
    char path[1300];
    size_t n = (size_t)snprintf(path, sizeof(path), "%s%s", s->path, name);

    for (size_t i = 0; i < s->question->n_names; i++) {
        size_t m = strlen(s->question->names[i]);

        if (m <= n && strcmp(path + n - m, s->question->names[i]) == 0 &&
            (m == n || path[n - m - 1] == '/') && language_of_path(path))
            return 1;
    }
    return 0;
}

static int look_at(struct search *s, const char *name, char *text, size_t len)
{
    int named = is_named(s, name);
    char label[256];

    if (memchr(text, 0, len) || (!named && !holds_a_name(s->question, text, len)))
        return 0;
    snprintf(label, sizeof(label), "%s%.100s", s->path, name);
    if (source_init(&s->source, text, len, language_of_path(name), label) == 0) {
        s->found = question_names(s->question, &s->source, 0);
        if (s->found || named) {
            s->text = text;
            return 1;
        }
    }
    source_done(&s->source);
    return 0;
}

/* 1 = found what was asked for. */
static int visit(struct search *s, const char *name)
{
    int fd = openat(dirfd(s->stack[s->depth - 1]), name, OPEN_FLAGS), found = 0;
    struct stat st;
    char *text;
    size_t len;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        enter(s, fd, name);
        return 0;
    }
    if (language_of_path(name)) {
        text = read_file(s, fd, &len);
        found = text && look_at(s, name, text, len);
        if (!found)
            free(text);
    }
    close(fd);
    return found;
}

int search_step(struct search *s)
{
    uint64_t begun = s->host->now_ms(s->host);
    unsigned files = s->n_files;

    if (s->question->n_names == 0)
        return 0;
    for (;;) {
        uint64_t now = s->host->now_ms(s->host);
        struct dirent *e;

        if (s->n_files >= SEARCH_MAX_FILES || s->n_bytes >= SEARCH_MAX_BYTES ||
            now - s->begun_ms >= SEARCH_MAX_MS) {
            s->limited = 1;
            return 0;
        }
        if (now - begun >= SEARCH_SLICE_MS || s->n_files - files >= SEARCH_SLICE_FILES)
            return 1;
        if (s->depth == 0 && !next_root(s))
            return 0;
        if (s->depth == 0)
            continue;
        e = readdir(s->stack[s->depth - 1]);
        if (!e)
            leave(s);
        else if (!is_left_out(e->d_name) && visit(s, e->d_name))
            return 0;
    }
}
