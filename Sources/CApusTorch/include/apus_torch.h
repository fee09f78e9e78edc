// The C surface of libtorch for Apus: tensors, autograd, random numbers, the machine. The
// operations are in apus_ops.h.
//
// Rules for every function unless its comment says otherwise:
//  - The status tells whether it worked; on failure apus_last_message() has the sentence and
//    outputs are untouched.
//  - Input handles are borrowed. Output handles are owned by the caller (+1), who releases each
//    once.
//  - Sizes are counts of elements; dimensions may be negative (counted from the end).
//  - An undefined operand, or one whose storage was freed, is refused; only the getters take them.
//  - A `context` given together with `release` is taken over: release(context) is called once, at
//    the latest when the function fails.
//  - Functions may be called from any thread; one tensor must not be used by two threads at once
//    while one of them writes.
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
// Borrowed handles in a row.
typedef const apus_tensor_t _Nonnull *_Nonnull apus_list_t;
typedef const apus_optional_tensor_t *_Nonnull apus_optional_list_t;

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

typedef void (*apus_release)(void *_Nullable context);

// --- Handles and metadata (tensor.cpp). The getters cannot fail. --------------------------------

void apus_tensor_release(apus_tensor_t tensor);
// A second handle to the same tensor.
apus_tensor_t apus_tensor_retain(apus_tensor_t tensor);
apus_tensor_t apus_tensor_undefined(void);
bool apus_tensor_is_defined(apus_tensor_t tensor);
int32_t apus_tensor_rank(apus_tensor_t tensor);
// `dim` is not negative and less than the rank.
int64_t apus_tensor_size(apus_tensor_t tensor, int32_t dim);
int64_t apus_tensor_stride(apus_tensor_t tensor, int32_t dim);
int64_t apus_tensor_element_count(apus_tensor_t tensor);
// -1 for an element type that Apus does not know.
apus_dtype apus_tensor_dtype(apus_tensor_t tensor);
apus_device apus_tensor_device(apus_tensor_t tensor);
bool apus_tensor_is_contiguous(apus_tensor_t tensor);
bool apus_tensor_is_pinned(apus_tensor_t tensor);
// True when both share the same storage.
bool apus_tensor_shares_storage(apus_tensor_t a, apus_tensor_t b);
// Where the first element lies in its storage, in elements, and how many bytes the storage has now.
int64_t apus_tensor_storage_offset(apus_tensor_t tensor);
int64_t apus_tensor_storage_bytes(apus_tensor_t tensor);
// The address of the first element, for host tensors that are contiguous and not freed; valid while
// the storage lives.
void *_Nullable apus_tensor_data(apus_tensor_t tensor);
// The same on any device.
void *_Nullable apus_tensor_address(apus_tensor_t tensor);

// --- Creation (tensor.cpp)
// ------------------------------------------------------------------------

// `pinned` asks for host memory that a GPU can reach directly.
apus_status apus_empty(const int64_t *sizes, int32_t rank, apus_dtype, apus_device, bool pinned,
                       apus_out_t out);
apus_status apus_full(const int64_t *sizes, int32_t rank, double value, apus_dtype, apus_device,
                      apus_out_t out);
apus_status apus_full_like(apus_tensor_t, double value, apus_out_t out);
apus_status apus_empty_like(apus_tensor_t, apus_out_t out);
// Copies byte_count bytes of row-major elements.
apus_status apus_from_bytes(const void *bytes, size_t byte_count, const int64_t *sizes,
                            int32_t rank, apus_dtype, apus_out_t out);
// Uses the memory in place; release(context) is called when the last tensor that shares it is gone.
apus_status apus_from_memory(void *bytes, const int64_t *sizes, int32_t rank, apus_dtype,
                             apus_release release, void *_Nullable context, apus_out_t out);
apus_status apus_arange(double start, double end, double step, apus_dtype, apus_device,
                        apus_out_t out);
apus_status apus_linspace(double start, double end, int64_t steps, apus_dtype, apus_device,
                          apus_out_t out);
apus_status apus_eye(int64_t rows, int64_t columns, apus_dtype, apus_device, apus_out_t out);

// --- Copies and conversions (tensor.cpp)
// ----------------------------------------------------------

// `asynchronous` returns before a copy between pinned host memory and a GPU is done.
apus_status apus_to(apus_tensor_t, apus_dtype, apus_device, bool copy, bool asynchronous,
                    apus_out_t out);
apus_status apus_clone(apus_tensor_t, apus_out_t out);
apus_status apus_contiguous(apus_tensor_t, apus_out_t out);
// Copies the elements of source (any dtype, broadcast) into destination, in place.
apus_status apus_copy(apus_tensor_t destination, apus_tensor_t source, bool asynchronous);
// Row-major elements into memory of exactly element_count x element size bytes.
apus_status apus_to_bytes(apus_tensor_t, void *bytes, size_t byte_count);
apus_status apus_item(apus_tensor_t, double *out);
apus_status apus_item_int(apus_tensor_t, int64_t *out);

// --- Views and shapes (tensor.cpp)
// ----------------------------------------------------------------

apus_status apus_reshape(apus_tensor_t, const int64_t *sizes, int32_t rank, apus_out_t out);
apus_status apus_permute(apus_tensor_t, const int64_t *dims, int32_t rank, apus_out_t out);
apus_status apus_transpose(apus_tensor_t, int64_t a, int64_t b, apus_out_t out);
apus_status apus_move_dim(apus_tensor_t, int64_t from, int64_t to, apus_out_t out);
apus_status apus_squeeze(apus_tensor_t, int64_t dim, apus_out_t out);
apus_status apus_unsqueeze(apus_tensor_t, int64_t dim, apus_out_t out);
apus_status apus_flatten(apus_tensor_t, int64_t first, int64_t last, apus_out_t out);
apus_status apus_expand(apus_tensor_t, const int64_t *sizes, int32_t rank, apus_out_t out);
apus_status apus_select(apus_tensor_t, int64_t dim, int64_t index, apus_out_t out);
// 0 <= start <= end <= size: unlike libtorch, nothing is clamped.
apus_status apus_slice(apus_tensor_t, int64_t dim, int64_t start, int64_t end, int64_t step,
                       apus_out_t out);
// Windows of `size` entries every `step` along dim; their entries become a new last dimension.
apus_status apus_unfold(apus_tensor_t, int64_t dim, int64_t size, int64_t step, apus_out_t out);
apus_status apus_diagonal(apus_tensor_t, int64_t offset, int64_t a, int64_t b, apus_out_t out);
// `count` pieces whose sizes add up to the dimension's.
apus_status apus_split(apus_tensor_t, const int64_t *sizes, int32_t count, int64_t dim,
                       apus_out_t out);
apus_status apus_cat(apus_list_t tensors, int32_t count, int64_t dim, apus_out_t out);
apus_status apus_stack(apus_list_t tensors, int32_t count, int64_t dim, apus_out_t out);
apus_status apus_repeat(apus_tensor_t, const int64_t *repeats, int32_t rank, apus_out_t out);
apus_status apus_repeat_interleave(apus_tensor_t, int64_t repeats, int64_t dim, apus_out_t out);
apus_status apus_flip(apus_tensor_t, const int64_t *dims, int32_t count, apus_out_t out);
apus_status apus_roll(apus_tensor_t, int64_t shift, int64_t dim, apus_out_t out);
typedef enum {
    APUS_PAD_CONSTANT, APUS_PAD_REFLECT, APUS_PAD_REPLICATE, APUS_PAD_CIRCULAR,
} apus_pad_kind;
// `amounts`: before and after for the last dimension, then for the one before it, and so on.
apus_status apus_pad(apus_pad_kind, apus_tensor_t, const int64_t *amounts, int32_t count,
                     double value, apus_out_t out);

// --- Storages (tensor.cpp). Autograd does not know of the sharing; freed storages are allowed.
// ----

// A new leaf that shares `base`'s storage from `offset` elements on.
apus_status apus_storage_view(apus_tensor_t base, int64_t offset, const int64_t *sizes,
                              int32_t rank, apus_out_t out);
// Makes `tensor` point to `data`'s storage and shape, keeping its identity (gradients, hooks).
apus_status apus_set_data(apus_tensor_t tensor, apus_tensor_t data);
// Frees (0) or restores the storage's memory; every tensor that shares it sees the new memory.
apus_status apus_storage_resize(apus_tensor_t tensor, int64_t byte_count);

// --- Autograd (autograd.cpp)
// ----------------------------------------------------------------------

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
apus_status apus_backward(apus_list_t roots, apus_optional_list_t grads, int32_t count,
                          bool retain_graph);
// Gradients of the roots with respect to inputs, without touching `.grad`; NULL where unused.
apus_status apus_gradients(apus_list_t roots, apus_optional_list_t grads, int32_t root_count,
                           apus_list_t inputs, int32_t input_count, bool retain_graph,
                           bool create_graph, apus_out_t out);

// Called after a gradient was accumulated into the leaf's `.grad`, on the thread that runs
// backward. Returns APUS_OK or a status that makes backward fail.
typedef apus_status (*apus_gradient_hook)(void *_Nullable context);
// What a callback returns when it failed: keeps the message, returns the status.
apus_status apus_fail_callback(apus_status, const char *message);
// One hook a leaf; a second replaces it.
apus_status apus_set_gradient_hook(apus_tensor_t leaf, apus_gradient_hook, apus_release,
                                   void *_Nullable context);

// A node of the graph whose backward is the caller's: `grad_outputs` are borrowed (NULL where
// undefined), the callee stores owned handles (or NULL) in `grad_inputs`.
typedef apus_status (*apus_backward_callback)(void *_Nullable context,
                                              apus_optional_list_t grad_outputs,
                                              apus_out_t grad_inputs);
// Attaches the outputs (computed without gradient) to the inputs through such a node. Every output
// of a floating-point type requires a gradient afterwards, even when no input does: parameters may
// be used inside. The context is released as soon as backward needs it no more.
apus_status apus_attach_backward(apus_list_t inputs, int32_t input_count, apus_list_t outputs,
                                 int32_t output_count, const char *name, apus_backward_callback,
                                 apus_release, void *_Nullable context, apus_out_t attached);

// --- Random numbers (runtime.cpp)
// -----------------------------------------------------------------

typedef struct apus_generator *apus_generator_t;
// NULL: the device's default generator.
typedef apus_generator_t _Nullable apus_optional_generator_t;

apus_status apus_seed_all(uint64_t seed);
apus_status apus_generator_make(uint64_t seed, apus_device,
                                apus_generator_t _Nullable *_Nonnull out);
void apus_generator_release(apus_generator_t);
// The whole state as a byte tensor on the host.
apus_status apus_generator_state(apus_optional_generator_t, apus_device, apus_out_t out);
apus_status apus_generator_set_state(apus_optional_generator_t, apus_device, apus_tensor_t state);
typedef enum {
    APUS_RANDOM_UNIFORM,    // in [a, b)
    APUS_RANDOM_NORMAL,     // mean a, standard deviation b
    APUS_RANDOM_INTEGERS,   // in [a, b)
    APUS_RANDOM_BERNOULLI,  // 1 with probability a, else 0
} apus_random_kind;
// In place.
apus_status apus_fill_random(apus_random_kind, apus_tensor_t, double a, double b,
                             apus_optional_generator_t);
// Rows of (unnormalised) probabilities [..., classes] -> indices [..., count].
apus_status apus_multinomial(apus_tensor_t, int64_t count, bool replacement,
                             apus_optional_generator_t, apus_out_t out);
// The numbers 0 to count - 1 in random order, int64.
apus_status apus_random_permutation(int64_t count, apus_device, apus_optional_generator_t,
                                    apus_out_t out);

// --- Catching errors (runtime.cpp)
// ---------------------------------------------------------------- Operations do not report errors
// to their callers; a scope collects the first one of its thread instead. A C++ thread_local,
// because callbacks run on threads of libtorch.

// Enters a scope; scopes nest, and each keeps its own first failure.
void apus_catch_enter(void);
// Leaves the innermost; the status of its first failure, whose message is apus_caught_message().
apus_status apus_catch_leave(void);
const char *apus_caught_message(void);
// True when a scope is open: keeps the first failure. False: the caller should trap.
bool apus_catch_record(apus_status, const char *message);

// --- The machine (runtime.cpp)
// --------------------------------------------------------------------

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

// Bytes of a GPU: held by tensors and by the caching allocator, now and at most; free and all.
typedef struct {
    int64_t allocated, peak_allocated, reserved, peak_reserved, available, total;
} apus_memory_figures;
apus_status apus_device_memory(apus_device, apus_memory_figures *out);
apus_status apus_device_reset_peak(apus_device);
// Gives cached memory that no tensor uses back to the driver.
apus_status apus_device_empty_cache(apus_device);
apus_status apus_device_synchronize(apus_device);
// Makes the device current for this thread.
apus_status apus_device_use(apus_device);

// A queue of a device's work. On the CPU all work is done when a call returns: every stream and
// event function below does nothing there.
typedef struct {
    int64_t id;
    apus_device device;
} apus_stream;
apus_status apus_stream_current(apus_device, apus_stream *out);
// One of the device's pool; streams are shared when many are asked for.
apus_status apus_stream_make(apus_device, bool high_priority, apus_stream *out);
// Makes the stream current for this thread.
apus_status apus_stream_use(apus_stream);
apus_status apus_stream_is_idle(apus_stream, bool *out);
apus_status apus_stream_synchronize(apus_stream);
// A cudaStream_t, NULL on the CPU.
apus_status apus_stream_native(apus_stream, void *_Nullable *_Nonnull out);
// The allocator will not reuse the tensor's memory before the stream's present work is done.
apus_status apus_stream_uses_tensor(apus_stream, apus_tensor_t);

// A point in a stream's work.
typedef struct apus_event *apus_event_t;
apus_status apus_event_make(apus_device, bool timed, apus_event_t _Nullable *_Nonnull out);
void apus_event_release(apus_event_t);
apus_status apus_event_record(apus_event_t, apus_stream);
// What the stream is given after this call waits for the event.
apus_status apus_event_block(apus_event_t, apus_stream);
apus_status apus_event_is_done(apus_event_t, bool *out);
apus_status apus_event_synchronize(apus_event_t);
// Between two timed events, both done.
apus_status apus_event_elapsed(apus_event_t start, apus_event_t end, double *milliseconds);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
