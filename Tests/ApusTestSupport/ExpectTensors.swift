internal import ApusBase
public import ApusTensor
public import Testing

/// Fails unless both tensors have the same shape and elements within `tolerance * (1 +
/// |expected|)`.
public func expectClose(
    _ actual: Tensor, _ expected: Tensor, tolerance: Double = 1e-5, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.shape == expected.shape, comment, sourceLocation: sourceLocation)
    guard actual.shape == expected.shape else { return }
    let a = actual.detached().to(.float64)
    let b = expected.detached().to(.float64)
    let close = a.isClose(to: b, relative: tolerance, absolute: tolerance)
    let worst = a.elementCount == 0 ? 0 : (a - b).abs().max().item()
    let detail = "largest difference \(worst)\n  actual   \(actual)\n  expected \(expected)"
    #expect(close, "\(comment.map { "\($0): " } ?? "")\(detail)", sourceLocation: sourceLocation)
}

/// Fails unless shape, dtype and all elements are equal, bit for bit (NaN equals NaN).
public func expectIdentical(
    _ actual: Tensor, _ expected: Tensor, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.dtype == expected.dtype, comment, sourceLocation: sourceLocation)
    #expect(actual.shape == expected.shape, comment, sourceLocation: sourceLocation)
    let same = bytes(of: actual) == bytes(of: expected)
    let detail = "actual   \(actual)\n  expected \(expected)"
    #expect(same, "\(comment.map { "\($0): " } ?? "")\(detail)", sourceLocation: sourceLocation)
}

/// Row-major elements as they lie in memory.
public func bytes(of tensor: Tensor) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: tensor.byteCount)
    result.withUnsafeMutableBytes { tensor.copyBytes(to: $0) }
    return result
}

/// The error that a tensor operation in `body` fails with; nil when none does.
public func tensorError(in body: () throws -> Void) -> TensorError? {
    do {
        try catchingTensorErrors(body)
        return nil
    } catch {
        return error as? TensorError
    }
}
