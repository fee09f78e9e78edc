#include "apus_gather.h"

#include <string.h>

enum { RANKS = 64 };

void apus_gather_strided(
    const void *base, size_t size, int32_t rank, const int64_t *shape, const int64_t *strides,
    int64_t first, int64_t count, void *out) {
    int64_t index[RANKS] = {0};
    int64_t at = 0;
    for (int32_t dim = rank - 1; dim >= 0; dim--) {
        index[dim] = first % shape[dim];
        first /= shape[dim];
        at += index[dim] * strides[dim];
    }
    const uint8_t *from = base;
    uint8_t *to = out;
    for (; count > 0; count--) {
        memcpy(to, from + (size_t)at * size, size);
        to += size;
        for (int32_t dim = rank - 1; dim >= 0; dim--) {
            at += strides[dim];
            if (++index[dim] < shape[dim]) break;
            at -= index[dim] * strides[dim];
            index[dim] = 0;
        }
    }
}
