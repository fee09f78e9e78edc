// Normalisation, gated activation and rotary embedding.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "apus_fused.h"
#include "boundary.hpp"
#include "fused.hpp"

using namespace apus;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// Rows whose weight gradients are summed by one thread; a constant, so that the sum does not depend
// on threads.
constexpr int64_t rows_per_part = 128;

struct RMSNorm : torch::autograd::Function<RMSNorm> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &input,
                              const at::Tensor &weight, double epsilon) {
        at::Tensor x = input.contiguous(), w = weight.contiguous();
        int64_t columns = w.numel(), rows = columns == 0 ? 0 : x.numel() / columns;
        at::Tensor output = at::empty_like(x);
        at::Tensor inverse = at::empty({rows}, x.options().dtype(at::kFloat));
        apus_floats source = floats(x), weights = floats(w), none = {nullptr, source.format};
        apus_mutable_floats target = mutable_floats(output);
        float *kept = inverse.mutable_data_ptr<float>();
        parallel_rows(rows, 16, [&](int64_t begin, int64_t end) {
            apus_norm_task task = {size_t(end - begin), size_t(columns), float(epsilon)};
            size_t offset = size_t(begin * columns);
            apus_rms_norm_forward(task, apus_mutable_floats_at(target, offset), kept + begin,
                                  apus_floats_at(source, offset), none, target, weights);
        });
        context->save_for_backward({x, w, inverse});
        return output;
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        refuse_double_backward("rms_norm");
        variable_list saved = context->get_saved_variables();
        const at::Tensor &x = saved[0], &w = saved[1];
        at::Tensor dy = gradients[0].contiguous(), dx = at::empty_like(x);
        int64_t columns = w.numel(), rows = columns == 0 ? 0 : x.numel() / columns;
        int64_t parts = (rows + rows_per_part - 1) / rows_per_part;
        at::Tensor sums = at::zeros({parts, columns}, x.options().dtype(at::kFloat));
        apus_floats source = floats(x), weights = floats(w), from = floats(dy),
                    none = {nullptr, source.format};
        apus_mutable_floats target = mutable_floats(dx);
        const float *inverse = saved[2].const_data_ptr<float>();
        float *part_sums = sums.mutable_data_ptr<float>();
        parallel_rows(parts, 1, [&](int64_t first, int64_t last) {
            for (int64_t part = first; part < last; part++) {
                int64_t begin = part * rows_per_part, end = std::min(begin + rows_per_part, rows);
                apus_norm_task task = {size_t(end - begin), size_t(columns), 0};
                size_t offset = size_t(begin * columns);
                apus_rms_norm_backward(task, apus_mutable_floats_at(target, offset),
                                       part_sums + part * columns, apus_floats_at(from, offset),
                                       none, apus_floats_at(source, offset), inverse + begin,
                                       weights);
            }
        });
        at::Tensor dw = parts == 1 ? sums.view({columns}) : at::sum(sums, {0});
        return {dx, dw.to(w.scalar_type()), at::Tensor()};
    }
};

constexpr int64_t elements_per_task = 16384;

struct SwiGLU : torch::autograd::Function<SwiGLU> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &gate,
                              const at::Tensor &up) {
        at::Tensor g = gate.contiguous(), u = up.contiguous(), output = at::empty_like(g);
        apus_floats gates = floats(g), ups = floats(u);
        apus_mutable_floats target = mutable_floats(output);
        parallel_rows(g.numel(), elements_per_task, [&](int64_t begin, int64_t end) {
            size_t start = size_t(begin);
            apus_swiglu_forward(apus_mutable_floats_at(target, start), apus_floats_at(gates, start),
                                apus_floats_at(ups, start), size_t(end - begin));
        });
        context->save_for_backward({g, u});
        return output;
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        refuse_double_backward("swiglu");
        variable_list saved = context->get_saved_variables();
        at::Tensor dy = gradients[0].contiguous();
        at::Tensor d_gate = at::empty_like(dy), d_up = at::empty_like(dy);
        apus_floats from = floats(dy), gates = floats(saved[0]), ups = floats(saved[1]);
        apus_mutable_floats to_gate = mutable_floats(d_gate), to_up = mutable_floats(d_up);
        parallel_rows(dy.numel(), elements_per_task, [&](int64_t begin, int64_t end) {
            size_t start = size_t(begin);
            apus_swiglu_backward(apus_mutable_floats_at(to_gate, start),
                                 apus_mutable_floats_at(to_up, start), apus_floats_at(from, start),
                                 apus_floats_at(gates, start), apus_floats_at(ups, start),
                                 size_t(end - begin));
        });
        return {d_gate, d_up};
    }
};

// x [batch, heads, length, width] in any layout whose last dimension is dense, which the result
// takes over: heads that are a view of [batch, length, heads, width] stay one.
at::Tensor rotated(const at::Tensor &given, const at::Tensor &cosines, const at::Tensor &sines,
                   bool inverse) {
    at::Tensor x = given.stride(-1) == 1 ? given : given.contiguous();
    at::Tensor output = at::empty_like(x);
    apus_floats source = floats(x);
    apus_mutable_floats target = mutable_floats(output);
    int64_t length = x.size(2), width = cosines.size(-1);
    bool shared = cosines.size(0) == 1;
    parallel_rows(x.size(0) * length,
                  std::max<int64_t>(1, elements_per_task / (x.size(1) * x.size(3))),
                  [&](int64_t begin, int64_t end) {
                      while (begin < end) {
                          int64_t batch = begin / length, token = begin % length;
                          int64_t count = std::min(end - begin, length - token);
                          int64_t row = ((shared ? 0 : batch * length) + token) * width;
                          apus_rotation rotation = {size_t(count),
                                                    size_t(x.size(1)),
                                                    size_t(x.size(3)),
                                                    size_t(width),
                                                    cosines.const_data_ptr<float>() + row,
                                                    sines.const_data_ptr<float>() + row,
                                                    size_t(width),
                                                    size_t(x.stride(2)),
                                                    size_t(x.stride(1)),
                                                    size_t(output.stride(2)),
                                                    size_t(output.stride(1))};
                          int64_t from = batch * x.stride(0) + token * x.stride(2);
                          int64_t to = batch * output.stride(0) + token * output.stride(2);
                          apus_rotary_apply(rotation, apus_mutable_floats_at(target, size_t(to)),
                                            apus_floats_at(source, size_t(from)), inverse);
                          begin += count;
                      }
                  });
    return output;
}

struct Rotary : torch::autograd::Function<Rotary> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &x,
                              const at::Tensor &cosines, const at::Tensor &sines) {
        context->save_for_backward({cosines, sines});
        return rotated(x, cosines, sines, /*inverse=*/false);
    }
    static variable_list backward(AutogradContext *context, variable_list gradients) {
        refuse_double_backward("rotary");
        variable_list saved = context->get_saved_variables();
        return {rotated(gradients[0], saved[0], saved[1], /*inverse=*/true), at::Tensor(),
                at::Tensor()};
    }
};

at::Tensor composed_rotary(const at::Tensor &x, const at::Tensor &cosines,
                           const at::Tensor &sines) {
    int64_t width = cosines.size(-1);
    at::Tensor turning = x.narrow(-1, 0, width);
    at::Tensor low = turning.narrow(-1, 0, width / 2),
               high = turning.narrow(-1, width / 2, width / 2);
    at::Tensor turned = turning * cosines + at::cat({-high, low}, -1) * sines;
    if (width == x.size(-1)) return turned;
    return at::cat({turned, x.narrow(-1, width, x.size(-1) - width)}, -1);
}

void check_rotary(const at::Tensor &x, const at::Tensor &cosines, const at::Tensor &sines) {
    bool tables = cosines.dim() == 4 && cosines.sizes() == sines.sizes() && cosines.size(1) == 1;
    bool fits = tables && x.dim() == 4 && cosines.size(2) == x.size(2) &&
                cosines.size(-1) <= x.size(-1) && cosines.size(-1) % 2 == 0 &&
                (cosines.size(0) == 1 || cosines.size(0) == x.size(0));
    TORCH_CHECK(fits, "rotary: x ", x.sizes(), " does not fit cosines ", cosines.sizes(),
                " and sines ", sines.sizes());
}

}  // namespace

at::Tensor apus::rms_norm(const at::Tensor &x, const at::Tensor &weight, double epsilon) {
    bool fits = weight.dim() == 1 && x.dim() > 0 && x.size(-1) == weight.size(0);
    if (fits && on_host_kernels({x, weight})) return RMSNorm::apply(x, weight, epsilon);
    at::Tensor wide = x.to(at::kFloat);
    at::Tensor variance = at::mean(wide * wide, {-1}, /*keepdim=*/true);
    at::Tensor normalized = (wide * at::rsqrt(variance + epsilon)).to(x.scalar_type());
    return weight * normalized;
}

apus_status apus_swiglu(apus_tensor_t gate, apus_tensor_t up, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &g = operand(gate), &u = operand(up);
        bool fits = g.sizes() == u.sizes();
        return fits && on_host_kernels({g, u}) ? SwiGLU::apply(g, u) : at::silu(g) * u;
    });
}
apus_status apus_rotary(apus_tensor_t x, apus_tensor_t cosines, apus_tensor_t sines,
                        apus_out_t out) {
    return making(out, [&] {
        check_rotary(operand(x), operand(cosines), operand(sines));
        bool tables_learn = operand(cosines).requires_grad() || operand(sines).requires_grad();
        if (!on_host_kernels({operand(x)}) || tables_learn)
            return composed_rotary(operand(x), operand(cosines), operand(sines));
        at::Tensor c = operand(cosines).to(at::kFloat).contiguous(),
                   s = operand(sines).to(at::kFloat).contiguous();
        return Rotary::apply(operand(x), c, s);
    });
}
