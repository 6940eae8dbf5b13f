/* value.c - `${NAME}`, `${NAME:-text}`, `$${`, `file:path` and `secret:NAME`. */
#include "config/value.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/secret_mark.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_PREFIX   "file:"
#define SECRET_PREFIX "secret:"

int value_is_secret(const char *text)
{
    return strncmp(text, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0;
}

int value_is_reference(const char *text)
{
    return strstr(text, "${") != NULL || value_is_secret(text) ||
           strncmp(text, FILE_PREFIX, strlen(FILE_PREFIX)) == 0;
}

static int from_vault(const char *name, const struct value_source *source, char **ret,
                      struct aiex_error *err)
{
    char revision[VALUE_REVISION_TEXT];
    int r;

    if (!source->secret)
        return fail(err, -EINVAL, "'" SECRET_PREFIX "%.63s' can not be used here", name);
    r = source->secret(source->secret_arg, source->key_file ? source->key_file : "", name, revision,
                       err);
    return r ? r : secret_mark_make(name, revision, ret);
}

static const char *look_up(const struct value_source *source, const char *name)
{
    return source->env ? source->env(source->env_arg, name) : getenv(name);
}

static int is_variable(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return 0;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == 0;
}

/* `inside` is what stands between the braces. */
static int add_variable(char *inside, const struct value_source *source, struct buf *out,
                        struct aiex_error *err)
{
    char *otherwise = strstr(inside, ":-");
    const char *found;

    if (otherwise) {
        *otherwise = 0;
        otherwise += 2;
    }
    if (!is_variable(inside))
        return fail(err, -EINVAL, "'${%.60s}' is not a variable; write ${NAME} or ${NAME:-text}",
                    inside);
    found = look_up(source, inside);
    if (otherwise && (!found || !*found))
        found = otherwise;
    if (!found)
        return fail(err, -ENOENT,
                    "environment variable '%.60s' is not set; set it or write ${%.60s:-text}",
                    inside, inside);
    return buf_addf(out, "%s", found);
}

static int replace_variables(const char *text, const struct value_source *source, struct buf *out,
                             struct aiex_error *err)
{
    int r = buf_add(out, "", 0);

    while (r == 0 && *text) {
        const char *dollar = strstr(text, "${"), *close;
        auto_free char *inside = NULL;

        if (!dollar)
            return buf_addf(out, "%s", text);
        if (dollar > text && dollar[-1] == '$') {
            r = buf_add(out, text, (size_t)(dollar - 1 - text));
            r = r ? r : buf_addf(out, "${");
            text = dollar + 2;
            continue;
        }
        close = strchr(dollar, '}');
        if (!close)
            return fail(err, -EINVAL, "'%.60s' has no closing brace; write $${ for the text ${",
                        dollar);
        inside = strndup(dollar + 2, (size_t)(close - dollar - 2));
        if (!inside)
            return -ENOMEM;
        r = buf_add(out, text, (size_t)(dollar - text));
        r = r ? r : add_variable(inside, source, out, err);
        text = close + 1;
    }
    return r;
}

/* Regular files only: a FIFO or device could block the host or never end. */
static int read_file(const char *path, struct buf *out, struct aiex_error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n = 0;

    if (fd < 0)
        return fail(err, -errno, "cannot read '%.200s': %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(err, -EINVAL, "'%.200s' is not a regular file", path);
    do {
        uint8_t *room = buf_room(out, 4096);

        if (!room)
            return out->len + 4096 > out->max
                       ? fail(err, -EMSGSIZE, "'%.200s' is longer than %u bytes", path,
                              VALUE_MAX_BYTES)
                       : -ENOMEM;
        n = read(fd, room, 4096);
        if (n > 0)
            out->len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        return fail(err, -errno, "cannot read '%.200s': %s", path, strerror(errno));
    if (out->len && memchr(out->data, 0, out->len))
        return fail(err, -EINVAL, "'%.200s' holds a 0 byte; values are text", path);
    return 0;
}

static void drop_line_end(struct buf *b)
{
    if (b->len && b->data[b->len - 1] == '\n')
        b->len--;
    if (b->len && b->data[b->len - 1] == '\r')
        b->len--;
    b->data[b->len] = 0;
}

static int from_file(const char *path, const struct value_source *source, struct buf *out,
                     struct aiex_error *err)
{
    auto_free char *whole = NULL;
    int r;

    if (*path == 0)
        return fail(err, -EINVAL, "'file:' without a path");
    if (*path != '/' && source->dir && *source->dir) {
        if (asprintf(&whole, "%s/%s", source->dir, path) < 0) {
            whole = NULL;
            return -ENOMEM;
        }
        path = whole;
    }
    r = read_file(path, out, err);
    if (r == 0)
        drop_line_end(out);
    return r;
}

int value_expand(const char *text, const struct value_source *source, char **ret,
                 struct aiex_error *err)
{
    int is_file = strncmp(text, FILE_PREFIX, strlen(FILE_PREFIX)) == 0;
    struct buf plain, content;
    int r;

    if (value_is_secret(text))
        return from_vault(text + strlen(SECRET_PREFIX), source, ret, err);
    /* buf_room() asks for a block beyond the end, hence the spare room */
    buf_init(&plain, VALUE_MAX_BYTES + 1);
    buf_init(&content, VALUE_MAX_BYTES + 4096);
    r = replace_variables(is_file ? text + strlen(FILE_PREFIX) : text, source, &plain, err);
    if (r == 0 && is_file)
        r = from_file((const char *)plain.data, source, &content, err);
    if (r == 0 && secret_mark_is_in((const char *)(is_file ? content.data : plain.data)))
        r = fail(err, -EINVAL, "the value holds a control byte, 0x01; values are text");
    if (r == 0)
        *ret = buf_take(is_file ? &content : &plain);
    else if (r == -ENOMEM)
        (void)fail(err, 0, "out of memory");
    else if (r == -EMSGSIZE && !is_file)
        (void)fail(err, 0, "longer than %u bytes", VALUE_MAX_BYTES);
    if (content.data)
        explicit_bzero(content.data, content.cap);
    buf_done(&plain);
    buf_done(&content);
    return r;
}
