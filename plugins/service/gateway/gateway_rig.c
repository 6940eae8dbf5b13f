#include "gateway_rig.h"
