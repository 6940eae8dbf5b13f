/* The table of choose.c, cell by cell. */
#include "choose.h"
#include "test.h"

#include <string.h>

/* One letter triple per candidate: [r]eal or [o]ffline, [u]p or [d]own, list [w]ith, with[n]one,
 * [?] unknown; a capital first letter = tried. */
static size_t parse(const char *text, struct candidate *c)
{
    size_t n = 0;

    for (; *text; text += text[3] ? 4 : 3)
        c[n++] = (struct candidate){
            .offline = text[0] == 'o' || text[0] == 'O',
            .tried = text[0] == 'R' || text[0] == 'O',
            .healthy = text[1] == 'u',
            .lists = text[2] == 'w'   ? LIST_WITH
                     : text[2] == 'n' ? LIST_WITHOUT
                                      : LIST_UNKNOWN,
        };
    return n;
}

static void next_table(void)
{
    static const struct {
        const char *candidates;
        int only_listed, pass_unlisted, fallback, result;
    } rows[] = {
        {"", 0, 0, 1, CHOOSE_NO_PROVIDER},
        {"ru?", 0, 0, 1, 0},
        {"run ruw", 0, 0, 1, 1},
        {"ru? ruw", 0, 0, 1, 1},
        {"rdw ru?", 0, 0, 1, 1},
        {"ruw ruw", 0, 0, 1, 0},
        {"Ruw ruw", 0, 0, 1, 1},
        {"Ruw ru?", 1, 0, 1, CHOOSE_NO_MODEL},
        {"Ruw ruw", 1, 0, 1, 1},
        {"run", 0, 0, 1, CHOOSE_NO_MODEL},
        {"run oun", 0, 0, 1, CHOOSE_NO_MODEL},
        {"run oun", 0, 1, 1, 0},
        {"run rdw oun", 0, 0, 1, 2},
        {"run rdw oun", 0, 0, 0, CHOOSE_NO_PROVIDER},
        {"run rd? oun", 0, 0, 1, CHOOSE_NO_MODEL},
        {"rd? rdn oun", 0, 0, 1, 2},
        {"rd? odn", 0, 0, 1, 1},
        {"rd? oun", 0, 0, 0, CHOOSE_NO_PROVIDER},
        {"rd? Oun", 0, 0, 1, CHOOSE_NO_PROVIDER},
        {"ru? ouw", 0, 0, 1, 1},
        {"ruw ouw", 0, 0, 1, 0},
        {"oun", 0, 0, 1, 0},
        {"Ruw oun", 0, 0, 1, 1},
        {"Ruw run oun", 0, 0, 1, 2},
        {"Ru? run oun", 0, 0, 0, CHOOSE_NO_PROVIDER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wish w = {rows[i].only_listed, rows[i].pass_unlisted, rows[i].fallback};
        struct candidate c[8];

        CU_ASSERT_EQUAL(choose_next(c, parse(rows[i].candidates, c), &w), rows[i].result);
    }
}

const struct test_case tests[] = {{"next_table", next_table}, {0}};
