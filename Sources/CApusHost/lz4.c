#include "apus_decompress.h"
#include "output.h"

// A length of 15 goes on in the following bytes until one is not 255.
static int extend_length(const uint8_t *in, size_t size, size_t *at, size_t *length) {
    uint8_t byte;
    do {
        if (*at >= size) return -1;
        byte = in[(*at)++];
        *length += byte;
    } while (byte == 255);
    return 0;
}

int64_t apus_lz4_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity) {
    struct apus_output output = {out, 0, capacity};
    size_t at = 0;
    while (at < size) {
        uint8_t token = in[at++];
        size_t literals = token >> 4;
        if (literals == 15 && extend_length(in, size, &at, &literals) != 0) return -1;
        if (literals > size - at || apus_append(&output, in + at, literals) != 0) return -1;
        at += literals;
        // The last sequence has no match.
        if (at == size) return (int64_t)output.size;
        if (size - at < 2) return -1;
        size_t distance = (size_t)in[at] | (size_t)in[at + 1] << 8;
        at += 2;
        size_t match = token & 15;
        if (match == 15 && extend_length(in, size, &at, &match) != 0) return -1;
        if (apus_append_match(&output, distance, match + 4) != 0) return -1;
    }
    return size == 0 ? 0 : -1;
}
