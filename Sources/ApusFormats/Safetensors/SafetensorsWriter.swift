public import ApusBase

/// Writes a safetensors file as ``SafetensorsLayout`` lays it out.
///
/// Tensors are declared first and then written in any order, in pieces, so that none need be in
/// memory whole. The file appears under its name when ``finish()`` returns. For one thread at a
/// time.
public final class SafetensorsWriter {
    public struct Tensor: Sendable, Hashable {
        public let name: String
        public let dtype: SafetensorsDType
        public let shape: [Int]

        public init(_ name: String, _ dtype: SafetensorsDType, shape: [Int]) {
            self.name = name
            self.dtype = dtype
            self.shape = shape
        }

        public var byteCount: Int { shape.reduce(dtype.bitCount, *) / 8 }
    }

    private struct Progress {
        let tensor: Tensor
        let offset: Int
        var written = 0
    }

    public let path: String
    /// The names in the order of the file, which is the fastest order to write them in.
    public let names: [String]
    private let output: OutputFile
    private var progress: [ByteKey: Progress] = [:]

    /// - Parameter metadata: `format` = `pt` is what `transformers` expects to find.
    public init(
        path: String, tensors: [Tensor], metadata: [String: String] = ["format": "pt"]
    ) throws(FileError) {
        let layout = SafetensorsLayout(tensors, metadata: metadata)
        for (tensor, offset) in zip(layout.tensors, layout.offsets) {
            progress[ByteKey(tensor.name)] = Progress(tensor: tensor, offset: offset)
        }
        self.path = path
        names = layout.tensors.map(\.name)
        output = try OutputFile(path: path, expectedSize: layout.byteCount)
        try write(layout.beginning, at: 0)
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(FileError) in try output.write(raw, at: offset) }
        }
        try result.get()
    }

    /// Writes the next bytes of a tensor, as they shall stand in the file.
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(FileError) {
        guard let state = progress[ByteKey(name)] else {
            preconditionFailure("SafetensorsWriter.write: tensor \(name) was not declared")
        }
        precondition(
            state.written + bytes.count <= state.tensor.byteCount,
            "SafetensorsWriter.write: more bytes than \(name) has (\(state.tensor.byteCount))")
        try output.write(bytes, at: state.offset + state.written)
        progress[ByteKey(name)]?.written += bytes.count
    }

    /// Writes the next elements of a tensor, converted from `dtype` to the declared one.
    public func write(
        _ name: String, _ elements: UnsafeRawBufferPointer, of dtype: DType
    ) throws(FileError) {
        guard let target = progress[ByteKey(name)]?.tensor.dtype.dtype else {
            preconditionFailure(
                "SafetensorsWriter.write: \(name) is not declared with a computable type")
        }
        if target == dtype { return try write(name, elements) }
        let tile = 1 << 16
        let count = elements.count / dtype.byteCount
        let converted = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(tile, count) * target.byteCount, alignment: 64)
        defer { converted.deallocate() }
        for start in stride(from: 0, to: count, by: tile) {
            let end = min(start + tile, count)
            let source = elements[(start * dtype.byteCount)..<(end * dtype.byteCount)]
            let part = converted[..<((end - start) * target.byteCount)]
            NumberConversion.convert(
                UnsafeRawBufferPointer(rebasing: source), dtype,
                to: UnsafeMutableRawBufferPointer(rebasing: part), target)
            try write(name, UnsafeRawBufferPointer(rebasing: part))
        }
    }

    /// Syncs and names the file. Every tensor must have been written to its end.
    public func finish() throws(FileError) {
        for name in names {
            let state = progress[ByteKey(name)]!
            precondition(
                state.written == state.tensor.byteCount,
                "SafetensorsWriter.finish: \(state.written) bytes of \(name) were written"
            )
        }
        try output.commit()
    }
}
