public import ApusBase
public import ApusNN
public import ApusTensor

/// A folder of parameters that is being written.
public struct ParameterWriter {
    private let sink: (String, Tensor) throws(FileError) -> Void
    private let complete: () throws(FileError) -> Void

    init(
        _ sink: @escaping (String, Tensor) throws(FileError) -> Void,
        complete: @escaping () throws(FileError) -> Void
    ) {
        self.sink = sink
        self.complete = complete
    }

    /// Writes a parameter's values, in any order of parameters.
    public func write(_ name: String, _ value: Tensor) throws(FileError) {
        try sink(name, value)
    }

    /// Completes the folder.
    public func finish() throws(FileError) { try complete() }

    /// Writes parameters that are in memory, and completes the folder.
    func writeAll(_ parameters: [Parameter]) throws(FileError) {
        for parameter in parameters { try write(parameter.name, parameter.value) }
        try finish()
    }
}

extension Tensor {
    /// The elements in host memory, row-major.
    func withHostElements(
        _ body: (UnsafeRawBufferPointer, DType) throws(FileError) -> Void
    ) throws(FileError) {
        let host = detached().to(device: .cpu).contiguous()
        guard let memory = host.hostMemory else { preconditionFailure("no host memory: \(host)") }
        try withExtendedLifetime(host) { () throws(FileError) in
            try body(UnsafeRawBufferPointer(memory), host.dtype)
        }
    }
}
