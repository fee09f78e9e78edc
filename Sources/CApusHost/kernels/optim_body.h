// Optimizer updates of fp32 tiles: the part that is compiled per variant.

APUS_INLINE floats adamw_lanes(float *weights, floats gradient, float *first, float *second,
                               size_t lanes, const struct adamw_scalars *s) {
    floats g = gradient * s->gradient_scale;
    floats m = load(first, lanes);
    // The interpolation starts at the nearer end, as torch.lerp does: exact for beta1 = 0.
    m = (s->lerp_from_gradient ? g : m) + (g - m) * s->first_weight;
    floats v = load(second, lanes) * s->second_decay + (g * s->second_weight) * g;
    floats denominator = __builtin_elementwise_sqrt(v) * s->inverse_correction + s->epsilon;
    floats w = load(weights, lanes) * s->decay - (m * s->step_size) / denominator;
    store(first, m, lanes);
    store(second, v, lanes);
    store(weights, w, lanes);
    return w;
}

/// One pass over all streams: nothing is widened or narrowed through memory.
APUS_INLINE void adamw_pass(enum apus_float_format copy, bool copies,
                            enum apus_float_format gradient, const struct apus_update *update,
                            float *first, float *second, const struct adamw_scalars *scalars) {
    const struct adamw_scalars s = *scalars;
    float *weights = update->weights;
    const void *from = update->gradient.data;
    void *to = update->copy.data;
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = load_as(gradient, from, i, n);                                                \
        floats w = adamw_lanes(weights + (i), g, first + (i), second + (i), n, &s);              \
        if (copies) store_as(copy, to, i, w, n);                                                 \
    } while (0)
    FOR_EACH_VECTOR(update->count, STEP);
#undef STEP
}

APUS_INLINE void adamw_from(enum apus_float_format gradient, const struct apus_update *update,
                            float *first, float *second, const struct adamw_scalars *s) {
    if (!update->copy.data) {
        adamw_pass(APUS_FLOAT32, false, gradient, update, first, second, s);
        return;
    }
    FOR_FORMAT(update->copy.format, adamw_pass, true, gradient, update, first, second, s);
}

static void adamw(const struct apus_update *update, float *first, float *second,
                  const struct adamw_scalars *s) {
    FOR_FORMAT(update->gradient.format, adamw_from, update, first, second, s);
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

/// The same with a bf16 gradient and a bf16 copy of the weights, cut instead of rounded.
static void plain_update_bfloat16(float *weights, const uint16_t *gradient, float *first,
                                  float *second, uint16_t *copy, size_t count) {
#define STEP(i, n)                                                                               \
    do {                                                                                         \
        floats g = from_bfloat16(load_halves(gradient + (i), n));                                \
        floats m = load(first + (i), n) + g, v = load(second + (i), n) + g;                      \
        floats w = load(weights + (i), n) + m;                                                   \
        store(first + (i), m, n);                                                                \
        store(second + (i), v, n);                                                               \
        store(weights + (i), w, n);                                                              \
        store_halves(copy + (i), __builtin_convertvector((words)w >> 16, halves), n);            \
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
