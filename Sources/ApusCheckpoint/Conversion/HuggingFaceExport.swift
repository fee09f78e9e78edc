public import ApusBase
internal import ApusFormats

/// Writes the weights of a training state as a HuggingFace folder: streamed in tiles, then read
/// back and compared.
public struct HuggingFaceExport {
    public var dtype = DType.bfloat16
    public var maximumShardBytes = HuggingFaceExport.defaultShardBytes
    public static let defaultShardBytes = ModelWriter.defaultShardBytes
    /// Elements in memory at a time.
    private static let tile = 1 << 20

    public init() {}

    /// - documents: config.json and what else goes beside the weights; `dtype` in config.json is
    ///   set to what is written
    /// - path: a folder that is not there yet, or empty
    public func write(
        _ source: any StateSource, documents: [CheckpointDocument], to path: String
    ) throws {
        let weights = try source.modelWeights()
        let bytes = weights.reduce(0) { $0 + $1.elementCount * dtype.byteCount }
        try NewFolder(path, DiskStorage()).fill(with: "the model", bytes: bytes) { folder in
            try write(weights, of: source, to: folder)
            for document in documents {
                let path = FilePaths.join(folder, document.name)
                try OutputFile.write(try text(document, path), to: path)
            }
            try readBack(weights, source, folder)
        }
    }

    private func write(
        _ weights: [StateTensor], of source: any StateSource, to folder: String
    ) throws(FileError) {
        let writer = try ModelWriter(
            folder: folder,
            tensors: weights.map {
                .init($0.key.parameter, SafetensorsDType(dtype), shape: $0.shape)
            }, maximumShardBytes: maximumShardBytes)
        try inTiles(weights, source) { tensor, _, converted throws(FileError) in
            try writer.write(tensor.key.parameter, converted)
        }
        try writer.finish()
    }

    private func text(_ document: CheckpointDocument, _ path: String) throws(FileError) -> String {
        guard document.name == "config.json" else { return document.text }
        do {
            guard var config = try JSON.parse(document.text).objectValue else {
                return document.text
            }
            config["torch_dtype"] = nil
            config["dtype"] = .string(dtype.rawValue)
            return JSON.object(config).text(.indented) + "\n"
        } catch {
            throw FileError(path, at: .offset(error.offset), error.problem)
        }
    }

    /// Calls `body` with each tile as it is stored in the export.
    private func inTiles(
        _ weights: [StateTensor], _ source: any StateSource,
        _ body: (StateTensor, Range<Int>, UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.tile * 8, alignment: 64)
        let converted = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.tile * dtype.byteCount, alignment: 64)
        defer {
            raw.deallocate()
            converted.deallocate()
        }
        for tensor in weights {
            for start in stride(from: 0, to: tensor.elementCount, by: Self.tile) {
                let part = start..<min(start + Self.tile, tensor.elementCount)
                let input = UnsafeMutableRawBufferPointer(
                    rebasing: raw[..<(part.count * tensor.dtype.byteCount)])
                let output = UnsafeMutableRawBufferPointer(
                    rebasing: converted[..<(part.count * dtype.byteCount)])
                try source.read(tensor, part, into: input)
                NumberConversion.convert(
                    UnsafeRawBufferPointer(input), tensor.dtype, to: output, dtype)
                try body(tensor, part, UnsafeRawBufferPointer(output))
            }
        }
    }

    private func readBack(
        _ weights: [StateTensor], _ source: any StateSource, _ folder: String
    ) throws(FileError) {
        let written = try openTensors(at: folder)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.tile * dtype.byteCount, alignment: 64)
        defer { buffer.deallocate() }
        try inTiles(weights, source) { tensor, part, expected throws(FileError) in
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<expected.count])
            try written.read(tensor.key.parameter, elements: part, as: dtype, into: target)
            guard BlockHashes.hash(UnsafeRawBufferPointer(target)) == BlockHashes.hash(expected)
            else {
                throw FileError(
                    folder, "\(tensor.key.parameter) reads back otherwise than it was written",
                    likelyCause: "the disk is at fault, or another program writes there",
                    remedy: "export again, to another disk")
            }
        }
    }
}
