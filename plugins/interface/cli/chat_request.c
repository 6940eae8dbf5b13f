#include "chat_request.h"

#include <string.h>

const char *chat_language(struct aiex_slice name)
{
    static const struct {
        const char *ending, *language;
    } known[] = {
        {"c", "c"},           {"h", "c"},
        {"cc", "cpp"},        {"cpp", "cpp"},
        {"hpp", "cpp"},       {"rs", "rust"},
        {"go", "go"},         {"py", "python"},
        {"js", "javascript"}, {"mjs", "javascript"},
        {"ts", "typescript"}, {"tsx", "tsx"},
        {"jsx", "jsx"},       {"java", "java"},
        {"kt", "kotlin"},     {"rb", "ruby"},
        {"ex", "elixir"},     {"exs", "elixir"},
        {"erl", "erlang"},    {"sh", "sh"},
        {"bash", "bash"},     {"zig", "zig"},
        {"cs", "csharp"},     {"swift", "swift"},
        {"php", "php"},       {"lua", "lua"},
        {"sql", "sql"},       {"html", "html"},
        {"css", "css"},       {"json", "json"},
        {"yaml", "yaml"},     {"yml", "yaml"},
        {"toml", "toml"},     {"ini", "ini"},
        {"xml", "xml"},       {"md", "markdown"},
        {"cmake", "cmake"},   {"diff", "diff"},
        {"patch", "diff"},    {"txt", "text"},
    };
    size_t dot = name.len;

    while (dot > 0 && name.data[dot - 1] != '.' && name.data[dot - 1] != '/')
        dot--;
    if (dot == 0 || name.data[dot - 1] != '.')
        return "";
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strlen(known[i].ending) == name.len - dot &&
            memcmp(known[i].ending, name.data + dot, name.len - dot) == 0)
            return known[i].language;
    return "";
}

static size_t longest_run(struct aiex_slice text)
{
    size_t run = 0, best = 0;

    for (size_t i = 0; i < text.len; i++) {
        run = text.data[i] == '`' ? run + 1 : 0;
        if (run > best)
            best = run;
    }
    return best;
}

static void escape(struct aiex_json_out *w, const char *text)
{
    aiex_jw_escape(w, text, strlen(text));
}

static void escape_slice(struct aiex_json_out *w, struct aiex_slice s)
{
    aiex_jw_escape(w, (const char *)s.data, s.len);
}

static void put_fence(struct aiex_json_out *w, size_t ticks)
{
    while (ticks--)
        escape(w, "`");
}

static void put_file(struct aiex_json_out *w, const struct chat_file *f)
{
    size_t ticks = longest_run(f->text) < 3 ? 3 : longest_run(f->text) + 1;

    escape(w, "\n\n");
    escape_slice(w, f->name);
    escape(w, ":\n");
    put_fence(w, ticks);
    escape(w, chat_language(f->name));
    escape(w, "\n");
    escape_slice(w, f->text);
    if (f->text.len && f->text.data[f->text.len - 1] != '\n')
        escape(w, "\n");
    put_fence(w, ticks);
}

void chat_request_write(struct aiex_json_out *w, const struct chat_request *r)
{
    aiex_jw_raw(w, "{\"model\":");
    aiex_jw_strn(w, (const char *)r->model.data, r->model.len);
    aiex_jw_raw(w, ",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[");
    if (r->system.len) {
        aiex_jw_raw(w, "{\"role\":\"system\",\"content\":");
        aiex_jw_strn(w, (const char *)r->system.data, r->system.len);
        aiex_jw_raw(w, "},");
    }
    if (r->history.len) {
        aiex_jw_rawn(w, (const char *)r->history.data, r->history.len);
        aiex_jw_raw(w, ",");
    }
    aiex_jw_raw(w, "{\"role\":\"user\",\"content\":\"");
    escape_slice(w, r->prompt);
    for (size_t i = 0; i < r->n_files; i++)
        put_file(w, &r->files[i]);
    aiex_jw_raw(w, "\"}]}");
}
