// The C surface of libtorch for Apus.
//
// Rules for every function unless its comment says otherwise:
//  - The status tells whether it worked; on failure apus_last_message() has the sentence and outputs are
//    untouched.
//  - Input handles are borrowed. Output handles are owned by the caller (+1), who releases each once.
//  - Sizes are counts of elements; dimensions may be negative (counted from the end).
//  - Functions may be called from any thread; one tensor must not be used by two threads at once while
//    one of them writes.
#ifndef APUS_TORCH_H
#define APUS_TORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

typedef struct apus_tensor *apus_tensor_t;
typedef apus_tensor_t _Nullable apus_optional_tensor_t;
// Where a new handle is stored.
typedef apus_tensor_t _Nullable *_Nonnull apus_out_t;

typedef int32_t apus_status;
enum {
    APUS_OK = 0,
    APUS_OUT_OF_MEMORY,
    APUS_INVALID_ARGUMENT,
    APUS_COMM_TIMEOUT,
    APUS_COMM_ABORTED,
    APUS_NOT_IMPLEMENTED,
    APUS_INTERNAL,
    APUS_CALLBACK_FAILED,
};

// The message of this thread's last failure; valid until its next one.
const char *apus_last_message(void);

// Element types, in the order of ApusBase.DType.
typedef int32_t apus_dtype;

// -1 is the CPU, n >= 0 is CUDA device n.
typedef int32_t apus_device;

// --- Handles and metadata (tensor.cpp). The getters cannot fail. -------------------------------------

void apus_tensor_release(apus_tensor_t tensor);
// A second handle to the same tensor.
apus_tensor_t apus_tensor_retain(apus_tensor_t tensor);
apus_tensor_t apus_tensor_undefined(void);
bool apus_tensor_is_defined(apus_tensor_t tensor);
int32_t apus_tensor_rank(apus_tensor_t tensor);
int64_t apus_tensor_size(apus_tensor_t tensor, int32_t dim);
int64_t apus_tensor_stride(apus_tensor_t tensor, int32_t dim);
int64_t apus_tensor_element_count(apus_tensor_t tensor);
apus_dtype apus_tensor_dtype(apus_tensor_t tensor);
apus_device apus_tensor_device(apus_tensor_t tensor);
bool apus_tensor_is_contiguous(apus_tensor_t tensor);
// True when both share the same storage.
bool apus_tensor_shares_storage(apus_tensor_t a, apus_tensor_t b);
// The address of the first element, for host tensors that are contiguous; valid while the storage lives.
void *_Nullable apus_tensor_data(apus_tensor_t tensor);

// --- Creation (tensor.cpp) -----------------------------------------------------------------------------

apus_status apus_empty(const int64_t *sizes, int32_t rank, apus_dtype, apus_device, apus_out_t out);
apus_status apus_full(const int64_t *sizes, int32_t rank, double value, apus_dtype, apus_device,
                      apus_out_t out);
apus_status apus_full_like(apus_tensor_t, double value, apus_out_t out);
apus_status apus_empty_like(apus_tensor_t, apus_out_t out);
// Copies byte_count bytes of row-major elements.
apus_status apus_from_bytes(const void *bytes, size_t byte_count, const int64_t *sizes, int32_t rank, apus_dtype,
                            apus_out_t out);
// Uses the memory in place; release(context) is called when the last tensor that shares it is gone.
apus_status apus_from_memory(void *bytes, const int64_t *sizes, int32_t rank, apus_dtype,
                             void (*_Nullable release)(void *_Nullable), void *_Nullable context,
                             apus_out_t out);
apus_status apus_arange(double start, double end, double step, apus_dtype, apus_device,
                        apus_out_t out);
apus_status apus_linspace(double start, double end, int64_t steps, apus_dtype, apus_device,
                          apus_out_t out);
apus_status apus_eye(int64_t rows, int64_t columns, apus_dtype, apus_device, apus_out_t out);

// --- Copies and conversions (tensor.cpp) ---------------------------------------------------------------

apus_status apus_to(apus_tensor_t, apus_dtype, apus_device, bool copy, apus_out_t out);
apus_status apus_clone(apus_tensor_t, apus_out_t out);
apus_status apus_contiguous(apus_tensor_t, apus_out_t out);
// Copies the elements of source (any dtype, broadcast) into destination, in place.
apus_status apus_copy(apus_tensor_t destination, apus_tensor_t source);
// Row-major elements into memory of at least element_count x element size bytes.
apus_status apus_to_bytes(apus_tensor_t, void *bytes, size_t byte_count);
apus_status apus_item(apus_tensor_t, double *out);
apus_status apus_item_int(apus_tensor_t, int64_t *out);

// --- Views and shapes (tensor.cpp) -----------------------------------------------------------------------

apus_status apus_reshape(apus_tensor_t, const int64_t *sizes, int32_t rank, apus_out_t out);
apus_status apus_permute(apus_tensor_t, const int64_t *dims, int32_t rank, apus_out_t out);
apus_status apus_transpose(apus_tensor_t, int64_t a, int64_t b, apus_out_t out);
apus_status apus_squeeze(apus_tensor_t, int64_t dim, apus_out_t out);
apus_status apus_unsqueeze(apus_tensor_t, int64_t dim, apus_out_t out);
apus_status apus_expand(apus_tensor_t, const int64_t *sizes, int32_t rank, apus_out_t out);
apus_status apus_select(apus_tensor_t, int64_t dim, int64_t index, apus_out_t out);
apus_status apus_slice(apus_tensor_t, int64_t dim, int64_t start, int64_t end, int64_t step,
                       apus_out_t out);
apus_status apus_cat(const apus_tensor_t _Nonnull *_Nonnull tensors, int32_t count, int64_t dim,
                     apus_out_t out);
apus_status apus_stack(const apus_tensor_t _Nonnull *_Nonnull tensors, int32_t count, int64_t dim,
                       apus_out_t out);
apus_status apus_repeat(apus_tensor_t, const int64_t *repeats, int32_t rank, apus_out_t out);
apus_status apus_repeat_interleave(apus_tensor_t, int64_t repeats, int64_t dim, apus_out_t out);
// A new leaf that shares `base`'s storage from `offset` elements on; autograd does not know of the sharing.
apus_status apus_storage_view(apus_tensor_t base, int64_t offset, const int64_t *sizes, int32_t rank,
                              apus_out_t out);
// Makes `tensor` point to `data`'s storage and shape, keeping its identity (gradients, hooks).
apus_status apus_set_data(apus_tensor_t tensor, apus_tensor_t data);
// Frees (0) or restores the storage's memory; every tensor that shares it sees the new memory.
apus_status apus_storage_resize(apus_tensor_t tensor, int64_t byte_count);

// --- Element-wise operations, by family (ops.cpp) ----------------------------------------------------------

typedef enum {
    APUS_NEG, APUS_ABS, APUS_EXP, APUS_LOG, APUS_LOG2, APUS_LOG10, APUS_LOG1P, APUS_EXPM1, APUS_SQRT,
    APUS_RSQRT, APUS_SQUARE, APUS_RECIPROCAL, APUS_SIN, APUS_COS, APUS_TAN, APUS_ASIN, APUS_ACOS, APUS_ATAN,
    APUS_SINH, APUS_COSH, APUS_TANH, APUS_SIGMOID, APUS_RELU, APUS_SILU, APUS_GELU, APUS_GELU_TANH, APUS_ERF,
    APUS_ERFINV, APUS_FLOOR, APUS_CEIL, APUS_ROUND, APUS_TRUNC, APUS_SIGN, APUS_SOFTPLUS, APUS_MISH,
    APUS_HARDSWISH, APUS_ELU, APUS_SELU, APUS_LOG_SIGMOID, APUS_LOGICAL_NOT, APUS_BITWISE_NOT, APUS_IS_NAN,
    APUS_IS_INF, APUS_IS_FINITE,
} apus_unary_kind;
apus_status apus_unary(apus_unary_kind, apus_tensor_t, apus_out_t out);

typedef enum {
    APUS_ADD, APUS_SUBTRACT, APUS_MULTIPLY, APUS_DIVIDE, APUS_FLOOR_DIVIDE, APUS_REMAINDER, APUS_FMOD, APUS_POW,
    APUS_ATAN2, APUS_MAXIMUM, APUS_MINIMUM, APUS_EQUAL, APUS_NOT_EQUAL, APUS_LESS, APUS_LESS_EQUAL, APUS_GREATER,
    APUS_GREATER_EQUAL, APUS_LOGICAL_AND, APUS_LOGICAL_OR, APUS_LOGICAL_XOR, APUS_BITWISE_AND, APUS_BITWISE_OR,
    APUS_BITWISE_XOR, APUS_SHIFT_LEFT, APUS_SHIFT_RIGHT,
} apus_binary_kind;
apus_status apus_binary(apus_binary_kind, apus_tensor_t, apus_tensor_t, apus_out_t out);
// tensor (op) value, or value (op) tensor when reversed.
apus_status apus_binary_scalar(apus_binary_kind, apus_tensor_t, double value, bool reversed,
                               apus_out_t out);
// In place; add, subtract, multiply and divide only. `alpha` scales the right operand of add and subtract.
apus_status apus_binary_in_place(apus_binary_kind, apus_tensor_t destination, apus_tensor_t, double alpha);
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

// --- Reductions (ops.cpp). No dims means all. -------------------------------------------------------------

typedef enum {
    APUS_SUM, APUS_MEAN, APUS_PROD, APUS_AMAX, APUS_AMIN, APUS_VAR, APUS_STD, APUS_NORM, APUS_LOGSUMEXP, APUS_ALL,
    APUS_ANY, APUS_COUNT_NONZERO, APUS_ARGMAX, APUS_ARGMIN,
} apus_reduction_kind;
apus_status apus_reduce(apus_reduction_kind, apus_tensor_t, const int64_t *_Nullable dims, int32_t dim_count,
                        bool keep_dims, apus_out_t out);
apus_status apus_cumulative_sum(apus_tensor_t, int64_t dim, apus_out_t out);
apus_status apus_softmax(apus_tensor_t, int64_t dim, bool logarithm, apus_out_t out);
apus_status apus_top_k(apus_tensor_t, int64_t k, int64_t dim, bool largest, apus_out_t values,
                       apus_out_t indices);
apus_status apus_sort(apus_tensor_t, int64_t dim, bool descending, apus_out_t values,
                      apus_out_t indices);

// --- Indexing (ops.cpp) --------------------------------------------------------------------------------------

apus_status apus_gather(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_out_t out);
apus_status apus_scatter(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_tensor_t source, bool add,
                         apus_out_t out);
apus_status apus_index_select(apus_tensor_t, int64_t dim, apus_tensor_t index, apus_out_t out);
// Rows of a [count, width] table by an integer tensor of any shape -> shape + [width].
apus_status apus_embedding(apus_tensor_t table, apus_tensor_t indices, apus_out_t out);

// --- Matrices (ops.cpp) ----------------------------------------------------------------------------------------

apus_status apus_matmul(apus_tensor_t, apus_tensor_t, apus_out_t out);
// input [..., in] x weight [out, in] transposed (+ bias [out]) -> [..., out].
apus_status apus_linear(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias,
                        apus_out_t out);

// destination [n, m] += alpha * a [n, k] x b [k, m], in place.
apus_status apus_add_product(apus_tensor_t destination, apus_tensor_t a, apus_tensor_t b, double alpha);

// --- Layers and losses (layers.cpp) ------------------------------------------------------------------------------

apus_status apus_layer_norm(apus_tensor_t, const int64_t *shape, int32_t rank, apus_optional_tensor_t weight,
                            apus_optional_tensor_t bias, double epsilon, apus_out_t out);
// Computed in fp32 whatever the input's dtype; the result has the input's dtype.
apus_status apus_rms_norm(apus_tensor_t, apus_tensor_t weight, double epsilon, apus_out_t out);
// query [batch, heads, length, width], key and value [batch, key heads, key length, width]; mask broadcasts to
// [batch, heads, length, key length]: boolean (true takes part) or added to the scores.
apus_status apus_attention(apus_tensor_t query, apus_tensor_t key, apus_tensor_t value, apus_optional_tensor_t mask,
                           double dropout, bool causal, double scale /* NaN: 1 / sqrt(width) */, bool grouped,
                           apus_out_t out);
typedef enum { APUS_REDUCE_NONE, APUS_REDUCE_MEAN, APUS_REDUCE_SUM } apus_loss_reduction;
// logits [rows, classes], targets [rows] of int64; rows whose target is ignore_index count nothing.
apus_status apus_cross_entropy(apus_tensor_t logits, apus_tensor_t targets, apus_loss_reduction, int64_t ignore_index,
                               double label_smoothing, apus_out_t out);
apus_status apus_dropout(apus_tensor_t, double probability, bool training, apus_out_t out);

// --- Autograd (autograd.cpp) -----------------------------------------------------------------------------------------

bool apus_requires_grad(apus_tensor_t);
bool apus_is_leaf(apus_tensor_t);
apus_status apus_set_requires_grad(apus_tensor_t, bool requires_grad);
apus_status apus_detach(apus_tensor_t, apus_out_t out);
// NULL where there is none.
apus_status apus_grad(apus_tensor_t, apus_out_t out);
apus_status apus_set_grad(apus_tensor_t, apus_optional_tensor_t grad);
// Returns the former state. The mode belongs to the thread.
bool apus_set_grad_enabled(bool enabled);
bool apus_is_grad_enabled(void);
// From roots (with gradients of their shapes, or NULL entries for scalars) to all leaves.
apus_status apus_backward(const apus_tensor_t _Nonnull *_Nonnull roots, const apus_optional_tensor_t *_Nonnull grads,
                          int32_t count, bool retain_graph);
// Gradients of the roots with respect to inputs, without touching `.grad`; NULL where unused.
apus_status apus_gradients(const apus_tensor_t _Nonnull *_Nonnull roots, const apus_optional_tensor_t *_Nonnull grads,
                           int32_t root_count, const apus_tensor_t _Nonnull *_Nonnull inputs, int32_t input_count,
                           bool retain_graph, bool create_graph, apus_optional_tensor_t *_Nonnull out);

// Called after a gradient was accumulated into the leaf's `.grad`, on the thread that runs backward. Returns APUS_OK
// or a status that makes backward fail.
typedef apus_status (*apus_gradient_hook)(void *_Nullable context);
// What a callback returns when it failed: keeps the message, returns APUS_CALLBACK_FAILED.
apus_status apus_fail_callback(const char *message);
// One hook a leaf; release(context) when the leaf or the hook goes.
apus_status apus_set_gradient_hook(apus_tensor_t leaf, apus_gradient_hook, void (*release)(void *_Nullable),
                                   void *_Nullable context);

// A node of the graph whose backward is the caller's: `grad_outputs` are borrowed (NULL where undefined), the callee
// stores owned handles (or NULL) in `grad_inputs`.
typedef apus_status (*apus_backward_callback)(void *_Nullable context,
                                              const apus_optional_tensor_t *_Nonnull grad_outputs,
                                              apus_optional_tensor_t *_Nonnull grad_inputs);
// Attaches the outputs (computed without gradient) to the inputs through such a node. Every output requires a
// gradient afterwards, even when no input does: parameters may be used inside.
apus_status apus_attach_backward(const apus_tensor_t _Nonnull *_Nonnull inputs, int32_t input_count,
                                 const apus_tensor_t _Nonnull *_Nonnull outputs, int32_t output_count,
                                 const char *name, apus_backward_callback, void (*release)(void *_Nullable),
                                 void *_Nullable context, apus_out_t attached);

// --- Random numbers (random.cpp) -----------------------------------------------------------------------------------------

typedef struct apus_generator *apus_generator_t;
typedef apus_generator_t _Nullable apus_optional_generator_t;  // NULL: the device's default generator

apus_status apus_seed_all(uint64_t seed);
apus_status apus_generator_make(uint64_t seed, apus_device, apus_generator_t _Nullable *_Nonnull out);
void apus_generator_release(apus_generator_t);
// The whole state as a byte tensor on the host.
apus_status apus_generator_state(apus_optional_generator_t, apus_device, apus_out_t out);
apus_status apus_generator_set_state(apus_optional_generator_t, apus_device, apus_tensor_t state);
// In place: uniform in [low, high); normal.
apus_status apus_fill_uniform(apus_tensor_t, double low, double high, apus_optional_generator_t);
apus_status apus_fill_normal(apus_tensor_t, double mean, double deviation, apus_optional_generator_t);
// In place: integers in [low, high).
apus_status apus_fill_integers(apus_tensor_t, int64_t low, int64_t high, apus_optional_generator_t);
// Rows of (unnormalised) probabilities [..., classes] -> indices [..., count].
apus_status apus_multinomial(apus_tensor_t, int64_t count, bool replacement, apus_optional_generator_t,
                             apus_out_t out);

// --- Catching errors (runtime.cpp) ---
// Operations do not report errors to their callers; a scope collects the first one of its thread instead. A C++
// thread_local, because callbacks run on threads of libtorch.

// Enters a scope; scopes nest.
void apus_catch_enter(void);
// Leaves it; the status of the first failure since the outermost enter, whose message is apus_caught_message().
apus_status apus_catch_leave(void);
const char *apus_caught_message(void);
// True when a scope is open: keeps the first failure. False: the caller should trap.
bool apus_catch_record(apus_status, const char *message);

// --- The machine (runtime.cpp) ----------------------------------------------------------------------------------------------

const char *apus_torch_version(void);
// The file that libtorch was loaded from.
const char *apus_torch_library_path(void);
bool apus_has_gloo(void);
// Why libnccl.so.2 cannot be loaded; empty when it can.
const char *apus_nccl_unavailable_reason(void);
void apus_set_thread_count(int32_t count);
int32_t apus_thread_count(void);
int32_t apus_cuda_device_count(void);
// Why there is no CUDA device; empty when there is one. Loads libtorch_cuda when it is present.
const char *apus_cuda_unavailable_reason(void);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
