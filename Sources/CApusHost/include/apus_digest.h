// Cryptographic digests (FIPS 180-4): what hubs and git name files by.
#ifndef APUS_DIGEST_H
#define APUS_DIGEST_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t byte_count;
    // Bytes that do not fill a block yet; `byte_count` modulo 64 of them.
    uint8_t rest[64];
} apus_digest;

void apus_sha256_begin(apus_digest *digest);
void apus_sha256_add(apus_digest *digest, const void *bytes, size_t count);
// Writes 32 bytes.
void apus_sha256_end(apus_digest *digest, uint8_t *out);

void apus_sha1_begin(apus_digest *digest);
void apus_sha1_add(apus_digest *digest, const void *bytes, size_t count);
// Writes 20 bytes.
void apus_sha1_end(apus_digest *digest, uint8_t *out);

#endif
