public import ApusBase
public import ApusTensor

/// What PyTorch computed for one operation; see `Tools/goldens/tensor.py`.
public struct OperationCase: CustomStringConvertible, Sendable {
    public let name: String
    /// Constants of the C header that the case exercises.
    public let covers: [String]
    private let inputs, outputs, gradients: [JSON]

    public var description: String { name }

    public init(_ json: JSON) throws {
        guard let name = json["name"]?.stringValue, let covers = json["covers"]?.arrayValue,
            let inputs = json["inputs"]?.arrayValue, let outputs = json["outputs"]?.arrayValue
        else { throw FileError("operations.json", "a case lacks a key: \(json)") }
        self.name = name
        self.covers = covers.compactMap(\.stringValue)
        self.inputs = inputs
        self.outputs = outputs
        gradients = json["gradients"]?.arrayValue ?? []
    }

    public static func all(beside file: String = #filePath) throws -> [OperationCase] {
        let json = try Fixture.json("operations.json", beside: file)
        return try (json["cases"]?.arrayValue ?? []).map { try OperationCase($0) }
    }

    /// Fresh tensors; those with an expected gradient require one.
    public func makeInputs() -> [Tensor] {
        inputs.enumerated().map { index, json in
            let tensor = Tensor(golden: json)
            let isWanted = gradients.indices.contains(index) && !gradients[index].isNull
            return isWanted ? tensor.requiringGradient() : tensor
        }
    }

    public func expectedOutputs() -> [Tensor] { outputs.map { Tensor(golden: $0) } }

    /// Of `sum(first output * cos(0, 1, ...))` for each input; nil where there is none.
    public func expectedGradients() -> [Tensor?] {
        gradients.map { $0.isNull ? nil : Tensor(golden: $0) }
    }
}

extension Tensor {
    /// `{"dtype": ..., "shape": [...], "values": [...]}`.
    public init(golden json: JSON) {
        let shape = (json["shape"]?.arrayValue ?? []).compactMap(\.intValue)
        let values = (json["values"]?.arrayValue ?? []).map { value in
            value.doubleValue ?? value.stringValue.flatMap { Double($0) } ?? .nan
        }
        let dtype = json["dtype"]?.stringValue.flatMap { DType(rawValue: $0) } ?? .float32
        self = values.withUnsafeBytes {
            Tensor(copying: $0, shape: shape, dtype: .float64)
        }.to(dtype)
    }
}
