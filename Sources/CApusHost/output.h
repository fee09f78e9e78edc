// The output of a decoder: bytes are appended, or copied from what was written before.
#ifndef APUS_OUTPUT_H
#define APUS_OUTPUT_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct apus_output {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

static inline int apus_append(struct apus_output *out, const uint8_t *from, size_t count) {
    if (count > out->capacity - out->size) return -1;
    if (count > 0) memcpy(out->bytes + out->size, from, count);
    out->size += count;
    return 0;
}

// The copy may overlap what it writes: then the bytes repeat.
static inline int apus_append_match(struct apus_output *out, size_t distance, size_t count) {
    if (distance == 0 || distance > out->size || count > out->capacity - out->size) return -1;
    uint8_t *to = out->bytes + out->size;
    const uint8_t *from = to - distance;
    out->size += count;
    if (distance >= count) {
        memcpy(to, from, count);
        return 0;
    }
    while (count-- > 0) *to++ = *from++;
    return 0;
}

#endif
