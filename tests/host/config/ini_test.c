#include "test.h"

#include "folder.h"

struct read {
    struct ini ini;
    struct report report;
};

static void begin(struct read *r)
{
    ini_init(&r->ini);
    report_init(&r->report);
}

static void end(struct read *r)
{
    ini_done(&r->ini);
    report_done(&r->report);
}

static void read_text(struct read *r, const char *text)
{
    CU_ASSERT_EQUAL(ini_read_bytes(&r->ini, "a.ini", text, strlen(text), &r->report), 0);
}

static int is(const struct ini_entry *e, const char *section, const char *key, const char *value,
              unsigned line)
{
    return strcmp(e->section, section) == 0 &&
           (key ? e->key && strcmp(e->key, key) == 0 : !e->key) && strcmp(e->value, value) == 0 &&
           e->at.line == line && strcmp(e->at.file, "a.ini") == 0;
}

static void reads_sections_and_pairs(void)
{
    struct read r;

    begin(&r);
    read_text(&r, "\xef\xbb\xbf[one]\n"
                  "# comment\n"
                  "a = 1 ; comment\r\n"
                  "  b=2;not\n"
                  "\n"
                  "\tc = x = y # kept\n"
                  "d =\n"
                  "[empty:section] ; c\n"
                  "[one]\n"
                  "e = \xc3\xa9: z"); /* no line end */
    CU_ASSERT(has_errors(&r.report, 0));
    CU_ASSERT_EQUAL_FATAL(r.ini.n, 8);
    CU_ASSERT(is(&r.ini.entries[0], "one", NULL, "", 1));
    CU_ASSERT(is(&r.ini.entries[1], "one", "a", "1", 3));
    CU_ASSERT(is(&r.ini.entries[2], "one", "b", "2;not", 4));
    CU_ASSERT(is(&r.ini.entries[3], "one", "c", "x = y # kept", 6));
    CU_ASSERT(is(&r.ini.entries[4], "one", "d", "", 7));
    CU_ASSERT(is(&r.ini.entries[5], "empty:section", NULL, "", 8));
    CU_ASSERT(is(&r.ini.entries[6], "one", NULL, "", 9));
    CU_ASSERT(is(&r.ini.entries[7], "one", "e", "\xc3\xa9: z", 10));
    end(&r);
}

/* The library keeps 49 bytes of a section and splits at 200 bytes of a line. */
static void long_names_and_values_are_whole(void)
{
    static char text[INI_MAX_LINE_BYTES + 200];
    struct read r;
    char name[64];

    begin(&r);
    memset(name, 'n', 63);
    name[63] = 0;
    snprintf(text, sizeof(text), "[%s]\n%s=", name, name);
    memset(text + strlen(text), 'v', INI_MAX_LINE_BYTES - 64);
    read_text(&r, text);
    CU_ASSERT(has_errors(&r.report, 0));
    CU_ASSERT_EQUAL_FATAL(r.ini.n, 2);
    CU_ASSERT_STRING_EQUAL(r.ini.entries[1].section, name);
    CU_ASSERT_STRING_EQUAL(r.ini.entries[1].key, name);
    CU_ASSERT_EQUAL(strlen(r.ini.entries[1].value), INI_MAX_LINE_BYTES - 64);
    end(&r);
}

static void tells_every_fault_with_its_line(void)
{
    static const char text[] = "early = 1\n"
                               "[a]\n"
                               "k = 1\n"
                               "k = 2\n"
                               "no separator\n"
                               "x: y\n"
                               "b d = 1\n"
                               "= 1\n"
                               "[open\n"
                               "lost = 1\n"
                               "[b] tail\n"
                               "[sp ace]\n"
                               "[]\n"
                               "[c]\n"
                               "bad = \xff\n"
                               "low = \x01\n"
                               "k ;= 1\n"
                               "k = 2\n";
    struct read r;

    begin(&r);
    read_text(&r, text);
    CU_ASSERT(has_line(&r.report, "a.ini:1: key 'early' stands before any [section]"));
    CU_ASSERT(has_line(&r.report, "a.ini:4: [a] key 'k' was given in line 3 already; remove one"));
    CU_ASSERT(has_line(&r.report, "a.ini:5: [a] 'no...': expected key = value"));
    CU_ASSERT(has_line(&r.report, "a.ini:6: [a] 'x:' is not understood; write x = value"));
    CU_ASSERT(
        has_line(&r.report, "a.ini:7: [a] 'b d' is not a key: 1 to 63 letters, digits and _ - ."));
    CU_ASSERT(
        has_line(&r.report, "a.ini:8: [a] '' is not a key: 1 to 63 letters, digits and _ - ."));
    CU_ASSERT(has_line(&r.report, "a.ini:9: '[open': expected [section] alone on the line"));
    CU_ASSERT(has_line(&r.report, "a.ini:11: '[b] tail': expected [section] alone on the line"));
    CU_ASSERT(has_line(&r.report, "a.ini:12: '[sp ace]' is not a section name: 1 to 63 letters, "
                                  "digits and _ . : -"));
    CU_ASSERT(has_line(&r.report, "a.ini:13: '[]' is not a section name: 1 to 63 letters, digits "
                                  "and _ . : -"));
    CU_ASSERT(has_line(&r.report, "a.ini:15: [c] bytes that are not UTF-8 in the line; save the "
                                  "file as UTF-8 text"));
    CU_ASSERT(has_line(&r.report, "a.ini:16: [c] control character in the line; save the file as "
                                  "UTF-8 text"));
    CU_ASSERT(has_line(&r.report, "a.ini:17: [c] 'k...': expected key = value"));
    CU_ASSERT(has_errors(&r.report, 13));
    CU_ASSERT_EQUAL(r.ini.n, 4); /* [a] k, [c] k */
    end(&r);
}

static void refuses_bytes_that_are_no_text(void)
{
    static char big[INI_MAX_FILE_BYTES + 1];
    static const char zero[] = "[a]\nk = a\0b\nz = 1\n";
    static const char *const broken[] = {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                         "\xe2\x82", "\x80",         "\xc2\x80"};
    struct read r;

    begin(&r);
    CU_ASSERT_EQUAL(ini_read_bytes(&r.ini, "a.ini", zero, sizeof(zero) - 1, &r.report), 0);
    CU_ASSERT(has_line(&r.report, "a.ini:2: [a] 0 byte in the line; save the file as UTF-8 text"));
    CU_ASSERT_EQUAL(r.ini.n, 2);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        read_text(&r, broken[i]);
    CU_ASSERT(has_errors(&r.report, 7));
    memset(big, 'x', sizeof(big));
    CU_ASSERT_EQUAL(ini_read_bytes(&r.ini, "a.ini", big, INI_MAX_LINE_BYTES + 1, &r.report), 0);
    CU_ASSERT(has_line(&r.report, "a.ini:1: line is longer than 8192 bytes; put the value into a "
                                  "file and write key = file:path"));
    CU_ASSERT_EQUAL(ini_read_bytes(&r.ini, "a.ini", big, sizeof(big), &r.report), 0);
    CU_ASSERT(has_line(&r.report, "a.ini: file is larger than 1048576 bytes"));
    CU_ASSERT(has_errors(&r.report, 9));
    CU_ASSERT_EQUAL(ini_read_bytes(&r.ini, "a.ini", NULL, 0, &r.report), 0);
    end(&r);
}

static void too_many_entries_are_one_error(void)
{
    static char text[INI_MAX_ENTRIES * 10];
    size_t at = (size_t)snprintf(text, sizeof(text), "[a]\n");
    struct read r;

    begin(&r);
    for (unsigned i = 0; i < INI_MAX_ENTRIES; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "k%u=1\n", i);
    read_text(&r, text);
    CU_ASSERT(has_errors(&r.report, 1));
    CU_ASSERT(has_line(&r.report, "a.ini:8193: more than 8192 entries"));
    CU_ASSERT_EQUAL(r.ini.n, INI_MAX_ENTRIES);
    end(&r);
}

static void files_that_can_not_be_read(void)
{
    struct folder f;
    struct read r;

    folder_enter(&f);
    begin(&r);
    folder_write("conf.d/ok.ini", "[a]\nb = 1\n");
    CU_ASSERT_EQUAL(mkdir("conf.d/dir.ini", 0700), 0);
    CU_ASSERT_EQUAL(ini_read_file(&r.ini, "conf.d/none.ini", &r.report), 0);
    CU_ASSERT_EQUAL(ini_read_file(&r.ini, "conf.d/dir.ini", &r.report), 0);
    CU_ASSERT_EQUAL(ini_read_file(&r.ini, "conf.d/ok.ini", &r.report), 0);
    CU_ASSERT(has_line(&r.report, "conf.d/none.ini: cannot read: No such file or directory"));
    CU_ASSERT(has_line(&r.report, "conf.d/dir.ini: cannot read: not a regular file"));
    CU_ASSERT(has_errors(&r.report, 2));
    CU_ASSERT_EQUAL(r.ini.n, 2);
    end(&r);
    folder_leave(&f);
}

static void reports_are_bounded(void)
{
    struct report r;

    report_init(&r);
    for (unsigned i = 0; i < REPORT_MAX_LINES + 10; i++)
        report_error(&r, (struct place){"f", i}, "s", "wrong %u", i);
    report_warning(&r, (struct place){0}, NULL, "bare");
    CU_ASSERT_EQUAL(r.n, REPORT_MAX_LINES);
    CU_ASSERT_EQUAL(r.n_errors, REPORT_MAX_LINES + 10);
    CU_ASSERT_EQUAL(r.n_warnings, 1);
    CU_ASSERT_STRING_EQUAL(r.lines[5].text, "f:5: [s] wrong 5");
    report_done(&r);
}

/* A private key pasted below its option, a forgotten '=': errors go to the log, secrets must not.
 */
static void secrets_in_wrong_lines_are_not_told(void)
{
    static const char text[] = "[a]\n"
                               "tls_key = -----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSECRETSECRETSECR\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wa/IBAQQgSECRETSECRETS==\n"
                               "-----END PRIVATE KEY-----\n"
                               "api_key sk-SECRET-0123456789\n"
                               "sk-SECRET-0123456789\n";
    struct read r;

    begin(&r);
    read_text(&r, text);
    CU_ASSERT(has_line(&r.report, "a.ini:3: [a] '...': expected key = value"));
    CU_ASSERT(has_line(&r.report, "a.ini:6: [a] 'api_key...': expected key = value"));
    CU_ASSERT(has_line(&r.report, "a.ini:7: [a] '...': expected key = value"));
    for (size_t i = 0; i < r.report.n; i++)
        CU_ASSERT_PTR_NULL(strstr(r.report.lines[i].text, "SECRET"));
    end(&r);
}

const struct test_case tests[] = {
    {"reads sections and pairs", reads_sections_and_pairs},
    {"long names and values are whole", long_names_and_values_are_whole},
    {"secrets in wrong lines are not told", secrets_in_wrong_lines_are_not_told},
    {"tells every fault with its line", tells_every_fault_with_its_line},
    {"refuses bytes that are no text", refuses_bytes_that_are_no_text},
    {"too many entries are one error", too_many_entries_are_one_error},
    {"files that can not be read", files_that_can_not_be_read},
    {"reports are bounded", reports_are_bounded},
    {0}};
