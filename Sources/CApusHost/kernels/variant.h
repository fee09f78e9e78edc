// One variant of all kernels. The including file opens a `target` region and defines
// APUS_VARIANT_TABLE, the table's name.
#pragma STDC FP_CONTRACT OFF // contraction would make the variants round differently
// Helpers are always inlined, so no vector is ever passed by a calling convention.
#pragma clang diagnostic ignored "-Wpsabi"

#include "vector.h"
#include "float_body.h"
#include "optim_body.h"
#include "adafactor_body.h"
#include "exp.h"
#include "nn_body.h"

const struct kernels APUS_VARIANT_TABLE = {
    .widen_bfloat16 = widen_bfloat16,
    .widen_float16 = widen_float16,
    .narrow_bfloat16 = narrow_bfloat16,
    .narrow_float16 = narrow_float16,
    .scale = scale,
    .accumulate = accumulate,
    .sum_of_squares = sum_of_squares,
    .adamw = adamw,
    .plain_update = plain_update,
    .plain_update_bfloat16 = plain_update_bfloat16,
    .lion = lion,
    .sgd = sgd,
    .sgd_plain = sgd_plain,
    .add_squares = add_squares,
    .decay_moment = decay_moment,
    .inverse_root = inverse_root,
    .scale_by_factors = scale_by_factors,
    .descend = descend,
    .exp_tile = exp_tile,
    .multiply = multiply,
    .multiply_scalar = multiply_scalar,
    .add = add,
    .triple_product = triple_product,
    .rms_norm_gradient = rms_norm_gradient,
    .swiglu = swiglu,
    .swiglu_gradient = swiglu_gradient,
    .rotate = rotate,
    .maximum = maximum,
    .sum_of_exponentials = sum_of_exponentials,
    .sum_of_values = sum_of_values,
    .softmax_gradient = softmax_gradient,
};
