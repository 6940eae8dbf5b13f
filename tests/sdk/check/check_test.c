/* check_test.c - aiex-check as a program: every fault has its finding, and only its finding. */
#include "test.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULES AIEX_BUILD_DIR "/tests/faulty_sdk/"

static char output[1 << 16];

/* Runs aiex-check with these arguments; its exit code, and stdout in `output`. */
static int check(const char *arguments)
{
    char command[1024];
    FILE *f;
    size_t n;

    snprintf(command, sizeof(command), "%s/bin/aiex-check %s 2>/dev/null", AIEX_BUILD_DIR,
             arguments);
    f = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = 0;
    return WEXITSTATUS(pclose(f));
}

static size_t lines(void)
{
    size_t n = 0;

    for (const char *p = output; *p; p++)
        n += *p == '\n';
    return n;
}

static void expect(const char *arguments, int code, const char *line)
{
    char full[512];
    int got;

    snprintf(full, sizeof(full), "%s", arguments);
    got = check(full);
    if (got != code || (line && !strstr(output, line)))
        printf("\n  aiex-check %s: %d\n  %s\n  not: %s\n", arguments, got, output, line);
    CU_ASSERT_EQUAL(got, code);
    if (line)
        CU_ASSERT_PTR_NOT_NULL(strstr(output, line));
}

static void good_ones_pass(void)
{
    static const char *const names[] = {"good", "slow", "old_minor", "new_minor"};

    for (size_t i = 0; i < 4; i++) {
        char path[256];

        snprintf(path, sizeof(path), "--kind service/1 %sservice_%s.so", MODULES, names[i]);
        expect(path, 0, NULL);
        CU_ASSERT_STRING_EQUAL(output, "");
    }
}

static void files_that_do_not_load(void)
{
    expect(MODULES "service_wrong_major.so", 1,
           "built for plugin ABI 2.2, this host speaks 1.2; rebuild it against the installed SDK");
    CU_ASSERT_EQUAL(lines(), 1);
    expect(MODULES "service_wrong_magic.so", 1, "its descriptor begins with 0x00000001");
    expect(MODULES "service_tiny.so", 1, "its descriptor says 16 bytes");
    expect(MODULES "service_no_descriptor.so", 1,
           "its entry gives no descriptor for plugin ABI 1.2");
    expect(MODULES "service_no_entry.so", 1,
           "is not an Aiex plugin: it does not export aiex_plugin_entry");
    expect(MODULES "service_dies_loading.so", 1, "file: crashed (Killed) while: loading it");
    CU_ASSERT_EQUAL(lines(), 1);
    expect(MODULES "no_such_file.so", 1, "can not be read: No such file or directory");
    expect(MODULES, 1, "is not a file; name the plugin's .so");
}

/* A copy of a good module, spoiled. */
static void spoil(const char *name, size_t keep, size_t offset, const void *bytes, size_t n)
{
    static char mem[1 << 22];
    char path[256];
    FILE *f = fopen(MODULES "service_good.so", "rb");
    size_t len;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    len = fread(mem, 1, sizeof(mem), f);
    fclose(f);
    memcpy(mem + offset, bytes, n);
    snprintf(path, sizeof(path), "%s%s", MODULES, name);
    f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(mem, 1, keep ? keep : len, f);
    fclose(f);
}

static void files_of_other_machines(void)
{
    const Elf64_Half s390 = EM_S390, none = ET_REL;
    const unsigned char class32 = ELFCLASS32;

    spoil("spoiled.so", 0, offsetof(Elf64_Ehdr, e_machine), &s390, sizeof(s390));
    expect(MODULES "spoiled.so", 1, "is built for machine s390x (64 bit), this host is ");
    spoil("spoiled.so", 0, EI_CLASS, &class32, 1);
    expect(MODULES "spoiled.so", 1, "(32 bit), this host is ");
    spoil("spoiled.so", 0, offsetof(Elf64_Ehdr, e_type), &none, sizeof(none));
    expect(MODULES "spoiled.so", 1, "is an ELF file but no shared object; link it with -shared");
    spoil("spoiled.so", 0, 0, "text", 4);
    expect(MODULES "spoiled.so", 1, "is not a shared object: it has no ELF header");
    spoil("spoiled.so", 40, 0, "", 0);
    expect(MODULES "spoiled.so", 1, "is not a shared object: only 40 bytes long");
    spoil("spoiled.so", 4000, 0, "", 0);
    expect(MODULES "spoiled.so", 1, "file: ");
    spoil("spoiled.so", 0, 0, "", 0);
    if (geteuid() != 0) {
        chmod(MODULES "spoiled.so", 0);
        expect(MODULES "spoiled.so", 1, "can not be read: Permission denied");
    }
    unlink(MODULES "spoiled.so");
}

static void one_fault_each(void)
{
    static const struct {
        const char *arguments, *line;
    } faults[] = {
        {"--only descriptor " MODULES "service_other_name.so",
         "descriptor: name 'service_other' is not the file name 'service_other_name.so'; "},
        {"--only descriptor --kind tier/1 " MODULES "service_good.so",
         "descriptor: kind is 'service/1', expected 'tier/1'; "},
        {"--only symbols " MODULES "service_extra_export.so", "symbols: exports 'faulty_extra'; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: option 'text' has no help; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: option 'restart' is a key of the host"},
        {"--only options " MODULES "service_bad_options.so",
         "options: default of option restart = '12 parsecs'"},
        {"--only options " MODULES "service_bad_options.so",
         "options: secret 'key' has a default in the code; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: options 'restart' and 'key' overlap; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: option 'many.*' takes many keys and has type 2; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: option 'many.*' takes many keys and is required or has a default; "},
        {"--only options " MODULES "service_bad_options.so",
         "options: option 'far' lies at 24 of 24 bytes; "},
        {"--only life " MODULES "service_leaks_alloc.so",
         "life: 1 allocations (100 bytes) are left"},
        {"--only life " MODULES "service_leaks_timer.so", "life: 1 timers run after destroy; "},
        {"--only life " MODULES "service_leaks_fd.so", "life: 90 file descriptors more"},
        {"--only life " MODULES "service_leaks_thread.so", "life: 90 threads more"},
        {"--only life " MODULES "service_leaks_malloc.so", "life: "},
        {"--only life " MODULES "service_dies_in_create.so",
         "life: the process ended with status 7 while: create and start"},
        {"--only life --limit 1 " MODULES "service_hangs.so",
         "life: no end after 1 s while: create and start"},
        {"--only values " MODULES "service_silent_refusal.so",
         "values: number = '9' is refused without a reason; "},
        {"--only unknown " MODULES "service_answers_unknown.so",
         "unknown: unknown method 'no.such_method' is answered with success; "},
        {"--only hostile " MODULES "service_trusts_bodies.so",
         "hostile: crashed (Killed) while: service.health with a broken body; "},
        {"--only cancel " MODULES "service_answers_cancelled.so",
         "cancel: service.health is answered after its cancel; "},
        {"--only window " MODULES "chunker_ignores_pause.so",
         "window: chunker.chunk goes on after AIEX_PAUSE; "},
        {"--only memory " MODULES "service_unchecked_alloc.so",
         "memory: crashed (Killed) while: a life in which allocation 1 fails; "},
        {"--only kind " MODULES "service_replies_on_thread.so",
         "kind: 1 wrong uses of the host table"},
        {"--only kind " MODULES "service_wrong_end.so",
         "kind: service.health: the end is wrong: field 'healthy' is str, expected bool; "},
        {"--only kind " MODULES "service_never_answers.so",
         "kind: service.health is not answered; "},
        {"--only kind " MODULES "chunker_ignores_pause.so",
         "kind: does not join the name 'chunker'; "},
        {"--only drain " MODULES "service_never_drains.so", "drain: drain() did not end"},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        expect(faults[i].arguments, 1, faults[i].line);
}

static void command_line(void)
{
    expect("", 2, NULL);
    expect("--only no_such_check " MODULES "service_good.so", 2, NULL);
    expect("--set novalue " MODULES "service_good.so", 2, NULL);
    expect("--limit 0 " MODULES "service_good.so", 2, NULL);
    expect("--list", 0, "kind        answers the methods of its kind");
    expect("--version", 0, "plugin ABI 1.2");
    expect("--set number=12 --only kind " MODULES "service_good.so", 0,
           "kind: not checked: the default configuration is refused: number = '12'");
    expect("--json " MODULES "service_good.so", 0, "\"findings\":[]}");
    expect("--json --only symbols " MODULES "service_extra_export.so", 1,
           "\"findings\":[{\"check\":\"symbols\",\"what\":\"exports 'faulty_extra'\",\"do\":\"");
}

const struct test_case tests[] = {
    {"good ones pass", good_ones_pass},
    {"files that do not load", files_that_do_not_load},
    {"files of other machines", files_of_other_machines},
    {"one fault each", one_fault_each},
    {"command line", command_line},
    {0},
};
