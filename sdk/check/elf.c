/*
 * elf.c - reads a strange file as ELF with every offset checked against its size.
 * Layouts: System V ABI, chapters 4 and 5; <elf.h>.
 */
#include "elf.h"

#include "load.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#else
#error "add this machine's number of <elf.h>"
#endif

struct file {
    const uint8_t *data;
    size_t len;
};

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned number;
        const char *name;
    } names[] = {{EM_386, "i386"},        {EM_ARM, "arm"},     {EM_X86_64, "x86-64"},
                 {EM_AARCH64, "aarch64"}, {EM_RISCV, "riscv"}, {EM_PPC64, "ppc64"},
                 {EM_S390, "s390x"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == machine)
            return names[i].name;
    }
    return "unknown";
}

static int map_file(const char *path, struct file *f, struct aiex_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), e = errno;
    void *mem;

    if (fd < 0)
        return load_error(err, -e, "%s: can not be read: %s", path, strerror(e));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return load_error(err, -EINVAL, "%s: is not a file; name the plugin's .so", path);
    }
    if ((size_t)st.st_size < sizeof(Elf64_Ehdr)) {
        close(fd);
        return load_error(err, -ENOEXEC, "%s: is not a shared object: only %lld bytes long", path,
                          (long long)st.st_size);
    }
    mem = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    e = errno;
    close(fd);
    if (mem == MAP_FAILED)
        return load_error(err, -e, "%s: can not be read: %s", path, strerror(e));
    f->data = mem;
    f->len = (size_t)st.st_size;
    return 0;
}

static void unmap_file(struct file *f)
{
    munmap((void *)f->data, f->len);
}

static int look_at_head(const char *path, const struct file *f, struct aiex_error *err)
{
    Elf64_Ehdr h;

    memcpy(&h, f->data, sizeof(h));
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
        return load_error(err, -ENOEXEC, "%s: is not a shared object: it has no ELF header", path);
    if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_machine != OUR_MACHINE)
        return load_error(
            err, -ENOEXEC,
            "%s: is built for machine %s (%u bit), this host is %s (64 bit); build it "
            "for this machine",
            path, machine_name(h.e_machine), h.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32,
            machine_name(OUR_MACHINE));
    if (h.e_type != ET_DYN)
        return load_error(err, -ENOEXEC,
                          "%s: is an ELF file but no shared object; link it with -shared", path);
    return 0;
}

int elf_look(const char *path, struct aiex_error *err)
{
    struct file f;
    int result = map_file(path, &f, err);

    if (result < 0)
        return result;
    result = look_at_head(path, &f, err);
    unmap_file(&f);
    return result;
}

/* Is [offset, offset + n * size) inside the file. */
static int inside(const struct file *f, uint64_t offset, uint64_t n, uint64_t size)
{
    uint64_t bytes;

    return !__builtin_mul_overflow(n, size, &bytes) && offset <= f->len && bytes <= f->len - offset;
}

static int section(const struct file *f, const Elf64_Ehdr *h, unsigned i, Elf64_Shdr *ret)
{
    if (i >= h->e_shnum || h->e_shentsize != sizeof(*ret) ||
        !inside(f, h->e_shoff, h->e_shnum, sizeof(*ret)))
        return -ENOEXEC;
    memcpy(ret, f->data + h->e_shoff + i * sizeof(*ret), sizeof(*ret));
    return ret->sh_type == SHT_NOBITS || inside(f, ret->sh_offset, ret->sh_size, 1) ? 0 : -ENOEXEC;
}

static void walk_symbols(const struct file *f, const Elf64_Shdr *symbols, const Elf64_Shdr *texts,
                         void (*fn)(void *arg, const char *name, int defined), void *arg)
{
    const char *text = (const char *)f->data + texts->sh_offset;

    for (uint64_t i = 1; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym s;

        memcpy(&s, f->data + symbols->sh_offset + i * sizeof(s), sizeof(s));
        if (ELF64_ST_BIND(s.st_info) == STB_LOCAL || s.st_name >= texts->sh_size ||
            !memchr(text + s.st_name, 0, texts->sh_size - s.st_name))
            continue;
        if (s.st_shndx == SHN_UNDEF)
            fn(arg, text + s.st_name, 0);
        else if (ELF64_ST_VISIBILITY(s.st_other) == STV_DEFAULT ||
                 ELF64_ST_VISIBILITY(s.st_other) == STV_PROTECTED)
            fn(arg, text + s.st_name, 1);
    }
}

int elf_symbols(const char *path, void (*fn)(void *arg, const char *name, int defined), void *arg,
                struct aiex_error *err)
{
    struct file f;
    Elf64_Ehdr h;
    Elf64_Shdr symbols, texts;
    int result = map_file(path, &f, err);

    if (result < 0)
        return result;
    memcpy(&h, f.data, sizeof(h));
    result = -ENOEXEC;
    for (unsigned i = 0; i < h.e_shnum && result < 0; i++) {
        if (section(&f, &h, i, &symbols) < 0)
            break;
        if (symbols.sh_type == SHT_DYNSYM && section(&f, &h, symbols.sh_link, &texts) == 0) {
            walk_symbols(&f, &symbols, &texts, fn, arg);
            result = 0;
        }
    }
    unmap_file(&f);
    if (result < 0)
        return load_error(err, result, "%s: has no readable table of dynamic symbols", path);
    return 0;
}
