// The one exception boundary: no C++ exception leaves this target (one that unwound through Swift frames
// would run neither `defer` nor `deinit`, unnoticed).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

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
    Refusal(apus_status status, std::string message) : status(status), message(std::move(message)) {}
    const char *what() const noexcept override { return message.c_str(); }
};

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

at::ScalarType scalar_type(apus_dtype dtype);
apus_dtype dtype_code(at::ScalarType type);
c10::Device device(apus_device device);
at::TensorOptions options(apus_dtype dtype, apus_device device);

inline at::IntArrayRef ints(const int64_t *values, int32_t count) {
    return at::IntArrayRef(values, static_cast<size_t>(count));
}

// A Swift literal arrives as a double; for an integer tensor a whole number means an integer, so that
// `tokens + 1` stays an integer tensor.
inline at::Scalar scalar_for(const at::Tensor &tensor, double value) {
    bool whole = value == static_cast<double>(static_cast<int64_t>(value));
    if (whole && !tensor.is_floating_point() && !tensor.is_complex())
        return at::Scalar(static_cast<int64_t>(value));
    return at::Scalar(value);
}

}  // namespace apus
