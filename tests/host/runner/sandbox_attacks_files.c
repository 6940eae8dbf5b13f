/* sandbox_attacks_files.c - opening, changing and asking about files that nobody gave. */
#include "sandbox_attack_list.h"

#include "runner/sandbox/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void outside(const struct scene *s, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", s->outside, name);
}

static int read_outside(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->secret, O_RDONLY));
}

static int read_through_link(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->link, O_RDONLY));
}

static int list_outside(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->outside, O_RDONLY | O_DIRECTORY));
}

static int read_passwd(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int read_host_environ(const struct scene *s)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/environ", (int)s->host);
    return attack_outcome_fd(openat(AT_FDCWD, path, O_RDONLY));
}

static int open_path_only(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->secret, O_PATH));
}

static int old_open(const struct scene *s)
{
#ifdef SYS_open
    return attack_outcome_fd(syscall(SYS_open, s->secret, O_RDONLY));
#else
    return ENOSYS;
#endif
}

static int openat2_outside(const struct scene *s)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};

    return attack_outcome_fd(syscall(SYS_openat2, AT_FDCWD, s->secret, &how, sizeof how));
}

static int openat2_write(const struct scene *s)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_WRONLY, 0, 0};

    return attack_outcome_fd(syscall(SYS_openat2, AT_FDCWD, s->secret, &how, sizeof how));
}

static int write_outside(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->secret, O_WRONLY));
}

static int append_outside(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->secret, O_RDWR | O_APPEND));
}

static int create_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "made", path);
    rc = attack_outcome_fd(openat(AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY, 0644));
    unlink(path);
    return rc;
}

static int create_nameless(const struct scene *s)
{
    return attack_outcome_fd(openat(AT_FDCWD, s->outside, O_TMPFILE | O_WRONLY, 0600));
}

static int write_in_plugin_dir(const struct scene *s)
{
    return attack_outcome_fd(
        openat(AT_FDCWD, AIEX_BUILD_DIR "/tests/sandbox_hostile.so", O_WRONLY));
}

static int truncate_outside(const struct scene *s)
{
    return attack_outcome(syscall(SYS_truncate, s->secret, 6L));
}

/* A file that some profiles may read. */
static int truncate_by_reading(const struct scene *s)
{
    char path[160];

    snprintf(path, sizeof path, "%s/text", s->shared);
    return attack_outcome_fd(openat(AT_FDCWD, path, O_RDONLY | O_TRUNC));
}

static int truncate_by_openat2(const struct scene *s)
{
    uint64_t how[3] = {O_RDONLY | O_TRUNC, 0, 0};
    char path[160];

    snprintf(path, sizeof path, "%s/text", s->shared);
    return attack_outcome_fd(syscall(SYS_openat2, AT_FDCWD, path, how, sizeof how));
}

static int mkdir_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "folder", path);
    rc = attack_outcome(mkdir(path, 0755));
    rmdir(path);
    return rc;
}

static int rename_outside(const struct scene *s)
{
    char path[160];
    int rc;

    outside(s, "moved", path);
    rc = attack_outcome(rename(s->secret, path));
    if (rc == 0)
        rename(path, s->secret);
    return rc;
}

static int unlink_outside(const struct scene *s)
{
    int rc = attack_outcome(unlink(s->link));

    if (rc == 0 && symlink(s->secret, s->link))
        return 0;
    return rc;
}

static int made_name(const struct scene *s, long (*make)(const struct scene *, const char *))
{
    char path[160];
    int rc;

    outside(s, "name", path);
    rc = attack_outcome(make(s, path));
    unlink(path);
    return rc;
}

static long make_symlink(const struct scene *s, const char *path)
{
    return symlink(s->secret, path);
}

static long make_link(const struct scene *s, const char *path)
{
    return link(s->secret, path);
}

static long make_fifo(const struct scene *s, const char *path)
{
    return mknodat(AT_FDCWD, path, S_IFIFO | 0600, 0);
}

static int symlink_outside(const struct scene *s)
{
    return made_name(s, make_symlink);
}

static int link_outside(const struct scene *s)
{
    return made_name(s, make_link);
}

static int fifo_outside(const struct scene *s)
{
    return made_name(s, make_fifo);
}

static int chmod_outside(const struct scene *s)
{
    return attack_outcome(syscall(SYS_fchmodat, AT_FDCWD, s->secret, 0644));
}

static int chown_outside(const struct scene *s)
{
    return attack_outcome(syscall(SYS_fchownat, AT_FDCWD, s->secret, getuid(), getgid(), 0));
}

static int utime_outside(const struct scene *s)
{
    return attack_outcome(syscall(SYS_utimensat, AT_FDCWD, s->secret, NULL, 0));
}

static int xattr_outside(const struct scene *s)
{
    char value[8];

    return syscall(SYS_getxattr, s->secret, "user.x", value, sizeof value) >= 0 ||
                   errno == ENODATA || errno == EOPNOTSUPP
               ? 0
               : errno;
}

static int stat_outside(const struct scene *s)
{
    struct stat st;

    return attack_outcome(syscall(SYS_newfstatat, AT_FDCWD, s->secret, &st, 0));
}

static int stat_by_empty_path_flag(const struct scene *s)
{
    struct stat st;

    return attack_outcome(syscall(SYS_newfstatat, AT_FDCWD, s->secret, &st, AT_EMPTY_PATH));
}

static int stat_by_descriptor_and_path(const struct scene *s)
{
    struct stat st;

    return attack_outcome(syscall(SYS_newfstatat, s->listener, s->secret, &st, AT_EMPTY_PATH));
}

static int old_stat(const struct scene *s)
{
#ifdef SYS_stat
    struct stat st;

    return attack_outcome(syscall(SYS_stat, s->secret, &st));
#else
    return ENOSYS;
#endif
}

static int statx_outside(const struct scene *s)
{
    struct statx st;

    return attack_outcome(syscall(SYS_statx, AT_FDCWD, s->secret, 0, STATX_SIZE, &st));
}

static int access_outside(const struct scene *s)
{
    return attack_outcome(syscall(SYS_faccessat, AT_FDCWD, s->secret, R_OK));
}

static int readlink_outside(const struct scene *s)
{
    char target[128];

    return attack_outcome(syscall(SYS_readlinkat, AT_FDCWD, s->link, target, sizeof target));
}

static int watch_outside(const struct scene *s)
{
    int fd = (int)syscall(SYS_inotify_init1, O_CLOEXEC);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(syscall(SYS_inotify_add_watch, fd, s->outside, 1));
    close(fd);
    return rc;
}

static int chdir_outside(const struct scene *s)
{
    return attack_outcome(chdir(s->outside));
}

static int handle_of_outside(const struct scene *s)
{
    struct {
        unsigned bytes;
        int type;
        char rest[128];
    } handle = {.bytes = 128};
    int mount;

    return attack_outcome(syscall(SYS_name_to_handle_at, AT_FDCWD, s->secret, &handle, &mount, 0));
}

static int open_by_handle(const struct scene *s)
{
    return attack_gate(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY));
}

static int memfd(const struct scene *s)
{
    return attack_outcome_fd(syscall(SYS_memfd_create, "x", 0));
}

#define FILES (SET_READ | SET_DATA)
/* openat() is there: Landlock says which files. */
#define OPENS (SET_LOAD | SET_HTTP | SET_NAMES | SET_READ | SET_DATA | SET_SANITIZER)

const struct attack attacks_on_files[] = {
    {"read outside", read_outside, ATTACK_SURE, 0, OPENS},
    {"read through a link", read_through_link, ATTACK_SURE, 0, OPENS},
    {"list a folder outside", list_outside, ATTACK_SURE, 0, OPENS},
    {"read /etc/passwd", read_passwd, ATTACK_SURE, 0, OPENS},
    {"read the host's environment", read_host_environ, ATTACK_SURE, 0, OPENS},
    {"open by path only", open_path_only, ATTACK_SURE, 0, 0},
    {"open by the old call", old_open, 0, 0, SET_SANITIZER},
    {"openat2 outside", openat2_outside, ATTACK_SURE, 0, FILES},
    {"openat2 for writing", openat2_write, ATTACK_SURE, 0, FILES},
    {"write outside", write_outside, ATTACK_SURE, 0, SET_DATA},
    {"append outside", append_outside, ATTACK_SURE, 0, SET_DATA},
    {"create outside", create_outside, ATTACK_SURE, 0, SET_DATA},
    {"create without a name", create_nameless, 0, 0, SET_DATA},
    {"write into the plugin folder", write_in_plugin_dir, 0, 0, SET_DATA},
    {"truncate by reading", truncate_by_reading, ATTACK_SURE, 0, 0},
    {"truncate by openat2", truncate_by_openat2, ATTACK_SURE, 0, FILES},
    {"truncate outside", truncate_outside, ATTACK_SURE, 0, 0},
    {"mkdir outside", mkdir_outside, ATTACK_SURE, 0, SET_DATA},
    {"rename outside", rename_outside, ATTACK_SURE, 0, SET_DATA},
    {"unlink outside", unlink_outside, ATTACK_SURE, 0, SET_DATA},
    {"symlink outside", symlink_outside, ATTACK_SURE, 0, 0},
    {"link outside", link_outside, ATTACK_SURE, 0, 0},
    {"fifo outside", fifo_outside, ATTACK_SURE, 0, 0},
    {"chmod", chmod_outside, ATTACK_SURE, 0, 0},
    {"chown", chown_outside, ATTACK_SURE, 0, 0},
    {"utime", utime_outside, ATTACK_SURE, 0, 0},
    {"extended attributes", xattr_outside, ATTACK_SURE, 0, 0},
    {"stat outside", stat_outside, ATTACK_SURE, FILES, 0},
    {"stat by AT_EMPTY_PATH", stat_by_empty_path_flag, ATTACK_SURE, FILES, 0},
    {"stat by descriptor and path", stat_by_descriptor_and_path, ATTACK_SURE, FILES, 0},
    {"stat by the old call", old_stat, 0, FILES, 0},
    {"statx outside", statx_outside, ATTACK_SURE, FILES, 0},
    {"access outside", access_outside, ATTACK_SURE, FILES, 0},
    {"readlink outside", readlink_outside, ATTACK_SURE, FILES, 0},
    {"inotify outside", watch_outside, ATTACK_SURE, 0, 0},
    {"chdir outside", chdir_outside, ATTACK_SURE, 0, 0},
    {"name_to_handle_at", handle_of_outside, 0, 0, 0},
    {"open by handle", open_by_handle, ATTACK_ROOT | ATTACK_KILL, 0, 0},
    {"memfd", memfd, ATTACK_SURE, 0, 0},
    {0},
};
