// Adafactor's element loops over fp32 tiles: the part that is compiled per variant.

/// Adds the scaled squares of a piece of a row to the sums of its columns; returns their own sum.
static double add_squares(float *column_sums, const float *gradient, float gradient_scale,
                          size_t count) {
    doubles low = 0, high = 0;
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load(gradient + (i), n) * gradient_scale;                                     \
        floats squares = g * g;                                                                  \
        store(column_sums + (i), load(column_sums + (i), n) + squares, n);                       \
        low += __builtin_convertvector(squares.lo, doubles);                                     \
        high += __builtin_convertvector(squares.hi, doubles);                                    \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
    doubles sum = low + high;
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/// `moment = moment * decay + (square of the scaled gradient + epsilon) * weight`
static void decay_moment(float *moment, const float *gradient, size_t count,
                         const struct moment_scalars *s) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load(gradient + (i), n) * s->gradient_scale;                                  \
        floats next = load(moment + (i), n) * s->decay + (g * g + s->epsilon) * s->weight;       \
        store(moment + (i), next, n);                                                            \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// `to = 1 / sqrt(from)`
static void inverse_root(float *to, const float *from, size_t count) {
#define STEP(i, n) store(to + (i), 1.0f / __builtin_elementwise_sqrt(load(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// `to = gradient * factor * factors`
static void scale_by_factors(float *to, const float *gradient, float factor,
                             const float *factors, size_t count) {
#define STEP(i, n) store(to + (i), load(gradient + (i), n) * factor * load(factors + (i), n), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// `weights = weights * decay - direction * rate`
static void descend(float *weights, const float *direction, float decay, float rate,
                    size_t count) {
#define STEP(i, n)                                                                               \
    store(weights + (i), load(weights + (i), n) * decay - load(direction + (i), n) * rate, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}
