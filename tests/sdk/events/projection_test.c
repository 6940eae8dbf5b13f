#include "test.h"
const struct test_case tests[] = {{0}};
