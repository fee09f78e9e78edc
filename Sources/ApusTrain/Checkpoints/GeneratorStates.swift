internal import ApusBase
internal import ApusTensor

/// The random generators of a rank as text: random-NNNNN.json.
enum GeneratorStates {
    static var text: String {
        JSON.object(["cpu": .string(hex(Generator.defaultState().bytes))]).text(.indented) + "\n"
    }

    /// Lets the generators continue. False when the text is not such a state.
    static func restore(_ text: String) throws -> Bool {
        guard let bytes = try JSON.parse(text)["cpu"]?.stringValue.flatMap(bytes) else {
            return false
        }
        let state = bytes.withUnsafeBytes {
            Tensor(copying: $0, shape: [bytes.count], dtype: .uint8)
        }
        try catchingTensorErrors { Generator.setDefaultState(state) }
        return true
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func hex(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(_ hex: String) -> [UInt8]? {
        let values = hex.utf8.map { digits.firstIndex(of: $0) }
        guard values.count.isMultiple(of: 2), !values.contains(nil) else { return nil }
        return stride(from: 0, to: values.count, by: 2).map {
            UInt8(values[$0]! << 4 | values[$0 + 1]!)
        }
    }
}

extension Tensor {
    fileprivate var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: elementCount * dtype.byteCount)
        result.withUnsafeMutableBytes { copyBytes(to: $0) }
        return result
    }
}
