public import ApusBase
internal import CApusTorch

/// A failure inside libtorch that the caller may handle: above all running out of memory.
public struct TensorError: OperationalError {
    public enum Code: Sendable, Hashable {
        case outOfMemory, invalidArgument, notImplemented, callbackFailed, internalError
    }

    public let code: Code
    /// The operation, its operands, and libtorch's words.
    public let summary: String

    public var likelyCause: String? {
        code == .outOfMemory ? "the model, its gradients and activations need more than there is" : nil
    }

    public var remedy: String? {
        code == .outOfMemory
            ? "a smaller micro_batch_size or sequence_len, gradient_checkpointing, or more ranks" : nil
    }

    init(status: apus_status, summary: String) {
        self.summary = summary
        switch Int(status) {
        case APUS_OUT_OF_MEMORY: code = .outOfMemory
        case APUS_INVALID_ARGUMENT: code = .invalidArgument
        case APUS_NOT_IMPLEMENTED: code = .notImplemented
        case APUS_CALLBACK_FAILED: code = .callbackFailed
        default: code = .internalError
        }
    }
}

/// Runs `body`; the first failure of a tensor operation in it becomes an error thrown at its end.
///
/// After a failure operations return undefined tensors, and operations on those do too, so `body` runs
/// on to its end; results must not be used when this throws.
public func catchingTensorErrors<Result>(_ body: () throws -> Result) throws -> Result {
    apus_catch_enter()
    let outcome = Swift.Result { try body() }
    let status = apus_catch_leave()
    if status != APUS_OK {
        throw TensorError(status: status, summary: String(cString: apus_caught_message()))
    }
    return try outcome.get()
}

// MARK: - The way every operation calls the C layer

/// One result: a defined tensor, or an undefined one inside a catching scope after a failure.
func made(
    _ operation: StaticString, _ operands: @autoclosure () -> [Tensor],
    _ call: (UnsafeMutablePointer<OpaquePointer?>) -> apus_status
) -> Tensor {
    var out: OpaquePointer?
    let status = call(&out)
    if status == APUS_OK, let out { return Tensor(owning: out) }
    report(status, operation, operands())
    return Tensor(owning: apus_tensor_undefined())
}

/// No result: an operation in place.
func done(_ operation: StaticString, _ operands: @autoclosure () -> [Tensor], _ status: apus_status) {
    if status != APUS_OK { report(status, operation, operands()) }
}

/// Keeps the failure for the scope around, or stops the program.
private func report(_ status: apus_status, _ operation: StaticString, _ operands: [Tensor]) {
    var sentence = "\(operation): \(String(cString: apus_last_message()))"
    if !operands.isEmpty {
        let shapes = operands.map { $0.isDefined ? "\($0.dtype)\($0.shape)" : "undefined" }
        sentence += " (operands: \(shapes.joined(separator: ", ")))"
    }
    if !apus_catch_record(status, sentence) { fatalError(sentence) }
}

extension [Int] {
    /// Sizes and dimensions as the C layer takes them; `Int` and `Int64` have one layout here.
    func withSizes<Result>(_ body: (UnsafePointer<Int64>, Int32) -> Result) -> Result {
        withUnsafeBufferPointer { sizes in
            sizes.withMemoryRebound(to: Int64.self) { sizes in
                var none: Int64 = 0
                guard let start = sizes.baseAddress else { return body(&none, 0) }
                return body(start, Int32(sizes.count))
            }
        }
    }
}

extension [Tensor] {
    /// Borrowed handles; the tensors live until the call returns.
    func withPointers<Result>(_ body: (UnsafePointer<OpaquePointer>, Int32) -> Result) -> Result {
        let pointers = map(\.pointer)
        return withExtendedLifetime(self) {
            pointers.withUnsafeBufferPointer { body($0.baseAddress!, Int32($0.count)) }
        }
    }
}
