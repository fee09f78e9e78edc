#include "apus_decompress.h"
#include "output.h"

// The length of the content, in groups of seven bits. Returns the bytes read, 0 when it is damaged.
static size_t read_length(const uint8_t *in, size_t size, uint64_t *length) {
    *length = 0;
    for (size_t i = 0; i < size && i < 5; i++) {
        *length |= (uint64_t)(in[i] & 0x7F) << 7 * i;
        if (in[i] < 0x80) return i + 1;
    }
    return 0;
}

static uint32_t little_endian(const uint8_t *in, size_t count) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) value |= (uint32_t)in[i] << 8 * i;
    return value;
}

int64_t apus_snappy_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity) {
    uint64_t length;
    size_t at = read_length(in, size, &length);
    if (at == 0 || length > capacity) return -1;
    struct apus_output output = {out, 0, (size_t)length};
    while (at < size) {
        uint8_t tag = in[at++];
        size_t extra = 0;
        switch (tag & 3) {
        case 0: {
            size_t count = tag >> 2;
            // Lengths from 60 on stand in the next one to four bytes.
            extra = count < 60 ? 0 : count - 59;
            if (extra > size - at) return -1;
            if (extra > 0) count = little_endian(in + at, extra);
            at += extra;
            count++;
            if (count > size - at || apus_append(&output, in + at, count) != 0) return -1;
            at += count;
            continue;
        }
        case 1: extra = 1; break;
        case 2: extra = 2; break;
        default: extra = 4; break;
        }
        if (extra > size - at) return -1;
        size_t distance = little_endian(in + at, extra);
        size_t count = (size_t)(tag >> 2) + 1;
        if (extra == 1) {
            distance |= (size_t)(tag >> 5) << 8;
            count = (size_t)(tag >> 2 & 7) + 4;
        }
        at += extra;
        if (apus_append_match(&output, distance, count) != 0) return -1;
    }
    return output.size == length ? (int64_t)output.size : -1;
}
