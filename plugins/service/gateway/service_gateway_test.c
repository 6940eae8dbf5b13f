#include "gateway_rig.h"
const struct test_case tests[]={{0}};