// x86-64 with AVX-512 as in variant_avx512.c and BF16: Cooper Lake, Sapphire Rapids and Zen 4
// onwards.
#if defined(__x86_64__)
#include "kernels.h"
#include <immintrin.h>
#include <string.h>

#define APUS_HAS_F16C 1
#define APUS_HAS_FMA 1
#define APUS_HAS_BF16 1
#define APUS_VARIANT_TABLE apus_kernels_avx512_bf16
#pragma clang attribute push(                                                                    \
    __attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))),      \
    apply_to = function)
#include "variant.h"
#pragma clang attribute pop
#endif
