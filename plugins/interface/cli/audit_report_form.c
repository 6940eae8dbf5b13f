/* audit_report_form.c - a report as text, HTML, CSV or JSON. */
#include "audit_report.h"
#include "json_out.h"

#include <inttypes.h>
#include <time.h>

/* ---- Values ---- */

static const char *when(int64_t ms, char out[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&s, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

struct sum {
    uint64_t entries, actors;
    int64_t first, last;
};

/* Actors may stand in several rows; each counts once. */
static int is_new_actor(const struct report *r, const struct report_control *k, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (report_matches(k, r->rows[i].type) && strcmp(r->rows[i].actor, r->rows[row].actor) == 0)
            return 0;
    return 1;
}

static struct sum sum_of(const struct report *r, const struct report_control *k)
{
    struct sum s = {0, 0, 0, 0};

    for (size_t i = 0; i < r->n_rows; i++) {
        const struct report_row *row = &r->rows[i];

        if (!report_matches(k, row->type))
            continue;
        s.first = s.entries == 0 || row->first < s.first ? row->first : s.first;
        s.last = row->last > s.last ? row->last : s.last;
        s.entries += row->entries;
        s.actors += (uint64_t)is_new_actor(r, k, i);
    }
    return s;
}

static void put_period(FILE *to, const struct report *r)
{
    fprintf(to, "%s to %s", *r->from ? r->from : "the beginning", *r->to ? r->to : "now");
}

static const char *origin_of(const struct report *r, char out[AIEX_NOTE_NAME])
{
    snprintf(out, AIEX_NOTE_NAME, "%.*s", (int)strcspn(r->head.note, "\n"), r->head.note);
    return out;
}

/* ---- Text ---- */

static void clean(FILE *to, const char *text)
{
    struct cleaner cleaner = {0};

    clean_write(&cleaner, to, text, strlen(text));
}

static void text_control(FILE *to, const struct report *r, const struct report_control *k)
{
    struct sum s = sum_of(r, k);
    char first[32], last[32];

    fprintf(to, "\n%s  %s\n", k->id, k->title);
    if (s.entries == 0) {
        fprintf(to, "    no entries in this period; told by %s\n", k->told_by);
        return;
    }
    fprintf(to, "    %" PRIu64 " entries by %" PRIu64 " actors, %s to %s\n", s.entries, s.actors,
            when(s.first, first), when(s.last, last));
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!report_matches(k, r->rows[i].type))
            continue;
        fprintf(to, "    %8" PRIu64 "  ", r->rows[i].entries);
        clean(to, r->rows[i].type);
        fputs("  by ", to);
        clean(to, r->rows[i].actor);
        putc('\n', to);
    }
}

static void print_text(FILE *to, const struct report *r)
{
    char hex[2 * AIEX_HASH + 1], origin[AIEX_NOTE_NAME];

    aiex_hex(r->head.root, AIEX_HASH, hex);
    fprintf(to, "%s\nPeriod: ", r->shape->title);
    put_period(to, r);
    fprintf(to, "\nLog: %s, %" PRIu64 " entries, root %s\n", origin_of(r, origin), r->head.size,
            hex);
    fprintf(to,
            "Integrity: %" PRId64 " entries of the period verified, %" PRId64 " faults\n"
            "Entries: %" PRIu64 ", of which %" PRIu64 " with a redacted payload\n",
            r->checked, r->faults, r->entries, r->redactions);
    for (const struct report_control *k = r->shape->controls; k->id; k++)
        text_control(to, r, k);
}

/* ---- HTML ---- */

static void html(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            putc(*text, to);
        }
}

static void html_control(FILE *to, const struct report *r, const struct report_control *k)
{
    struct sum s = sum_of(r, k);
    char first[32], last[32];

    fputs("<h2>", to);
    html(to, k->id);
    fputs(" ", to);
    html(to, k->title);
    if (s.entries == 0) {
        fputs("</h2>\n<p>No entries in this period; told by ", to);
        html(to, k->told_by);
        fputs(".</p>\n", to);
        return;
    }
    fprintf(to,
            "</h2>\n<p>%" PRIu64 " entries by %" PRIu64 " actors.</p>\n<table><tr><th>Act<th>Actor"
            "<th>Entries<th>First<th>Last</tr>\n",
            s.entries, s.actors);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct report_row *row = &r->rows[i];

        if (!report_matches(k, row->type))
            continue;
        fputs("<tr><td>", to);
        html(to, row->type);
        fputs("<td>", to);
        html(to, row->actor);
        fprintf(to, "<td>%" PRIu64 "<td>%s<td>%s</tr>\n", row->entries, when(row->first, first),
                when(row->last, last));
    }
    fputs("</table>\n", to);
}

static void print_html(FILE *to, const struct report *r)
{
    char hex[2 * AIEX_HASH + 1], origin[AIEX_NOTE_NAME];

    aiex_hex(r->head.root, AIEX_HASH, hex);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", to);
    html(to, r->shape->title);
    fputs("</title><style>body{font-family:sans-serif;max-width:60em;margin:2em auto}"
          "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .6em;"
          "text-align:left}code{word-break:break-all}</style></head><body>\n<h1>",
          to);
    html(to, r->shape->title);
    fputs("</h1>\n<p>Period: ", to);
    put_period(to, r);
    fputs("<br>Log: ", to);
    html(to, origin_of(r, origin));
    fprintf(to,
            ", %" PRIu64 " entries, root <code>%s</code><br>Integrity: %" PRId64
            " entries of the period verified, %" PRId64 " faults<br>Entries: %" PRIu64
            ", of which %" PRIu64 " with a redacted payload</p>\n",
            r->head.size, hex, r->checked, r->faults, r->entries, r->redactions);
    for (const struct report_control *k = r->shape->controls; k->id; k++)
        html_control(to, r, k);
    fputs("</body></html>\n", to);
}

/* ---- CSV (RFC 4180) ---- */

/* A cell that a spreadsheet would take for a formula is made text. */
static void csv(FILE *to, const char *text)
{
    putc('"', to);
    if (*text && strchr("=+-@\t\r", *text))
        putc('\'', to);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

static void csv_row(FILE *to, const struct report_control *k, const struct report_row *row)
{
    char first[32], last[32];

    csv(to, k->id);
    putc(',', to);
    csv(to, k->title);
    putc(',', to);
    csv(to, row->type);
    putc(',', to);
    csv(to, row->actor);
    fprintf(to, ",%" PRIu64 ",%s,%s\r\n", row->entries, when(row->first, first),
            when(row->last, last));
}

/* A control without entries has a row of its own: nobody has to know which there are. */
static void csv_control(FILE *to, const struct report *r, const struct report_control *k)
{
    int n = 0;

    for (size_t i = 0; i < r->n_rows; i++)
        if (report_matches(k, r->rows[i].type)) {
            csv_row(to, k, &r->rows[i]);
            n++;
        }
    if (n)
        return;
    csv(to, k->id);
    putc(',', to);
    csv(to, k->title);
    fputs(",\"none\",\"\",0,,\r\n", to);
}

static void print_csv(FILE *to, const struct report *r)
{
    fputs("control,title,type,actor,entries,first,last\r\n", to);
    for (const struct report_control *k = r->shape->controls; k->id; k++)
        csv_control(to, r, k);
}

/* ---- JSON ---- */

static void json(FILE *to, const char *before, const char *text)
{
    fputs(before, to);
    json_out_string(to, text, strlen(text));
}

static void json_control(FILE *to, const struct report *r, const struct report_control *k)
{
    struct sum s = sum_of(r, k);
    int first_row = 1;

    json(to, "    {\"id\": ", k->id);
    json(to, ", \"title\": ", k->title);
    json(to, ", \"told_by\": ", k->told_by);
    fprintf(to,
            ", \"entries\": %" PRIu64 ", \"actors\": %" PRIu64 ", \"first\": %" PRId64
            ", \"last\": %" PRId64 ", \"acts\": [",
            s.entries, s.actors, s.first, s.last);
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct report_row *row = &r->rows[i];

        if (!report_matches(k, row->type))
            continue;
        json(to, first_row ? "\n      {\"type\": " : ",\n      {\"type\": ", row->type);
        json(to, ", \"actor\": ", row->actor);
        fprintf(to, ", \"entries\": %" PRIu64 ", \"first\": %" PRId64 ", \"last\": %" PRId64 "}",
                row->entries, row->first, row->last);
        first_row = 0;
    }
    fputs("]}", to);
}

static void print_json(FILE *to, const struct report *r)
{
    char hex[2 * AIEX_HASH + 1], origin[AIEX_NOTE_NAME];

    aiex_hex(r->head.root, AIEX_HASH, hex);
    json(to, "{\n  \"shape\": ", r->shape->name);
    json(to, ",\n  \"title\": ", r->shape->title);
    json(to, ",\n  \"from\": ", r->from);
    json(to, ",\n  \"to\": ", r->to);
    json(to, ",\n  \"origin\": ", origin_of(r, origin));
    fprintf(to,
            ",\n  \"size\": %" PRIu64 ",\n  \"root\": \"%s\",\n  \"checked\": %" PRId64
            ",\n  \"faults\": %" PRId64 ",\n  \"entries\": %" PRIu64 ",\n  \"redactions\": %" PRIu64
            ",\n  \"controls\": [\n",
            r->head.size, hex, r->checked, r->faults, r->entries, r->redactions);
    for (const struct report_control *k = r->shape->controls; k->id; k++) {
        json_control(to, r, k);
        fputs(k[1].id ? ",\n" : "\n", to);
    }
    fputs("  ]\n}\n", to);
}

void report_print(FILE *to, const struct report *r, const char *form)
{
    if (strcmp(form, "html") == 0)
        print_html(to, r);
    else if (strcmp(form, "csv") == 0)
        print_csv(to, r);
    else if (strcmp(form, "json") == 0)
        print_json(to, r);
    else
        print_text(to, r);
}
