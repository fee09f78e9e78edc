// The operations on tensors, as families: one function and an enumeration of kinds. The rules of
// apus_torch.h hold.
#ifndef APUS_OPS_H
#define APUS_OPS_H

#include "apus_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

// --- Element by element (ops.cpp)
// -----------------------------------------------------------------

typedef enum {
    APUS_NEG, APUS_ABS, APUS_EXP, APUS_EXP2, APUS_LOG, APUS_LOG2, APUS_LOG10, APUS_LOG1P,
    APUS_EXPM1, APUS_SQRT, APUS_RSQRT, APUS_SQUARE, APUS_RECIPROCAL, APUS_SIN, APUS_COS, APUS_TAN,
    APUS_ASIN, APUS_ACOS, APUS_ATAN, APUS_SINH, APUS_COSH, APUS_TANH, APUS_SIGMOID, APUS_RELU,
    APUS_SILU, APUS_GELU, APUS_GELU_TANH, APUS_ERF, APUS_ERFC, APUS_ERFINV, APUS_FLOOR, APUS_CEIL,
    APUS_ROUND, APUS_TRUNC, APUS_SIGN, APUS_SOFTPLUS, APUS_MISH, APUS_HARDSWISH, APUS_HARDSIGMOID,
    APUS_ELU, APUS_SELU, APUS_LOG_SIGMOID, APUS_LOGICAL_NOT, APUS_BITWISE_NOT, APUS_IS_NAN,
    APUS_IS_INF, APUS_IS_FINITE,
} apus_unary_kind;
apus_status apus_unary(apus_unary_kind, apus_tensor_t, apus_out_t out);
apus_status apus_leaky_relu(apus_tensor_t, double slope, apus_out_t out);
// The first half of a dimension times the sigmoid of the second.
apus_status apus_glu(apus_tensor_t, int64_t dim, apus_out_t out);

typedef enum {
    APUS_ADD, APUS_SUBTRACT, APUS_MULTIPLY, APUS_DIVIDE, APUS_FLOOR_DIVIDE, APUS_REMAINDER,
    APUS_FMOD, APUS_POW, APUS_ATAN2, APUS_LOGADDEXP, APUS_MAXIMUM, APUS_MINIMUM, APUS_EQUAL,
    APUS_NOT_EQUAL, APUS_LESS, APUS_LESS_EQUAL, APUS_GREATER, APUS_GREATER_EQUAL, APUS_LOGICAL_AND,
    APUS_LOGICAL_OR, APUS_LOGICAL_XOR, APUS_BITWISE_AND, APUS_BITWISE_OR, APUS_BITWISE_XOR,
    APUS_SHIFT_LEFT, APUS_SHIFT_RIGHT,
} apus_binary_kind;
apus_status apus_binary(apus_binary_kind, apus_tensor_t, apus_tensor_t, apus_out_t out);
// tensor (op) value, or value (op) tensor when reversed. A whole value leaves an integer tensor
// one.
apus_status apus_binary_scalar(apus_binary_kind, apus_tensor_t, double value, bool reversed,
                               apus_out_t out);
// In place; add, subtract, multiply and divide only. `alpha` scales the right operand of the first
// two.
apus_status apus_binary_in_place(apus_binary_kind, apus_tensor_t destination, apus_tensor_t,
                                 double alpha);
apus_status apus_binary_scalar_in_place(apus_binary_kind, apus_tensor_t destination, double value);
apus_status apus_fill(apus_tensor_t destination, double value);
apus_status apus_where(apus_tensor_t condition, apus_tensor_t, apus_tensor_t, apus_out_t out);
// Infinite bounds mean none.
apus_status apus_clamp(apus_tensor_t, double low, double high, apus_out_t out);
apus_status apus_masked_fill(apus_tensor_t, apus_tensor_t mask, double value, apus_out_t out);
// input + value * a * b, and input + value * a / b.
apus_status apus_addcmul(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value,
                         apus_out_t out);
apus_status apus_addcdiv(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value,
                         apus_out_t out);
apus_status apus_lerp(apus_tensor_t start, apus_tensor_t end, double weight, apus_out_t out);
// Keeps what lies on and below (lower) or above the diagonal.
apus_status apus_triangle(apus_tensor_t, bool lower, int64_t diagonal, apus_out_t out);
// Same shape and elements; and elements within absolute + relative * |b| (NaN differs from NaN).
apus_status apus_is_same(apus_tensor_t a, apus_tensor_t b, bool *out);
apus_status apus_is_close(apus_tensor_t a, apus_tensor_t b, double relative, double absolute,
                          bool *out);

// --- Lists (ops.cpp): one call for many tensors, in place
// -----------------------------------------

typedef enum {
    APUS_EACH_ADD,       // x += scalar * y
    APUS_EACH_MULTIPLY,  // x *= y
    APUS_EACH_DIVIDE,    // x /= y
    APUS_EACH_LERP,      // x += scalar * (y - x)
    APUS_EACH_COPY,      // x = y
} apus_each_kind;
apus_status apus_each(apus_each_kind, apus_list_t xs, apus_list_t ys, int32_t count, double scalar);
typedef enum { APUS_EACH_SCALE, APUS_EACH_OFFSET, APUS_EACH_ZERO } apus_each_scalar_kind;
apus_status apus_each_scalar(apus_each_scalar_kind, apus_list_t xs, int32_t count, double scalar);
// The Euclidean norm of each, as scalars.
apus_status apus_each_norm(apus_list_t xs, int32_t count, apus_out_t out);

// --- Reductions (ops.cpp). No dims means all.
// -----------------------------------------------------

typedef enum {
    APUS_SUM, APUS_MEAN, APUS_PROD, APUS_AMAX, APUS_AMIN, APUS_LOGSUMEXP, APUS_ALL, APUS_ANY,
    APUS_COUNT_NONZERO, APUS_ARGMAX, APUS_ARGMIN,
} apus_reduction_kind;
// Product, argmax and argmin take one dimension or none.
apus_status apus_reduce(apus_reduction_kind, apus_tensor_t, const int64_t *dims, int32_t dim_count,
                        bool keep_dims, apus_out_t out);
// The sum of |x|^p, to the power 1/p; infinite p is the largest absolute value.
apus_status apus_norm(apus_tensor_t, double p, const int64_t *dims, int32_t dim_count,
                      bool keep_dims, apus_out_t out);
// The sum of squared deviations is divided by count - correction; `root` makes it a deviation.
apus_status apus_variance(apus_tensor_t, double correction, bool root, const int64_t *dims,
                          int32_t dim_count, bool keep_dims, apus_out_t out);
// By linear interpolation; `fractions` in [0, 1] become the first dimension of the result.
apus_status apus_quantile(apus_tensor_t, apus_tensor_t fractions, int64_t dim, bool keep_dims,
                          apus_out_t out);
typedef enum { APUS_CUMULATIVE_SUM, APUS_CUMULATIVE_PRODUCT, APUS_LOG_CUMULATIVE_SUM_EXP }
    apus_cumulative_kind;
apus_status apus_cumulative(apus_cumulative_kind, apus_tensor_t, int64_t dim, apus_out_t out);
// Elements of a dimension and where they were.
typedef enum {
    APUS_LOCATE_MAX, APUS_LOCATE_MIN, APUS_LOCATE_MEDIAN, APUS_LOCATE_CUMULATIVE_MAX,
    APUS_LOCATE_CUMULATIVE_MIN,
} apus_locate_kind;
apus_status apus_locate(apus_locate_kind, apus_tensor_t, int64_t dim, apus_out_t values,
                        apus_out_t indices);
apus_status apus_softmax(apus_tensor_t, int64_t dim, bool logarithm, apus_out_t out);
apus_status apus_top_k(apus_tensor_t, int64_t k, int64_t dim, bool largest, apus_out_t values,
                       apus_out_t indices);
apus_status apus_sort(apus_tensor_t, int64_t dim, bool descending, apus_out_t values,
                      apus_out_t indices);

// --- Indexing (indexing.cpp)
// ----------------------------------------------------------------------

apus_status apus_gather(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_out_t out);
apus_status apus_take_along(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_out_t out);
apus_status apus_scatter(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                         bool add, apus_out_t out);
apus_status apus_index_select(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_out_t out);
// Copies of the tensor with the source's entries added to, or written over, entries of a dimension.
apus_status apus_index_add(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                           double alpha, apus_out_t out);
apus_status apus_index_copy(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                            apus_out_t out);
// One index tensor (integers, or a mask) a dimension, NULL for the whole dimension.
apus_status apus_index(apus_tensor_t, apus_optional_list_t indices, int32_t count, apus_out_t out);
apus_status apus_index_put(apus_tensor_t, apus_optional_list_t indices, int32_t count,
                           apus_tensor_t source, bool accumulate, apus_out_t out);
apus_status apus_index_put_in_place(apus_tensor_t, apus_optional_list_t indices, int32_t count,
                                    apus_tensor_t source, bool accumulate);
apus_status apus_masked_select(apus_tensor_t, apus_tensor_t mask, apus_out_t out);
// [count, rank] indices of the elements that are not zero, int64.
apus_status apus_nonzero(apus_tensor_t, apus_out_t out);
apus_status apus_one_hot(apus_tensor_t, int64_t classes, apus_out_t out);
// The distinct elements in ascending order; for each element its place among them; their counts.
apus_status apus_unique(apus_tensor_t, apus_out_t values, apus_out_t inverse, apus_out_t counts);
// Where `values` would be inserted to keep the last dimension sorted; `right`: after equal ones.
apus_status apus_search_sorted(apus_tensor_t sorted, apus_tensor_t values, bool right,
                               apus_out_t out);
// How often (or with what total weight) each of 0, 1, ... occurs.
apus_status apus_bin_count(apus_tensor_t, apus_optional_tensor_t weights, int64_t minimum_length,
                           apus_out_t out);
// Rows of a [count, width] table by an integer tensor of any shape -> shape + [width].
apus_status apus_embedding(apus_tensor_t table, apus_tensor_t indices, apus_out_t out);

// --- Matrices (layers.cpp) ----------------------------------------------------------------------

apus_status apus_matmul(apus_tensor_t, apus_tensor_t, apus_out_t out);
// input [..., in] x weight [out, in] transposed (+ bias [out]) -> [..., out].
apus_status apus_linear(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias,
                        apus_out_t out);
// beta * input + alpha * (a x b), of matrices or of batches of them.
apus_status apus_add_matmul(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double beta,
                            double alpha, apus_out_t out);
// destination [n, m] += alpha * a [n, k] x b [k, m], in place.
apus_status apus_add_product(apus_tensor_t destination, apus_tensor_t a, apus_tensor_t b,
                             double alpha);
apus_status apus_outer(apus_tensor_t, apus_tensor_t, apus_out_t out);
apus_status apus_einsum(const char *equation, apus_list_t operands, int32_t count, apus_out_t out);
typedef enum {
    APUS_CHOLESKY, APUS_INVERSE, APUS_PSEUDO_INVERSE, APUS_DETERMINANT,
} apus_matrix_kind;
apus_status apus_matrix(apus_matrix_kind, apus_tensor_t, apus_out_t out);
typedef enum {
    APUS_QR,               // Q, R
    APUS_SYMMETRIC_EIGEN,  // values in ascending order, vectors in columns
    APUS_SIGN_LOG_DETERMINANT,
} apus_factor_kind;
apus_status apus_factor(apus_factor_kind, apus_tensor_t, apus_out_t first, apus_out_t second);
// The reduced decomposition: U, singular values in descending order, V transposed.
apus_status apus_svd(apus_tensor_t, apus_out_t u, apus_out_t s, apus_out_t vt);
// X of A X = B.
apus_status apus_solve(apus_tensor_t a, apus_tensor_t b, apus_out_t out);
apus_status apus_solve_triangular(apus_tensor_t a, apus_tensor_t b, bool upper, apus_out_t out);

// --- Layers (layers.cpp)
// --------------------------------------------------------------------------

apus_status apus_layer_norm(apus_tensor_t, const int64_t *shape, int32_t rank,
                            apus_optional_tensor_t weight, apus_optional_tensor_t bias,
                            double epsilon, apus_out_t out);
// Computed in fp32 whatever the input's dtype; the result has the input's dtype.
apus_status apus_rms_norm(apus_tensor_t, apus_tensor_t weight, double epsilon, apus_out_t out);
// [batch, channels, ...]: each group of neighbouring channels is normalised by itself.
apus_status apus_group_norm(apus_tensor_t, int64_t groups, apus_optional_tensor_t weight,
                            apus_optional_tensor_t bias, double epsilon, apus_out_t out);
typedef struct {
    apus_optional_tensor_t weight, bias;
    // Of each channel. In training they move towards the batch's by `momentum`, in place.
    apus_optional_tensor_t running_mean, running_variance;
    bool training;
    double momentum, epsilon;
} apus_batch_norm_options;
apus_status apus_batch_norm(apus_tensor_t, apus_batch_norm_options, apus_out_t out);

typedef struct {
    apus_optional_tensor_t mask;
    double dropout;
    double scale;  // NaN: 1 / sqrt(width)
    bool causal, grouped;
} apus_attention_options;
// query [batch, heads, length, width], key and value [batch, key heads, key length, width]; the
// mask broadcasts to [batch, heads, length, key length]: boolean (true takes part) or added to the
// scores.
apus_status apus_attention(apus_tensor_t query, apus_tensor_t key, apus_tensor_t value,
                           apus_attention_options, apus_out_t out);
apus_status apus_dropout(apus_tensor_t, double probability, bool training, apus_out_t out);

typedef struct {
    // One number for each of `rank` spatial dimensions.
    const int64_t *stride, *padding, *dilation, *output_padding;
    int32_t rank;
    int64_t groups;
    bool transposed;
} apus_convolution_options;
// input [batch, in, ...], weight [out, in / groups, ...] (transposed: [in, out / groups, ...]).
apus_status apus_convolution(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias,
                             apus_convolution_options, apus_out_t out);
typedef enum { APUS_POOL_MAX, APUS_POOL_AVERAGE } apus_pool_kind;
// Windows over the last `rank` (1 to 3) dimensions.
apus_status apus_pool(apus_pool_kind, apus_tensor_t, const int64_t *window, const int64_t *stride,
                      const int64_t *padding, int32_t rank, apus_out_t out);
// Pools the last `rank` dimensions to the given sizes.
apus_status apus_adaptive_pool(apus_pool_kind, apus_tensor_t, const int64_t *sizes, int32_t rank,
                               apus_out_t out);
typedef enum {
    APUS_RESAMPLE_NEAREST, APUS_RESAMPLE_LINEAR, APUS_RESAMPLE_CUBIC,
} apus_resample_kind;
// The last `rank` (1 to 3; cubic: 2) dimensions of [batch, channels, ...] to the given sizes.
apus_status apus_resample(apus_resample_kind, apus_tensor_t, const int64_t *sizes, int32_t rank,
                          bool align_corners, apus_out_t out);

// --- Losses (layers.cpp)
// --------------------------------------------------------------------------

typedef enum { APUS_REDUCE_NONE, APUS_REDUCE_MEAN, APUS_REDUCE_SUM } apus_loss_reduction;
// logits [rows, classes], targets [rows] of int64; rows whose target is ignore_index count nothing.
apus_status apus_cross_entropy(apus_tensor_t logits, apus_tensor_t targets,
                               apus_optional_tensor_t class_weights, apus_loss_reduction,
                               int64_t ignore_index, double label_smoothing, apus_out_t out);
// The same for log-probabilities.
apus_status apus_nll(apus_tensor_t log_probabilities, apus_tensor_t targets,
                     apus_optional_tensor_t class_weights, apus_loss_reduction,
                     int64_t ignore_index, apus_out_t out);
typedef enum {
    APUS_LOSS_SQUARED,
    APUS_LOSS_ABSOLUTE,
    APUS_LOSS_SMOOTH_ABSOLUTE,  // parameter: where the square ends
    APUS_LOSS_HUBER,            // parameter: where the square ends
    APUS_LOSS_BINARY,           // of probabilities; weight: of each element
    APUS_LOSS_BINARY_LOGITS,    // of logits; weight: of the positive class
    APUS_LOSS_KL,               // input: log-probabilities, target: probabilities
    APUS_LOSS_KL_LOG_TARGET,    // both log-probabilities
} apus_loss_kind;
apus_status apus_loss(apus_loss_kind, apus_tensor_t input, apus_tensor_t target,
                      apus_optional_tensor_t weight, double parameter, apus_loss_reduction,
                      apus_out_t out);
// Along a dimension, which disappears.
apus_status apus_cosine_similarity(apus_tensor_t, apus_tensor_t, int64_t dim, double epsilon,
                                   apus_out_t out);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
