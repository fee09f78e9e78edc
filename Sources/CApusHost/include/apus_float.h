// Floating-point vectors in plain memory: casts, scaling, accumulation, squared norms.
//
// Every function takes a contiguous range of elements and may be called for disjoint ranges from
// several threads at once. Pointers need no alignment beyond that of their element. The machine's
// widest vector unit is chosen at run time; all variants return the same bits.
#ifndef APUS_FLOAT_H
#define APUS_FLOAT_H
#include <stddef.h>
#include <stdint.h>

/// The format of a floating-point element; 16-bit values are rounded to nearest, ties to even.
enum apus_float_format {
    APUS_FLOAT32 = 0,
    APUS_BFLOAT16 = 1,
    APUS_FLOAT16 = 2,
};

/// A contiguous run of elements of one format. The memory is borrowed for the call.
struct apus_floats {
    const void *data;
    enum apus_float_format format;
};

struct apus_mutable_floats {
    void *data;
    enum apus_float_format format;
};

/// Vector instruction sets, narrowest first.
enum apus_instruction_set {
    APUS_BASELINE = 0,    ///< SSE2 on x86-64, NEON on arm64
    APUS_AVX2 = 1,        ///< with FMA and F16C
    APUS_AVX512 = 2,      ///< F, BW, DQ and VL
    APUS_AVX512_BF16 = 3, ///< and BF16
};

/// The widest set that this machine can run.
enum apus_instruction_set apus_highest_instruction_set(void);

/// The set that the calling thread uses.
enum apus_instruction_set apus_current_instruction_set(void);

/// Bounds the sets for the calling thread, to compare variants in tests and benchmarks.
void apus_limit_instruction_set(enum apus_instruction_set highest);

/// `to[i] = from[i]` between any two formats. The ranges must not overlap, unless they are equal
/// and the formats too.
void apus_cast(struct apus_mutable_floats to, struct apus_floats from, size_t count);

/// `values[i] *= factor`, computed in fp32.
void apus_scale(struct apus_mutable_floats values, float factor, size_t count);

/// `sum[i] += factor * addend[i]`, in fp32: the accumulation of gradients of any format.
void apus_accumulate(float *sum, struct apus_floats addend, float factor, size_t count);

/// The sum of squares in double precision. Squares are exact there, sums inside a tile of 4096
/// elements are plain and those of tiles compensated (Neumaier 1974), so the result carries a
/// relative error of a few units of 2^-53 at any length: two ways to cut a range agree in all but
/// the last bits, and rounded to fp32 they agree.
///
/// Squares of finite fp32 values cannot overflow a double: the result is finite if and only if
/// every element is.
double apus_sum_of_squares(struct apus_floats values, size_t count);

#endif
