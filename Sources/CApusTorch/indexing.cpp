// Reading and writing by index tensors.
#include "boundary.hpp"

#include <ATen/core/List.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/masked_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/scatter.h>
#include <ATen/ops/scatter_add.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/take_along_dim.h>

#include "apus_ops.h"

using namespace apus;

apus_status apus_gather(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_out_t out) {
    return making(out, [&] { return at::gather(operand(x), dim, operand(index)); });
}
apus_status apus_take_along(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_out_t out) {
    return making(out, [&] { return at::take_along_dim(operand(x), operand(index), dim); });
}
apus_status apus_scatter(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                         bool add, apus_out_t out) {
    return making(out, [&] {
        if (add) return at::scatter_add(operand(x), dim, operand(index), operand(source));
        return at::scatter(operand(x), dim, operand(index), operand(source));
    });
}
apus_status apus_index_select(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_out_t out) {
    return making(out, [&] { return at::index_select(operand(x), dim, operand(index)); });
}
apus_status apus_index_add(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                           double alpha, apus_out_t out) {
    return making(out, [&] {
        at::Scalar scale = scalar_for(operand(x), alpha);
        return at::index_add(x->value, dim, operand(index), operand(source), scale);
    });
}
apus_status apus_index_copy(apus_tensor_t x, int64_t dim, apus_tensor_t index, apus_tensor_t source,
                            apus_out_t out) {
    return making(out,
                  [&] { return at::index_copy(operand(x), dim, operand(index), operand(source)); });
}

static c10::List<std::optional<at::Tensor>> index_list(apus_optional_list_t indices,
                                                       int32_t count) {
    c10::List<std::optional<at::Tensor>> list;
    list.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++) list.push_back(operand_or_none(indices[i]));
    return list;
}

apus_status apus_index(apus_tensor_t x, apus_optional_list_t indices, int32_t count,
                       apus_out_t out) {
    return making(out, [&] { return at::index(operand(x), index_list(indices, count)); });
}
apus_status apus_index_put(apus_tensor_t x, apus_optional_list_t indices, int32_t count,
                           apus_tensor_t source, bool accumulate, apus_out_t out) {
    return making(out, [&] {
        return at::index_put(operand(x), index_list(indices, count), operand(source), accumulate);
    });
}
apus_status apus_index_put_in_place(apus_tensor_t x, apus_optional_list_t indices, int32_t count,
                                    apus_tensor_t source, bool accumulate) {
    return guarded([&] {
        at::index_put_(operand(x), index_list(indices, count), operand(source), accumulate);
    });
}
apus_status apus_masked_select(apus_tensor_t x, apus_tensor_t mask, apus_out_t out) {
    return making(out, [&] { return at::masked_select(operand(x), operand(mask)); });
}
apus_status apus_nonzero(apus_tensor_t x, apus_out_t out) {
    return making(out, [&] { return at::nonzero(operand(x)); });
}
apus_status apus_one_hot(apus_tensor_t x, int64_t classes, apus_out_t out) {
    return making(out, [&] { return at::one_hot(operand(x), classes); });
}
apus_status apus_unique(apus_tensor_t x, apus_out_t values, apus_out_t inverse, apus_out_t counts) {
    return making(values, inverse, counts, [&] {
        return at::_unique2(operand(x), /*sorted=*/true, /*inverse=*/true, /*counts=*/true);
    });
}
apus_status apus_search_sorted(apus_tensor_t sorted, apus_tensor_t values, bool right,
                               apus_out_t out) {
    return making(out, [&] {
        return at::searchsorted(operand(sorted), operand(values), /*out_int32=*/false, right);
    });
}
apus_status apus_bin_count(apus_tensor_t x, apus_optional_tensor_t weights, int64_t minimum_length,
                           apus_out_t out) {
    return making(out, [&] {
        return at::bincount(operand(x), operand_or_none(weights), minimum_length);
    });
}
apus_status apus_embedding(apus_tensor_t table, apus_tensor_t indices, apus_out_t out) {
    return making(out, [&] { return at::embedding(operand(table), operand(indices)); });
}
