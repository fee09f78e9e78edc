// Element-wise operations, reductions, indexing, matrices: families behind one function each.
#include "boundary.hpp"

#include <ATen/Functions.h>

using namespace apus;

// --- Element-wise ---

static at::Tensor unary(apus_unary_kind kind, const at::Tensor &x) {
    switch (kind) {
    case APUS_NEG: return x.neg();
    case APUS_ABS: return x.abs();
    case APUS_EXP: return x.exp();
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
    case APUS_ERFINV: return x.erfinv();
    case APUS_FLOOR: return x.floor();
    case APUS_CEIL: return x.ceil();
    case APUS_ROUND: return x.round();
    case APUS_TRUNC: return x.trunc();
    case APUS_SIGN: return x.sign();
    case APUS_SOFTPLUS: return at::softplus(x);
    case APUS_MISH: return at::mish(x);
    case APUS_HARDSWISH: return at::hardswish(x);
    case APUS_ELU: return at::elu(x);
    case APUS_SELU: return at::selu(x);
    case APUS_LOG_SIGMOID: return at::log_sigmoid(x);
    case APUS_LOGICAL_NOT: return x.logical_not();
    case APUS_BITWISE_NOT: return x.bitwise_not();
    case APUS_IS_NAN: return x.isnan();
    case APUS_IS_INF: return x.isinf();
    case APUS_IS_FINITE: return x.isfinite();
    }
    throw Refusal(APUS_INVALID_ARGUMENT, "unknown unary operation");
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
        case APUS_MAXIMUM: return at::maximum(a, b);
        case APUS_MINIMUM: return at::minimum(a, b);
        case APUS_LOGICAL_AND: return at::logical_and(a, b);
        case APUS_LOGICAL_OR: return at::logical_or(a, b);
        case APUS_LOGICAL_XOR: return at::logical_xor(a, b);
        default: break;
        }
    } else {
        return binary(kind, a, at::scalar_tensor(b, a.options().requires_grad(false)));
    }
    throw Refusal(APUS_INVALID_ARGUMENT, "unknown binary operation");
}

static at::Tensor reversed(apus_binary_kind kind, const at::Tensor &a, const at::Scalar &value) {
    switch (kind) {
    case APUS_SUBTRACT: return at::rsub(a, value);
    case APUS_DIVIDE: return at::mul(at::reciprocal(a), value);
    case APUS_POW: return at::pow(value, a);
    default: return binary(kind, at::scalar_tensor(value, a.options().requires_grad(false)), a);
    }
}

apus_status apus_unary(apus_unary_kind kind, apus_tensor_t x, apus_out_t out) {
    return making(out, [&] { return unary(kind, x->value); });
}
apus_status apus_binary(apus_binary_kind kind, apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return binary(kind, a->value, b->value); });
}
apus_status apus_binary_scalar(apus_binary_kind kind, apus_tensor_t a, double value, bool is_reversed,
                               apus_out_t out) {
    return making(out, [&] {
        at::Scalar scalar = scalar_for(a->value, value);
        return is_reversed ? reversed(kind, a->value, scalar) : binary(kind, a->value, scalar);
    });
}
apus_status apus_binary_in_place(apus_binary_kind kind, apus_tensor_t destination, apus_tensor_t other,
                                 double alpha) {
    return guarded([&] {
        at::Tensor &a = destination->value;
        switch (kind) {
        case APUS_ADD: a.add_(other->value, scalar_for(a, alpha)); return;
        case APUS_SUBTRACT: a.sub_(other->value, scalar_for(a, alpha)); return;
        case APUS_MULTIPLY: a.mul_(other->value); return;
        case APUS_DIVIDE: a.div_(other->value); return;
        default: throw Refusal(APUS_INVALID_ARGUMENT, "no in-place form");
        }
    });
}
apus_status apus_binary_scalar_in_place(apus_binary_kind kind, apus_tensor_t destination, double value) {
    return guarded([&] {
        at::Tensor &a = destination->value;
        at::Scalar scalar = scalar_for(a, value);
        switch (kind) {
        case APUS_ADD: a.add_(scalar); return;
        case APUS_SUBTRACT: a.sub_(scalar); return;
        case APUS_MULTIPLY: a.mul_(scalar); return;
        case APUS_DIVIDE: a.div_(scalar); return;
        default: throw Refusal(APUS_INVALID_ARGUMENT, "no in-place form");
        }
    });
}
apus_status apus_fill(apus_tensor_t destination, double value) {
    return guarded([&] {
        if (value == 0) destination->value.zero_();
        else destination->value.fill_(value);
    });
}
apus_status apus_where(apus_tensor_t condition, apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::where(condition->value, a->value, b->value); });
}
apus_status apus_clamp(apus_tensor_t x, double low, double high, apus_out_t out) {
    return making(out, [&] {
        c10::optional<at::Scalar> minimum, maximum;
        if (std::isfinite(low)) minimum = scalar_for(x->value, low);
        if (std::isfinite(high)) maximum = scalar_for(x->value, high);
        return at::clamp(x->value, minimum, maximum);
    });
}
apus_status apus_masked_fill(apus_tensor_t x, apus_tensor_t mask, double value, apus_out_t out) {
    return making(out, [&] { return x->value.masked_fill(mask->value, scalar_for(x->value, value)); });
}
apus_status apus_addcmul(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value, apus_out_t out) {
    return making(out, [&] { return at::addcmul(input->value, a->value, b->value, value); });
}
apus_status apus_addcdiv(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double value, apus_out_t out) {
    return making(out, [&] { return at::addcdiv(input->value, a->value, b->value, value); });
}
apus_status apus_lerp(apus_tensor_t start, apus_tensor_t end, double weight, apus_out_t out) {
    return making(out, [&] { return at::lerp(start->value, end->value, weight); });
}
apus_status apus_triangle(apus_tensor_t x, bool lower, int64_t diagonal, apus_out_t out) {
    return making(out, [&] { return lower ? at::tril(x->value, diagonal) : at::triu(x->value, diagonal); });
}

// --- Reductions ---

static at::Tensor reduce(apus_reduction_kind kind, const at::Tensor &x, at::IntArrayRef dims, bool keep) {
    switch (kind) {
    case APUS_SUM: return at::sum(x, dims, keep);
    case APUS_MEAN: return at::mean(x, dims, keep);
    case APUS_AMAX: return at::amax(x, dims, keep);
    case APUS_AMIN: return at::amin(x, dims, keep);
    case APUS_VAR: return at::var(x, dims, true, keep);
    case APUS_STD: return at::std(x, dims, true, keep);
    case APUS_NORM: return at::linalg_vector_norm(x, 2, dims.empty() ? at::OptionalIntArrayRef() : dims, keep);
    case APUS_COUNT_NONZERO: {
        at::Tensor count = at::count_nonzero(x, dims);
        if (keep)
            for (int64_t dim : dims) count = count.unsqueeze(dim);
        return count;
    }
    default: break;
    }
    if (dims.empty()) {
        switch (kind) {
        case APUS_PROD: return at::prod(x);
        case APUS_LOGSUMEXP: return at::logsumexp(x.flatten(), 0);
        case APUS_ALL: return at::all(x);
        case APUS_ANY: return at::any(x);
        case APUS_ARGMAX: return at::argmax(x);
        case APUS_ARGMIN: return at::argmin(x);
        default: break;
        }
    }
    if (kind == APUS_LOGSUMEXP) return at::logsumexp(x, dims, keep);
    if (kind == APUS_ALL) return at::all(x, dims, keep);
    if (kind == APUS_ANY) return at::any(x, dims, keep);
    if (dims.size() != 1) throw Refusal(APUS_INVALID_ARGUMENT, "this reduction takes one dimension or none");
    switch (kind) {
    case APUS_PROD: return at::prod(x, dims[0], keep);
    case APUS_ARGMAX: return at::argmax(x, dims[0], keep);
    case APUS_ARGMIN: return at::argmin(x, dims[0], keep);
    default: throw Refusal(APUS_INVALID_ARGUMENT, "unknown reduction");
    }
}

apus_status apus_reduce(apus_reduction_kind kind, apus_tensor_t x, const int64_t *dims, int32_t dim_count,
                        bool keep_dims, apus_out_t out) {
    return making(out, [&] { return reduce(kind, x->value, ints(dims, dim_count), keep_dims); });
}
apus_status apus_cumulative_sum(apus_tensor_t x, int64_t dim, apus_out_t out) {
    return making(out, [&] { return at::cumsum(x->value, dim); });
}
apus_status apus_softmax(apus_tensor_t x, int64_t dim, bool logarithm, apus_out_t out) {
    return making(out, [&] { return logarithm ? at::log_softmax(x->value, dim) : at::softmax(x->value, dim); });
}
apus_status apus_top_k(apus_tensor_t x, int64_t k, int64_t dim, bool largest, apus_out_t values,
                       apus_out_t indices) {
    return guarded([&] {
        auto [top, where] = at::topk(x->value, k, dim, largest);
        *values = handle(top);
        *indices = handle(where);
    });
}
apus_status apus_sort(apus_tensor_t x, int64_t dim, bool descending, apus_out_t values, apus_out_t indices) {
    return guarded([&] {
        auto [sorted, where] = at::sort(x->value, /*stable=*/true, dim, descending);
        *values = handle(sorted);
        *indices = handle(where);
    });
}

// --- Indexing ---

apus_status apus_gather(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_out_t out) {
    return making(out, [&] { return at::gather(x->value, dim, index->value); });
}
apus_status apus_scatter(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_tensor_t source, bool add,
                         apus_out_t out) {
    return making(out, [&] {
        if (add) return at::scatter_add(x->value, dim, index->value, source->value);
        return at::scatter(x->value, dim, index->value, source->value);
    });
}
apus_status apus_index_select(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_out_t out) {
    return making(out, [&] { return at::index_select(x->value, dim, index->value); });
}
apus_status apus_embedding(apus_tensor_t table, apus_tensor_t indices, apus_out_t out) {
    return making(out, [&] { return at::embedding(table->value, indices->value); });
}

// --- Matrices ---

apus_status apus_matmul(apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::matmul(a->value, b->value); });
}
apus_status apus_linear(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias, apus_out_t out) {
    return making(out, [&] {
        if (bias) return at::linear(input->value, weight->value, bias->value);
        return at::linear(input->value, weight->value);
    });
}
apus_status apus_add_product(apus_tensor_t destination, apus_tensor_t a, apus_tensor_t b, double alpha) {
    return guarded([&] { destination->value.addmm_(a->value, b->value, 1, alpha); });
}
