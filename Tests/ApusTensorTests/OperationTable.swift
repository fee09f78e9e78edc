import ApusTensor

/// What each case of `operations.json` calls.
typealias Operation = @Sendable ([Tensor]) -> [Tensor]

let operations: [String: Operation] = {
    let parts = [
        unaryOperations, arithmeticOperations, comparisonOperations, reductionOperations,
        orderingOperations, shapeOperations, indexingOperations, matrixOperations,
        layerOperations, spatialOperations, lossOperations,
    ]
    return parts.reduce(into: [:]) { all, part in
        all.merge(part) { _, _ in fatalError("two operations of one name") }
    }
}()

private let unaryOperations: [String: Operation] = [
    "neg": { [-$0[0]] }, "abs": { [$0[0].abs()] }, "exp": { [$0[0].exp()] },
    "exp2": { [$0[0].exp2()] }, "expm1": { [$0[0].expMinusOne()] }, "log": { [$0[0].log()] },
    "log2": { [$0[0].log2()] }, "log10": { [$0[0].log10()] }, "log1p": { [$0[0].logOnePlus()] },
    "sqrt": { [$0[0].sqrt()] }, "rsqrt": { [$0[0].rsqrt()] }, "square": { [$0[0].square()] },
    "reciprocal": { [$0[0].reciprocal()] }, "sin": { [$0[0].sin()] }, "cos": { [$0[0].cos()] },
    "tan": { [$0[0].tan()] }, "asin": { [$0[0].asin()] }, "acos": { [$0[0].acos()] },
    "atan": { [$0[0].atan()] }, "sinh": { [$0[0].sinh()] }, "cosh": { [$0[0].cosh()] },
    "tanh": { [$0[0].tanh()] }, "sigmoid": { [$0[0].sigmoid()] }, "relu": { [$0[0].relu()] },
    "silu": { [$0[0].silu()] }, "gelu": { [$0[0].gelu()] }, "gelu_tanh": { [$0[0].geluTanh()] },
    "erf": { [$0[0].erf()] }, "erfc": { [$0[0].erfc()] }, "erfinv": { [$0[0].inverseErf()] },
    "floor": { [$0[0].floor()] }, "ceil": { [$0[0].ceil()] }, "round": { [$0[0].round()] },
    "trunc": { [$0[0].truncated()] }, "sign": { [$0[0].sign()] },
    "softplus": { [$0[0].softplus()] }, "mish": { [$0[0].mish()] },
    "hardswish": { [$0[0].hardSwish()] }, "hardsigmoid": { [$0[0].hardSigmoid()] },
    "elu": { [$0[0].elu()] }, "selu": { [$0[0].selu()] },
    "log_sigmoid": { [$0[0].logSigmoid()] }, "logical_not": { [$0[0].logicalNot()] },
    "bitwise_not": { [$0[0].bitwiseNot()] }, "is_nan": { [$0[0].isNaN()] },
    "is_inf": { [$0[0].isInfinite()] }, "is_finite": { [$0[0].isFinite()] },
    "leaky_relu": { [$0[0].leakyRelu(slope: 0.2)] }, "glu": { [$0[0].glu(0)] },
    "softmax": { [$0[0].softmax(0)] }, "log_softmax": { [$0[0].logSoftmax()] },
]

private let arithmeticOperations: [String: Operation] = [
    "add": { [$0[0] + $0[1]] }, "subtract": { [$0[0] - $0[1]] },
    "multiply": { [$0[0] * $0[1]] }, "divide": { [$0[0] / $0[1]] },
    "maximum": { [$0[0].maximum($0[1])] }, "minimum": { [$0[0].minimum($0[1])] },
    "atan2": { [$0[0].atan2($0[1])] }, "logaddexp": { [$0[0].logAddExp($0[1])] },
    "pow": { [$0[0].pow($0[1])] }, "floor_divide": { [$0[0].floorDivided(by: $0[1])] },
    "remainder": { [$0[0].remainder(dividingBy: $0[1])] },
    "fmod": { [$0[0].truncatingRemainder(dividingBy: $0[1])] },
    "add_scalar": { [$0[0] + 1.5] }, "subtract_scalar": { [$0[0] - 1.5] },
    "scalar_subtract": { [1.5 - $0[0]] }, "multiply_scalar": { [$0[0] * 1.5] },
    "divide_scalar": { [$0[0] / 1.5] }, "scalar_divide": { [1.5 / $0[0]] },
    "pow_scalar": { [$0[0].pow(3)] }, "scalar_pow": { [Tensor.pow(2.5, $0[0])] },
    "floor_divide_scalar": { [$0[0].floorDivided(by: 0.75)] },
    "remainder_scalar": { [$0[0].remainder(dividingBy: 0.75)] },
    "fmod_scalar": { [$0[0].truncatingRemainder(dividingBy: 0.75)] },
    "maximum_scalar": { [$0[0].maximum(0.25)] }, "minimum_scalar": { [$0[0].minimum(0.25)] },
    "where": { [Tensor.select($0[0], $0[1], $0[2])] },
    "clamp": { [$0[0].clamp(min: -0.5, max: 0.75)] }, "clamp_low": { [$0[0].clamp(min: -0.5)] },
    "clamp_not": { [$0[0].clamp()] }, "masked_fill": { [$0[0].maskedFill($0[1], 9.5)] },
    "addcmul": { [$0[0].adding(product: $0[1], $0[2], scale: 0.5)] },
    "addcdiv": { [$0[0].adding(quotient: $0[1], $0[2], scale: 0.5)] },
    "lerp": { [$0[0].interpolated(to: $0[1], weight: 0.3)] },
    "tril": { [$0[0].lowerTriangle(diagonal: 1)] }, "triu": { [$0[0].upperTriangle()] },
]

private let comparisonOperations: [String: Operation] = [
    "equal": { [$0[0].isEqual(to: $0[1])] }, "equal_scalar": { [$0[0].isEqual(to: 1)] },
    "not_equal": { [$0[0].isNotEqual(to: $0[1])] },
    "not_equal_scalar": { [$0[0].isNotEqual(to: 1)] },
    "less": { [$0[0].isLess(than: $0[1])] }, "less_scalar": { [$0[0].isLess(than: 1)] },
    "less_equal": { [$0[0].isLessOrEqual(to: $0[1])] },
    "less_equal_scalar": { [$0[0].isLessOrEqual(to: 1)] },
    "greater": { [$0[0].isGreater(than: $0[1])] },
    "greater_scalar": { [$0[0].isGreater(than: 1)] },
    "greater_equal": { [$0[0].isGreaterOrEqual(to: $0[1])] },
    "greater_equal_scalar": { [$0[0].isGreaterOrEqual(to: 1)] },
    "logical_and": { [$0[0].logicalAnd($0[1])] }, "logical_or": { [$0[0].logicalOr($0[1])] },
    "logical_xor": { [$0[0].logicalXor($0[1])] }, "bitwise_and": { [$0[0].bitwiseAnd($0[1])] },
    "bitwise_or": { [$0[0].bitwiseOr($0[1])] }, "bitwise_xor": { [$0[0].bitwiseXor($0[1])] },
    "bitwise_and_scalar": { [$0[0].bitwiseAnd(6)] },
    "shift_left": { [$0[0].shiftedLeft(by: 2)] }, "shift_right": { [$0[0].shiftedRight(by: 2)] },
]

private let reductionOperations: [String: Operation] = [
    "sum": { [$0[0].sum()] }, "sum_dims": { [$0[0].sum(0, 2, keepDims: true)] },
    "mean": { [$0[0].mean(-1)] }, "prod": { [$0[0].product()] },
    "prod_dim": { [$0[0].product(1)] }, "amax": { [$0[0].max(0, 1)] },
    "amin": { [$0[0].min()] }, "logsumexp": { [$0[0].logSumExp(-1)] },
    "logsumexp_all": { [$0[0].logSumExp()] }, "norm": { [$0[0].norm()] },
    "norm_1": { [$0[0].norm(0, 1, p: 1)] },
    "norm_inf": { [$0[0].norm(2, keepDims: true, p: .infinity)] },
    "variance": { [$0[0].variance(0, 1)] }, "variance_0": { [$0[0].variance(correction: 0)] },
    "std": { [$0[0].standardDeviation(-1, keepDims: true)] },
    "cumsum": { [$0[0].cumulativeSum(1)] }, "cumprod": { [$0[0].cumulativeProduct(-1)] },
    "logcumsumexp": { [$0[0].logCumulativeSumExp(0)] },
    "quantile": { [$0[0].quantile([0.25, 0.9], dim: 1)] }, "all": { [$0[0].all(1)] },
    "any": { [$0[0].any(0, keepDims: true)] }, "all_all": { [$0[0].all()] },
    "any_any": { [$0[0].any()] }, "count_nonzero": { [$0[0].countNonzero(1)] },
    "argmax": { [$0[0].argmax(1, keepDims: true)] }, "argmin": { [$0[0].argmin()] },
]

private func list(_ located: Tensor.Located) -> [Tensor] { [located.values, located.indices] }

private let orderingOperations: [String: Operation] = [
    "max_with_indices": { list($0[0].maxWithIndices(1)) },
    "min_with_indices": { list($0[0].minWithIndices(0)) },
    "median": { list($0[0].median(-1)) }, "cummax": { list($0[0].cumulativeMax(1)) },
    "cummin": { list($0[0].cumulativeMin(2)) }, "top_k": { list($0[0].topK(2)) },
    "bottom_k": { list($0[0].topK(2, dim: 1, largest: false)) },
    "sort": { list($0[0].sorted(dim: 1, descending: true)) },
    "unique": {
        let (values, inverse, counts) = $0[0].unique()
        return [values, inverse, counts]
    },
    "bin_count": { [$0[0].flatten().binCount(minimumLength: 4)] },
    "bin_count_weights": { [$0[0].binCount(weights: $0[1])] },
    "search_sorted": { [$0[0].insertionPoints(of: $0[1])] },
    "search_sorted_right": { [$0[0].insertionPoints(of: $0[1], afterEqual: true)] },
]

private let shapeOperations: [String: Operation] = [
    "reshape": { [$0[0].reshape(4, -1)] }, "flatten": { [$0[0].flatten(1)] },
    "permute": { [$0[0].permute(2, 0, 1)] }, "transpose": { [$0[0].transpose(0, 2)] },
    "movedim": { [$0[0].moveDim(0, to: -1)] }, "select": { [$0[0].select(1, -1)] },
    "slice": { [$0[0].slice(2, 1..<4, step: 2)] },
    "unfold": { [$0[0].unfold(2, size: 2, step: 1)] },
    "diagonal": { [$0[0].diagonal(offset: 1, 0, 2)] }, "tile": { [$0[0].tile([2, 1, 1])] },
    "repeat_interleave": { [$0[0].repeatInterleave(2, dim: 1)] },
    "flip": { [$0[0].flip(0, 2)] }, "roll": { [$0[0].roll(1, dim: 2)] },
    "split": { $0[0].split([1, 3]) }, "chunk": { $0[0].chunk(2, dim: 1) },
    "pad": { [$0[0].pad([(1, 2), (0, 1)], .constant(7))] },
    "pad_reflect": { [$0[0].pad([(1, 2)], .reflect)] },
    "pad_replicate": { [$0[0].pad([(1, 2)], .replicate)] },
    "pad_circular": { [$0[0].pad([(1, 2)], .circular)] },
    "squeeze": { [$0[0].squeeze(1)] }, "unsqueeze": { [$0[0].unsqueeze(-1)] },
    "expand": { [$0[0].expand([-1, 4, 3])] },
    "concatenate": { [Tensor.concatenate($0, dim: 1)] }, "stack": { [Tensor.stack($0, dim: -1)] },
]

private let indexingOperations: [String: Operation] = [
    "gather": { [$0[0].gather(1, index: $0[1])] },
    "take_along": { [$0[0].takeAlong(1, index: $0[1])] },
    "scatter": { [$0[0].scatter(0, index: $0[1], source: $0[2])] },
    "scatter_add": { [$0[0].scatterAdd(0, index: $0[1], source: $0[2])] },
    "index_select": { [$0[0].indexSelect(0, $0[1])] },
    "index_add": { [$0[0].indexAdd(0, $0[1], source: $0[2], alpha: 2)] },
    "index_copy": { [$0[0].indexCopy(0, $0[1], source: $0[2])] },
    "index": { [$0[0].indexed(by: [$0[1], $0[2]])] },
    "index_some": { [$0[0].indexed(by: [nil, $0[1]])] },
    "index_mask": { [$0[0].indexed(by: [$0[1]])] },
    "index_put": { [$0[0].replacing(at: [$0[1], $0[2]], with: $0[3])] },
    "index_put_add": {
        let result = $0[0] + 0
        result.replaceInPlace(at: [$0[1]], with: $0[2], accumulating: true)
        return [result]
    },
    "masked_select": { [$0[0].maskedSelect($0[1])] }, "nonzero": { [$0[0].nonzero()] },
    "one_hot": { [$0[0].oneHot(4)] }, "embedding": { [$0[0].embedding($0[1])] },
]

private let matrixOperations: [String: Operation] = [
    "matmul": { [$0[0].matmul($0[1])] }, "dot": { [$0[0].matmul($0[1])] },
    "linear": { [$0[0].linear(weight: $0[1], bias: $0[2])] },
    "linear_plain": { [$0[0].linear(weight: $0[1])] },
    "add_matmul": { [$0[0].adding(matmul: $0[1], $0[2], beta: 0.5, alpha: 2)] },
    "add_matmul_batch": { [$0[0].adding(matmul: $0[1], $0[2])] },
    "add_product": {
        $0[0].addProductInPlace($0[1], $0[2], alpha: 3)
        return [$0[0]]
    },
    "outer": { [$0[0].outer($0[1])] },
    "einsum": { [Tensor.einsum("bij,bjk->ki", $0[0], $0[1])] },
    "cholesky": { [$0[0].cholesky()] }, "inverse": { [$0[0].inverse()] },
    "pseudo_inverse": { [$0[0].pseudoInverse()] }, "determinant": { [$0[0].determinant()] },
    "slogdet": {
        let (sign, logarithm) = $0[0].signedLogDeterminant()
        return [sign, logarithm]
    },
    "qr": {
        let (q, r) = $0[0].qr()
        return [q, r]
    },
    "eigh": {
        let (values, vectors) = $0[0].symmetricEigen()
        return [values, vectors]
    },
    "svd": {
        let (u, s, vt) = $0[0].svd()
        return [u, s, vt]
    },
    "solve": { [$0[0].solve($0[1])] },
    "solve_triangular": { [$0[0].solveTriangular($0[1], upper: true)] },
]
