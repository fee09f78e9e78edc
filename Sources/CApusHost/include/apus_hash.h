// XXH64 with seed 0, as its specification describes it (Yann Collet, "xxHash fast digest
// algorithm", doc/xxhash_spec.md, version 0.2.0): finds damage, keeps nobody out.
#ifndef APUS_HASH_H
#define APUS_HASH_H
#include <stddef.h>
#include <stdint.h>

// A hash of bytes that come in pieces. Copying the struct copies the state.
typedef struct {
    uint64_t lanes[4];
    uint64_t byte_count;
    // Bytes that do not fill a stripe yet; `byte_count` modulo 32 of them.
    uint8_t rest[32];
} apus_xxh64;

void apus_xxh64_begin(apus_xxh64 *state);
void apus_xxh64_add(apus_xxh64 *state, const void *bytes, size_t count);
uint64_t apus_xxh64_end(const apus_xxh64 *state);

#endif
