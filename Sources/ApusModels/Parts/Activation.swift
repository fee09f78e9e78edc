internal import ApusBase
public import ApusTensor

/// The non-linear function of a feed-forward part, by its name in config.json.
public enum Activation: String, Sendable, CaseIterable {
    case gelu
    case geluNew = "gelu_new"
    case geluPytorchTanh = "gelu_pytorch_tanh"
    case geluFast = "gelu_fast"
    case relu
    case silu

    public func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .gelu: x.gelu()
        case .geluNew, .geluPytorchTanh, .geluFast: x.geluTanh()
        case .relu: x.relu()
        case .silu: x.silu()
        }
    }

    /// `activation(gate) * up`.
    func gated(_ gate: Tensor, _ up: Tensor) -> Tensor {
        self == .silu ? gate.swiGLU(up) : self(gate) * up
    }
}

extension ConfigurationReader {
    func activation(_ key: String, default fallback: Activation) throws(FileError) -> Activation {
        guard let name = try string(key) else { return fallback }
        guard let activation = Activation(rawValue: name) else {
            let known = Activation.allCases.map(\.rawValue).sorted().joined(separator: ", ")
            throw unsupported(key, name, allowed: known)
        }
        return activation
    }
}
