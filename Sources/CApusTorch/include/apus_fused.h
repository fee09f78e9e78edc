// Model operations in one pass over memory: fused kernels for fp32, bf16 and fp16 on the CPU, the
// same operations composed of libtorch's elsewhere. All take part in autograd, once (no gradients
// of gradients). The rules of apus_torch.h hold here.
#ifndef APUS_FUSED_H
#define APUS_FUSED_H

#include "apus_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

// silu(gate) * up, of equal shapes.
apus_status apus_swiglu(apus_tensor_t gate, apus_tensor_t up, apus_out_t out);

// Turns the pairs (i, i + w / 2) of x [batch, heads, length, width] by the angles whose cosines and
// sines [batch or 1, 1, length, w] are given in both halves; w <= width, what lies beyond is
// copied.
apus_status apus_rotary(apus_tensor_t x, apus_tensor_t cosines, apus_tensor_t sines,
                        apus_out_t out);

// The summed cross-entropy (fp32 scalar, no part of autograd) of logits [rows, classes],
// contiguous, which are overwritten by its gradient: softmax minus the target, zero in rows whose
// target is `ignore_index`.
apus_status apus_cross_entropy_consuming(apus_tensor_t logits, apus_tensor_t targets,
                                         int64_t ignore_index, double label_smoothing,
                                         apus_out_t loss);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#endif
