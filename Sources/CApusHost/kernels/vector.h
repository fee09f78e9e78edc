// Vectors of 16 floats for the kernel bodies. Included once by each variant, inside its
// `target` region, so that the compiler maps the same source to SSE2, NEON, AVX2 or AVX-512.
//
// Helpers are always inlined: a vector never crosses a call, so the calling convention (which
// differs between targets) does not matter, and debug builds keep vector code.
#ifndef APUS_VECTOR_H
#define APUS_VECTOR_H

#define APUS_INLINE static inline __attribute__((always_inline))
enum { LANES = 16 };

typedef float floats __attribute__((ext_vector_type(16)));
typedef double doubles __attribute__((ext_vector_type(8)));
typedef int32_t integers __attribute__((ext_vector_type(16)));
typedef uint32_t words __attribute__((ext_vector_type(16)));
typedef uint16_t halves __attribute__((ext_vector_type(16)));

/// Reads `lanes` (1 to 16) elements; the missing ones are zero.
APUS_INLINE floats load(const float *from, size_t lanes) {
    floats value = 0;
    if (lanes == LANES) memcpy(&value, from, sizeof value);
    else memcpy(&value, from, lanes * sizeof *from);
    return value;
}

/// Reads `lanes` elements; the missing ones are `padding`.
APUS_INLINE floats load_padded(const float *from, size_t lanes, float padding) {
    floats value = padding;
    if (lanes == LANES) memcpy(&value, from, sizeof value);
    else memcpy(&value, from, lanes * sizeof *from);
    return value;
}

APUS_INLINE void store(float *to, floats value, size_t lanes) {
    if (lanes == LANES) memcpy(to, &value, sizeof value);
    else memcpy(to, &value, lanes * sizeof *to);
}

APUS_INLINE halves load_halves(const uint16_t *from, size_t lanes) {
    halves value = 0;
    if (lanes == LANES) memcpy(&value, from, sizeof value);
    else memcpy(&value, from, lanes * sizeof *from);
    return value;
}

APUS_INLINE void store_halves(uint16_t *to, halves value, size_t lanes) {
    if (lanes == LANES) memcpy(to, &value, sizeof value);
    else memcpy(to, &value, lanes * sizeof *to);
}

/// `sum + value * value` of fp32 values: their squares are exact in double, so fusing changes no
/// bit.
APUS_INLINE doubles add_square(doubles sum, doubles value) {
#if defined(__aarch64__) || defined(APUS_HAS_FMA)
    return __builtin_elementwise_fma(value, value, sum);
#else
    return sum + value * value;
#endif
}

/// `where` lanes are all ones or all zeros.
APUS_INLINE words select_words(words where, words yes, words no) {
    return (where & yes) | (~where & no);
}

APUS_INLINE floats select_floats(words where, floats yes, floats no) {
    return (floats)select_words(where, (words)yes, (words)no);
}

APUS_INLINE floats from_bfloat16(halves value) {
    return (floats)(__builtin_convertvector(value, words) << 16);
}

/// Round to nearest, ties to even: half an output unit is added, less one if the output is even.
APUS_INLINE halves round_to_bfloat16(floats value) {
    words bits = (words)value;
    words rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    words is_nan = (words)(value != value);
    return __builtin_convertvector(select_words(is_nan, (words)0x7FC0, rounded), halves);
}

#if defined(APUS_HAS_BF16)
/// The instruction rounds alike, but takes subnormal values for zero and keeps bits of a NaN:
/// vectors with such go the long way.
APUS_INLINE halves to_bfloat16(floats value) {
    enum { QUIET_NAN = 0x01, SUBNORMAL = 0x20, SIGNALLING_NAN = 0x80 };
    __mmask16 odd = _mm512_fpclass_ps_mask((__m512)value, QUIET_NAN | SUBNORMAL | SIGNALLING_NAN);
    if (__builtin_expect(odd != 0, 0)) return round_to_bfloat16(value);
    return (halves)_mm512_cvtneps_pbh((__m512)value);
}
#else
APUS_INLINE halves to_bfloat16(floats value) { return round_to_bfloat16(value); }
#endif

#if defined(__aarch64__) || defined(APUS_HAS_F16C)
typedef _Float16 float16s __attribute__((ext_vector_type(16)));

APUS_INLINE floats from_float16(halves value) {
    return __builtin_convertvector((float16s)value, floats);
}

APUS_INLINE halves to_float16(floats value) {
    return (halves)__builtin_convertvector(value, float16s);
}
#else
APUS_INLINE floats from_float16(halves value) {
    words bits = __builtin_convertvector(value, words);
    words sign = (bits & 0x8000) << 16;
    words magnitude = bits & 0x7FFF;
    words normal = (magnitude << 13) + ((127 - 15) << 23);
    words subnormal = (words)(__builtin_convertvector(magnitude, floats) * 0x1p-24f);
    words special = (magnitude << 13) | 0x7F800000;
    special |= (words)(magnitude > 0x7C00) & 0x00400000; // a signalling NaN becomes quiet
    words result = select_words((words)(magnitude < 0x0400), subnormal, normal);
    result = select_words((words)(magnitude >= 0x7C00), special, result);
    return (floats)(result | sign);
}

APUS_INLINE halves to_float16(floats value) {
    words bits = (words)value;
    words sign = (bits >> 16) & 0x8000;
    words magnitude = bits & 0x7FFFFFFF;
    words normal = (magnitude - ((127 - 15) << 23) + 0x0FFF + ((magnitude >> 13) & 1)) >> 13;
    // Adding 0.5 lets the addition round a result below 2^-14 at the unit 2^-24.
    words subnormal = (words)((floats)magnitude + 0.5f) - 0x3F000000;
    words nan = 0x7E00 | ((magnitude >> 13) & 0x03FF);
    words result = select_words((words)(magnitude < (113u << 23)), subnormal, normal);
    result = select_words((words)(magnitude >= (143u << 23)), (words)0x7C00, result);
    result = select_words((words)(magnitude > 0x7F800000), nan, result);
    return __builtin_convertvector(result | sign, halves);
}
#endif

/// Elements `i ..< i + lanes` as fp32. The format is known at compile time in every instance.
APUS_INLINE floats load_as(enum apus_float_format format, const void *from, size_t i,
                           size_t lanes) {
    switch (format) {
    case APUS_FLOAT32: return load((const float *)from + i, lanes);
    case APUS_BFLOAT16: return from_bfloat16(load_halves((const uint16_t *)from + i, lanes));
    case APUS_FLOAT16: return from_float16(load_halves((const uint16_t *)from + i, lanes));
    }
    __builtin_unreachable();
}

APUS_INLINE void store_as(enum apus_float_format format, void *to, size_t i, floats value,
                          size_t lanes) {
    switch (format) {
    case APUS_FLOAT32: store((float *)to + i, value, lanes); return;
    case APUS_BFLOAT16: store_halves((uint16_t *)to + i, to_bfloat16(value), lanes); return;
    case APUS_FLOAT16: store_halves((uint16_t *)to + i, to_float16(value), lanes); return;
    }
}

/// Runs `STEP(offset, lanes)` over `count` elements: whole vectors, then the rest.
#define FOR_EACH_VECTOR(count, STEP)                                                             \
    do {                                                                                         \
        size_t offset = 0;                                                                       \
        for (; offset + LANES <= (count); offset += LANES) STEP(offset, LANES);                  \
        if (offset < (count)) STEP(offset, (count) - offset);                                    \
    } while (0)

#endif
