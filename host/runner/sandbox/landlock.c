/*
 * landlock.c - rules from the spec. The kernel's header of the oldest supported system knows ABI 2
 * only, so the layouts and bits up to ABI 7 are written out here; they are fixed ABI.
 */
#include "runner/sandbox/landlock.h"

#include "base/auto.h"
#include "base/err.h"
#include "runner/sandbox/profile.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset_attr {
    uint64_t handled_fs;  /* ABI 1 */
    uint64_t handled_net; /* ABI 4 */
    uint64_t scoped;      /* ABI 6 */
};
struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));
struct port_attr {
    uint64_t allowed;
    uint64_t port;
};

#define RULE_PATH   1
#define RULE_PORT   2
#define GET_VERSION 1u

#define FS_WRITE_FILE  (1u << 1)
#define FS_READ_FILE   (1u << 2)
#define FS_READ_DIR    (1u << 3)
#define FS_REMOVE_DIR  (1u << 4)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_DIR    (1u << 7)
#define FS_MAKE_REG    (1u << 8)
#define FS_REFER       (1u << 13) /* ABI 2: rename between folders */
#define FS_TRUNCATE    (1u << 14) /* ABI 3 */
#define FS_ALL_ABI_1   ((1u << 13) - 1)
#define FS_IOCTL_DEV   (1u << 15) /* ABI 5 */
#define FS_ON_FILES    (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

#define PORT_DNS 53

#define NET_BIND    1u
#define NET_CONNECT 2u

#define SCOPE_ABSTRACT_UNIX 1u
#define SCOPE_SIGNAL        2u

#define READS (FS_READ_FILE)
#define LISTS (FS_READ_FILE | FS_READ_DIR)
#define WRITES                                                                                     \
    (LISTS | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |          \
     FS_REFER | FS_TRUNCATE)

/* What belongs to the system; a path that is not there is passed over. Libraries are readable, not
 * listable. */
static const struct {
    uint32_t sets;
    const char *path;
} system_paths[] = {
    {SET_BASE, "/usr/lib"},
    {SET_BASE, "/usr/lib64"},
    {SET_BASE, "/usr/local/lib"},
    {SET_BASE, "/lib"},
    {SET_BASE, "/lib64"},
    {SET_BASE, "/etc/ld.so.cache"},
    {SET_HTTP, "/etc/ssl"},
    {SET_HTTP, "/etc/pki/tls"},
    {SET_HTTP, "/etc/pki/ca-trust"},
    {SET_HTTP, "/etc/ca-certificates"},
    {SET_HTTP, "/usr/share/ca-certificates"},
    {SET_HTTP, "/usr/local/share/ca-certificates"},
    {SET_NAMES, "/etc/resolv.conf"},
    {SET_NAMES, "/etc/hosts"},
    {SET_NAMES, "/etc/nsswitch.conf"},
    {SET_NAMES, "/etc/host.conf"},
    {SET_NAMES, "/etc/gai.conf"},
    {SET_NAMES, "/etc/services"},
    {SET_SANITIZER, "/proc/self/maps"},
};

int landlock_abi(int at_most)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);

    if (abi < 0)
        return 0;
    return abi < at_most ? (int)abi : at_most;
}

static struct ruleset_attr handled(int abi)
{
    struct ruleset_attr attr = {.handled_fs = FS_ALL_ABI_1};

    if (abi >= 2)
        attr.handled_fs |= FS_REFER;
    if (abi >= 3)
        attr.handled_fs |= FS_TRUNCATE;
    if (abi >= 4)
        attr.handled_net = NET_BIND | NET_CONNECT;
    if (abi >= 5)
        attr.handled_fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return attr;
}

struct ruleset {
    int fd;
    struct ruleset_attr attr;
};

/* 0, or -errno of opening the path or of adding the rule. */
static int allow_path(const struct ruleset *set, const char *path, uint64_t rights)
{
    auto_close int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_attr attr = {.allowed = rights & set->attr.handled_fs, .parent_fd = fd};
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return -errno;
    if (!S_ISDIR(st.st_mode))
        attr.allowed &= FS_ON_FILES;
    if (syscall(SYS_landlock_add_rule, set->fd, RULE_PATH, &attr, 0))
        return -errno;
    return 0;
}

static int allow_system(const struct ruleset *set, uint32_t sets, struct aiex_error *err)
{
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++) {
        int rc = 0;

        if (system_paths[i].sets & sets)
            rc = allow_path(set, system_paths[i].path, READS);
        if (rc && rc != -ENOENT && rc != -ENOTDIR && rc != -EACCES)
            return fail(err, rc, "landlock: no rule for '%s': %s", system_paths[i].path,
                        strerror(-rc));
    }
    return 0;
}

static int allow_own(const struct ruleset *set, const char *what, const char *path, uint64_t rights,
                     struct aiex_error *err)
{
    int rc = path ? allow_path(set, path, rights) : 0;

    if (rc)
        return fail(err, rc, "sandbox: %s '%s' can not be opened: %s", what, path, strerror(-rc));
    return 0;
}

static int allow_plugin(const struct ruleset *set, const struct sandbox_spec *s,
                        struct aiex_error *err)
{
    int rc = allow_own(set, "plugin", s->plugin_path, READS, err);

    if (!rc)
        rc = allow_own(set, "plugin folder", s->plugin_dir, READS, err);
    /* mapped by the zygote already, unless HTTP came later; that it is missing is told by dlopen() */
    if (!rc && (s->needs & AIEX_NEED_HTTP) && s->http_module && access(s->http_module, F_OK) == 0)
        rc = allow_own(set, "HTTP module", s->http_module, READS, err);
    if (!rc)
        rc = allow_own(set, "data folder", s->data_dir, WRITES, err);
    for (size_t i = 0; !rc && (s->needs & AIEX_NEED_READ) && i < s->n_read_dirs; i++)
        rc = allow_own(set, "folder to read", s->read_dirs[i], LISTS, err);
    return rc;
}

static int allow_port(const struct ruleset *set, uint16_t port, struct aiex_error *err)
{
    struct port_attr attr = {.allowed = NET_CONNECT, .port = port};
    int rc = 0;

    if (set->attr.handled_net && syscall(SYS_landlock_add_rule, set->fd, RULE_PORT, &attr, 0))
        rc = -errno;
    if (rc)
        return fail(err, rc, "landlock: no rule for port %u: %s", port, strerror(-rc));
    return 0;
}

static int allow_ports(const struct ruleset *set, const struct sandbox_spec *s,
                       struct aiex_error *err)
{
    int rc = 0;

    if (profile_of(s->kind)->gives & SET_NAMES)
        rc = allow_port(set, PORT_DNS, err);
    for (size_t i = 0; !rc && (s->needs & AIEX_NEED_HTTP) && i < s->n_ports; i++)
        rc = allow_port(set, s->ports[i], err);
    return rc;
}

int landlock_seal(const struct sandbox_spec *spec, uint32_t sets, int abi, struct aiex_error *err)
{
    struct ruleset set = {.attr = handled(abi)};
    auto_close int fd = (int)syscall(SYS_landlock_create_ruleset, &set.attr, sizeof set.attr, 0);
    int rc;

    if (fd < 0) {
        rc = -errno;
        return fail(err, rc, "landlock: no ruleset of ABI %d: %s", abi, strerror(-rc));
    }
    set.fd = fd;
    rc = allow_system(&set, sets, err);
    for (const struct sandbox_spec *s = spec; !rc && s; s = s->next) {
        rc = allow_plugin(&set, s, err);
        if (!rc)
            rc = allow_ports(&set, s, err);
    }
    if (!rc && syscall(SYS_landlock_restrict_self, fd, 0)) {
        rc = -errno;
        return fail(err, rc, "landlock: the rules were refused: %s", strerror(-rc));
    }
    return rc;
}
