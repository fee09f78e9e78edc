internal import ApusBase
internal import ApusFormats

extension TokenStore {
    static func tensors(_ store: TokenStore) -> [SafetensorsWriter.Tensor] {
        [
            .init("input_ids", .i32, shape: [store.tokenCount]),
            .init("labels", .i32, shape: [store.tokenCount]),
            .init("ends", .i64, shape: [store.count]),
            .init("trained", .i32, shape: [store.count]),
            .init("loss_weights", .f32, shape: [store.count]),
        ]
    }

    func write(to writer: SafetensorsWriter) throws(FileError) {
        try writer.write("input_ids", all: inputIDs)
        try writer.write("labels", all: labels)
        try writer.write("ends", all: ends)
        try writer.write("trained", all: trained)
        try writer.write("loss_weights", all: lossWeights)
    }

    /// Reads what ``write(to:)`` wrote. Throws when the parts do not fit together.
    init(_ file: SafetensorsFile) throws(FileError) {
        self.init()
        inputIDs = try file.elements("input_ids", .int32)
        labels = try file.elements("labels", .int32)
        ends = try file.elements("ends", .int64)
        trained = try file.elements("trained", .int32)
        lossWeights = try file.elements("loss_weights", .float32)
        let ascends = zip([0] + ends, ends).allSatisfy { $0 < $1 }
        let fits = labels.count == inputIDs.count && trained.count == ends.count
        let isWeighed = lossWeights.count == ends.count
        guard ascends, fits, isWeighed, ends.last ?? 0 == inputIDs.count else {
            throw FileError(file.file.path, "its parts do not fit together")
        }
    }
}

extension SafetensorsWriter {
    func write<Element: BitwiseCopyable>(
        _ name: String, all elements: [Element]
    ) throws(FileError) {
        let result = elements.withUnsafeBytes { raw in
            Result { () throws(FileError) in try write(name, raw) }
        }
        try result.get()
    }
}

extension SafetensorsFile {
    /// A whole tensor as an array of the type that `dtype` means.
    func elements<Element: BitwiseCopyable>(
        _ name: String, _ dtype: DType
    ) throws(FileError) -> [Element] {
        precondition(MemoryLayout<Element>.size == dtype.byteCount, "elements: not \(dtype)")
        let count = entry(name)?.elementCount ?? 0
        var failure: FileError?
        let elements = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(FileError) {
                let part = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
                let raw = UnsafeMutableRawBufferPointer(part)
                try read(name, elements: 0..<count, as: dtype, into: raw)
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return elements
    }
}
