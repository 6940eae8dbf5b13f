#include <rig.h>
const struct test_case tests[] = {{0}};
