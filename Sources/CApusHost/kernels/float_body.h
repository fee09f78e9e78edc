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

static void scale(float *values, float factor, size_t count) {
#define STEP(i, n) store(values + (i), load(values + (i), n) * factor, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void accumulate(float *sum, const float *addend, float factor, size_t count) {
#define STEP(i, n) store(sum + (i), load(sum + (i), n) + load(addend + (i), n) * factor, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// Four independent accumulators hide the latency of the additions.
static double sum_of_squares(const float *values, size_t count) {
    doubles sums[4] = {0};
    size_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        for (int half = 0; half < 2; half++) {
            floats v = load(values + i + half * LANES, LANES);
            doubles low = __builtin_convertvector(v.lo, doubles);
            doubles high = __builtin_convertvector(v.hi, doubles);
            sums[2 * half] += low * low;
            sums[2 * half + 1] += high * high;
        }
    }
    for (; i < count; i += LANES) {
        floats v = load(values + i, count - i < LANES ? count - i : LANES);
        doubles low = __builtin_convertvector(v.lo, doubles);
        doubles high = __builtin_convertvector(v.hi, doubles);
        sums[0] += low * low;
        sums[1] += high * high;
    }
    doubles sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}
