// Decoding and encoding of the block formats of GGUF files (ggml's layouts).
#ifndef APUS_QUANT_H
#define APUS_QUANT_H
#include <stddef.h>
#include <stdint.h>

// The numbers are those of `ggml_type`, as the files store them.
enum apus_block_format {
    APUS_Q4_0 = 2,
    APUS_Q4_1 = 3,
    APUS_Q5_0 = 6,
    APUS_Q5_1 = 7,
    APUS_Q8_0 = 8,
    APUS_Q2_K = 10,
    APUS_Q3_K = 11,
    APUS_Q4_K = 12,
    APUS_Q5_K = 13,
    APUS_Q6_K = 14,
    APUS_Q8_K = 15,
    APUS_IQ4_NL = 20,
    APUS_IQ4_XS = 23,
    APUS_MXFP4 = 39,
};

// Decodes whole blocks. `blocks` needs no alignment; `out` holds block_count times the elements of
// a block. Returns 0, or -1 (and writes nothing) for a format that is not listed above.
int apus_dequantize(int32_t format, const void *blocks, size_t block_count, float *out);

// Encodes finite values as whole blocks: Q8_0 and Q4_0 with the bits of ggml's encoders, Q4_K by a
// search of its own. Returns 0, or -1 (and writes nothing) for another format.
int apus_quantize(int32_t format, const float *in, size_t block_count, void *blocks);

#endif
