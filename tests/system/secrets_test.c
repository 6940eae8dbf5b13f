/*
 * secrets_test.c - the vault through the control socket: who gets a secret, who does not, and where
 * it never appears.
 */
#include "rig.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST  "sk-first-0123456789abcdef"
#define SECOND "sk-second-fedcba9876543210"

static const char plain[] = "[host]\nnode = test\n[service_faulty]\n[service_faulty:two]\n";
static const char with_key[] = "[host]\nnode = test\n[service_faulty]\nkey = secret:openai\n"
                               "[service_faulty:two]\n";

/* ---- Asking ---- */

static struct answer store(struct rig *rig, const char *name, const char *value)
{
    uint8_t mem[600];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "name", name);
    aiex_w_key_bin(&w, "value", value, strlen(value));
    return rig_ask(rig, "host", "host.secret_set", aiex_written(&w), 0);
}

static int stored(struct rig *rig, const char *name, const char *value)
{
    struct answer a = store(rig, name, value);

    if (a.code[0])
        fprintf(stderr, "\n%s: %s\n", a.code, a.text);
    return a.got && !a.code[0];
}

/* Which option of an instance is this text: 0 none, 1 key, 2 fixed_key, 3 keys.* */
static int64_t key_is(struct rig *rig, const char *service, const char *text)
{
    struct answer a = rig_call(rig, service, "key_is", 0, text);

    return answer_int(&a, "key_is");
}

static int has_first(struct rig *rig, void *arg)
{
    return key_is(rig, arg, FIRST) > 0;
}

static int has_second(struct rig *rig, void *arg)
{
    return key_is(rig, arg, SECOND) > 0;
}

static int has_lines(struct rig *rig, void *arg)
{
    return key_is(rig, arg, "a\t" FIRST "\nb\tplain\n") == 3;
}

static int log_says(struct rig *rig, void *arg)
{
    char *text = rig_log(rig);
    int says = text && strstr(text, arg);

    free(text);
    return says;
}

/* ---- Looking for it ---- */

static int file_has(const char *path, const char *text)
{
    static char bytes[4 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));

    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

/* How many places of a process's own memory hold the text; shared memory (rings) is not its own. */
static int memory_has(pid_t pid, const char *text)
{
    static char bytes[1 << 20];
    char path[64], line[512], flags[8];
    unsigned long from, to;
    int mem, found = 0;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    while (maps && mem >= 0 && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, flags) != 3 || strcmp(flags, "rw-p") != 0 ||
            to - from > 1ul << 30)
            continue;
        for (; from < to; from += sizeof(bytes) - 64) {
            ssize_t n = pread(mem, bytes, to - from < sizeof(bytes) ? to - from : sizeof(bytes),
                              (off_t)from);

            found += n > 0 && memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
        }
    }
    if (maps)
        fclose(maps);
    if (mem >= 0)
        close(mem);
    return found;
}

static int proc_has(pid_t pid, const char *text)
{
    char path[64];
    int found = 0;

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    found += file_has(path, text);
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    return found + file_has(path, text);
}

static int folder_has(const char *path, const char *text)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int found = 0;

    while (d && (e = readdir(d))) {
        char name[600];

        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            found += e->d_type == DT_DIR ? folder_has(name, text) : file_has(name, text);
    }
    if (d)
        closedir(d);
    return found;
}

/* Not in the files of the host, its log, nor in what other processes show. */
static void is_nowhere(struct rig *rig, const char *text)
{
    pid_t children[64];
    int n = process_children(rig->pid, children, 64);
    struct answer a = rig_ask(rig, "host", "host.config_show", (struct aiex_slice){0}, 0);

    CU_ASSERT_EQUAL(folder_has(rig->dir, text), 0);
    CU_ASSERT_PTR_NULL(memmem(a.mem, sizeof(a.mem), text, strlen(text)));
    CU_ASSERT_EQUAL(proc_has(rig->pid, text), 0);
    for (int i = 0; i < n; i++)
        CU_ASSERT_EQUAL(proc_has(children[i], text), 0);
}

/* ---- Cases ---- */

static void stored_and_used(void)
{
    struct rig *rig = rig_start(plain);
    struct plugin before, two;
    struct answer a;

    CU_ASSERT(stored(rig, "openai", FIRST));
    rig_write(rig, "10.ini", with_key);
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    CU_ASSERT_EQUAL(key_is(rig, "service_faulty:two", FIRST), 0);
    before = rig_plugin(rig, "service_faulty");
    two = rig_plugin(rig, "service_faulty:two");
    /* a new value: told, not restarted */
    a = store(rig, "openai", SECOND);
    CU_ASSERT(memmem(a.body.data, a.body.len, "service_faulty", 14) != NULL);
    CU_ASSERT(rig_until(rig, has_second, "service_faulty"));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").pid, before.pid);
    /* a crash: the next one gets it, too */
    CU_ASSERT_EQUAL(process_signal(before.pid, SIGKILL), 0);
    CU_ASSERT(rig_until_back(rig, "service_faulty", 1, before.pid));
    CU_ASSERT(key_is(rig, "service_faulty", SECOND) == 1);
    /* nothing to do at a reload of the same files */
    before = rig_plugin(rig, "service_faulty");
    rig_reload(rig);
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").pid, before.pid);
    is_nowhere(rig, FIRST);
    is_nowhere(rig, SECOND);
    CU_ASSERT_EQUAL(memory_has(two.pid, SECOND), 0);
    CU_ASSERT(memory_has(before.pid, SECOND) > 0); /* so the search finds what is there */
    CU_ASSERT_EQUAL(memory_has(rig->pid, FIRST), 0);
    CU_ASSERT_EQUAL(memory_has(rig->pid, SECOND), 0);
    rig_end(rig);
}

static void options_that_can_not_be_reloaded(void)
{
    struct rig *rig = rig_start(plain);
    pid_t pid;

    CU_ASSERT(stored(rig, "openai", FIRST));
    rig_write(rig, "10.ini",
              "[host]\nnode = test\n[service_faulty]\nfixed_key = secret:openai\n"
              "[service_faulty:two]\nkeys.a = secret:openai\nkeys.b = ${NONE:-plain}\n");
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    CU_ASSERT(rig_until(rig, has_lines, "service_faulty:two"));
    pid = rig_plugin(rig, "service_faulty").pid;
    CU_ASSERT(stored(rig, "openai", SECOND));
    CU_ASSERT(rig_until(rig, has_second, "service_faulty"));
    CU_ASSERT(rig_plugin(rig, "service_faulty").pid != pid); /* replaced */
    CU_ASSERT_EQUAL(key_is(rig, "service_faulty:two", "a\t" SECOND "\nb\tplain\n"), 3);
    rig_end(rig);
}

static void listed_and_removed(void)
{
    struct rig *rig = rig_start(plain);
    struct answer a;

    CU_ASSERT(stored(rig, "openai", FIRST));
    CU_ASSERT(stored(rig, "unused", "x"));
    rig_write(rig, "10.ini", with_key);
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    a = rig_ask(rig, "host", "host.secret_list", (struct aiex_slice){0}, 0);
    CU_ASSERT_STRING_EQUAL(a.code, "");
    CU_ASSERT(memmem(a.body.data, a.body.len, "unused", 6) != NULL);
    CU_ASSERT(memmem(a.body.data, a.body.len, "service_faulty", 14) != NULL);
    CU_ASSERT(memmem(a.body.data, a.body.len, FIRST, strlen(FIRST)) == NULL);
    CU_ASSERT_FALSE(rig_host(rig, "host.secret_remove", "name", "openai", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "conflict");
    CU_ASSERT_STRING_EQUAL(a.text, "secret 'openai' is used by service_faulty; change its "
                                   "configuration, or remove it by force");
    CU_ASSERT(rig_host(rig, "host.secret_remove", "name", "unused", NULL));
    CU_ASSERT_FALSE(rig_host(rig, "host.secret_remove", "name", "unused", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "not_found");
    a = store(rig, "wrong/name", "x");
    CU_ASSERT_STRING_EQUAL(a.code, "invalid");
    rig_end(rig);
}

/* {text: service, method} for service_faulty's relay, without splice. */
static struct answer from_a_cell(struct rig *rig, const char *service, const char *method)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "text", service);
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_int(&w, "flags", 0);
    aiex_w_key_str(&w, "name", "openai");
    aiex_w_key_bin(&w, "value", "stolen", 6);
    return rig_ask(rig, "service_faulty", "relay", aiex_written(&w), 0);
}

static void cells_can_not_ask(void)
{
    static const char *const methods[] = {"host.secret_set", "host.secret_list",
                                          "host.secret_remove", "host.secret_rotate"};
    struct rig *rig = rig_start(plain);
    char path[160];

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        CU_ASSERT_STRING_EQUAL(from_a_cell(rig, "host", methods[i]).code, "denied");
        CU_ASSERT_STRING_EQUAL(from_a_cell(rig, "host.control", methods[i]).code, "denied");
    }
    snprintf(path, sizeof(path), "%s/secrets", rig->data);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    rig_end(rig);
}

/* Each says where it is used, and what to do. */
static void what_is_wrong_is_told(void)
{
    struct rig *rig = rig_start(plain);
    char vault[160], key[160];

    snprintf(vault, sizeof(vault), "%s/secrets", rig->data);
    snprintf(key, sizeof(key), "%s/master.key", rig->data);
    rig_write(rig, "10.ini", with_key);
    rig_reload(rig);
    CU_ASSERT(
        rig_until(rig, log_says,
                  "10.ini:4: [service_faulty] key: no secret is named 'openai'; store it: aiex "
                  "secret set openai"));
    CU_ASSERT(stored(rig, "openai", FIRST));
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    CU_ASSERT_EQUAL(chmod(key, 0644), 0);
    CU_ASSERT_EQUAL(truncate(vault, 70), 0);
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, log_says, "10.ini:4: [service_faulty] key: the vault '"));
    CU_ASSERT(rig_until(rig, log_says,
                        "is damaged: it is torn or was changed behind entry 0 of 1; "
                        "restore it from your backup"));
    CU_ASSERT_EQUAL(key_is(rig, "service_faulty", FIRST), 1); /* what runs goes on */
    CU_ASSERT_EQUAL(unlink(vault), 0);
    CU_ASSERT_EQUAL(chmod(key, 0600), 0);
    CU_ASSERT(stored(rig, "openai", SECOND));
    CU_ASSERT(rig_until(rig, has_second, "service_faulty"));
    rig_stop(rig);
    CU_ASSERT_EQUAL(chmod(key, 0644), 0);
    {
        char out[4096] = "";
        char *argv[] = {AIEX_BUILD_DIR "/bin/aiex-host",
                        "--config",
                        rig->config,
                        "--data",
                        rig->data,
                        "--plugins",
                        rig->plugins,
                        "--check",
                        NULL};

        CU_ASSERT_EQUAL(rig_run(argv, out, sizeof(out)), 2);
        CU_ASSERT_PTR_NOT_NULL(
            strstr(out, "10.ini:4: [service_faulty] key: others may read the master key"));
    }
    rig_drop(rig);
}

static void a_new_master_key(void)
{
    struct rig *rig = rig_start(plain);
    struct answer a;

    CU_ASSERT(stored(rig, "openai", FIRST));
    rig_write(rig, "10.ini", with_key);
    rig_reload(rig);
    CU_ASSERT(rig_host(rig, "host.secret_rotate", NULL, NULL, &a));
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    CU_ASSERT(rig_upgrade(rig));
    CU_ASSERT(stored(rig, "openai", SECOND));
    CU_ASSERT(rig_until(rig, has_second, "service_faulty"));
    CU_ASSERT_EQUAL(rig_stop(rig), 0);
    rig_again(rig);
    CU_ASSERT(rig_until(rig, has_second, "service_faulty"));
    rig_end(rig);
}

/* A key of the environment: wiped there, and carried over to the next image of the host. */
static void the_environment_s_key(void)
{
    static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct rig *rig;
    char path[160];
    struct answer a;
    pid_t pid;

    setenv("AIEX_MASTER_KEY", hex, 1);
    rig = rig_start(plain);
    unsetenv("AIEX_MASTER_KEY");
    CU_ASSERT(stored(rig, "openai", FIRST));
    snprintf(path, sizeof(path), "%s/master.key", rig->data);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    rig_write(rig, "10.ini", with_key);
    rig_reload(rig);
    CU_ASSERT(rig_until(rig, has_first, "service_faulty"));
    is_nowhere(rig, hex);
    CU_ASSERT(rig_upgrade(rig));
    pid = rig_plugin(rig, "service_faulty").pid;
    CU_ASSERT_EQUAL(process_signal(pid, SIGKILL), 0);
    CU_ASSERT(rig_until_back(rig, "service_faulty", 1, pid));
    CU_ASSERT_EQUAL(key_is(rig, "service_faulty", FIRST), 1);
    is_nowhere(rig, hex);
    CU_ASSERT_FALSE(rig_host(rig, "host.secret_rotate", NULL, NULL, &a));
    CU_ASSERT_STRING_EQUAL(a.code, "invalid");
    rig_end(rig);
}

const struct test_case tests[] = {
    {"stored and used", stored_and_used},
    {"options that can not be reloaded", options_that_can_not_be_reloaded},
    {"listed and removed", listed_and_removed},
    {"cells can not ask", cells_can_not_ask},
    {"what is wrong is told", what_is_wrong_is_told},
    {"a new master key", a_new_master_key},
    {"the environment's key", the_environment_s_key},
    {0},
};
