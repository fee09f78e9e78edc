// Reduction over several sources, in their order, block by block so that the accumulator stays in
// the cache. Plain loops: the compiler vectorises them, once for each instruction set, and the
// loader picks.
#include <string.h>

#include "apus_shm.h"

#if defined(__x86_64__) && defined(__linux__)
#define VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORISED
#endif

enum { BLOCK = 1024 };

static inline __attribute__((always_inline)) float bits_to_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline __attribute__((always_inline)) uint32_t float_to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline __attribute__((always_inline)) float from_bfloat16(uint16_t half) {
    return bits_to_float((uint32_t)half << 16);
}

// Round to nearest, ties to even; a NaN stays one.
static inline __attribute__((always_inline)) uint16_t to_bfloat16(float value) {
    uint32_t bits = float_to_bits(value);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return value != value ? (uint16_t)(bits >> 16 | 0x40) : (uint16_t)rounded;
}

// Without branches, so that it vectorises. Subnormals come out right by a multiplication that
// renormalises.
static inline __attribute__((always_inline)) float from_float16(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    float scaled = bits_to_float(magnitude) * 0x1p112f;
    uint32_t special = (half & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000 : float_to_bits(scaled);
    return bits_to_float(special | (uint32_t)(half & 0x8000) << 16);
}

static inline __attribute__((always_inline)) uint16_t to_float16(float value) {
    uint32_t bits = float_to_bits(value);
    uint32_t magnitude = bits & 0x7fffffff;
    // Normal: rebias, round to nearest even. Subnormal: adding 0.5 lets the addition round.
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    uint32_t subnormal = float_to_bits(bits_to_float(magnitude) + 0.5f) - 0x3f000000;
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

// load: from the stored type to the accumulator's; store: back.
#define SAME(x) (x)
#define ADD(a, b) ((a) + (b))
#define MINIMUM(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define MAXIMUM(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))

#define ACCUMULATE(COMBINE, LOAD)                                                     \
    for (int32_t k = 1; k < source_count; k++) {                                      \
        const stored *restrict source = (const stored *)sources[k] + start;           \
        for (size_t i = 0; i < block; i++) sum[i] = COMBINE(sum[i], LOAD(source[i])); \
    }

#define REDUCER(NAME, STORED, WIDE, RESULT, LOAD, STORE)                                     \
    VECTORISED static void NAME(const void *const *sources, int32_t source_count, void *out, \
                                size_t count, apus_shm_reduction reduction,                  \
                                int32_t divisor) {                                           \
        typedef STORED stored;                                                               \
        WIDE sum[BLOCK];                                                                     \
        for (size_t start = 0; start < count; start += BLOCK) {                              \
            size_t block = count - start < BLOCK ? count - start : BLOCK;                    \
            const stored *first = (const stored *)sources[0] + start;                        \
            for (size_t i = 0; i < block; i++) sum[i] = LOAD(first[i]);                      \
            if (reduction == APUS_SHM_MINIMUM) {                                             \
                ACCUMULATE(MINIMUM, LOAD)                                                    \
            } else if (reduction == APUS_SHM_MAXIMUM) {                                      \
                ACCUMULATE(MAXIMUM, LOAD)                                                    \
            } else {                                                                         \
                ACCUMULATE(ADD, LOAD)                                                        \
            }                                                                                \
            RESULT *target = (RESULT *)out + start;                                          \
            if (reduction == APUS_SHM_AVERAGE) {                                             \
                for (size_t i = 0; i < block; i++) sum[i] /= (WIDE)divisor;                  \
            }                                                                                \
            for (size_t i = 0; i < block; i++) target[i] = STORE(sum[i]);                    \
        }                                                                                    \
    }

// Integers are added without sign, so that an overflow wraps instead of being undefined; min and
// max keep it.
#define INTEGER_REDUCER(NAME, STORED, UNSIGNED)                                              \
    VECTORISED static void NAME(const void *const *sources, int32_t source_count, void *out, \
                                size_t count, apus_shm_reduction reduction,                  \
                                int32_t divisor) {                                           \
        (void)divisor; /* there is no average of integers */                                 \
        typedef STORED stored;                                                               \
        stored sum[BLOCK];                                                                   \
        for (size_t start = 0; start < count; start += BLOCK) {                              \
            size_t block = count - start < BLOCK ? count - start : BLOCK;                    \
            memcpy(sum, (const stored *)sources[0] + start, block * sizeof(stored));         \
            if (reduction == APUS_SHM_MINIMUM) {                                             \
                ACCUMULATE(MINIMUM, SAME)                                                    \
            } else if (reduction == APUS_SHM_MAXIMUM) {                                      \
                ACCUMULATE(MAXIMUM, SAME)                                                    \
            } else {                                                                         \
                ACCUMULATE((stored)(UNSIGNED)ADD, (UNSIGNED))                                \
            }                                                                                \
            memcpy((stored *)out + start, sum, block * sizeof(stored));                      \
        }                                                                                    \
    }

// The two-source sum in fp32 and bf16 is what a host's two ranks do all day: one pass without an
// accumulator. `out` is `a`, `b` or apart from both, never shifted against them, so that the loops
// need no check for overlap.
VECTORISED static void add_float32(const float *a, const float *b, float *out, size_t count) {
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

VECTORISED static void add_bfloat16(const uint16_t *a, const uint16_t *b, uint16_t *out,
                                    size_t count) {
#pragma clang loop vectorize(assume_safety)
    for (size_t i = 0; i < count; i++)
        out[i] = to_bfloat16(from_bfloat16(a[i]) + from_bfloat16(b[i]));
}

VECTORISED static void add_widening_bfloat16(const uint16_t *restrict a,
                                             const uint16_t *restrict b, float *restrict out,
                                             size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = from_bfloat16(a[i]) + from_bfloat16(b[i]);
}

REDUCER(reduce_float32, float, float, float, SAME, SAME)
REDUCER(reduce_float64, double, double, double, SAME, SAME)
REDUCER(reduce_bfloat16, uint16_t, float, uint16_t, from_bfloat16, to_bfloat16)
REDUCER(reduce_float16, uint16_t, float, uint16_t, from_float16, to_float16)
REDUCER(reduce_bfloat16_to_float32, uint16_t, float, float, from_bfloat16, SAME)
REDUCER(reduce_float16_to_float32, uint16_t, float, float, from_float16, SAME)
INTEGER_REDUCER(reduce_int8, int8_t, uint8_t)
INTEGER_REDUCER(reduce_int16, int16_t, uint16_t)
INTEGER_REDUCER(reduce_int32, int32_t, uint32_t)
INTEGER_REDUCER(reduce_int64, int64_t, uint64_t)
INTEGER_REDUCER(reduce_uint8, uint8_t, uint8_t)

size_t apus_shm_dtype_size(apus_shm_dtype dtype) {
    switch (dtype) {
    case APUS_SHM_INT8:
    case APUS_SHM_UINT8:
    case APUS_SHM_BOOL: return 1;
    case APUS_SHM_FLOAT16:
    case APUS_SHM_BFLOAT16:
    case APUS_SHM_INT16: return 2;
    case APUS_SHM_FLOAT32:
    case APUS_SHM_INT32: return 4;
    case APUS_SHM_FLOAT64:
    case APUS_SHM_INT64: return 8;
    }
    return 0;
}

typedef void (*reducer)(const void *const *sources, int32_t source_count, void *out, size_t count,
                        apus_shm_reduction reduction, int32_t divisor);

static reducer reducer_of(apus_shm_dtype dtype, bool widens) {
    switch (dtype) {
    case APUS_SHM_FLOAT32: return reduce_float32;
    case APUS_SHM_FLOAT64: return reduce_float64;
    case APUS_SHM_FLOAT16: return widens ? reduce_float16_to_float32 : reduce_float16;
    case APUS_SHM_BFLOAT16: return widens ? reduce_bfloat16_to_float32 : reduce_bfloat16;
    case APUS_SHM_INT8: return reduce_int8;
    case APUS_SHM_INT16: return reduce_int16;
    case APUS_SHM_INT32: return reduce_int32;
    case APUS_SHM_INT64: return reduce_int64;
    case APUS_SHM_UINT8:
    case APUS_SHM_BOOL: return reduce_uint8;
    }
    __builtin_trap();
}

void apus_reduce_sources(const void *const *sources, int32_t source_count, void *out, size_t count,
                         apus_shm_dtype dtype, apus_shm_dtype result,
                         apus_shm_reduction reduction, int32_t divisor) {
    bool widens = dtype != result;
    bool is_pair = source_count == 2 && reduction == APUS_SHM_SUM;
    if (is_pair && dtype == APUS_SHM_FLOAT32)
        add_float32(sources[0], sources[1], out, count);
    else if (is_pair && dtype == APUS_SHM_BFLOAT16 && widens)
        add_widening_bfloat16(sources[0], sources[1], out, count);
    else if (is_pair && dtype == APUS_SHM_BFLOAT16)
        add_bfloat16(sources[0], sources[1], out, count);
    else
        reducer_of(dtype, widens)(sources, source_count, out, count, reduction, divisor);
}
