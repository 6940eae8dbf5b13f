/* sandbox.c - the order of sealing; each layer is in the file of its name. */
#include "runner/sandbox/sandbox.h"

#include "base/err.h"
#include "runner/sandbox/filter.h"
#include "runner/sandbox/landlock.h"
#include "runner/sandbox/limits.h"
#include "runner/sandbox/privilege.h"
#include "runner/sandbox/profile.h"
#include "runner/sandbox/report.h"
#include "runner/sandbox/stat_trap.h"

#include <stdlib.h>
#include <string.h>

static int install_filter(uint32_t sets, int log, struct aiex_error *err)
{
    struct filter *filter = malloc(sizeof *filter);
    int rc;

    if (!filter)
        return fail(err, -ENOMEM, "sandbox: no memory for the filter");
    rc = filter_build(sets, filter, err);
    if (!rc)
        rc = filter_load(filter, log, err);
    free(filter);
    return rc;
}

static int enter_landlock(const struct sandbox_spec *spec, uint32_t *sets,
                          struct sandbox_report *report, struct aiex_error *err)
{
    int abi = landlock_abi(LANDLOCK_ABI_KNOWN);
    int rc;

    if (!abi) {
        report_layer(report, 0, "landlock: not in this kernel");
        return 0;
    }
    rc = landlock_seal(spec, *sets, abi, err);
    if (rc)
        return rc;
    if ((*sets & (SET_READ | SET_DATA)) && abi >= LANDLOCK_ABI_TRUNCATE)
        *sets |= SET_BENEATH;
    report_layer(report, 1, "landlock: ABI %d", abi);
    if ((*sets & (SET_HTTP | SET_NAMES)) && abi < 4)
        report_layer(report, 0, "tcp ports: any (needs landlock ABI 4)");
    return 0;
}

static int enter_seccomp(const struct sandbox_spec *spec, uint32_t sets,
                         struct sandbox_report *report, struct aiex_error *err)
{
    int rc = stat_trap_install();

    if (rc)
        return fail(err, rc, "sandbox: no handler for SIGSYS: %s", strerror(-rc));
    rc = install_filter(sets | SET_LOAD, spec->log, err);
    if (rc == -ENOSYS) {
        report_layer(report, 0, "seccomp: not in this kernel");
        return 0;
    }
    if (rc)
        return rc;
    report_layer(report, 1, "seccomp: on");
    if (!STAT_TRAP)
        report_layer(report, 0, "stat: paths are visible on this architecture");
    return 0;
}

int sandbox_enter(const struct sandbox_spec *spec, struct sandbox_report *ret_report,
                  struct aiex_error *err)
{
    uint32_t sets;
    int n_threads = privilege_threads();
    int rc = profile_sets(spec, &sets, err);

    memset(ret_report, 0, sizeof *ret_report);
    if (rc)
        return rc;
    if (spec->off) {
        report_layer(ret_report, 0, "sandbox: off by configuration");
        return limits_apply(spec, sets, ret_report, err);
    }
    if (!SANDBOX_SANITIZER && n_threads != 1)
        return fail(err, -EBUSY,
                    "sandbox: %d threads run before the cell is sealed; they would stay outside",
                    n_threads);
    rc = limits_apply(spec, sets, ret_report, err);
    if (!rc)
        rc = privilege_drop(ret_report, err);
    if (!rc)
        rc = enter_landlock(spec, &sets, ret_report, err);
    if (!rc)
        rc = enter_seccomp(spec, sets, ret_report, err);
    return rc;
}

int sandbox_tighten(const struct sandbox_spec *spec, struct aiex_error *err)
{
    uint32_t sets;
    int rc = profile_sets(spec, &sets, err);

    if (rc || spec->off)
        return rc;
    /* The first filter decides whether openat2() is there; this one only takes away. */
    rc = install_filter(sets | SET_BENEATH, spec->log, err);
    return rc == -ENOSYS ? 0 : rc;
}
