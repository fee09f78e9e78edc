#!/usr/bin/env python3
"""Writes down what PyTorch computes for every operation of ApusTensor, with gradients.

    python Tools/goldens/tensor.py

Writes Tests/ApusTensorTests/Fixtures/operations.json: a list of cases with
  name       what the Swift test calls
  covers     the constants of the C header that the case exercises
  inputs     tensors {dtype, shape, values}, row-major
  outputs    the results
  gradients  of sum(output * weight) for each float input that has one, where weight is
             cos(0), cos(1), ... in the output's shape; of the first output only
"""

import torch
import torch.nn.functional as F

from shared import ROOT, rounded, write_json

FIXTURE = ROOT / "Tests/ApusTensorTests/Fixtures/operations.json"
generator = torch.Generator().manual_seed(20)


def normal(*shape, scale=1.0):
    """Few digits, so that fp32 holds exactly what JSON says."""
    return (torch.randn(shape, generator=generator) * scale * 64).round() / 64


def uniform(low, high, *shape):
    return ((torch.rand(shape, generator=generator) * (high - low) + low) * 64).round() / 64


def whole(low, high, *shape):
    return torch.randint(low, high, shape, generator=generator)


def flags(*shape):
    return torch.rand(shape, generator=generator) < 0.5


def described(tensor):
    kind = str(tensor.dtype).removeprefix("torch.")
    values = tensor.detach().flatten().tolist()
    if tensor.dtype.is_floating_point:
        values = [rounded(v) for v in values]
        # JSON has no names for these.
        values = [v if abs(v) < float("inf") else str(v) for v in values]
    return {"dtype": kind, "shape": list(tensor.shape), "values": [
        int(v) if isinstance(v, bool) else v for v in values]}


cases = []


def case(name, function, *inputs, covers=(), gradients=True):
    covers = [covers] if isinstance(covers, str) else list(covers)
    wanted = len(inputs) if gradients is True else int(gradients)
    leaves = [
        x.clone().requires_grad_(index < wanted and x.dtype.is_floating_point)
        for index, x in enumerate(inputs)]
    result = function(*leaves)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    entry = {
        "name": name, "covers": covers, "inputs": [described(i) for i in inputs],
        "outputs": [described(o) for o in outputs]}
    if outputs[0].requires_grad:
        weight = torch.cos(torch.arange(outputs[0].numel(), dtype=outputs[0].dtype))
        (outputs[0] * weight.reshape(outputs[0].shape)).sum().backward()
        entry["gradients"] = [described(x.grad) if x.grad is not None else None for x in leaves]
    cases.append(entry)


def unary():
    usual = normal(2, 3)
    functions = {
        "neg": torch.neg, "abs": torch.abs, "exp": torch.exp, "exp2": torch.exp2,
        "expm1": torch.expm1, "square": torch.square, "reciprocal": torch.reciprocal,
        "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "atan": torch.atan,
        "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "relu": torch.relu, "silu": F.silu, "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "erf": torch.erf,
        "erfc": torch.erfc, "floor": torch.floor, "ceil": torch.ceil, "round": torch.round,
        "trunc": torch.trunc, "sign": torch.sign, "softplus": F.softplus, "mish": F.mish,
        "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "elu": F.elu, "selu": F.selu,
        "log_sigmoid": F.logsigmoid}
    for name, function in functions.items():
        case(name, function, usual, covers=f"APUS_{name.upper()}")
    positive = uniform(0.2, 3, 2, 3)
    for name in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt"]:
        case(name, getattr(torch, name), positive, covers=f"APUS_{name.upper()}")
    inner = uniform(-0.9, 0.9, 2, 3)
    for name in ["asin", "acos", "erfinv"]:
        case(name, getattr(torch, name), inner, covers=f"APUS_{name.upper()}")
    case("logical_not", torch.logical_not, flags(4), covers="APUS_LOGICAL_NOT")
    case("bitwise_not", torch.bitwise_not, whole(-9, 9, 4), covers="APUS_BITWISE_NOT")
    odd = torch.tensor([1.0, float("nan"), float("inf"), -float("inf")])
    for name, function in [
            ("is_nan", torch.isnan), ("is_inf", torch.isinf), ("is_finite", torch.isfinite)]:
        case(name, function, odd, covers=f"APUS_{name.upper()}")
    case("leaky_relu", lambda x: F.leaky_relu(x, 0.2), usual)
    case("glu", lambda x: F.glu(x, 0), usual)
    case("softmax", lambda x: F.softmax(x, 0), usual)
    case("log_softmax", lambda x: F.log_softmax(x, -1), usual)


def binary():
    a, b, row = normal(2, 3), normal(2, 3), normal(3)
    positive = uniform(0.3, 2, 2, 3)
    for name, function in {
            "add": torch.add, "subtract": torch.sub, "multiply": torch.mul,
            "maximum": torch.maximum, "minimum": torch.minimum, "atan2": torch.atan2,
            "logaddexp": torch.logaddexp}.items():
        case(name, function, a, row, covers=f"APUS_{name.upper()}")
    case("divide", torch.div, a, positive, covers="APUS_DIVIDE")
    case("pow", torch.pow, positive, b, covers="APUS_POW")
    case("floor_divide", lambda x, y: torch.div(x, y, rounding_mode="floor"), a, positive,
         covers="APUS_FLOOR_DIVIDE", gradients=False)
    case("remainder", torch.remainder, a, positive, covers="APUS_REMAINDER")
    case("fmod", torch.fmod, a, positive, covers="APUS_FMOD")
    for name, function in {
            "add_scalar": lambda x: x + 1.5, "subtract_scalar": lambda x: x - 1.5,
            "scalar_subtract": lambda x: 1.5 - x, "multiply_scalar": lambda x: x * 1.5,
            "divide_scalar": lambda x: x / 1.5, "scalar_divide": lambda x: 1.5 / x,
            "pow_scalar": lambda x: x ** 3, "scalar_pow": lambda x: 2.5 ** x,
            "floor_divide_scalar": lambda x: torch.div(x, 0.75, rounding_mode="floor").detach(),
            "remainder_scalar": lambda x: x % 0.75, "fmod_scalar": lambda x: torch.fmod(x, 0.75),
            "maximum_scalar": lambda x: torch.maximum(x, torch.tensor(0.25)),
            "minimum_scalar": lambda x: torch.minimum(x, torch.tensor(0.25))}.items():
        case(name, function, a)
    i, j = whole(0, 3, 2, 3), whole(0, 3, 2, 3)
    for name, function in {
            "equal": torch.eq, "not_equal": torch.ne, "less": torch.lt, "less_equal": torch.le,
            "greater": torch.gt, "greater_equal": torch.ge}.items():
        case(name, function, i, j, covers=f"APUS_{name.upper()}")
        case(f"{name}_scalar", lambda x, f=function: f(x, 1), i)
    for name in ["logical_and", "logical_or", "logical_xor"]:
        case(name, getattr(torch, name), flags(4), flags(4), covers=f"APUS_{name.upper()}")
    for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
        case(name, getattr(torch, name), whole(0, 99, 4), whole(0, 99, 4),
             covers=f"APUS_{name.upper()}")
    case("bitwise_and_scalar", lambda x: x & 6, whole(0, 99, 4))
    case("shift_left", lambda x: x << 2, whole(0, 99, 4), covers="APUS_SHIFT_LEFT")
    case("shift_right", lambda x: x >> 2, whole(0, 99, 4), covers="APUS_SHIFT_RIGHT")


def ternary():
    a, b, c = normal(2, 3), normal(2, 3), uniform(0.3, 2, 2, 3)
    mask = flags(2, 3)
    case("where", torch.where, mask, a, b)
    case("clamp", lambda x: x.clamp(-0.5, 0.75), a)
    case("clamp_low", lambda x: x.clamp(min=-0.5), a)
    case("clamp_not", lambda x: x.clone(), a)
    case("masked_fill", lambda x, m: x.masked_fill(m, 9.5), a, mask)
    case("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=0.5), a, b, c)
    case("addcdiv", lambda x, y, z: torch.addcdiv(x, y, z, value=0.5), a, b, c)
    case("lerp", lambda x, y: torch.lerp(x, y, 0.3), a, b)
    square = normal(3, 3)
    case("tril", lambda x: torch.tril(x, 1), square)
    case("triu", lambda x: torch.triu(x), square)


def reductions():
    x = normal(2, 3, 4)
    for name, function, *constants in [
            ("sum", lambda x: x.sum(), "APUS_SUM"),
            ("sum_dims", lambda x: x.sum((0, 2), keepdim=True)),
            ("mean", lambda x: x.mean(-1), "APUS_MEAN"),
            ("prod", lambda x: x.prod(), "APUS_PROD"), ("prod_dim", lambda x: x.prod(1)),
            ("amax", lambda x: x.amax((0, 1)), "APUS_AMAX"),
            ("amin", lambda x: x.amin(), "APUS_AMIN"),
            ("logsumexp", lambda x: x.logsumexp(-1), "APUS_LOGSUMEXP"),
            ("logsumexp_all", lambda x: x.flatten().logsumexp(0)),
            ("norm", lambda x: x.norm()),
            ("norm_1", lambda x: torch.linalg.vector_norm(x, 1, (0, 1))),
            ("norm_inf", lambda x: torch.linalg.vector_norm(x, float("inf"), 2, keepdim=True)),
            ("variance", lambda x: x.var((0, 1))), ("variance_0", lambda x: x.var(correction=0)),
            ("std", lambda x: x.std(-1, keepdim=True)),
            ("cumsum", lambda x: x.cumsum(1), "APUS_CUMULATIVE_SUM"),
            ("cumprod", lambda x: x.cumprod(-1), "APUS_CUMULATIVE_PRODUCT"),
            ("logcumsumexp", lambda x: x.logcumsumexp(0), "APUS_LOG_CUMULATIVE_SUM_EXP"),
            ("max_with_indices", lambda x: x.max(1), "APUS_LOCATE_MAX"),
            ("min_with_indices", lambda x: x.min(0), "APUS_LOCATE_MIN"),
            ("median", lambda x: x.median(-1), "APUS_LOCATE_MEDIAN"),
            ("cummax", lambda x: x.cummax(1), "APUS_LOCATE_CUMULATIVE_MAX"),
            ("cummin", lambda x: x.cummin(2), "APUS_LOCATE_CUMULATIVE_MIN"),
            ("top_k", lambda x: x.topk(2, -1)),
            ("bottom_k", lambda x: x.topk(2, 1, largest=False)),
            ("sort", lambda x: x.sort(dim=1, descending=True, stable=True)),
            ("quantile", lambda x: x.quantile(torch.tensor([0.25, 0.9]), 1))]:
        case(name, function, x, covers=constants)
    holes = whole(0, 2, 2, 3)
    for name, function, constant in [
            ("all", lambda x: x.all(1), "APUS_ALL"),
            ("any", lambda x: x.any(0, keepdim=True), "APUS_ANY"),
            ("all_all", lambda x: x.all(), "APUS_ALL"), ("any_any", lambda x: x.any(), "APUS_ANY"),
            ("count_nonzero", lambda x: x.count_nonzero(1), "APUS_COUNT_NONZERO"),
            ("argmax", lambda x: x.argmax(1, keepdim=True), "APUS_ARGMAX"),
            ("argmin", lambda x: x.argmin(), "APUS_ARGMIN"),
            ("unique", lambda x: torch.unique(x, return_inverse=True, return_counts=True), ()),
            ("bin_count", lambda x: torch.bincount(x.flatten(), minlength=4), ())]:
        case(name, function, holes, covers=constant)
    case("bin_count_weights", lambda x, w: torch.bincount(x, w), whole(0, 4, 5), normal(5),
         gradients=False)
    case("search_sorted", torch.searchsorted, torch.tensor([1.0, 2, 2, 5]), uniform(0, 6, 2, 3),
         gradients=False)
    case("search_sorted_right", lambda s, v: torch.searchsorted(s, v, right=True),
         torch.tensor([1, 2, 2, 5]), whole(0, 6, 4))


def shapes():
    x, one = normal(2, 3, 4), normal(2, 1, 3)
    for name, function, *constants in [
            ("reshape", lambda x: x.reshape(4, -1)), ("flatten", lambda x: x.flatten(1)),
            ("permute", lambda x: x.permute(2, 0, 1)), ("transpose", lambda x: x.transpose(0, 2)),
            ("movedim", lambda x: x.movedim(0, -1)), ("select", lambda x: x.select(1, -1)),
            ("slice", lambda x: x[:, :, 1:4:2]), ("unfold", lambda x: x.unfold(2, 2, 1)),
            ("diagonal", lambda x: x.diagonal(1, 0, 2)), ("tile", lambda x: x.repeat(2, 1, 1)),
            ("repeat_interleave", lambda x: x.repeat_interleave(2, 1)),
            ("flip", lambda x: x.flip(0, 2)), ("roll", lambda x: x.roll(1, 2)),
            ("split", lambda x: x.split([1, 3], -1)), ("chunk", lambda x: x.chunk(2, 1)),
            ("pad", lambda x: F.pad(x, (1, 2, 0, 1), value=7), "APUS_PAD_CONSTANT"),
            ("pad_reflect", lambda x: F.pad(x, (1, 2), mode="reflect"), "APUS_PAD_REFLECT"),
            ("pad_replicate", lambda x: F.pad(x, (1, 2), mode="replicate"), "APUS_PAD_REPLICATE"),
            ("pad_circular", lambda x: F.pad(x, (1, 2), mode="circular"), "APUS_PAD_CIRCULAR")]:
        case(name, function, x, covers=constants)
    case("squeeze", lambda x: x.squeeze(1), one)
    case("unsqueeze", lambda x: x.unsqueeze(-1), one)
    case("expand", lambda x: x.expand(2, 4, 3), one)
    case("concatenate", lambda a, b: torch.cat([a, b], 1), normal(2, 2), normal(2, 1))
    case("stack", lambda a, b: torch.stack([a, b], -1), normal(2, 2), normal(2, 2))


def indexing():
    x, source = normal(4, 3), normal(2, 3)
    rows, grid = torch.tensor([2, 0]), whole(0, 3, 4, 2)
    mask = flags(4, 3)
    case("gather", lambda x, i: x.gather(1, i), x, grid)
    case("take_along", lambda x, i: torch.take_along_dim(x, i, 1), x, whole(0, 3, 1, 2))
    case("scatter", lambda x, i, s: x.scatter(0, i, s), x,
         torch.tensor([[0, 1, 2], [3, 2, 1]]), source)
    case("scatter_add", lambda x, i, s: x.scatter_add(0, i, s), x, whole(0, 4, 2, 3), source)
    case("index_select", lambda x, i: x.index_select(0, i), x, rows)
    case("index_add", lambda x, i, s: x.index_add(0, i, s, alpha=2), x, rows, source)
    case("index_copy", lambda x, i, s: x.index_copy(0, i, s), x, rows, source)
    case("index", lambda x, i, j: x[i, j], x, torch.tensor([[1], [3]]), torch.tensor([0, 2, 2]))
    case("index_some", lambda x, j: x[:, j], x, torch.tensor([2, 0]))
    case("index_mask", lambda x, m: x[m], x, flags(4))
    case("index_put", lambda x, i, j, s: x.index_put((i, j), s), x, rows,
         torch.tensor([1, 2]), normal(2))
    case("index_put_add", lambda x, i, s: x.index_put((i,), s, accumulate=True), x,
         torch.tensor([1, 1]), source)
    case("masked_select", lambda x, m: x.masked_select(m), x, mask)
    case("nonzero", lambda m: m.nonzero(), mask)
    case("one_hot", lambda i: F.one_hot(i, 4), whole(0, 4, 2, 2))
    case("embedding", lambda x, i: F.embedding(i, x), x, whole(0, 4, 2, 2))


def matrices():
    a, b = normal(2, 2, 3), normal(2, 3, 2)
    case("matmul", torch.matmul, a, b)
    case("dot", torch.matmul, normal(3), normal(3))
    case("linear", F.linear, a, normal(4, 3), normal(4))
    case("linear_plain", F.linear, a, normal(4, 3))
    case("add_matmul", lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=2),
         normal(2), a[0], b[0])
    case("add_matmul_batch", lambda x, a, b: torch.baddbmm(x, a, b), normal(2, 2, 2), a, b)
    case("add_product", lambda x, a, b: torch.addmm(x, a, b, alpha=3), normal(2, 2), a[0],
         b[0], gradients=False)
    case("outer", torch.outer, normal(2), normal(3))
    case("einsum", lambda a, b: torch.einsum("bij,bjk->ki", a, b), a, b)
    root = normal(3, 3)
    well = root @ root.T + 2 * torch.eye(3)
    well = (well * 64).round() / 64
    case("cholesky", torch.linalg.cholesky, well, covers="APUS_CHOLESKY", gradients=False)
    case("inverse", torch.linalg.inv, well, covers="APUS_INVERSE")
    case("pseudo_inverse", torch.linalg.pinv, normal(3, 2), covers="APUS_PSEUDO_INVERSE")
    case("determinant", torch.linalg.det, well, covers="APUS_DETERMINANT")
    case("slogdet", torch.linalg.slogdet, -well, covers="APUS_SIGN_LOG_DETERMINANT",
         gradients=False)
    case("qr", torch.linalg.qr, normal(3, 2), covers="APUS_QR")
    case("eigh", torch.linalg.eigh, well, covers="APUS_SYMMETRIC_EIGEN", gradients=False)
    case("svd", lambda x: torch.linalg.svd(x, full_matrices=False), normal(3, 2), gradients=False)
    case("solve", torch.linalg.solve, well, normal(3, 2))
    case("solve_triangular", lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
         well, normal(3, 2))


def layers():
    x, w, b = normal(2, 4), uniform(0.5, 1.5, 4), normal(4)
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), x, w, b)
    case("rms_norm", lambda x, w: F.rms_norm(x, (4,), w, 1e-6), x, w)
    image = normal(2, 4, 3)
    case("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), image, w, b)
    case("instance_norm", lambda x: F.instance_norm(x), image)
    mean, variance = normal(4), uniform(0.5, 2, 4)
    case("batch_norm", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b), image, w, b,
         mean, variance, gradients=3)
    # The running values are changed in place: they are results, too.
    case("batch_norm_training", lambda x, m, v: (
        F.batch_norm(x, m, v, training=True, momentum=0.25), m, v), image, mean, variance,
        gradients=False)
    q, k, v = normal(1, 2, 3, 4), normal(1, 2, 5, 4), normal(1, 2, 5, 4)
    attention = F.scaled_dot_product_attention
    case("attention", attention, q, k, v)
    case("attention_causal", lambda q, k, v: attention(q, k, v, is_causal=True, scale=0.3), q,
         normal(1, 2, 3, 4), normal(1, 2, 3, 4))
    keep = torch.tensor([[True, True, False, True, False]] * 3)
    case("attention_mask", lambda q, k, v, m: attention(q, k, v, attn_mask=m), q, k, v, keep)
    case("attention_grouped", lambda q, k, v: attention(q, k, v, enable_gqa=True), q,
         normal(1, 1, 5, 4), normal(1, 1, 5, 4))


def spatial():
    line, plane, volume = normal(1, 2, 6), normal(1, 2, 5, 4), normal(1, 1, 3, 4, 4)
    case("conv1d", lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), line,
         normal(3, 2, 3), normal(3))
    case("conv2d", lambda x, w: F.conv2d(x, w, dilation=(2, 1), groups=2), plane,
         normal(2, 1, 2, 3))
    case("conv3d", F.conv3d, volume, normal(1, 1, 2, 2, 2))
    case("conv_transpose1d",
         lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, output_padding=1), line,
         normal(2, 1, 3), normal(1))
    case("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, padding=1), plane,
         normal(2, 1, 3, 3))
    case("max_pool1d", lambda x: F.max_pool1d(x, 2), line, covers="APUS_POOL_MAX")
    case("max_pool2d", lambda x: F.max_pool2d(x, (3, 2), (1, 2), (1, 0)), plane)
    case("max_pool3d", lambda x: F.max_pool3d(x, 2), volume)
    case("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 1, 1), line, covers="APUS_POOL_AVERAGE")
    case("avg_pool2d", lambda x: F.avg_pool2d(x, 2), plane)
    case("avg_pool3d", lambda x: F.avg_pool3d(x, 2), volume)
    for rank, x, size in [(1, line, (4,)), (2, plane, (2, 3)), (3, volume, (2, 1, 3))]:
        case(f"adaptive_max_pool{rank}d",
             lambda x, f=getattr(F, f"adaptive_max_pool{rank}d"), s=size: f(x, s), x)
        case(f"adaptive_avg_pool{rank}d",
             lambda x, f=getattr(F, f"adaptive_avg_pool{rank}d"), s=size: f(x, s), x)
        case(f"nearest{rank}d", lambda x, s=size: F.interpolate(x, s), x,
             covers="APUS_RESAMPLE_NEAREST")
        mode = ["linear", "bilinear", "trilinear"][rank - 1]
        case(f"linear{rank}d", lambda x, s=size, m=mode: F.interpolate(x, s, mode=m), x,
             covers="APUS_RESAMPLE_LINEAR")
    case("linear2d_corners",
         lambda x: F.interpolate(x, (3, 6), mode="bilinear", align_corners=True), plane)
    case("cubic2d", lambda x: F.interpolate(x, (4, 3), mode="bicubic"), plane,
         covers="APUS_RESAMPLE_CUBIC")


def losses():
    logits, targets = normal(4, 3), torch.tensor([0, 2, -100, 1])
    weights = uniform(0.5, 2, 3)
    for reduction in ["none", "mean", "sum"]:
        case(f"cross_entropy_{reduction}",
             lambda x, t, r=reduction: F.cross_entropy(x, t, reduction=r), logits, targets,
             covers=f"APUS_REDUCE_{reduction.upper()}")
    case("cross_entropy_smooth", lambda x, t, w: F.cross_entropy(x, t, w, label_smoothing=0.1),
         logits, targets, weights, gradients=1)
    case("cross_entropy_ignore", lambda x, t: F.cross_entropy(x, t, ignore_index=1), logits,
         torch.tensor([0, 2, 1, 1]))
    case("nll", lambda x, t, w: F.nll_loss(x, t, w), logits, targets, weights,
         gradients=1)
    a, b = normal(2, 3), normal(2, 3)
    case("squared", F.mse_loss, a, b, covers="APUS_LOSS_SQUARED")
    case("absolute", lambda x, y: F.l1_loss(x, y, reduction="none"), a, b,
         covers="APUS_LOSS_ABSOLUTE")
    case("smooth_absolute", lambda x, y: F.smooth_l1_loss(x, y, beta=0.5), a, b,
         covers="APUS_LOSS_SMOOTH_ABSOLUTE")
    case("huber", lambda x, y: F.huber_loss(x, y, reduction="sum", delta=0.5), a, b,
         covers="APUS_LOSS_HUBER")
    p, t = uniform(0.1, 0.9, 2, 3), uniform(0, 1, 2, 3)
    case("binary", F.binary_cross_entropy, p, t, uniform(0.5, 2, 3), gradients=1,
         covers="APUS_LOSS_BINARY")
    case("binary_logits", lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, pos_weight=w),
         a, t, torch.tensor([1.0, 2, 3]), gradients=1, covers="APUS_LOSS_BINARY_LOGITS")
    log_p, q = normal(2, 3).log_softmax(-1), uniform(0.1, 1, 2, 3)
    log_p = (log_p * 64).round() / 64
    case("kl", lambda x, y: F.kl_div(x, y, reduction="sum"), log_p, q, gradients=1,
         covers="APUS_LOSS_KL")
    case("kl_log_target", lambda x, y: F.kl_div(x, y, reduction="none", log_target=True), log_p,
         -q, gradients=1, covers="APUS_LOSS_KL_LOG_TARGET")
    case("cosine_similarity", lambda x, y: F.cosine_similarity(x, y, 0), a, b)


for make in [unary, binary, ternary, reductions, shapes, indexing, matrices, layers, spatial,
             losses]:
    make()
write_json(FIXTURE, {"torch": torch.__version__, "cases": cases})
