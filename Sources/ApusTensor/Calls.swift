internal import CApusTorch

// The way every operation calls the C layer: the status is looked at here and nowhere else.

typealias Out = UnsafeMutablePointer<OpaquePointer?>

/// One result: a defined tensor, or an undefined one inside a catching scope after a failure.
func made(
    _ operation: StaticString, _ operands: @autoclosure () -> [Tensor],
    _ call: (Out) -> apus_status
) -> Tensor {
    var out: OpaquePointer?
    let status = call(&out)
    if status == APUS_OK, let out { return Tensor(owning: out) }
    report(status, operation, operands())
    return .undefined
}

/// Several results, of which none is defined after a failure.
func made(
    _ operation: StaticString, _ count: Int, _ operands: @autoclosure () -> [Tensor],
    _ call: (Out) -> apus_status
) -> [Tensor] {
    let results = withUnsafeTemporaryAllocation(of: OpaquePointer?.self, capacity: count) { out in
        out.initialize(repeating: nil)
        // An empty list has no address, and nothing to do either.
        let status = out.baseAddress.map(call) ?? apus_status(APUS_OK)
        if status != APUS_OK { report(status, operation, operands()) }
        return out.map { $0.map { Tensor(owning: $0) } ?? .undefined }
    }
    return results
}

/// No result: an operation in place.
func done(
    _ operation: StaticString, _ operands: @autoclosure () -> [Tensor], _ status: apus_status
) {
    if status != APUS_OK { report(status, operation, operands()) }
}

/// Keeps the failure for the scope around, or stops the program.
private func report(_ status: apus_status, _ operation: StaticString, _ operands: [Tensor]) {
    var sentence = "\(operation): \(String(cString: apus_last_message()))"
    if !operands.isEmpty {
        let shapes = operands.map { $0.isDefined ? "\($0.dtype)\($0.shape)" : "undefined" }
        sentence += " (operands: \(shapes.joined(separator: ", ")))"
    }
    // Misuse is a mistake of the program; the sentence is its last word.
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
        withExtendedLifetime(self) {
            withUnsafeTemporaryAllocation(of: OpaquePointer.self, capacity: Swift.max(count, 1)) {
                for (index, tensor) in enumerated() {
                    $0.initializeElement(at: index, to: tensor.pointer)
                }
                return body($0.baseAddress!, Int32(count))
            }
        }
    }
}

extension [Tensor?] {
    /// Borrowed handles, nil where there is no tensor.
    func withPointers<Result>(_ body: (UnsafePointer<OpaquePointer?>, Int32) -> Result) -> Result {
        withExtendedLifetime(self) {
            withUnsafeTemporaryAllocation(of: OpaquePointer?.self, capacity: Swift.max(count, 1)) {
                for (index, tensor) in enumerated() {
                    $0.initializeElement(at: index, to: tensor?.pointer)
                }
                return body($0.baseAddress!, Int32(count))
            }
        }
    }
}
