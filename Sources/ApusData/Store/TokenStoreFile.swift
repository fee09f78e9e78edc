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
        var ends: [Int] = []
        for index in 0..<count {
            try withIDs(index) { part throws(FileError) in
                try writer.write("input_ids", UnsafeRawBufferPointer(part))
            }
            try withLabels(index) { part throws(FileError) in
                try writer.write("labels", UnsafeRawBufferPointer(part))
            }
            ends.append((ends.last ?? 0) + length(index))
        }
        try writer.write("ends", all: ends)
        try writer.write("trained", all: trained)
        try writer.write("loss_weights", all: lossWeights)
    }

    /// Reads what ``write(to:)`` wrote; the tokens stay in the file until they are needed. Throws
    /// when the parts do not fit together.
    init(_ file: SafetensorsFile) throws(FileError) {
        let ends: [Int] = try file.elements("ends", .int64)
        let trained: [Int32] = try file.elements("trained", .int32)
        let lossWeights: [Float] = try file.elements("loss_weights", .float32)
        let ids = try Self.mapped("input_ids", file)
        let labels = try Self.mapped("labels", file)
        let ascends = zip([0] + ends, ends).allSatisfy { $0 < $1 }
        let fits = labels.count == ids.count && trained.count == ends.count
        let isWeighed = lossWeights.count == ends.count
        guard ascends, fits, isWeighed, ends.last ?? 0 == ids.count else {
            throw FileError(file.file.path, "its parts do not fit together")
        }
        self.init(
            .mapped(ids: ids, labels: labels), ends: ends, trained: trained,
            lossWeights: lossWeights)
    }

    private static func mapped(
        _ name: String, _ file: SafetensorsFile
    ) throws(FileError) -> TokenTable.MappedTokens {
        guard let entry = file.entry(name), entry.dtype == .int32,
            entry.byteRange.lowerBound % 4 == 0
        else { throw FileError(file.file.path, "has no aligned 32-bit integers \"\\(name)\"") }
        return .init(file.file, offset: entry.byteRange.lowerBound, count: entry.elementCount)
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
