/*
 * sandbox_layer_test.c - what is reported, what is missing, limits, refused specs, cells that
 * several plugins share, and every ABI of Landlock.
 */
#include "sandbox_cell.h"
#include "test.h"

#include "runner/sandbox/landlock.h"
#include "runner/sandbox/profile.h"
#include "runner/sandbox/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static struct scene scene;

/* The layer that begins with `name`, or NULL. */
static const struct sandbox_layer *layer(const struct sandbox_report *r, const char *name)
{
    for (uint32_t i = 0; i < r->n_layers; i++)
        if (strncmp(r->layers[i].text, name, strlen(name)) == 0)
            return &r->layers[i];
    return NULL;
}

static int is(const struct sandbox_report *r, const char *name, int active)
{
    const struct sandbox_layer *l = layer(r, name);

    return l && l->active == active;
}

static void in_scene(int (*body)(void *), void *arg)
{
    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    CU_ASSERT_EQUAL(cell_run(body, arg), 0);
    scene_close(&scene);
}

static int enter(const struct cell_profile *profile, struct sandbox_report *report)
{
    struct sandbox_spec spec;
    struct aiex_error err;

    cell_spec(&spec, profile, &scene);
    return sandbox_enter(&spec, report, &err);
}

static int report_body(void *arg)
{
    const struct cell_profile provider = {"provider/1", AIEX_NEED_HTTP};
    struct sandbox_report r;
    int abi = landlock_abi(LANDLOCK_ABI_KNOWN);

    if (enter(&provider, &r))
        return 1;
    if (!is(&r, "no_new_privs: on", 1) || !is(&r, "dumpable: off", 1) ||
        !is(&r, "capabilities: ", 1) || !is(&r, "threads: none", 1) || !is(&r, "seccomp: on", 1))
        return 2;
    if (!is(&r, abi ? "landlock: ABI " : "landlock: not in this kernel", abi > 0))
        return 3;
    if (abi >= 4 && r.n_missing != 0)
        return 4;
    return 0;
}

static void the_report_names_the_layers(void)
{
    in_scene(report_body, NULL);
}

static int no_landlock_body(void *arg)
{
    const struct cell_profile provider = {"provider/1", AIEX_NEED_HTTP};
    struct sandbox_report r;

    if (cell_without_call(SYS_landlock_create_ruleset, *(int *)arg) || enter(&provider, &r))
        return 1;
    if (!is(&r, "landlock: not in this kernel", 0) || !is(&r, "seccomp: on", 1))
        return 2;
    return r.n_missing == 1 ? 0 : 3;
}

static void missing_landlock_is_named(void)
{
    static int errors[] = {ENOSYS, EOPNOTSUPP}; /* not built; switched off at boot */

    in_scene(no_landlock_body, &errors[0]);
    in_scene(no_landlock_body, &errors[1]);
}

/* What is left of root: CAP_DAC_OVERRIDE (1) at most. */
static int holds_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    if (syscall(SYS_capget, &head, caps))
        return 1;
    return (caps[0].permitted & ~2u) || (caps[0].effective & ~2u) || caps[1].permitted;
}

static int no_seccomp_body(void *arg)
{
    const struct cell_profile chunker = {"chunker/1", 0};
    struct sandbox_report r;
    struct sandbox_spec spec;

    if (cell_without_call(SYS_seccomp, *(int *)arg) || enter(&chunker, &r))
        return 1;
    if (!is(&r, "seccomp: not in this kernel", 0))
        return 2;
    if (prctl(PR_GET_DUMPABLE) != 0 || holds_capabilities())
        return 4;
    cell_spec(&spec, &chunker, &scene);
    return sandbox_tighten(&spec, NULL) == 0 ? 0 : 3;
}

static void missing_seccomp_is_named(void)
{
    static int errors[] = {ENOSYS, EINVAL};

    in_scene(no_seccomp_body, &errors[0]);
    in_scene(no_seccomp_body, &errors[1]);
}

static int refused_layer_body(void *arg)
{
    const struct cell_profile chunker = {"chunker/1", 0};
    struct sandbox_report r;

    if (cell_without_call(*(long *)arg, EPERM))
        return 1;
    return enter(&chunker, &r) == -EPERM ? 0 : 2;
}

/* A layer that is there but refuses must not be taken for a missing one. */
static void a_refusing_layer_is_an_error(void)
{
    static long calls[] = {SYS_capset,  SYS_landlock_restrict_self, SYS_landlock_add_rule,
                           SYS_seccomp, SYS_rt_sigaction,           SYS_capget};

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int of_landlock = calls[i] == SYS_landlock_restrict_self ||
                          calls[i] == SYS_landlock_add_rule;

        if (landlock_abi(1) || !of_landlock)
            in_scene(refused_layer_body, &calls[i]);
    }
}

static int off_body(void *arg)
{
    const struct cell_profile chunker = {"chunker/1", 0};
    struct sandbox_report r;
    struct sandbox_spec spec;
    struct rlimit lim;

    cell_spec(&spec, &chunker, &scene);
    spec.off = 1;
    spec.limit_files = 50;
    if (sandbox_enter(&spec, &r, NULL) || sandbox_tighten(&spec, NULL))
        return 1;
    if (!is(&r, "sandbox: off", 0) || layer(&r, "seccomp"))
        return 2;
    if (open(scene.secret, O_RDONLY) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
        return 3;
    return getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur == 50 ? 0 : 4;
}

static void off_leaves_the_limits(void)
{
    in_scene(off_body, NULL);
}

/* Through a volatile pointer: a compiler may leave out a malloc() that nobody uses. */
static int gets_memory(size_t bytes)
{
    void *volatile mem = malloc(bytes);

    free(mem);
    return mem != NULL;
}

static int limits_body(void *arg)
{
    const struct cell_profile store = {"store/1", *(uint32_t *)arg};
    struct sandbox_report r;
    struct sandbox_spec spec;
    struct rlimit core;
    struct rlimit files;
    struct rlimit size;

    cell_spec(&spec, &store, &scene);
    spec.limit_memory_bytes = 64 * MIB;
    spec.limit_files = 40;
    if (freopen("/dev/null", "w", stderr) == NULL || sandbox_enter(&spec, &r, NULL))
        return 1;
    if (getrlimit(RLIMIT_MEMLOCK, &size) || size.rlim_max > MIB)
        return 8;
    if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max || getrlimit(RLIMIT_NOFILE, &files) ||
        files.rlim_max != 40 || getrlimit(RLIMIT_FSIZE, &size))
        return 2;
    if (!!spec.data_dir != !!size.rlim_max)
        return 3;
    for (int i = 0; i < 40; i++)
        if (dup(0) < 0)
            break;
    if (dup(0) >= 0 || errno != EMFILE)
        return 4;
    if (SANDBOX_SANITIZER)
        return is(&r, "memory: not limited in a sanitizer build", 0) ? 0 : 5;
    if (!is(&r, "memory: at most 64 MiB", 1) || gets_memory(128 * MIB))
        return 6;
    return gets_memory(16 * MIB) ? 0 : 7;
}

static void limits_hold(void)
{
    static uint32_t needs[] = {0, AIEX_NEED_DATA};

    in_scene(limits_body, &needs[0]);
    in_scene(limits_body, &needs[1]);
}

static void refused_specs(void)
{
    static const struct {
        struct sandbox_spec spec;
        int rc;
        const char *text;
    } cases[] = {
        {{.kind = "chunker/1", .needs = AIEX_NEED_HTTP, .plugin_path = HOSTILE}, -EPERM, "'http'"},
        {{.kind = "chunker/1", .data_dir = "/tmp", .plugin_path = HOSTILE}, -EPERM, "'data'"},
        {{.kind = "provider/1", .needs = AIEX_NEED_LISTEN, .plugin_path = HOSTILE},
         -EPERM,
         "'listen'"},
        {{.kind = "chunkers/1", .needs = AIEX_NEED_LISTEN, .plugin_path = HOSTILE},
         -EPERM,
         "'chunkers/1'"},
        {{.kind = "store/1", .needs = 1u << 20, .plugin_path = HOSTILE}, -EPERM, "'unknown'"},
        {{.kind = "", .plugin_path = HOSTILE}, -EINVAL, "without kind"},
        {{.kind = NULL, .plugin_path = HOSTILE}, -EINVAL, "without kind"},
        {{.kind = "store/1"}, -EINVAL, "without kind"},
        {{.kind = "provider/1", .plugin_path = HOSTILE, .n_ports = 1}, -EINVAL, "length"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aiex_error err = {""};
        struct sandbox_report r;

        CU_ASSERT_EQUAL(sandbox_enter(&cases[i].spec, &r, &err), cases[i].rc);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].text));
        CU_ASSERT_EQUAL(sandbox_tighten(&cases[i].spec, &err), cases[i].rc);
    }
    CU_ASSERT_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static int missing_folder_body(void *arg)
{
    const struct cell_profile store = {"store/1", AIEX_NEED_DATA | AIEX_NEED_READ};
    const char *nowhere = "/nonexistent/folder";
    struct aiex_error err = {""};
    struct sandbox_report r;
    struct sandbox_spec spec;

    cell_spec(&spec, &store, &scene);
    if (*(int *)arg == 0)
        spec.data_dir = nowhere;
    else if (*(int *)arg == 1)
        spec.read_dirs = &nowhere;
    else
        spec.plugin_path = nowhere;
    if (sandbox_enter(&spec, &r, &err) != -ENOENT)
        return 1;
    return strstr(err.text, nowhere) ? 0 : 2;
}

static void missing_folders_are_named(void)
{
    static int which[] = {0, 1, 2};

    for (size_t i = 0; landlock_abi(1) && i < 3; i++)
        in_scene(missing_folder_body, &which[i]);
}

/* A thread that says when the C library has set it up, then waits. */
static void *waits(void *arg)
{
    int *fds = arg;
    char byte = 1;

    return write(fds[3], &byte, 1) != 1 || read(fds[0], &byte, 1) < 0 ? arg : NULL;
}

static int busy_body(void *arg)
{
    const struct cell_profile chunker = {"chunker/1", 0};
    struct sandbox_report r;
    pthread_t thread;
    int fds[4];
    char byte;

    if (pipe(fds) || pipe(fds + 2) || pthread_create(&thread, NULL, waits, fds) ||
        read(fds[2], &byte, 1) != 1)
        return 1;
    return enter(&chunker, &r) == (SANDBOX_SANITIZER ? 0 : -EBUSY) ? 0 : 2;
}

static void another_thread_is_refused(void)
{
    in_scene(busy_body, NULL);
}

static int read_only(const char *dir, const char *name)
{
    char path[200];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int shared_cell_body(void *arg)
{
    const struct cell_profile chunker = {"chunker/1", AIEX_NEED_READ};
    const struct cell_profile provider = {"provider/1", AIEX_NEED_HTTP};
    struct sandbox_spec first;
    struct sandbox_spec second;
    struct rlimit files;
    int fd;

    cell_spec(&first, &chunker, &scene);
    cell_spec(&second, &provider, &scene);
    second.limit_files = 77;
    first.limit_files = 30;
    first.next = &second;
    if (cell_enter(&first) || cell_tighten(&first))
        return 1;
    if (read_only(scene.shared, "text") != 0)
        return 2;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur != 77)
        return 3;
    return socket(AF_INET, SOCK_DGRAM, 0) < 0 && errno == EPERM ? 0 : 4;
}

static void plugins_of_a_shared_cell_add_up(void)
{
    struct sandbox_spec on = {.kind = "service/1", .plugin_path = HOSTILE};
    struct sandbox_spec off = {.kind = "service/1", .plugin_path = HOSTILE, .off = 1, .next = &on};
    struct sandbox_report r;

    in_scene(shared_cell_body, NULL);
    CU_ASSERT_EQUAL(sandbox_enter(&off, &r, NULL), -EINVAL);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = connect(fd, (struct sockaddr *)&a, sizeof a) ? errno : 0;

    close(fd);
    return rc;
}

static int landlock_body(void *arg)
{
    const struct cell_profile service = {"service/1",
                                         AIEX_NEED_HTTP | AIEX_NEED_DATA | AIEX_NEED_READ};
    int abi = *(int *)arg;
    struct sandbox_spec spec;
    char path[200];
    uint32_t sets;
    int fd;

    cell_spec(&spec, &service, &scene);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (profile_sets(&spec, &sets, NULL) || landlock_seal(&spec, sets, abi, NULL))
        return 1;
    if (read_only(scene.outside, "secret") != EACCES || read_only(scene.outside, "") != EACCES)
        return 2;
    if (read_only(scene.shared, "text") != 0 || read_only("/etc", "ld.so.cache") != 0)
        return 3;
    snprintf(path, sizeof path, "%s/own", scene.data);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, 10) || unlink(path))
        return 4;
    if (mkfifo(path, 0600) == 0 || symlink("x", path) == 0)
        return 5;
    snprintf(path, sizeof path, "%s/text", scene.shared);
    if ((open(path, O_RDONLY | O_TRUNC) >= 0) != (abi < LANDLOCK_ABI_TRUNCATE))
        return 9;
    if (connect_to(scene.good_port) != 0)
        return 6;
    if (connect_to(scene.bad_port) != (abi >= 4 ? EACCES : 0))
        return 7;
    return kill(scene.victim, 0) == (abi >= 6 ? -1 : 0) ? 0 : 8;
}

static void every_abi_of_landlock(void)
{
    for (int abi = 1; abi <= landlock_abi(LANDLOCK_ABI_KNOWN); abi++)
        in_scene(landlock_body, &abi);
    CU_ASSERT_EQUAL(landlock_abi(0), 0);
}

static char *document(void)
{
    FILE *f = fopen(AIEX_SOURCE_DIR "/docs/sandbox.md", "r");
    char *text = calloc(1, 256 * 1024);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT(fread(text, 1, 256 * 1024 - 1, f) > 0);
    fclose(f);
    return text;
}

static void the_document_names_everything(void)
{
    char *text = document();
    char word[64];

    for (const struct sandbox_profile *p = sandbox_profiles; p->kind; p++) {
        snprintf(word, sizeof word, "`%s`", p->kind);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, word));
    }
    for (const struct rule *r = sandbox_rules; r->call; r++) {
        snprintf(word, sizeof word, "`%s`", r->call);
        if (!strstr(text, word))
            fprintf(stderr, "\n  docs/sandbox.md does not name %s", word);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, word));
    }
    free(text);
}

const struct test_case tests[] = {
    {"the report names the layers", the_report_names_the_layers},
    {"missing landlock is named", missing_landlock_is_named},
    {"missing seccomp is named", missing_seccomp_is_named},
    {"a refusing layer is an error", a_refusing_layer_is_an_error},
    {"off leaves the limits", off_leaves_the_limits},
    {"limits hold", limits_hold},
    {"refused specs", refused_specs},
    {"missing folders are named", missing_folders_are_named},
    {"another thread is refused", another_thread_is_refused},
    {"plugins of a shared cell add up", plugins_of_a_shared_cell_add_up},
    {"every ABI of landlock", every_abi_of_landlock},
    {"the document names everything", the_document_names_everything},
    {0},
};
