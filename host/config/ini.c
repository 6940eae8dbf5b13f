/*
 * ini.c - the only file that knows the parser library (inih 55).
 *
 * The library splits lines into key and value and strips comments. What it leaves
 * out is done here, in the function that hands it the lines, because only there the
 * line is whole: the number of the line, sections without keys, names longer than the
 * 49 bytes it keeps of a section, 0 bytes, bad UTF-8, over-long lines. Debian builds
 * it with its options as variables; they are set before each parse:
 *     ini_max_line         200 otherwise, and the rest of a longer line becomes a line
 *     ini_allow_multiline  otherwise an indented key is glued to the value before it
 */
#include "config/ini.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "config/utf8.h"

#include <ctype.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>

#define TOLD_BYTES 20u /* of a line that is wrong: the log must not get secrets */

/* One file while it is read. */
struct reading {
    struct ini *ini;
    struct report *report;
    const char *path;     /* the ini's copy */
    const char *at, *end; /* what is left of the file */
    unsigned line;        /* number of the line that the library has */
    const char *raw;      /* that line, without its end, in the file's bytes */
    size_t raw_len;
    const char *section; /* the ini's copy; NULL before the first */
    int is_bad_section;  /* keys of a broken head would only repeat the complaint */
    size_t first;        /* index of this file's first entry */
    int is_pair;         /* the line must be a pair ... */
    int was_taken;       /* ... and the library found one */
    int no_memory;
};

static struct place here(const struct reading *r)
{
    return (struct place){r->path, r->line};
}

void ini_init(struct ini *ini)
{
    *ini = (struct ini){0};
}

void ini_done(struct ini *ini)
{
    arena_done(&ini->texts);
    free(ini->entries);
    ini_init(ini);
}

static int check_line(const struct reading *r)
{
    const char *fault;

    if (r->raw_len > INI_MAX_LINE_BYTES) {
        report_error(r->report, here(r), r->section,
                     "line is longer than %u bytes; put the value into a file and write "
                     "key = file:path",
                     INI_MAX_LINE_BYTES);
        return -EINVAL;
    }
    fault = utf8_fault(r->raw, r->raw_len);
    if (!fault)
        return 0;
    report_error(r->report, here(r), r->section, "%s in the line; save the file as UTF-8 text",
                 fault);
    return -EINVAL;
}

static int add_entry(struct reading *r, const char *key, const char *value)
{
    struct ini *ini = r->ini;
    struct ini_entry e = {.section = r->section, .value = "", .at = here(r)};

    if (ini->n == INI_MAX_ENTRIES) {
        report_error(r->report, here(r), NULL, "more than %u entries", INI_MAX_ENTRIES);
        r->at = r->end;
        return 0;
    }
    if (ini->n == ini->cap) {
        size_t cap = ini->cap ? ini->cap * 2 : 64;
        struct ini_entry *grown = realloc(ini->entries, cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        ini->entries = grown;
        ini->cap = cap;
    }
    if (key) {
        e.key = arena_copy(&ini->texts, key, strlen(key));
        e.value = arena_copy(&ini->texts, value, strlen(value));
        if (!e.key || !e.value)
            return -ENOMEM;
    }
    ini->entries[ini->n++] = e;
    return 0;
}

/* A line that begins with '['. */
static void take_section(struct reading *r, const char *text, size_t len)
{
    const char *close = memchr(text, ']', len);
    const char *rest = close ? close + 1 : NULL, *end = text + len;

    r->is_bad_section = 1;
    r->section = NULL;
    while (rest && rest < end && isblank((unsigned char)*rest))
        rest++;
    if (!close || (rest < end && *rest != ';' && *rest != '#')) {
        report_error(r->report, here(r), NULL, "'%.*s': expected [section] alone on the line",
                     len > 60 ? 60 : (int)len, text);
        return;
    }
    r->section = arena_copy(&r->ini->texts, text + 1, (size_t)(close - text - 1));
    if (!r->section) {
        r->no_memory = 1;
        return;
    }
    if (!text_is_name(r->section)) {
        report_error(r->report, here(r), NULL,
                     "'[%.80s]' is not a section name: 1 to 63 letters, digits and _ . : -",
                     r->section);
        r->section = NULL;
        return;
    }
    r->is_bad_section = 0;
    if (add_entry(r, NULL, NULL) != 0)
        r->no_memory = 1;
}

/* Bytes of the line's first word, when it may be told: the line may be a secret whose key or '='
 * was forgotten, or one of a private key that was pasted. */
static int tellable(const struct reading *r)
{
    size_t n = 0;

    while (n < r->raw_len && !isblank((unsigned char)r->raw[n]))
        n++;
    return n < r->raw_len && n <= TOLD_BYTES ? (int)n : 0;
}

/* The library says nothing about a line that it skips. */
static void end_line(struct reading *r)
{
    if (r->is_pair && !r->was_taken)
        report_error(r->report, here(r), r->section, "'%.*s...': expected key = value", tellable(r),
                     r->raw);
    r->is_pair = r->was_taken = 0;
}

/* The library's way to ask for a line: one line, or NULL at the end. */
static char *next_line(char *out, int size, void *arg)
{
    struct reading *r = arg;
    const char *stop;

    end_line(r);
    if (r->no_memory || r->at >= r->end)
        return NULL;
    stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
    r->raw = r->at;
    r->raw_len = (size_t)((stop ? stop : r->end) - r->at);
    r->at = stop ? stop + 1 : r->end;
    r->line++;
    if (r->raw_len && r->raw[r->raw_len - 1] == '\r')
        r->raw_len--;
    while (r->raw_len && isblank((unsigned char)*r->raw)) {
        r->raw++;
        r->raw_len--;
    }
    out[0] = 0;
    if (check_line(r) != 0) {
        /* the library gets an empty line instead */
    } else if (r->raw_len && *r->raw == '[') {
        take_section(r, r->raw, r->raw_len);
    } else if (r->raw_len < (size_t)size) {
        memcpy(out, r->raw, r->raw_len);
        out[r->raw_len] = 0;
        r->is_pair = r->raw_len && !strchr(";#", *r->raw);
    }
    return out;
}

static int is_key(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

    return n > 0 && n <= AIEX_MAX_NAME && key[n] == 0;
}

static const struct ini_entry *find_earlier(const struct reading *r, const char *key)
{
    for (size_t i = r->first; i < r->ini->n; i++) {
        const struct ini_entry *e = &r->ini->entries[i];

        if (e->key && strcmp(e->key, key) == 0 && strcmp(e->section, r->section) == 0)
            return e;
    }
    return NULL;
}

/* One pair from the library; its section is not used, see above. */
static int take_pair(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *r = arg;
    const struct ini_entry *earlier;

    r->was_taken = 1;
    if (r->is_bad_section)
        return 1;
    if (!r->section)
        report_error(r->report, here(r), NULL, "key '%.20s' stands before any [section]", key);
    else if (!is_key(key))
        report_error(r->report, here(r), r->section,
                     "'%.20s' is not a key: 1 to 63 letters, digits and _ - .", key);
    else if (r->raw[strcspn(r->raw, "=:")] == ':')
        report_error(r->report, here(r), r->section, "'%s:' is not understood; write %s = value",
                     key, key);
    else if ((earlier = find_earlier(r, key)) != NULL)
        report_error(r->report, here(r), r->section,
                     "key '%s' was given in line %u already; remove one", key, earlier->at.line);
    else if (add_entry(r, key, value ? value : "") != 0)
        r->no_memory = 1;
    return 1;
}

int ini_read_bytes(struct ini *ini, const char *path, const void *bytes, size_t len,
                   struct report *report)
{
    struct reading r = {.ini = ini, .report = report, .at = bytes, .first = ini->n};

    r.path = arena_copy(&ini->texts, path, strlen(path));
    if (!r.path)
        return -ENOMEM;
    if (len > INI_MAX_FILE_BYTES) {
        report_error(report, here(&r), NULL, "file is larger than %u bytes", INI_MAX_FILE_BYTES);
        return 0;
    }
    if (len == 0)
        return 0;
    r.end = r.at + len;
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    ini_max_line = INI_MAX_LINE_BYTES + 3;
    ini_use_stack = true;
    ini_allow_multiline = false;
    ini_allow_inline_comments = true;
    ini_allow_no_value = false;
    ini_stop_on_first_error = false;
    (void)ini_parse_stream(next_line, &r, take_pair, &r);
    return r.no_memory ? -ENOMEM : 0;
}

/* Reads a whole regular file of at most `max` bytes and one more, to see that it is longer. */
static int read_all(int fd, struct buf *out)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    do {
        uint8_t *room = buf_room(out, 4096);

        if (!room)
            return out->len > INI_MAX_FILE_BYTES ? 0 : -ENOMEM;
        n = read(fd, room, 4096);
        if (n > 0)
            out->len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? -errno : 0;
}

int ini_read_file(struct ini *ini, const char *path, struct report *report)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct buf content;
    int r;

    if (fd < 0) {
        report_error(report, (struct place){path, 0}, NULL, "cannot read: %s", strerror(errno));
        return 0;
    }
    buf_init(&content, INI_MAX_FILE_BYTES + 4096);
    r = read_all(fd, &content);
    if (r == 0)
        r = ini_read_bytes(ini, path, content.data, content.len, report);
    else if (r == -EINVAL)
        report_error(report, (struct place){path, 0}, NULL, "cannot read: not a regular file");
    else if (r != -ENOMEM)
        report_error(report, (struct place){path, 0}, NULL, "cannot read: %s", strerror(-r));
    buf_done(&content);
    return r == -ENOMEM ? r : 0;
}
