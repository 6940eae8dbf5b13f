/* load_test.c - files that are no plugin, each with its own sentence; and one that is. */
#include "runner/load.h"
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN AIEX_BUILD_DIR "/tests/plugins/service_faulty.so"

static char path[64];

static void write_file(const void *bytes, size_t len)
{
    int fd;

    strcpy(path, "/tmp/aiex-load-XXXXXX");
    fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static const char *refusal(const char *file)
{
    static struct aiex_error err;
    const struct aiex_plugin *plugin = NULL;

    err.text[0] = 0;
    CU_ASSERT_EQUAL(load_plugin(file, &plugin, &err), -EINVAL);
    CU_ASSERT_EQUAL(load_plugin(file, &plugin, NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(plugin);
    return err.text;
}

static void test_files(void)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal("/nowhere/x.so"), "No such file"));
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal("/tmp"), "can not be read"));
    write_file("#!/bin/sh\n", 10);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "not an ELF file"));
    unlink(path);
    write_file("", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "not an ELF file"));
    unlink(path);
    write_file("\177ELF", 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "another processor"));
    unlink(path);
}

/* The head of a real one, with one thing wrong. */
static void test_heads(void)
{
    Elf64_Ehdr real, head;
    int fd = open(PLUGIN, O_RDONLY | O_CLOEXEC);

    CU_ASSERT_EQUAL_FATAL(read(fd, &real, sizeof(real)), sizeof(real));
    close(fd);
    head = real;
    head.e_machine = EM_RISCV;
    write_file(&head, sizeof(head));
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "RISC-V"));
    unlink(path);
    head = real;
    head.e_ident[EI_CLASS] = ELFCLASS32;
    write_file(&head, sizeof(head));
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "another processor"));
    unlink(path);
    head = real;
    head.e_type = ET_REL;
    write_file(&head, sizeof(head));
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(path), "not a shared object"));
    unlink(path);
}

static void test_not_a_plugin(void)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(AIEX_BUILD_DIR "/tests/load_no_plugin.so"),
                                  "does not export aiex_plugin_entry"));
    /* a program; its own path is not said twice */
    CU_ASSERT_PTR_NOT_NULL(strstr(refusal(AIEX_BUILD_DIR "/bin/aiex-runner"), "can not be loaded"));
    CU_ASSERT_PTR_NULL(strstr(refusal(AIEX_BUILD_DIR "/bin/aiex-runner"), AIEX_BUILD_DIR));
}

static void test_plugin(void)
{
    static const struct aiex_plugin *plugin; /* for ever */
    struct aiex_error err = {""};

    CU_ASSERT_EQUAL_FATAL(load_plugin(PLUGIN, &plugin, &err), 0);
    CU_ASSERT_EQUAL(plugin->magic, AIEX_ABI_MAGIC);
    CU_ASSERT_STRING_EQUAL(plugin->name, "service_faulty");
}

const struct test_case tests[] = {
    {"files", test_files},
    {"heads", test_heads},
    {"not_a_plugin", test_not_a_plugin},
    {"plugin", test_plugin},
    {0},
};
