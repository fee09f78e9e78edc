// Operations element by element, over lists, and reductions: families behind one function each.
#include "boundary.hpp"

#include <ATen/Functions.h>
#include <ATen/ScalarOps.h>

#include <cmath>
#include <numeric>

#include "apus_ops.h"

using namespace apus;

// --- Element by element ---

static at::Tensor unary(apus_unary_kind kind, const at::Tensor &x) {
    switch (kind) {
    case APUS_NEG: return x.neg();
    case APUS_ABS: return x.abs();
    case APUS_EXP: return x.exp();
    case APUS_EXP2: return x.exp2();
    case APUS_LOG: return x.log();
    case APUS_LOG2: return x.log2();
    case APUS_LOG10: return x.log10();
    case APUS_LOG1P: return x.log1p();
    case APUS_EXPM1: return x.expm1();
    case APUS_SQRT: return x.sqrt();
    case APUS_RSQRT: return x.rsqrt();
    case APUS_SQUARE: return x.square();
    case APUS_RECIPROCAL: return x.reciprocal();
    case APUS_SIN: return x.sin();
    case APUS_COS: return x.cos();
    case APUS_TAN: return x.tan();
    case APUS_ASIN: return x.asin();
    case APUS_ACOS: return x.acos();
    case APUS_ATAN: return x.atan();
    case APUS_SINH: return x.sinh();
    case APUS_COSH: return x.cosh();
    case APUS_TANH: return x.tanh();
    case APUS_SIGMOID: return x.sigmoid();
    case APUS_RELU: return x.relu();
    case APUS_SILU: return at::silu(x);
    case APUS_GELU: return at::gelu(x);
    case APUS_GELU_TANH: return at::gelu(x, "tanh");
    case APUS_ERF: return x.erf();
    case APUS_ERFC: return x.erfc();
    case APUS_ERFINV: return x.erfinv();
    case APUS_FLOOR: return x.floor();
    case APUS_CEIL: return x.ceil();
    case APUS_ROUND: return x.round();
    case APUS_TRUNC: return x.trunc();
    case APUS_SIGN: return x.sign();
    case APUS_SOFTPLUS: return at::softplus(x);
    case APUS_MISH: return at::mish(x);
    case APUS_HARDSWISH: return at::hardswish(x);
    case APUS_HARDSIGMOID: return at::hardsigmoid(x);
    case APUS_ELU: return at::elu(x);
    case APUS_SELU: return at::selu(x);
    case APUS_LOG_SIGMOID: return at::log_sigmoid(x);
    case APUS_LOGICAL_NOT: return x.logical_not();
    case APUS_BITWISE_NOT: return x.bitwise_not();
    case APUS_IS_NAN: return x.isnan();
    case APUS_IS_INF: return x.isinf();
    case APUS_IS_FINITE: return x.isfinite();
    }
    refuse("unknown unary operation");
}

// Both operand kinds of a binary operation: a tensor, or a scalar on the right.
template <typename Right>
static at::Tensor binary(apus_binary_kind kind, const at::Tensor &a, const Right &b) {
    switch (kind) {
    case APUS_ADD: return at::add(a, b);
    case APUS_SUBTRACT: return at::sub(a, b);
    case APUS_MULTIPLY: return at::mul(a, b);
    case APUS_DIVIDE: return at::div(a, b);
    case APUS_FLOOR_DIVIDE: return at::div(a, b, "floor");
    case APUS_REMAINDER: return at::remainder(a, b);
    case APUS_FMOD: return at::fmod(a, b);
    case APUS_POW: return at::pow(a, b);
    case APUS_EQUAL: return at::eq(a, b);
    case APUS_NOT_EQUAL: return at::ne(a, b);
    case APUS_LESS: return at::lt(a, b);
    case APUS_LESS_EQUAL: return at::le(a, b);
    case APUS_GREATER: return at::gt(a, b);
    case APUS_GREATER_EQUAL: return at::ge(a, b);
    case APUS_BITWISE_AND: return at::bitwise_and(a, b);
    case APUS_BITWISE_OR: return at::bitwise_or(a, b);
    case APUS_BITWISE_XOR: return at::bitwise_xor(a, b);
    case APUS_SHIFT_LEFT: return at::bitwise_left_shift(a, b);
    case APUS_SHIFT_RIGHT: return at::bitwise_right_shift(a, b);
    default: break;
    }
    if constexpr (std::is_same_v<Right, at::Tensor>) {
        switch (kind) {
        case APUS_ATAN2: return at::atan2(a, b);
        case APUS_LOGADDEXP: return at::logaddexp(a, b);
        case APUS_MAXIMUM: return at::maximum(a, b);
        case APUS_MINIMUM: return at::minimum(a, b);
        case APUS_LOGICAL_AND: return at::logical_and(a, b);
        case APUS_LOGICAL_OR: return at::logical_or(a, b);
        case APUS_LOGICAL_XOR: return at::logical_xor(a, b);
        default: break;
        }
    } else {
        return binary(kind, a, at::native::wrapped_scalar_tensor(b, a.device()));
    }
    refuse("unknown binary operation");
}

static at::Tensor reversed(apus_binary_kind kind, const at::Tensor &a, const at::Scalar &value) {
    switch (kind) {
    case APUS_SUBTRACT: return at::rsub(a, value);
    case APUS_DIVIDE: return at::mul(at::reciprocal(a), value);
    case APUS_POW: return at::pow(value, a);
    default: return binary(kind, at::native::wrapped_scalar_tensor(value, a.device()), a);
    }
}

apus_status apus_unary(apus_unary_kind kind, apus_tensor_t x, apus_out_t out) {
    return making(out, [&] { return unary(kind, operand(x)); });
}
apus_status apus_leaky_relu(apus_tensor_t x, double slope, apus_out_t out) {
    return making(out, [&] { return at::leaky_relu(operand(x), slope); });
}
apus_status apus_glu(apus_tensor_t x, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::glu(operand(x), dim); });
}
apus_status apus_binary(apus_binary_kind kind, apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return binary<at::Tensor>(kind, operand(a), operand(b)); });
}
apus_status apus_binary_scalar(apus_binary_kind kind, apus_tensor_t a, double value,
                               bool is_reversed, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &tensor = operand(a);
        at::Scalar scalar = scalar_for(tensor, value);
        return is_reversed ? reversed(kind, tensor, scalar) : binary(kind, tensor, scalar);
    });
}
apus_status apus_binary_in_place(apus_binary_kind kind, apus_tensor_t destination,
                                 apus_tensor_t other, double alpha) {
    return guarded([&] {
        at::Tensor &a = operand(destination);
        const at::Tensor &b = operand(other);
        switch (kind) {
        case APUS_ADD: a.add_(b, scalar_for(a, alpha)); return;
        case APUS_SUBTRACT: a.sub_(b, scalar_for(a, alpha)); return;
        case APUS_MULTIPLY: a.mul_(b); return;
        case APUS_DIVIDE: a.div_(b); return;
        default: refuse("no in-place form");
        }
    });
}
apus_status apus_binary_scalar_in_place(apus_binary_kind kind, apus_tensor_t destination,
                                        double value) {
    return guarded([&] {
        at::Tensor &a = operand(destination);
        at::Scalar scalar = scalar_for(a, value);
        switch (kind) {
        case APUS_ADD: a.add_(scalar); return;
        case APUS_SUBTRACT: a.sub_(scalar); return;
        case APUS_MULTIPLY: a.mul_(scalar); return;
        case APUS_DIVIDE: a.div_(scalar); return;
        default: refuse("no in-place form");
        }
    });
}
apus_status apus_fill(apus_tensor_t destination, double value) {
    return guarded([&] {
        at::Tensor &tensor = operand(destination);
        if (value == 0) tensor.zero_();
        else tensor.fill_(scalar_for(tensor, value));
    });
}
apus_status apus_where(apus_tensor_t condition, apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::where(operand(condition), operand(a), operand(b)); });
}
apus_status apus_clamp(apus_tensor_t x, double low, double high, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &tensor = operand(x);
        std::optional<at::Scalar> minimum, maximum;
        if (std::isfinite(low)) minimum = scalar_for(tensor, low);
        if (std::isfinite(high)) maximum = scalar_for(tensor, high);
        // Without bounds libtorch refuses.
        return minimum || maximum ? at::clamp(tensor, minimum, maximum) : tensor.clone();
    });
}
apus_status apus_masked_fill(apus_tensor_t x, apus_tensor_t mask, double value, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &tensor = operand(x);
        return tensor.masked_fill(operand(mask), scalar_for(tensor, value));
    });
}
apus_status apus_addcmul(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value,
                         apus_out_t out) {
    return making(out, [&] {
        at::Scalar scale = scalar_for(operand(input), value);
        return at::addcmul(input->value, operand(a), operand(b), scale);
    });
}
apus_status apus_addcdiv(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value,
                         apus_out_t out) {
    return making(out, [&] {
        at::Scalar scale = scalar_for(operand(input), value);
        return at::addcdiv(input->value, operand(a), operand(b), scale);
    });
}
apus_status apus_lerp(apus_tensor_t start, apus_tensor_t end, double weight, apus_out_t out) {
    return making(out, [&] { return at::lerp(operand(start), operand(end), weight); });
}
apus_status apus_triangle(apus_tensor_t x, bool lower, int64_t diagonal, apus_out_t out) {
    return making(out, [&] {
        return lower ? at::tril(operand(x), diagonal) : at::triu(operand(x), diagonal);
    });
}
apus_status apus_is_same(apus_tensor_t a, apus_tensor_t b, bool *out) {
    return guarded([&] { *out = at::equal(operand(a), operand(b)); });
}
apus_status apus_is_close(apus_tensor_t a, apus_tensor_t b, double relative, double absolute,
                          bool *out) {
    return guarded([&] { *out = at::allclose(operand(a), operand(b), relative, absolute); });
}

// --- Lists ---

apus_status apus_each(apus_each_kind kind, apus_list_t xs, apus_list_t ys, int32_t count,
                      double scalar) {
    return guarded([&] {
        std::vector<at::Tensor> a = operands(xs, count), b = operands(ys, count);
        if (a.empty()) return;
        switch (kind) {
        case APUS_EACH_ADD: at::_foreach_add_(a, b, scalar_for(a[0], scalar)); return;
        case APUS_EACH_MULTIPLY: at::_foreach_mul_(a, b); return;
        case APUS_EACH_DIVIDE: at::_foreach_div_(a, b); return;
        case APUS_EACH_LERP: at::_foreach_lerp_(a, b, scalar); return;
        case APUS_EACH_COPY: at::_foreach_copy_(a, b); return;
        }
        refuse("unknown operation over lists");
    });
}
apus_status apus_each_scalar(apus_each_scalar_kind kind, apus_list_t xs, int32_t count,
                             double scalar) {
    return guarded([&] {
        std::vector<at::Tensor> a = operands(xs, count);
        if (a.empty()) return;
        switch (kind) {
        case APUS_EACH_SCALE: at::_foreach_mul_(a, scalar_for(a[0], scalar)); return;
        case APUS_EACH_OFFSET: at::_foreach_add_(a, scalar_for(a[0], scalar)); return;
        case APUS_EACH_ZERO: at::_foreach_zero_(a); return;
        }
        refuse("unknown operation over a list");
    });
}
apus_status apus_each_norm(apus_list_t xs, int32_t count, apus_out_t out) {
    return guarded([&] {
        if (count > 0) hand_out(at::_foreach_norm(operands(xs, count)), out);
    });
}

// --- Reductions ---

static at::Tensor count_nonzero(const at::Tensor &x, at::IntArrayRef dims, bool keep) {
    at::Tensor mask = x.ne(0);
    if (dims.empty()) return at::sum(mask);
    return at::sum(mask, dims, keep);
}

// Unlike the others libtorch's takes no dimensions for none.
static at::Tensor log_sum_exp(const at::Tensor &x, at::IntArrayRef dims, bool keep) {
    if (!dims.empty()) return at::logsumexp(x, dims, keep);
    std::vector<int64_t> all(static_cast<size_t>(x.dim()));
    std::iota(all.begin(), all.end(), 0);
    return all.empty() ? x.clone() : at::logsumexp(x, all, keep);
}

static at::Tensor reduce_one(apus_reduction_kind kind, const at::Tensor &x, at::IntArrayRef dims,
                             bool keep) {
    if (dims.size() > 1) refuse("this reduction takes one dimension or none");
    bool all = dims.empty();
    std::optional<int64_t> dim;
    if (!all) dim = dims[0];
    switch (kind) {
    case APUS_PROD: return all ? at::prod(x) : at::prod(x, *dim, keep);
    case APUS_ARGMAX: return at::argmax(x, dim, keep);
    case APUS_ARGMIN: return at::argmin(x, dim, keep);
    default: refuse("unknown reduction");
    }
}

static at::Tensor reduce(apus_reduction_kind kind, const at::Tensor &x, at::IntArrayRef dims,
                         bool keep) {
    at::OptionalIntArrayRef some = dims.empty() ? at::OptionalIntArrayRef() : dims;
    switch (kind) {
    case APUS_SUM: return at::sum(x, dims, keep);
    case APUS_MEAN: return at::mean(x, dims, keep);
    case APUS_AMAX: return at::amax(x, dims, keep);
    case APUS_AMIN: return at::amin(x, dims, keep);
    case APUS_LOGSUMEXP: return log_sum_exp(x, dims, keep);
    case APUS_ALL: return at::all(x, some, keep);
    case APUS_ANY: return at::any(x, some, keep);
    case APUS_COUNT_NONZERO: return count_nonzero(x, dims, keep);
    default: return reduce_one(kind, x, dims, keep);
    }
}

apus_status apus_reduce(apus_reduction_kind kind, apus_tensor_t x, const int64_t *dims,
                        int32_t dim_count, bool keep_dims, apus_out_t out) {
    return making(out, [&] { return reduce(kind, operand(x), ints(dims, dim_count), keep_dims); });
}
apus_status apus_norm(apus_tensor_t x, double p, const int64_t *dims, int32_t dim_count,
                      bool keep_dims, apus_out_t out) {
    return making(out, [&] {
        at::OptionalIntArrayRef some;
        if (dim_count > 0) some = ints(dims, dim_count);
        return at::linalg_vector_norm(operand(x), p, some, keep_dims);
    });
}
apus_status apus_variance(apus_tensor_t x, double correction, bool root, const int64_t *dims,
                          int32_t dim_count, bool keep_dims, apus_out_t out) {
    return making(out, [&] {
        at::OptionalIntArrayRef some;
        if (dim_count > 0) some = ints(dims, dim_count);
        std::optional<at::Scalar> by = at::Scalar(correction);
        if (root) return at::std(operand(x), some, by, keep_dims);
        return at::var(operand(x), some, by, keep_dims);
    });
}
apus_status apus_quantile(apus_tensor_t x, apus_tensor_t fractions, int64_t dim, bool keep_dims,
                          apus_out_t out) {
    return making(out,
                  [&] { return at::quantile(operand(x), operand(fractions), dim, keep_dims); });
}
apus_status apus_cumulative(apus_cumulative_kind kind, apus_tensor_t x, int64_t dim,
                            apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        switch (kind) {
        case APUS_CUMULATIVE_SUM: return at::cumsum(operand(x), dim);
        case APUS_CUMULATIVE_PRODUCT: return at::cumprod(operand(x), dim);
        case APUS_LOG_CUMULATIVE_SUM_EXP: return at::logcumsumexp(operand(x), dim);
        }
        refuse("unknown cumulative operation");
    });
}
apus_status apus_locate(apus_locate_kind kind, apus_tensor_t tensor, int64_t dim,
                        apus_out_t values, apus_out_t indices) {
    return making(values, indices, [&]() -> std::tuple<at::Tensor, at::Tensor> {
        const at::Tensor &x = operand(tensor);
        switch (kind) {
        case APUS_LOCATE_MAX: return at::max(x, dim);
        case APUS_LOCATE_MIN: return at::min(x, dim);
        case APUS_LOCATE_MEDIAN: return at::median(x, dim);
        case APUS_LOCATE_CUMULATIVE_MAX: return at::cummax(x, dim);
        case APUS_LOCATE_CUMULATIVE_MIN: return at::cummin(x, dim);
        }
        refuse("unknown reduction with indices");
    });
}
apus_status apus_softmax(apus_tensor_t x, int64_t dim, bool logarithm, apus_out_t out) {
    return making(out, [&] {
        return logarithm ? at::log_softmax(operand(x), dim) : at::softmax(operand(x), dim);
    });
}
apus_status apus_top_k(apus_tensor_t x, int64_t k, int64_t dim, bool largest, apus_out_t values,
                       apus_out_t indices) {
    return making(values, indices, [&] { return at::topk(operand(x), k, dim, largest); });
}
apus_status apus_sort(apus_tensor_t x, int64_t dim, bool descending, apus_out_t values,
                      apus_out_t indices) {
    return making(values, indices,
                  [&] { return at::sort(operand(x), /*stable=*/true, dim, descending); });
}
