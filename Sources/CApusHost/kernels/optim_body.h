// Optimizer updates of fp32 tiles: the part that is compiled per variant.

APUS_INLINE void adamw_lanes(float *weights, const float *gradient, float *first, float *second,
                             size_t lanes, const struct adamw_scalars *s) {
    floats g = load(gradient, lanes) * s->gradient_scale;
    floats m = load(first, lanes);
    // The interpolation starts at the nearer end, as torch.lerp does: exact for beta1 = 0.
    m = (s->lerp_from_gradient ? g : m) + (g - m) * s->first_weight;
    floats v = load(second, lanes) * s->second_decay + (g * s->second_weight) * g;
    floats denominator = __builtin_elementwise_sqrt(v) * s->inverse_correction + s->epsilon;
    floats w = load(weights, lanes) * s->decay - (m * s->step_size) / denominator;
    store(first, m, lanes);
    store(second, v, lanes);
    store(weights, w, lanes);
}

static void adamw(float *weights, const float *gradient, float *first, float *second,
                  size_t count, const struct adamw_scalars *scalars) {
    const struct adamw_scalars s = *scalars;
#define STEP(i, n) adamw_lanes(weights + (i), gradient + (i), first + (i), second + (i), n, &s)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// AdamW's reads and writes with hardly any arithmetic between them.
static void plain_update(float *weights, const float *gradient, float *first, float *second,
                         size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load(gradient + (i), n);                                                      \
        floats m = load(first + (i), n) + g, v = load(second + (i), n) + g;                      \
        store(first + (i), m, n);                                                                \
        store(second + (i), v, n);                                                               \
        store(weights + (i), load(weights + (i), n) + m, n);                                     \
    } while (0)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

/// -1, 0 or 1; NaN stays NaN, so that a broken gradient is seen.
APUS_INLINE floats sign(floats value) {
    words one_or_minus_one = ((words)value & 0x80000000) | 0x3F800000;
    return select_floats((words)((value == 0) | (value != value)), value, (floats)one_or_minus_one);
}

APUS_INLINE void lion_lanes(float *weights, const float *gradient, float *momentum, size_t lanes,
                            const struct lion_scalars *s) {
    floats g = load(gradient, lanes) * s->gradient_scale;
    floats m = load(momentum, lanes);
    floats direction = sign(m * s->beta1 + g * s->one_minus_beta1);
    floats w = load(weights, lanes) * s->decay - direction * s->learning_rate;
    store(momentum, m * s->beta2 + g * s->one_minus_beta2, lanes);
    store(weights, w, lanes);
}

static void lion(float *weights, const float *gradient, float *momentum, size_t count,
                 const struct lion_scalars *scalars) {
    const struct lion_scalars s = *scalars;
#define STEP(i, n) lion_lanes(weights + (i), gradient + (i), momentum + (i), n, &s)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

APUS_INLINE void sgd_lanes(float *weights, const float *gradient, float *momentum, size_t lanes,
                           const struct sgd_scalars *s) {
    floats w = load(weights, lanes);
    floats g = load(gradient, lanes) * s->gradient_scale + w * s->weight_decay;
    floats m = load(momentum, lanes) * s->momentum + g * s->gradient_weight;
    floats direction = s->nesterov ? g + m * s->momentum : m;
    store(momentum, m, lanes);
    store(weights, w - direction * s->learning_rate, lanes);
}

static void sgd(float *weights, const float *gradient, float *momentum, size_t count,
                const struct sgd_scalars *scalars) {
    const struct sgd_scalars s = *scalars;
#define STEP(i, n) sgd_lanes(weights + (i), gradient + (i), momentum + (i), n, &s)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}

APUS_INLINE void sgd_plain_lanes(float *weights, const float *gradient, size_t lanes,
                                 const struct sgd_scalars *s) {
    floats w = load(weights, lanes);
    floats g = load(gradient, lanes) * s->gradient_scale + w * s->weight_decay;
    store(weights, w - g * s->learning_rate, lanes);
}

static void sgd_plain(float *weights, const float *gradient, size_t count,
                      const struct sgd_scalars *scalars) {
    const struct sgd_scalars s = *scalars;
#define STEP(i, n) sgd_plain_lanes(weights + (i), gradient + (i), n, &s)
    FOR_EACH_VECTOR(count, STEP);
#undef STEP
}
