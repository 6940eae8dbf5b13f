#include "runner/sandbox/privilege.h"

#include "base/err.h"
#include "runner/sandbox/report.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP CAP_TO_MASK(CAP_DAC_OVERRIDE)

static int refused(const char *what, struct aiex_error *err)
{
    int rc = -errno;

    return fail(err, rc, "sandbox: %s: %s", what, strerror(-rc));
}

static int drop_capabilities(struct sandbox_report *report, struct aiex_error *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    uint32_t held;

    if (syscall(SYS_capget, &head, caps))
        return refused("capabilities can not be read", err);
    held = caps[0].permitted | caps[1].permitted;
    caps[0].permitted &= KEEP;
    caps[0].effective &= KEEP;
    caps[0].inheritable = 0;
    memset(&caps[1], 0, sizeof caps[1]);
    if (syscall(SYS_capset, &head, caps))
        return refused("capabilities can not be dropped", err);
    report_layer(report, 1, "capabilities: %s",
                 !held                      ? "none"
                 : caps[0].permitted & KEEP ? "dropped but dac_override"
                                            : "dropped");
    return 0;
}

int privilege_drop(struct sandbox_report *report, struct aiex_error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return refused("no_new_privs was refused", err);
    report_layer(report, 1, "no_new_privs: on");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return refused("dumpable can not be cleared", err);
    report_layer(report, 1, "dumpable: off");
    return drop_capabilities(report, err);
}

int privilege_threads(void)
{
    struct stat st;

    if (stat("/proc/self/task", &st) || st.st_nlink < 3)
        return 1;
    return (int)st.st_nlink - 2;
}
