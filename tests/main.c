/*
 * main.c - the one main() of every CUnit program.
 *
 * A test program defines `struct test_case tests[]` (see test.h). CUnit's own
 * run returns 0 although assertions failed, so the number of failures is returned
 * here; ctest runs one process per program, so a crash loses only its own file.
 */
#include "test.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    CU_pSuite suite;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 99;
    suite = CU_add_suite(argv[0], NULL, NULL);
    if (!suite)
        return 99;
    for (const struct test_case *t = tests; t->name; t++) {
        if (argc > 1 && strcmp(argv[1], t->name) != 0)
            continue;
        if (!CU_add_test(suite, t->name, t->run))
            return 99;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    if (CU_get_number_of_tests_run() == 0) {
        fprintf(stderr, "no test is named '%s'\n", argc > 1 ? argv[1] : "");
        return 98;
    }
    return CU_get_number_of_failures() > 100 ? 100 : (int)CU_get_number_of_failures();
}
