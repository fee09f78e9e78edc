// Handles, metadata, creation, copies, views and storages.
#include "boundary.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diagonal.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/movedim.h>
#include <ATen/ops/pad.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/split_with_sizes.h>
#include <ATen/ops/stack.h>

#include <cstring>

namespace apus {

static thread_local std::string last_message;

apus_status failed(apus_status status, const char *message) noexcept {
    try {
        last_message = message;
    } catch (...) {
        last_message.clear();
    }
    return status;
}

apus_status failed(const c10::Error &error) noexcept {
    const char *message = error.what_without_backtrace();
    // The host allocator reports exhaustion with a plain error, behind where it was found.
    const char *exhausted = std::strstr(message, "DefaultCPUAllocator: can't allocate memory");
    if (exhausted) return failed(APUS_OUT_OF_MEMORY, exhausted);
    if (dynamic_cast<const c10::OutOfMemoryError *>(&error))
        return failed(APUS_OUT_OF_MEMORY, message);
    if (dynamic_cast<const c10::NotImplementedError *>(&error))
        return failed(APUS_NOT_IMPLEMENTED, message);
    return failed(APUS_INVALID_ARGUMENT, message);
}

static const at::ScalarType scalar_types[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16,
                                              at::kChar,  at::kShort,  at::kInt,  at::kLong,
                                              at::kByte,  at::kBool};

at::ScalarType scalar_type(apus_dtype dtype) { return scalar_types[dtype]; }

apus_dtype dtype_code(at::ScalarType type) {
    apus_dtype code = 0;
    for (at::ScalarType known : scalar_types) {
        if (known == type) return code;
        code++;
    }
    return -1;
}

c10::Device device(apus_device device) {
    if (device < 0) return c10::Device(c10::kCPU);
    return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
}

at::TensorOptions options(apus_dtype dtype, apus_device where) {
    return at::TensorOptions().dtype(scalar_type(dtype)).device(device(where));
}

}  // namespace apus

using namespace apus;

const char *apus_last_message(void) { return last_message.c_str(); }

// --- Handles and metadata ---

void apus_tensor_release(apus_tensor_t tensor) { delete tensor; }
apus_tensor_t apus_tensor_retain(apus_tensor_t tensor) { return handle(tensor->value); }
apus_tensor_t apus_tensor_undefined(void) { return handle(at::Tensor()); }
bool apus_tensor_is_defined(apus_tensor_t tensor) { return tensor->value.defined(); }
int32_t apus_tensor_rank(apus_tensor_t tensor) {
    return tensor->value.defined() ? static_cast<int32_t>(tensor->value.dim()) : 0;
}
int64_t apus_tensor_size(apus_tensor_t tensor, int32_t dim) {
    return tensor->value.sizes()[static_cast<size_t>(dim)];
}
int64_t apus_tensor_stride(apus_tensor_t tensor, int32_t dim) {
    return tensor->value.strides()[static_cast<size_t>(dim)];
}
int64_t apus_tensor_element_count(apus_tensor_t tensor) {
    return tensor->value.defined() ? tensor->value.numel() : 0;
}
apus_dtype apus_tensor_dtype(apus_tensor_t tensor) {
    return tensor->value.defined() ? dtype_code(tensor->value.scalar_type()) : 0;
}
apus_device apus_tensor_device(apus_tensor_t tensor) {
    if (!tensor->value.defined() || tensor->value.is_cpu()) return -1;
    return tensor->value.device().index();
}
bool apus_tensor_is_contiguous(apus_tensor_t tensor) {
    return tensor->value.defined() && tensor->value.is_contiguous();
}
bool apus_tensor_is_pinned(apus_tensor_t tensor) {
    bool pinned = false;
    guarded([&] { pinned = tensor->value.defined() && tensor->value.is_pinned(); });
    return pinned;
}
bool apus_tensor_shares_storage(apus_tensor_t a, apus_tensor_t b) {
    return a->value.defined() && b->value.defined() && a->value.is_alias_of(b->value);
}
int64_t apus_tensor_storage_offset(apus_tensor_t tensor) {
    return tensor->value.defined() ? tensor->value.storage_offset() : 0;
}
int64_t apus_tensor_storage_bytes(apus_tensor_t tensor) {
    if (!tensor->value.defined() || !tensor->value.has_storage()) return 0;
    return static_cast<int64_t>(tensor->value.storage().nbytes());
}
void *apus_tensor_address(apus_tensor_t tensor) {
    const at::Tensor &value = tensor->value;
    if (!value.defined() || !value.is_contiguous()) return nullptr;
    if (value.storage().nbytes() == 0) return nullptr;
    return value.mutable_data_ptr();
}

void *apus_tensor_data(apus_tensor_t tensor) {
    const at::Tensor &value = tensor->value;
    return value.defined() && value.is_cpu() ? apus_tensor_address(tensor) : nullptr;
}

// --- Creation ---

apus_status apus_empty(const int64_t *sizes, int32_t rank, apus_dtype dtype, apus_device where,
                       bool pinned, apus_out_t out) {
    return making(out, [&] {
        return at::empty(ints(sizes, rank), options(dtype, where).pinned_memory(pinned));
    });
}
apus_status apus_full(const int64_t *sizes, int32_t rank, double value, apus_dtype dtype,
                      apus_device where, apus_out_t out) {
    return making(out, [&] { return at::full(ints(sizes, rank), value, options(dtype, where)); });
}
apus_status apus_full_like(apus_tensor_t like, double value, apus_out_t out) {
    return making(out, [&] { return at::full_like(defined(like), value); });
}
apus_status apus_empty_like(apus_tensor_t like, apus_out_t out) {
    return making(out, [&] { return at::empty_like(defined(like)); });
}
apus_status apus_from_bytes(const void *bytes, size_t byte_count, const int64_t *sizes,
                            int32_t rank, apus_dtype dtype, apus_out_t out) {
    return making(out, [&] {
        at::Tensor result = at::empty(ints(sizes, rank), options(dtype, -1));
        if (result.nbytes() != byte_count)
            refuse("the shape needs " + std::to_string(result.nbytes()) + " bytes, " +
                   std::to_string(byte_count) + " were given");
        if (byte_count > 0) std::memcpy(result.mutable_data_ptr(), bytes, byte_count);
        return result;
    });
}
apus_status apus_from_memory(void *bytes, const int64_t *sizes, int32_t rank, apus_dtype dtype,
                             apus_release release, void *context, apus_out_t out) {
    return making(out, [&] {
        // Held by the deleter, so that a failure on the way releases it, too.
        auto owner = std::make_shared<Context>(context, release);
        auto deleter = [owner](void *) mutable { owner.reset(); };
        return at::from_blob(bytes, ints(sizes, rank), deleter, options(dtype, -1));
    });
}
apus_status apus_arange(double start, double end, double step, apus_dtype dtype, apus_device where,
                        apus_out_t out) {
    return making(out, [&] {
        bool integers = !at::isFloatingType(scalar_type(dtype));
        return at::arange(number(start, integers), number(end, integers), number(step, integers),
                          options(dtype, where));
    });
}
apus_status apus_linspace(double start, double end, int64_t steps, apus_dtype dtype,
                          apus_device where, apus_out_t out) {
    return making(out, [&] { return at::linspace(start, end, steps, options(dtype, where)); });
}
apus_status apus_eye(int64_t rows, int64_t columns, apus_dtype dtype, apus_device where,
                     apus_out_t out) {
    return making(out, [&] { return at::eye(rows, columns, options(dtype, where)); });
}

// --- Copies and conversions ---

apus_status apus_to(apus_tensor_t tensor, apus_dtype dtype, apus_device where, bool copy,
                    bool asynchronous, apus_out_t out) {
    return making(out,
                  [&] { return operand(tensor).to(options(dtype, where), asynchronous, copy); });
}
apus_status apus_clone(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return operand(tensor).clone(); });
}
apus_status apus_contiguous(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return operand(tensor).contiguous(); });
}
apus_status apus_copy(apus_tensor_t destination, apus_tensor_t source, bool asynchronous) {
    return guarded([&] { operand(destination).copy_(operand(source), asynchronous); });
}
apus_status apus_to_bytes(apus_tensor_t tensor, void *bytes, size_t byte_count) {
    return guarded([&] {
        at::Tensor host = operand(tensor).detach().to(at::kCPU).contiguous();
        if (host.nbytes() != byte_count)
            refuse("the tensor has " + std::to_string(host.nbytes()) + " bytes, not " +
                   std::to_string(byte_count));
        if (byte_count > 0) std::memcpy(bytes, host.const_data_ptr(), byte_count);
    });
}
apus_status apus_item(apus_tensor_t tensor, double *out) {
    return guarded([&] { *out = operand(tensor).item().toDouble(); });
}
apus_status apus_item_int(apus_tensor_t tensor, int64_t *out) {
    return guarded([&] { *out = operand(tensor).item().toLong(); });
}

// --- Views and shapes. A view of a freed tensor is as good as the tensor. ---

apus_status apus_reshape(apus_tensor_t tensor, const int64_t *sizes, int32_t rank, apus_out_t out) {
    return making(out, [&] {
        // Without a view the elements are copied.
        const at::Tensor &value = defined(tensor);
        return (value.is_contiguous() ? value : operand(tensor)).reshape(ints(sizes, rank));
    });
}
apus_status apus_permute(apus_tensor_t tensor, const int64_t *dims, int32_t rank, apus_out_t out) {
    return making(out, [&] { return defined(tensor).permute(ints(dims, rank)); });
}
apus_status apus_transpose(apus_tensor_t tensor, int64_t a, int64_t b, apus_out_t out) {
    return making(out, [&] { return defined(tensor).transpose(a, b); });
}
apus_status apus_move_dim(apus_tensor_t tensor, int64_t from, int64_t to, apus_out_t out) {
    return making(out, [&] { return at::movedim(defined(tensor), from, to); });
}
apus_status apus_squeeze(apus_tensor_t tensor, int64_t dim, apus_out_t out) {
    return making(out, [&] { return defined(tensor).squeeze(dim); });
}
apus_status apus_unsqueeze(apus_tensor_t tensor, int64_t dim, apus_out_t out) {
    return making(out, [&] { return defined(tensor).unsqueeze(dim); });
}
apus_status apus_flatten(apus_tensor_t tensor, int64_t first, int64_t last, apus_out_t out) {
    return making(out, [&] { return operand(tensor).flatten(first, last); });
}
apus_status apus_expand(apus_tensor_t tensor, const int64_t *sizes, int32_t rank, apus_out_t out) {
    return making(out, [&] { return defined(tensor).expand(ints(sizes, rank)); });
}
apus_status apus_select(apus_tensor_t tensor, int64_t dim, int64_t index, apus_out_t out) {
    return making(out, [&] { return defined(tensor).select(dim, index); });
}
apus_status apus_slice(apus_tensor_t tensor, int64_t dim, int64_t start, int64_t end, int64_t step,
                       apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &value = defined(tensor);
        int64_t size = value.size(dim);
        if (start < 0 || end > size || start > end)
            refuse("the range " + std::to_string(start) + "..<" + std::to_string(end) +
                   " lies outside of dimension " + std::to_string(dim) + " of size " +
                   std::to_string(size));
        return value.slice(dim, start, end, step);
    });
}
apus_status apus_unfold(apus_tensor_t tensor, int64_t dim, int64_t size, int64_t step,
                        apus_out_t out) {
    return making(out, [&] { return defined(tensor).unfold(dim, size, step); });
}
apus_status apus_diagonal(apus_tensor_t tensor, int64_t offset, int64_t a, int64_t b,
                          apus_out_t out) {
    return making(out, [&] { return at::diagonal(defined(tensor), offset, a, b); });
}
apus_status apus_split(apus_tensor_t tensor, const int64_t *sizes, int32_t count, int64_t dim,
                       apus_out_t out) {
    return guarded(
        [&] { hand_out(at::split_with_sizes(defined(tensor), ints(sizes, count), dim), out); });
}
apus_status apus_cat(apus_list_t tensors, int32_t count, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::cat(operands(tensors, count), dim); });
}
apus_status apus_stack(apus_list_t tensors, int32_t count, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::stack(operands(tensors, count), dim); });
}
apus_status apus_repeat(apus_tensor_t tensor, const int64_t *repeats, int32_t rank,
                        apus_out_t out) {
    return making(out, [&] { return operand(tensor).repeat(ints(repeats, rank)); });
}
apus_status apus_repeat_interleave(apus_tensor_t tensor, int64_t repeats, int64_t dim,
                                   apus_out_t out) {
    return making(out, [&] { return at::repeat_interleave(operand(tensor), repeats, dim); });
}
apus_status apus_flip(apus_tensor_t tensor, const int64_t *dims, int32_t count, apus_out_t out) {
    return making(out, [&] { return at::flip(operand(tensor), ints(dims, count)); });
}
apus_status apus_roll(apus_tensor_t tensor, int64_t shift, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::roll(operand(tensor), shift, dim); });
}
apus_status apus_pad(apus_pad_kind kind, apus_tensor_t tensor, const int64_t *amounts,
                     int32_t count, double value, apus_out_t out) {
    return making(out, [&] {
        static const char *const modes[] = {"constant", "reflect", "replicate", "circular"};
        // Only the constant mode takes a value.
        std::optional<double> fill;
        if (kind == APUS_PAD_CONSTANT) fill = value;
        return at::pad(operand(tensor), ints(amounts, count), modes[kind], fill);
    });
}

// --- Storages ---

apus_status apus_storage_view(apus_tensor_t base, int64_t offset, const int64_t *sizes,
                              int32_t rank, apus_out_t out) {
    return making(out, [&] {
        at::IntArrayRef shape = ints(sizes, rank);
        std::vector<int64_t> strides(shape.size());
        int64_t count = 1;
        for (size_t i = shape.size(); i-- > 0;) {
            strides[i] = count;
            if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count))
                refuse("the view's shape has no countable elements");
        }
        const at::Tensor &flat = defined(base);
        int64_t capacity = static_cast<int64_t>(flat.storage().nbytes() / flat.element_size());
        if (offset < 0 || count > capacity || offset > capacity - count)
            refuse("a view of " + std::to_string(count) + " elements from " +
                   std::to_string(offset) + " on lies outside of the storage, which has " +
                   std::to_string(capacity));
        at::Tensor view = at::empty({0}, flat.options());
        view.set_(flat.storage(), offset, shape, strides);
        return view;
    });
}
apus_status apus_set_data(apus_tensor_t tensor, apus_tensor_t data) {
    return guarded([&] { defined(tensor).set_data(defined(data)); });
}
apus_status apus_storage_resize(apus_tensor_t tensor, int64_t byte_count) {
    return guarded([&] {
        c10::StorageImpl *storage = defined(tensor).storage().unsafeGetStorageImpl();
        if (!storage->allocator()) refuse("a storage in foreign memory cannot be resized");
        if (byte_count < 0) refuse("a storage cannot have fewer than zero bytes");
        size_t bytes = static_cast<size_t>(byte_count);
        if (bytes == storage->nbytes()) return;
        // The contents need not survive: storages are freed after use and filled after restoring.
        storage->set_data_ptr(bytes == 0 ? c10::DataPtr(nullptr, storage->device())
                                         : storage->allocator()->allocate(bytes));
        storage->set_nbytes(bytes);
    });
}
