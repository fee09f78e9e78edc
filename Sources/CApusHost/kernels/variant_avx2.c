// x86-64 with AVX2, FMA and F16C: Haswell and Zen 1 onwards.
#if defined(__x86_64__)
#include "kernels.h"
#include <string.h>

#define APUS_HAS_F16C 1
#define APUS_HAS_FMA 1
#define APUS_VARIANT_TABLE apus_kernels_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "variant.h"
#pragma clang attribute pop
#endif
