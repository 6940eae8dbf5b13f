/* plugin_info.c - a descriptor as bytes: written by the probe, read by the host, which trusts none.
 */
#include "config/plugin_info.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/text.h"
#include "config/option.h"
#include "config/utf8.h"

/* ---- the runner's side ---- */

static int check_line(const char *what, const char *text, size_t max, struct aiex_error *err)
{
    size_t n;

    if (!text)
        return fail(err, -EINVAL, "the descriptor has no %s", what);
    n = strnlen(text, max + 1);
    if (n == 0 || n > max)
        return fail(err, -EINVAL, "%s of the descriptor is not 1 to %zu bytes long", what, max);
    if (utf8_fault(text, n))
        return fail(err, -EINVAL, "%s of the descriptor has a %s", what, utf8_fault(text, n));
    return 0;
}

/* "provider/1" */
static int is_kind(const char *kind)
{
    size_t word = strspn(kind, "abcdefghijklmnopqrstuvwxyz");
    size_t major = kind[word] == '/' ? strspn(kind + word + 1, "0123456789") : 0;

    return word > 0 && word < 32 && major > 0 && major < 6 && kind[word + 1 + major] == 0;
}

int plugin_info_is_path(const char *name)
{
    size_t n = strlen(name);

    return name[0] == '/' && n > 4 && n < 512 && !strcmp(name + n - 3, ".so");
}

int plugin_info_is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return name[n] == 0 && text_is_name(name);
}

static int check_names(const char *name, const char *version, const char *summary, const char *kind,
                       struct aiex_error *err)
{
    if (check_line("name", name, AIEX_MAX_NAME, err) != 0 ||
        check_line("version", version, 31, err) != 0 ||
        check_line("summary", summary, 200, err) != 0 || check_line("kind", kind, 40, err) != 0)
        return -EINVAL;
    if (!plugin_info_is_name(name))
        return fail(err, -EINVAL, "name '%s' is not letters, digits, _ and -", name);
    if (!is_kind(kind))
        return fail(err, -EINVAL, "kind '%s' is not a kind and its major, such as provider/1",
                    kind);
    return 0;
}

static int check_abi(unsigned major, unsigned minor, struct aiex_error *err)
{
    if (major == AIEX_ABI_MAJOR)
        return 0;
    return fail(err, -EPROTONOSUPPORT,
                "built for plugin ABI %u.%u, this host speaks %u.%u; rebuild it against the "
                "installed SDK",
                major, minor, AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
}

int plugin_info_check(const struct aiex_plugin *plugin, struct aiex_error *err)
{
    if (!plugin)
        return fail(err, -EINVAL, "aiex_plugin_entry returned nothing");
    if (plugin->magic != AIEX_ABI_MAGIC)
        return fail(err, -EINVAL, "not an Aiex plugin: magic is %08x", plugin->magic);
    if (check_abi(plugin->abi_major, plugin->abi_minor, err) != 0)
        return -EPROTONOSUPPORT;
    /* what stands behind create() is optional, and the runner reads a shorter table as if it were 0 */
    if (plugin->struct_size < offsetof(struct aiex_plugin, create) + sizeof(plugin->create))
        return fail(err, -EINVAL, "struct_size %u is too small for ABI %u.0", plugin->struct_size,
                    AIEX_ABI_MAJOR);
    if (check_names(plugin->name, plugin->version, plugin->summary, plugin->kind, err) != 0)
        return -EINVAL;
    if (!plugin->create)
        return fail(err, -EINVAL, "the descriptor has no create()");
    return option_table_check(plugin->options, plugin->option_size, plugin->config_size, err);
}

static void pack_option(const struct aiex_option *o, struct aiex_writer *w)
{
    uint32_t n = 0;

    while (o->choices && o->choices[n])
        n++;
    aiex_w_map(w, 6 + !!o->def + !!o->help + !!n);
    aiex_w_key_str(w, "name", o->name);
    aiex_w_key_uint(w, "type", o->type);
    aiex_w_key_uint(w, "flags", o->flags);
    aiex_w_key_int(w, "min", o->min);
    aiex_w_key_int(w, "max", o->max);
    aiex_w_key_uint(w, "offset", o->offset);
    if (o->def)
        aiex_w_key_str(w, "def", o->def);
    if (o->help)
        aiex_w_key_str(w, "help", o->help);
    if (n) {
        aiex_w_str(w, "choices");
        aiex_w_array(w, n);
        for (uint32_t i = 0; i < n; i++)
            aiex_w_str(w, o->choices[i]);
    }
}

void plugin_info_pack(const struct aiex_plugin *plugin, struct aiex_writer *w)
{
    struct aiex_option o;
    uint32_t n = 0;

    while (option_at(plugin->options, plugin->option_size, n).name)
        n++;
    aiex_w_map(w, 11);
    aiex_w_key_str(w, "name", plugin->name);
    aiex_w_key_str(w, "version", plugin->version);
    aiex_w_key_str(w, "summary", plugin->summary);
    aiex_w_key_str(w, "kind", plugin->kind);
    aiex_w_key_uint(w, "major", plugin->abi_major);
    aiex_w_key_uint(w, "minor", plugin->abi_minor);
    aiex_w_key_uint(w, "needs", plugin->needs);
    aiex_w_key_uint(w, "config_size", plugin->config_size);
    aiex_w_key_bool(w, "reload", plugin->reload != NULL);
    aiex_w_key_bool(w, "drain", plugin->drain != NULL);
    aiex_w_str(w, "options");
    aiex_w_array(w, n);
    for (uint32_t i = 0; i < n; i++) {
        o = option_at(plugin->options, plugin->option_size, i);
        pack_option(&o, w);
    }
}

/* ---- the host's side ---- */

struct reader {
    struct plugin_info *info;
    size_t used; /* of info->store */
};

/* Keeps one line of text. A msgpack string is longer than its text with a final 0, so
 * the store, as long as the body, always has room. NULL when it is not such a text. */
static char *keep_text(struct reader *r, struct aiex_slice s, size_t max)
{
    char *at = r->info->store + r->used;

    if (s.len > max || utf8_fault(s.data, s.len))
        return NULL;
    if (s.len)
        memcpy(at, s.data, s.len);
    at[s.len] = 0;
    r->used += s.len + 1;
    return at;
}

static int read_text(struct reader *r, struct aiex_slice map, const char *key, size_t max,
                     int is_optional, const char **ret, struct aiex_error *err)
{
    struct aiex_slice s;
    int found = aiex_get_str(map, key, &s);

    *ret = found > 0 ? keep_text(r, s, max) : NULL;
    if (*ret || (found == 0 && is_optional))
        return 0;
    return fail(err, -EINVAL, "the descriptor's %s is %s", key,
                found > 0 ? "too long or no text" : "missing or no text");
}

static int read_number(struct aiex_slice map, const char *key, int64_t min, int64_t max,
                       int64_t *ret, struct aiex_error *err)
{
    if (aiex_get_int(map, key, ret) == 1 && *ret >= min && *ret <= max)
        return 0;
    return fail(err, -EINVAL, "the descriptor's %s is missing or not a number it can be", key);
}

static int read_choices(struct reader *r, struct aiex_slice map, struct aiex_option *o,
                        struct aiex_error *err)
{
    struct aiex_value list, item;
    struct aiex_slice at;
    const char **words;
    int found = aiex_get(map, "choices", &list);

    if (found == 0)
        return 0;
    if (found < 0 || list.type != AIEX_T_ARRAY || list.count > OPTION_MAX_CHOICES)
        return fail(err, -EINVAL, "choices of option '%s' are not a list of at most %d", o->name,
                    OPTION_MAX_CHOICES);
    words = calloc((size_t)list.count + 1, sizeof(*words));
    if (!words)
        return fail(err, -ENOMEM, "out of memory for a plugin's options");
    o->choices = words;
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        if (aiex_r_value(&at, &item) != 0 || item.type != AIEX_T_STR ||
            !(words[i] = keep_text(r, item.bytes, AIEX_MAX_NAME)))
            return fail(err, -EINVAL, "a choice of option '%s' is no text of at most %u bytes",
                        o->name, AIEX_MAX_NAME);
    }
    return 0;
}

static int read_option(struct reader *r, struct aiex_slice map, struct aiex_option *o,
                       struct aiex_error *err)
{
    int64_t type, flags, offset;

    if (!aiex_is_map(map) || map.len == 0)
        return fail(err, -EINVAL, "an option of the descriptor is not a map");
    if (read_text(r, map, "name", AIEX_MAX_NAME, 0, &o->name, err) != 0 ||
        read_text(r, map, "def", 4096, 1, &o->def, err) != 0 ||
        read_text(r, map, "help", 1000, 1, &o->help, err) != 0 ||
        read_number(map, "type", 0, UINT32_MAX, &type, err) != 0 ||
        read_number(map, "flags", 0, UINT32_MAX, &flags, err) != 0 ||
        read_number(map, "min", INT64_MIN, INT64_MAX, &o->min, err) != 0 ||
        read_number(map, "max", INT64_MIN, INT64_MAX, &o->max, err) != 0 ||
        read_number(map, "offset", 0, OPTION_MAX_CONFIG, &offset, err) != 0)
        return -EINVAL;
    o->type = (uint32_t)type;
    o->flags = (uint32_t)flags;
    o->offset = (size_t)offset;
    return read_choices(r, map, o, err);
}

static int read_options(struct reader *r, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_value list;
    struct aiex_slice at, start;
    int bad;

    if (aiex_get(body, "options", &list) != 1 || list.type != AIEX_T_ARRAY ||
        list.count > OPTION_MAX_COUNT)
        return fail(err, -EINVAL, "options are not a list of at most %d", OPTION_MAX_COUNT);
    r->info->options = calloc((size_t)list.count + 1, sizeof(*r->info->options));
    if (!r->info->options)
        return fail(err, -ENOMEM, "out of memory for a plugin's options");
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        start = at;
        if (aiex_r_skip(&at) != 0)
            return fail(err, -EINVAL, "options end early");
        start.len -= at.len;
        r->info->n_options = i + 1; /* the choices of a broken one are freed too */
        bad = read_option(r, start, &r->info->options[i], err);
        if (bad != 0)
            return bad;
    }
    return 0;
}

static int read_head(struct reader *r, struct aiex_slice body, struct aiex_error *err)
{
    struct plugin_info *info = r->info;
    int64_t major, minor, needs, size;

    if (read_number(body, "major", 0, UINT16_MAX, &major, err) != 0 ||
        read_number(body, "minor", 0, UINT16_MAX, &minor, err) != 0)
        return -EINVAL;
    if (check_abi((unsigned)major, (unsigned)minor, err) != 0)
        return -EPROTONOSUPPORT;
    if (read_text(r, body, "name", AIEX_MAX_NAME, 0, &info->name, err) != 0 ||
        read_text(r, body, "version", 31, 0, &info->version, err) != 0 ||
        read_text(r, body, "summary", 200, 0, &info->summary, err) != 0 ||
        read_text(r, body, "kind", 40, 0, &info->kind, err) != 0 ||
        read_number(body, "needs", 0, UINT32_MAX, &needs, err) != 0 ||
        read_number(body, "config_size", 0, OPTION_MAX_CONFIG, &size, err) != 0)
        return -EINVAL;
    if (aiex_get_bool(body, "reload", &info->has_reload) != 1 ||
        aiex_get_bool(body, "drain", &info->has_drain) != 1)
        return fail(err, -EINVAL, "the descriptor does not say whether it has reload and drain");
    info->abi_major = (uint16_t)major;
    info->abi_minor = (uint16_t)minor;
    info->needs = (uint32_t)needs;
    info->config_size = (size_t)size;
    return check_names(info->name, info->version, info->summary, info->kind, err);
}

int plugin_info_unpack(struct aiex_slice body, struct plugin_info **ret, struct aiex_error *err)
{
    struct reader reader = {0};
    struct plugin_info *info;
    int r;

    if (body.len == 0 || body.len > PLUGIN_INFO_MAX_BYTES || !aiex_is_map(body))
        return fail(err, -EINVAL, "the probe's answer of %zu bytes is not a descriptor", body.len);
    info = calloc(1, sizeof(*info));
    if (!info)
        return fail(err, -ENOMEM, "out of memory for a plugin's descriptor");
    info->refs = 1;
    info->store = malloc(body.len);
    reader.info = info;
    r = info->store ? read_head(&reader, body, err)
                    : fail(err, -ENOMEM, "out of memory for a plugin's descriptor");
    if (r == 0)
        r = read_options(&reader, body, err);
    if (r == 0)
        r = option_table_check(info->options, sizeof(*info->options), info->config_size, err);
    if (r == 0)
        *ret = take(info);
    plugin_info_unref(info);
    return r;
}

struct plugin_info *plugin_info_ref(struct plugin_info *info)
{
    info->refs++;
    return info;
}

void plugin_info_unref(struct plugin_info *info)
{
    if (!info || --info->refs > 0)
        return;
    for (size_t i = 0; i < info->n_options; i++)
        free((void *)info->options[i].choices);
    free(info->options);
    free(info->store);
    free(info);
}
