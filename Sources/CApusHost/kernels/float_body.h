// Casts, scaling, accumulation and squared norms: the part that is compiled per variant.

static void widen_bfloat16(float *to, const uint16_t *from, size_t count) {
#define STEP(i, n) store(to + (i), from_bfloat16(load_halves(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void widen_float16(float *to, const uint16_t *from, size_t count) {
#define STEP(i, n) store(to + (i), from_float16(load_halves(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void narrow_bfloat16(uint16_t *to, const float *from, size_t count) {
#define STEP(i, n) store_halves(to + (i), to_bfloat16(load(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void narrow_float16(uint16_t *to, const float *from, size_t count) {
#define STEP(i, n) store_halves(to + (i), to_float16(load(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// Calls `FUNCTION(format, ...)` with the format as a constant.
#define FOR_FORMAT(format, FUNCTION, ...)                                                        \
    switch (format) {                                                                            \
    case APUS_FLOAT32: return FUNCTION(APUS_FLOAT32, __VA_ARGS__);                               \
    case APUS_BFLOAT16: return FUNCTION(APUS_BFLOAT16, __VA_ARGS__);                             \
    case APUS_FLOAT16: return FUNCTION(APUS_FLOAT16, __VA_ARGS__);                               \
    }                                                                                            \
    __builtin_unreachable()

APUS_INLINE void scale_as(enum apus_float_format format, void *values, float factor,
                          size_t count) {
#define STEP(i, n) store_as(format, values, i, load_as(format, values, i, n) * factor, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void scale(struct apus_mutable_floats values, float factor, size_t count) {
    FOR_FORMAT(values.format, scale_as, values.data, factor, count);
}

APUS_INLINE void accumulate_as(enum apus_float_format format, float *sum, const void *addend,
                               float factor, size_t count) {
#define STEP(i, n)                                                                               \
    store(sum + (i), load(sum + (i), n) + load_as(format, addend, i, n) * factor, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void accumulate(float *sum, struct apus_floats addend, float factor, size_t count) {
    FOR_FORMAT(addend.format, accumulate_as, sum, addend.data, factor, count);
}

/// Independent accumulators hide the latency of the additions.
APUS_INLINE double sum_of_squares_as(enum apus_float_format format, const void *values,
                                     size_t count) {
    doubles sums[8] = {0};
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats v = load_as(format, values, i, n);                                                \
        doubles *pair = sums + 2 * ((i) / LANES % 4);                                            \
        pair[0] = add_square(pair[0], __builtin_convertvector(v.lo, doubles));                   \
        pair[1] = add_square(pair[1], __builtin_convertvector(v.hi, doubles));                   \
    } while (0)
    size_t offset = 0;
    for (; offset + 4 * LANES <= count; offset += 4 * LANES) {
        STEP(offset, LANES);
        STEP(offset + LANES, LANES);
        STEP(offset + 2 * LANES, LANES);
        STEP(offset + 3 * LANES, LANES);
    }
    for (; offset < count; offset += LANES)
        STEP(offset, count - offset < LANES ? count - offset : LANES);
#undef STEP
    doubles sum = ((sums[0] + sums[4]) + (sums[2] + sums[6]))
                  + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static double sum_of_squares(struct apus_floats values, size_t count) {
    FOR_FORMAT(values.format, sum_of_squares_as, values.data, count);
}
