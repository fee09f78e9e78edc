// Model operations over fp32 tiles: the part that is compiled per variant.

/// The sum of the lanes, in double.
APUS_INLINE double total(doubles sum) {
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

APUS_INLINE doubles widened_sum(floats v) {
    return __builtin_convertvector(v.lo, doubles) + __builtin_convertvector(v.hi, doubles);
}

static void exp_tile(float *to, const float *from, size_t count) {
#define STEP(i, n) store(to + (i), exponential(load(from + (i), n)), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void multiply(float *to, const float *a, const float *b, size_t count) {
#define STEP(i, n) store(to + (i), load(a + (i), n) * load(b + (i), n), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void multiply_scalar(float *to, const float *from, float factor, size_t count) {
#define STEP(i, n) store(to + (i), load(from + (i), n) * factor, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void add(float *to, const float *a, const float *b, size_t count) {
#define STEP(i, n) store(to + (i), load(a + (i), n) + load(b + (i), n), n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// sum of a * b * c
static double triple_product(const float *a, const float *b, const float *c, size_t count) {
    doubles sum = 0;
#define STEP(i, n) sum += widened_sum(load(a + (i), n) * load(b + (i), n) * load(c + (i), n))
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
    return total(sum);
}

/// `to = output_gradient * weight * inverse_rms - input * pull`, and the weight's gradient.
static void rms_norm_gradient(float *to, float *weight_gradient, const float *output_gradient,
                              const float *input, const float *weight, float inverse_rms,
                              float pull, size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats scaled = load(output_gradient + (i), n) * inverse_rms;                            \
        floats x = load(input + (i), n);                                                         \
        store(weight_gradient + (i), load(weight_gradient + (i), n) + scaled * x, n);            \
        store(to + (i), scaled * load(weight + (i), n) - x * pull, n);                           \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// Tends to 0 and 1 at the ends without overflow on the way: exp may be infinite.
APUS_INLINE floats sigmoid(floats x) { return 1.0f / (1.0f + exponential(-x)); }

static void swiglu(float *to, const float *gate, const float *up, size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load(gate + (i), n);                                                          \
        store(to + (i), g * sigmoid(g) * load(up + (i), n), n);                                  \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static void swiglu_gradient(float *gate_gradient, float *up_gradient,
                            const float *output_gradient, const float *gate, const float *up,
                            size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load(gate + (i), n), u = load(up + (i), n);                                   \
        floats dy = load(output_gradient + (i), n);                                              \
        floats s = sigmoid(g);                                                                   \
        floats slope = s * (1.0f + g * (1.0f - s));                                              \
        store(gate_gradient + (i), dy * u * slope, n);                                           \
        store(up_gradient + (i), dy * g * s, n);                                                 \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// Turns the pairs (low[i], high[i]); `sign` is -1 for the opposite angles.
static void rotate(float *to_low, float *to_high, const float *low, const float *high,
                   const float *cosines, const float *sines, float sign, size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats a = load(low + (i), n), b = load(high + (i), n);                                  \
        floats c = load(cosines + (i), n), s = load(sines + (i), n) * sign;                      \
        store(to_low + (i), a * c - b * s, n);                                                   \
        store(to_high + (i), b * c + a * s, n);                                                  \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

static float maximum(const float *values, size_t count) {
    floats most = -__builtin_inff();
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats v = load_padded(values + (i), n, -__builtin_inff());                              \
        most = select_floats((words)(v > most), v, most);                                        \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
    float result = most[0];
    for (int lane = 1; lane < LANES; lane++) result = most[lane] > result ? most[lane] : result;
    return result;
}

/// sum of exp(value - shift); plain fp32 sums within a tile, 16 lanes wide.
static double sum_of_exponentials(const float *values, float shift, size_t count) {
    floats sum = 0;
#define STEP(i, n) sum += exponential(load_padded(values + (i), n, -__builtin_inff()) - shift)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
    return total(widened_sum(sum));
}

static double sum_of_values(const float *values, size_t count) {
    doubles sum = 0;
#define STEP(i, n) sum += widened_sum(load(values + (i), n))
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
    return total(sum);
}

/// `to = (exp(from - log_sum_exp) - share) * scale`
static void softmax_gradient(float *to, const float *from, float log_sum_exp, float share,
                             float scale, size_t count) {
#define STEP(i, n)                                                                               \
    store(to + (i), (exponential(load(from + (i), n) - log_sum_exp) - share) * scale, n)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}
