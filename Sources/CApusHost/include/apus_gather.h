// Elements of a strided tensor, brought into row-major order.
#ifndef APUS_GATHER_H
#define APUS_GATHER_H
#include <stddef.h>
#include <stdint.h>

// Copies the elements number `first` to `first + count - 1` (row-major) of the tensor that begins
// at `base`. `shape` and `strides` (in elements) have `rank` numbers; `rank` is at most 64; an
// element has `size` bytes, which need no alignment. The caller has checked that every element lies
// in memory and that the numbered ones exist.
void apus_gather_strided(
    const void *base, size_t size, int32_t rank, const int64_t *shape, const int64_t *strides,
    int64_t first, int64_t count, void *out);

#endif
