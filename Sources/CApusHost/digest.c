#include "apus_digest.h"

#include <string.h>

typedef void compress_block(uint32_t *state, const uint8_t *block);

static uint32_t left(uint32_t word, int count) { return word << count | word >> (32 - count); }
static uint32_t right(uint32_t word, int count) { return word >> count | word << (32 - count); }

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void compress256(uint32_t *state, const uint8_t *block) {
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    uint32_t w[64];
    for (int i = 0; i < 16; i++) w[i] = big_endian(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        uint32_t s0 = right(a, 7) ^ right(a, 18) ^ a >> 3;
        uint32_t s1 = right(b, 17) ^ right(b, 19) ^ b >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + k[i] + w[i];
        uint32_t s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

static void compress1(uint32_t *state, const uint8_t *block) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++) w[i] = big_endian(block + 4 * i);
    for (int i = 16; i < 80; i++) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) {
            f = (b & c) | (~b & d), k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d, k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d, k = 0xca62c1d6;
        }
        uint32_t next = left(a, 5) + f + e + k + w[i];
        e = d, d = c, c = left(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void add(
    apus_digest *digest, const uint8_t *bytes, size_t count, compress_block *compress) {
    size_t held = digest->byte_count % 64;
    digest->byte_count += count;
    if (held > 0) {
        size_t taken = count < 64 - held ? count : 64 - held;
        memcpy(digest->rest + held, bytes, taken);
        bytes += taken;
        count -= taken;
        if (held + taken < 64) return;
        compress(digest->state, digest->rest);
    }
    for (; count >= 64; bytes += 64, count -= 64) compress(digest->state, bytes);
    if (count > 0) memcpy(digest->rest, bytes, count);
}

// A one bit, zeros, and the number of bits, up to a full block.
static void end(apus_digest *digest, int words, uint8_t *out, compress_block *compress) {
    uint64_t bits = digest->byte_count * 8;
    uint8_t tail[72] = {0x80};
    size_t zeros = (119 - digest->byte_count % 64) % 64;
    for (int i = 0; i < 8; i++) tail[1 + zeros + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    add(digest, tail, 1 + zeros + 8, compress);
    for (int i = 0; i < 4 * words; i++) {
        out[i] = (uint8_t)(digest->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void apus_sha256_begin(apus_digest *digest) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
        0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(digest, 0, sizeof *digest);
    memcpy(digest->state, start, sizeof start);
}

void apus_sha256_add(apus_digest *digest, const void *bytes, size_t count) {
    add(digest, bytes, count, compress256);
}

void apus_sha256_end(apus_digest *digest, uint8_t *out) { end(digest, 8, out, compress256); }

void apus_sha1_begin(apus_digest *digest) {
    static const uint32_t start[5] = {
        0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memset(digest, 0, sizeof *digest);
    memcpy(digest->state, start, sizeof start);
}

void apus_sha1_add(apus_digest *digest, const void *bytes, size_t count) {
    add(digest, bytes, count, compress1);
}

void apus_sha1_end(apus_digest *digest, uint8_t *out) { end(digest, 5, out, compress1); }
