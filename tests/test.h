/*
 * test.h - what a CUnit program includes. Each program defines
 *     const struct test_case tests[] = {{"name", function}, ..., {0}};
 * and links tests/main.c (aiex_test() in CMake does). One argument runs one case.
 */
#ifndef AIEX_TEST_H
#define AIEX_TEST_H

#include <CUnit/CUnit.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

extern const struct test_case tests[];

#endif
