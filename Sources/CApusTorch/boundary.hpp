// The one exception boundary: no C++ exception leaves this target (one that unwound through Swift
// frames would run neither `defer` nor `deinit`, unnoticed).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "apus_torch.h"

// What a handle points to.
struct apus_tensor {
    at::Tensor value;
};

namespace apus {

// Keeps the message for apus_last_message() and returns the status.
apus_status failed(apus_status status, const char *message) noexcept;

// Messages of libtorch carry a C++ backtrace; users get the sentence alone.
apus_status failed(const c10::Error &error) noexcept;

// Thrown by our own checks inside a guarded body.
struct Refusal : std::exception {
    apus_status status;
    std::string message;
    Refusal(apus_status status, std::string message)
        : status(status), message(std::move(message)) {}
    const char *what() const noexcept override { return message.c_str(); }
};

[[noreturn]] inline void refuse(std::string message) {
    throw Refusal(APUS_INVALID_ARGUMENT, std::move(message));
}

template <typename Body>
apus_status guarded(Body &&body) noexcept {
    try {
        body();
        return APUS_OK;
    } catch (const Refusal &error) {
        return failed(error.status, error.what());
    } catch (const c10::Error &error) {
        return failed(error);
    } catch (const std::bad_alloc &) {
        return failed(APUS_OUT_OF_MEMORY, "the host has no memory left");
    } catch (const std::exception &error) {
        return failed(APUS_INTERNAL, error.what());
    } catch (...) {
        return failed(APUS_INTERNAL, "an exception of unknown type");
    }
}

inline apus_tensor_t handle(at::Tensor value) { return new apus_tensor{std::move(value)}; }

// For the many functions that make one tensor.
template <typename Body>
apus_status making(apus_tensor_t *out, Body &&body) noexcept {
    return guarded([&] { *out = handle(body()); });
}

// For those that make several: outputs stay untouched unless all could be made.
inline void hand_out(const std::vector<at::Tensor> &values, apus_tensor_t *out) {
    std::vector<std::unique_ptr<apus_tensor>> handles;
    handles.reserve(values.size());
    for (const at::Tensor &value : values)
        handles.emplace_back(value.defined() ? handle(value) : nullptr);
    for (auto &made : handles) *out++ = made.release();
}
template <typename Body>
apus_status making(apus_tensor_t *first, apus_tensor_t *second, Body &&body) noexcept {
    return guarded([&] {
        auto [a, b] = body();
        apus_tensor_t made[2];
        hand_out({a, b}, made);
        *first = made[0];
        *second = made[1];
    });
}
template <typename Body>
apus_status making(apus_tensor_t *first, apus_tensor_t *second, apus_tensor_t *third,
                   Body &&body) noexcept {
    return guarded([&] {
        auto [a, b, c] = body();
        apus_tensor_t made[3];
        hand_out({a, b, c}, made);
        *first = made[0];
        *second = made[1];
        *third = made[2];
    });
}

inline const at::Tensor &defined(apus_tensor_t tensor) {
    if (!tensor->value.defined()) refuse("an operand is the result of an operation that failed");
    return tensor->value;
}

// An operand whose elements are used. libtorch would read a freed storage through a null pointer.
inline at::Tensor &operand(apus_tensor_t tensor) {
    const at::Tensor &value = defined(tensor);
    if (value.has_storage() && value.storage().nbytes() == 0 && value.numel() > 0)
        refuse("the storage of an operand was freed (a sharded parameter outside of its unit?)");
    return tensor->value;
}
inline std::optional<at::Tensor> operand_or_none(apus_optional_tensor_t tensor) {
    if (!tensor) return std::nullopt;
    return operand(tensor);
}
inline std::vector<at::Tensor> operands(const apus_tensor_t *tensors, int32_t count) {
    std::vector<at::Tensor> values;
    values.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++) values.push_back(operand(tensors[i]));
    return values;
}

// Owns the caller's context.
struct Context {
    void *pointer;
    apus_release release;
    Context(void *pointer, apus_release release) : pointer(pointer), release(release) {}
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;
    ~Context() { release(pointer); }
};

at::ScalarType scalar_type(apus_dtype dtype);
apus_dtype dtype_code(at::ScalarType type);
c10::Device device(apus_device device);
at::TensorOptions options(apus_dtype dtype, apus_device device);

inline at::IntArrayRef ints(const int64_t *values, int32_t count) {
    return at::IntArrayRef(values, static_cast<size_t>(count));
}

// A Swift number arrives as a double; up to 2^53 a whole one can be given on as an integer.
inline at::Scalar number(double value, bool prefer_integer) {
    constexpr double limit = 9007199254740992.0;
    bool whole = value >= -limit && value <= limit &&
                 value == static_cast<double>(static_cast<int64_t>(value));
    if (whole && prefer_integer) return at::Scalar(static_cast<int64_t>(value));
    return at::Scalar(value);
}

// For an integer tensor a whole number means an integer, so that `tokens + 1` stays an integer
// tensor.
inline at::Scalar scalar_for(const at::Tensor &tensor, double value) {
    return number(value, !tensor.is_floating_point() && !tensor.is_complex());
}

}  // namespace apus
