/*
 * aiex_crc32c.h - CRC-32C (Castagnoli; RFC 3720 appendix B.4) of bytes, in pieces.
 *
 * crc = aiex_crc32c(0, a, n); crc = aiex_crc32c(crc, b, m); equals the checksum of a and b behind
 * each other. Any thread, no state.
 */
#ifndef AIEX_CRC32C_H
#define AIEX_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint32_t aiex_crc32c(uint32_t crc, const void *bytes, size_t n);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_CRC32C_H */
