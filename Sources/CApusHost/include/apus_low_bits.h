// Frozen weights in few bits: NF4, and 8 bits a number with a scale for each row or block.
#ifndef APUS_LOW_BITS_H
#define APUS_LOW_BITS_H
#include <stddef.h>
#include <stdint.h>

// NF4 (Dettmers et al., "QLoRA", 2023, appendix E): blocks of `block` numbers share a scale, the
// largest magnitude among them; each is the nearest of 16 quantiles of the normal distribution.
// Two numbers stand in a byte, the first one in its upper half. A last block may be shorter.
//
// `block` is even. `codes` holds (count + 1) / 2 bytes, `scales` one number for each block.
void apus_nf4_encode(const float *in, size_t count, size_t block, uint8_t *codes, float *scales);
void apus_nf4_decode(const uint8_t *codes, const float *scales, size_t count, size_t block,
                     float *out);

// Rows of whole numbers from -127 to 127 with the row's largest magnitude as its scale (Dettmers et
// al., "LLM.int8()", 2022, section 3): a number is code * scale / 127.
void apus_int8_encode(const float *in, size_t rows, size_t columns, int8_t *codes, float *scales);
void apus_int8_decode(const int8_t *codes, const float *scales, size_t rows, size_t columns,
                      float *out);

// Blocks of `block` numbers with their largest magnitude as scale, each number the nearest of 256
// ascending ones in `table` (from -1 to 1).
void apus_table_encode(const float *in, size_t count, size_t block, const float *table,
                       uint8_t *codes, float *scales);
void apus_table_decode(const uint8_t *codes, const float *scales, size_t count, size_t block,
                       const float *table, float *out);

#endif
