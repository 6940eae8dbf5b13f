/* probe_test.c - what is not a plugin, and why, in words; and one that is. */
#include "cell/probe.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNER AIEX_BUILD_DIR "/bin/aiex-runner"
#define PLUGIN AIEX_BUILD_DIR "/tests/plugins/service_faulty.so"

static char path[128];

static void write_file(const void *bytes, size_t len)
{
    int fd;

    strcpy(path, "/tmp/aiex-probe-XXXXXX");
    fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* The reason why `file` is refused; it begins with the path. */
static const char *refusal(const char *file)
{
    static struct aiex_error err;
    struct plugin_info *info = NULL;
    struct probe *p = probe_start(RUNNER, file, &err);

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    err.text[0] = 0;
    CU_ASSERT_EQUAL(probe_finish(p, &info, &err), -EINVAL);
    CU_ASSERT_PTR_NULL(info);
    CU_ASSERT_EQUAL(strncmp(err.text, file, strlen(file)), 0);
    return err.text;
}

static void test_missing(void)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal("/nowhere/x.so"), "No such file"));
}

static void test_text_file(void)
{
    write_file("int main(void) {}\n", 18);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "not an ELF file"));
    unlink(path);
    write_file("", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "not an ELF file"));
    unlink(path);
    write_file("\177ELF", 4);
    CU_ASSERT(strlen(refusal(path)) > strlen(path) + 10);
    unlink(path);
}

static void test_folder(void)
{
    CU_ASSERT(strlen(refusal("/tmp")) > 10);
}

/* ELF, but a program; ELF, but torn. */
static void test_other_elf(void)
{
    uint8_t head[4096];
    int fd = open(PLUGIN, O_RDONLY | O_CLOEXEC);

    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(RUNNER), "can not be loaded"));
    CU_ASSERT_EQUAL_FATAL(read(fd, head, sizeof(head)), sizeof(head));
    close(fd);
    write_file(head, sizeof(head));
    /* the linker sees it, or stumbles over what is missing: the probe dies of a signal, which a
     * sanitizer turns into its own exit code */
#ifdef __SANITIZE_ADDRESS__
    CU_ASSERT(strstr(refusal(path), "can not be loaded") ||
              strstr(refusal(path), "its probe ended with code 1"));
#else
    CU_ASSERT(strstr(refusal(path), "can not be loaded") ||
              strstr(refusal(path), "ends the process with signal"));
#endif
    unlink(path);
}

static void test_plugin(void)
{
    struct aiex_error err = {""};
    struct plugin_info *info = NULL;
    struct probe *p = probe_start(RUNNER, PLUGIN, &err);

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(probe_finish(p, &info, &err), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    CU_ASSERT_STRING_EQUAL(info->name, "service_faulty");
    plugin_info_unref(info);
    CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1); /* its process is gone */
}

static void test_missing_runner(void)
{
    struct aiex_error err = {""};

    CU_ASSERT_PTR_NULL(probe_start("/nowhere/aiex-runner", PLUGIN, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nowhere/aiex-runner"));
}

const struct test_case tests[] = {
    {"missing", test_missing},
    {"text_file", test_text_file},
    {"folder", test_folder},
    {"other_elf", test_other_elf},
    {"plugin", test_plugin},
    {"missing_runner", test_missing_runner},
    {0},
};
