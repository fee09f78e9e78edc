// Handles, metadata, creation, copies and views.
#include "boundary.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/repeat_interleave.h>
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
    bool memory = dynamic_cast<const c10::OutOfMemoryError *>(&error) != nullptr ||
                  std::strstr(message, "can't allocate memory") != nullptr;
    if (memory) return failed(APUS_OUT_OF_MEMORY, message);
    if (dynamic_cast<const c10::NotImplementedError *>(&error)) return failed(APUS_NOT_IMPLEMENTED, message);
    return failed(APUS_INVALID_ARGUMENT, message);
}

static const at::ScalarType scalar_types[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kChar,
                                              at::kShort, at::kInt, at::kLong, at::kByte, at::kBool};

at::ScalarType scalar_type(apus_dtype dtype) { return scalar_types[dtype]; }

apus_dtype dtype_code(at::ScalarType type) {
    for (apus_dtype code = 0; code < 10; code++)
        if (scalar_types[code] == type) return code;
    return -1;
}

c10::Device device(apus_device device) {
    return device < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
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
int64_t apus_tensor_size(apus_tensor_t tensor, int32_t dim) { return tensor->value.sizes()[dim]; }
int64_t apus_tensor_stride(apus_tensor_t tensor, int32_t dim) { return tensor->value.strides()[dim]; }
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
bool apus_tensor_is_contiguous(apus_tensor_t tensor) { return tensor->value.is_contiguous(); }
bool apus_tensor_shares_storage(apus_tensor_t a, apus_tensor_t b) {
    return a->value.is_alias_of(b->value);
}
void *apus_tensor_data(apus_tensor_t tensor) {
    const at::Tensor &value = tensor->value;
    if (!value.defined() || !value.is_cpu() || !value.is_contiguous()) return nullptr;
    return value.mutable_data_ptr();
}

// --- Creation ---

apus_status apus_empty(const int64_t *sizes, int32_t rank, apus_dtype dtype, apus_device where, apus_out_t out) {
    return making(out, [&] { return at::empty(ints(sizes, rank), options(dtype, where)); });
}
apus_status apus_full(const int64_t *sizes, int32_t rank, double value, apus_dtype dtype, apus_device where,
                      apus_out_t out) {
    return making(out, [&] { return at::full(ints(sizes, rank), value, options(dtype, where)); });
}
apus_status apus_full_like(apus_tensor_t like, double value, apus_out_t out) {
    return making(out, [&] { return at::full_like(like->value, value); });
}
apus_status apus_empty_like(apus_tensor_t like, apus_out_t out) {
    return making(out, [&] { return at::empty_like(like->value); });
}
apus_status apus_from_bytes(const void *bytes, size_t byte_count, const int64_t *sizes, int32_t rank,
                            apus_dtype dtype, apus_out_t out) {
    return making(out, [&] {
        at::Tensor result = at::empty(ints(sizes, rank), options(dtype, -1));
        if (result.nbytes() != byte_count)
            throw Refusal(APUS_INVALID_ARGUMENT, "the shape needs " + std::to_string(result.nbytes()) +
                                                     " bytes, " + std::to_string(byte_count) + " were given");
        if (byte_count > 0) std::memcpy(result.mutable_data_ptr(), bytes, byte_count);
        return result;
    });
}
apus_status apus_from_memory(void *bytes, const int64_t *sizes, int32_t rank, apus_dtype dtype,
                             void (*release)(void *), void *context, apus_out_t out) {
    return making(out, [&] {
        auto deleter = [release, context](void *) {
            if (release) release(context);
        };
        return at::from_blob(bytes, ints(sizes, rank), deleter, options(dtype, -1));
    });
}
apus_status apus_arange(double start, double end, double step, apus_dtype dtype, apus_device where, apus_out_t out) {
    return making(out, [&] { return at::arange(start, end, step, options(dtype, where)); });
}
apus_status apus_linspace(double start, double end, int64_t steps, apus_dtype dtype, apus_device where,
                          apus_out_t out) {
    return making(out, [&] { return at::linspace(start, end, steps, options(dtype, where)); });
}
apus_status apus_eye(int64_t rows, int64_t columns, apus_dtype dtype, apus_device where, apus_out_t out) {
    return making(out, [&] { return at::eye(rows, columns, options(dtype, where)); });
}

// --- Copies and conversions ---

apus_status apus_to(apus_tensor_t tensor, apus_dtype dtype, apus_device where, bool copy, apus_out_t out) {
    return making(out, [&] { return tensor->value.to(options(dtype, where), false, copy); });
}
apus_status apus_clone(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return tensor->value.clone(); });
}
apus_status apus_contiguous(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return tensor->value.contiguous(); });
}
apus_status apus_copy(apus_tensor_t destination, apus_tensor_t source) {
    return guarded([&] { destination->value.copy_(source->value); });
}
apus_status apus_to_bytes(apus_tensor_t tensor, void *bytes, size_t byte_count) {
    return guarded([&] {
        at::Tensor host = tensor->value.detach().to(at::kCPU).contiguous();
        if (host.nbytes() != byte_count)
            throw Refusal(APUS_INVALID_ARGUMENT, "the tensor has " + std::to_string(host.nbytes()) + " bytes, not " +
                                                     std::to_string(byte_count));
        if (byte_count > 0) std::memcpy(bytes, host.const_data_ptr(), byte_count);
    });
}
apus_status apus_item(apus_tensor_t tensor, double *out) {
    return guarded([&] { *out = tensor->value.item().toDouble(); });
}
apus_status apus_item_int(apus_tensor_t tensor, int64_t *out) {
    return guarded([&] { *out = tensor->value.item().toLong(); });
}

// --- Views and shapes ---

apus_status apus_reshape(apus_tensor_t tensor, const int64_t *sizes, int32_t rank, apus_out_t out) {
    return making(out, [&] { return tensor->value.reshape(ints(sizes, rank)); });
}
apus_status apus_permute(apus_tensor_t tensor, const int64_t *dims, int32_t rank, apus_out_t out) {
    return making(out, [&] { return tensor->value.permute(ints(dims, rank)); });
}
apus_status apus_transpose(apus_tensor_t tensor, int64_t a, int64_t b, apus_out_t out) {
    return making(out, [&] { return tensor->value.transpose(a, b); });
}
apus_status apus_squeeze(apus_tensor_t tensor, int64_t dim, apus_out_t out) {
    return making(out, [&] { return tensor->value.squeeze(dim); });
}
apus_status apus_unsqueeze(apus_tensor_t tensor, int64_t dim, apus_out_t out) {
    return making(out, [&] { return tensor->value.unsqueeze(dim); });
}
apus_status apus_expand(apus_tensor_t tensor, const int64_t *sizes, int32_t rank, apus_out_t out) {
    return making(out, [&] { return tensor->value.expand(ints(sizes, rank)); });
}
apus_status apus_select(apus_tensor_t tensor, int64_t dim, int64_t index, apus_out_t out) {
    return making(out, [&] { return tensor->value.select(dim, index); });
}
apus_status apus_slice(apus_tensor_t tensor, int64_t dim, int64_t start, int64_t end, int64_t step, apus_out_t out) {
    return making(out, [&] { return tensor->value.slice(dim, start, end, step); });
}

static std::vector<at::Tensor> list(const apus_tensor_t *tensors, int32_t count) {
    std::vector<at::Tensor> values;
    values.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++) values.push_back(tensors[i]->value);
    return values;
}

apus_status apus_cat(const apus_tensor_t *tensors, int32_t count, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::cat(list(tensors, count), dim); });
}
apus_status apus_stack(const apus_tensor_t *tensors, int32_t count, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::stack(list(tensors, count), dim); });
}
apus_status apus_repeat(apus_tensor_t tensor, const int64_t *repeats, int32_t rank, apus_out_t out) {
    return making(out, [&] { return tensor->value.repeat(ints(repeats, rank)); });
}
apus_status apus_repeat_interleave(apus_tensor_t tensor, int64_t repeats, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::repeat_interleave(tensor->value, repeats, dim); });
}
apus_status apus_storage_view(apus_tensor_t base, int64_t offset, const int64_t *sizes, int32_t rank,
                              apus_out_t out) {
    return making(out, [&] {
        at::IntArrayRef shape = ints(sizes, rank);
        std::vector<int64_t> strides(shape.size());
        int64_t count = 1;
        for (size_t i = shape.size(); i-- > 0;) {
            strides[i] = count;
            count *= shape[i];
        }
        const at::Tensor &flat = base->value;
        if (offset < 0 || offset + count > static_cast<int64_t>(flat.storage().nbytes() / flat.element_size()))
            throw Refusal(APUS_INVALID_ARGUMENT, "the view lies outside of the storage");
        at::Tensor view = at::empty({0}, flat.options());
        view.set_(flat.storage(), offset, shape, strides);
        return view;
    });
}
apus_status apus_set_data(apus_tensor_t tensor, apus_tensor_t data) {
    return guarded([&] { tensor->value.set_data(data->value); });
}
apus_status apus_storage_resize(apus_tensor_t tensor, int64_t byte_count) {
    return guarded([&] {
        c10::StorageImpl *storage = tensor->value.storage().unsafeGetStorageImpl();
        if (!storage->allocator())
            throw Refusal(APUS_INVALID_ARGUMENT, "a storage in foreign memory cannot be resized");
        size_t bytes = static_cast<size_t>(byte_count);
        if (bytes == storage->nbytes()) return;
        // The contents need not survive: storages are freed after use and filled after restoring.
        storage->set_data_ptr(bytes == 0 ? c10::DataPtr(nullptr, storage->device())
                                         : storage->allocator()->allocate(bytes));
        storage->set_nbytes(bytes);
    });
}
