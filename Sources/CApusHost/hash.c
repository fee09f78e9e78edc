#include "apus_hash.h"
#include <string.h>

enum { STRIPE = 32 };

static const uint64_t P1 = 0x9E3779B185EBCA87, P2 = 0xC2B2AE3D27D4EB4F, P3 = 0x165667B19E3779F9,
                      P4 = 0x85EBCA77C2B2AE63, P5 = 0x27D4EB2F165667C5;

static uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

// Words are little-endian in the stream, as on every processor that Apus runs on.
static uint64_t word64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t word32(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t mixed(uint64_t lane, uint64_t word) { return rotate(lane + word * P2, 31) * P1; }

void apus_xxh64_begin(apus_xxh64 *state) {
    memset(state, 0, sizeof *state);
    state->lanes[0] = P1 + P2;
    state->lanes[1] = P2;
    state->lanes[2] = 0;
    state->lanes[3] = 0 - P1;
}

static void add_stripes(apus_xxh64 *state, const uint8_t *bytes, size_t stripes) {
    uint64_t a = state->lanes[0], b = state->lanes[1], c = state->lanes[2], d = state->lanes[3];
    for (; stripes > 0; stripes--, bytes += STRIPE) {
        a = mixed(a, word64(bytes));
        b = mixed(b, word64(bytes + 8));
        c = mixed(c, word64(bytes + 16));
        d = mixed(d, word64(bytes + 24));
    }
    state->lanes[0] = a;
    state->lanes[1] = b;
    state->lanes[2] = c;
    state->lanes[3] = d;
}

void apus_xxh64_add(apus_xxh64 *state, const void *start, size_t count) {
    const uint8_t *bytes = start;
    size_t held = state->byte_count % STRIPE;
    state->byte_count += count;
    if (held > 0) {
        size_t missing = STRIPE - held;
        size_t taken = count < missing ? count : missing;
        memcpy(state->rest + held, bytes, taken);
        bytes += taken;
        count -= taken;
        if (taken < missing) return;
        add_stripes(state, state->rest, 1);
    }
    add_stripes(state, bytes, count / STRIPE);
    if (count % STRIPE > 0) memcpy(state->rest, bytes + count / STRIPE * STRIPE, count % STRIPE);
}

uint64_t apus_xxh64_end(const apus_xxh64 *state) {
    const uint64_t *lanes = state->lanes;
    uint64_t hash = P5;
    if (state->byte_count >= STRIPE) {
        hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12)
            + rotate(lanes[3], 18);
        for (int lane = 0; lane < 4; lane++) hash = (hash ^ mixed(0, lanes[lane])) * P1 + P4;
    }
    hash += state->byte_count;
    const uint8_t *bytes = state->rest;
    size_t left = state->byte_count % STRIPE;
    for (; left >= 8; left -= 8, bytes += 8)
        hash = rotate(hash ^ mixed(0, word64(bytes)), 27) * P1 + P4;
    for (; left >= 4; left -= 4, bytes += 4)
        hash = rotate(hash ^ word32(bytes) * P1, 23) * P2 + P3;
    for (; left > 0; left--, bytes++) hash = rotate(hash ^ *bytes * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}
