/*
 * settings_page.h - hot values in shared memory: one page file that the host writes
 * and every cell maps read-only. Cells get a descriptor that was opened for reading, so
 * that they can not map it writable; the sandbox keeps them from opening it again.
 *
 * Slots are never moved or reused for another name while the host lives, so a reader
 * may keep the address of a value. A whole number is one aligned 64-bit word; texts
 * are guarded by a sequence counter that is odd while the text changes.
 */
#ifndef AIEX_WIRE_SETTINGS_PAGE_H
#define AIEX_WIRE_SETTINGS_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_SLOTS 1024u

struct setting_slot {
    char name[96];              /* "" = free; written once */
    _Atomic uint32_t sequence;
    uint32_t is_set;            /* 0: was removed from the configuration */
    _Alignas(8) int64_t whole;
    char text[144];
};

struct settings_page {
    _Atomic uint64_t version; /* counts changes */
    _Atomic uint32_t n;
    uint32_t reserved[13];
    struct setting_slot slots[SETTINGS_SLOTS];
};

/* Makes the file and maps it writable. The writable descriptor or negative errno. */
int settings_page_make(struct settings_page **ret);
/* Maps a writable descriptor again (a new image of the host). NULL on failure. */
struct settings_page *settings_page_adopt(int fd);
/* A descriptor of the same file that only reads; the caller's. Negative errno. */
int settings_page_reader(int fd);
/* Maps a descriptor read-only; NULL on failure. */
const struct settings_page *settings_page_map(int fd);
void settings_page_unmap(const struct settings_page *page);
/* Writer: sets or makes a slot. 0, -ENOSPC, -EMSGSIZE (text of 143 bytes, name of 95 at most). */
int settings_page_set(struct settings_page *page, const char *name, int64_t whole, const char *text);
/* Writer: marks a slot as not configured any more; its number becomes 0. */
void settings_page_unset(struct settings_page *page, const char *name);
/* Reader: the slot of a name or NULL. */
const struct setting_slot *settings_page_find(const struct settings_page *page, const char *name);
/* Reader: copies the text. Bytes without the final 0, -ENOENT (not set), -ENOSPC. */
int settings_page_text(const struct setting_slot *slot, char *out, size_t size);

#endif
