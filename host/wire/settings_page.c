#include "wire/settings_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int settings_page_make(struct settings_page **ret)
{
    int fd = memfd_create("aiex-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;
    struct settings_page *page;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct settings_page)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
        !(page = settings_page_adopt(fd))) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret = page;
    return fd;
}

struct settings_page *settings_page_adopt(int fd)
{
    void *page = mmap(NULL, sizeof(struct settings_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return page == MAP_FAILED ? NULL : page;
}

int settings_page_reader(int fd)
{
    char path[64];
    int reader;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    return reader < 0 ? -errno : reader;
}

const struct settings_page *settings_page_map(int fd)
{
    void *page = mmap(NULL, sizeof(struct settings_page), PROT_READ, MAP_SHARED, fd, 0);

    return page == MAP_FAILED ? NULL : page;
}

void settings_page_unmap(const struct settings_page *page)
{
    if (page)
        munmap((void *)page, sizeof(*page));
}

const struct setting_slot *settings_page_find(const struct settings_page *page, const char *name)
{
    uint32_t n = atomic_load_explicit(&page->n, memory_order_acquire);

    for (uint32_t i = 0; i < n && i < SETTINGS_SLOTS; i++)
        if (!strcmp(page->slots[i].name, name))
            return &page->slots[i];
    return NULL;
}

static void write_slot(struct settings_page *page, struct setting_slot *slot, int is_set, int64_t whole,
                       const char *text)
{
    uint32_t s = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    atomic_store_explicit(&slot->sequence, s + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(slot->text, text, strlen(text) + 1);
    slot->is_set = (uint32_t)is_set;
    __atomic_store_n(&slot->whole, whole, __ATOMIC_RELAXED);
    atomic_store_explicit(&slot->sequence, s + 2, memory_order_release);
    atomic_fetch_add_explicit(&page->version, 1, memory_order_release);
}

int settings_page_set(struct settings_page *page, const char *name, int64_t whole, const char *text)
{
    struct setting_slot *slot = (struct setting_slot *)settings_page_find(page, name);
    uint32_t n = atomic_load_explicit(&page->n, memory_order_relaxed);

    if (strlen(name) >= sizeof(slot->name) || strlen(text) >= sizeof(slot->text))
        return -EMSGSIZE;
    if (slot && slot->is_set && slot->whole == whole && !strcmp(slot->text, text))
        return 0;
    if (!slot) {
        if (n == SETTINGS_SLOTS)
            return -ENOSPC;
        slot = &page->slots[n];
        memcpy(slot->name, name, strlen(name) + 1);
        write_slot(page, slot, 1, whole, text);
        atomic_store_explicit(&page->n, n + 1, memory_order_release);
        return 0;
    }
    write_slot(page, slot, 1, whole, text);
    return 0;
}

void settings_page_unset(struct settings_page *page, const char *name)
{
    struct setting_slot *slot = (struct setting_slot *)settings_page_find(page, name);

    if (slot && slot->is_set)
        write_slot(page, slot, 0, 0, "");
}

int settings_page_text(const struct setting_slot *slot, char *out, size_t size)
{
    char copy[sizeof(slot->text)];
    uint32_t before, is_set;

    do {
        before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        memcpy(copy, slot->text, sizeof(copy));
        is_set = slot->is_set;
        atomic_thread_fence(memory_order_acquire);
    } while ((before & 1) || before != atomic_load_explicit(&slot->sequence, memory_order_relaxed));
    copy[sizeof(copy) - 1] = 0;
    if (!is_set)
        return -ENOENT;
    if (strlen(copy) >= size)
        return -ENOSPC;
    memcpy(out, copy, strlen(copy) + 1);
    return (int)strlen(copy);
}
