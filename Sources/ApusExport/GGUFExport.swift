public import ApusBase
public import ApusFormats
internal import ApusTokenizer

/// Writes a HuggingFace model folder as a GGUF file for llama.cpp and its kin.
///
/// Weights are streamed: memory holds a tile of rows at a time. Matrices are stored in the chosen
/// format where their rows allow it; vectors stay fp32; with 4-bit formats, embedding and head are
/// stored in 8 bits, as they suffer most.
public struct GGUFExport {
    private let architecture: GGUFArchitecture
    private let element: GGUFElement
    private let source: any TensorSource
    private let folder: String
    private let configuration: JSONObject

    /// Opens and checks the model. Throws for a kind of model that llama.cpp names in a way that is
    /// not known here.
    public init(folder: String, element: GGUFElement) throws(FileError) {
        self.folder = folder
        self.element = element
        let path = FilePaths.join(folder, "config.json")
        guard FilePaths.isFile(path) else {
            throw FileError(
                folder, "holds no config.json", likelyCause: "it is not a model folder",
                remedy: "give the folder of a HuggingFace model")
        }
        let file = try MappedFile(path: path)
        let parsed = file.withBytes { raw in
            Result { () throws(JSONSyntaxError) in try JSON.parse(raw) }
        }
        switch parsed {
        case .success(.object(let object)): configuration = object
        case .success(let other):
            throw FileError(path, "holds \(other.kind) instead of an object")
        case .failure(let fault): throw FileError(path, at: .offset(fault.offset), fault.problem)
        }
        architecture = try GGUFArchitecture(configuration, path: path)
        source = try openTensors(at: folder)
    }

    /// Writes the file.
    ///
    /// - Parameter progress: called with each tensor's name before it is written
    public func write(
        to path: String, progress: (_ name: String, _ element: GGUFElement) -> Void = { _, _ in }
    ) throws {
        let places = try placed()
        let tensors = places.map { GGUFWriter.Tensor($0.name, $0.element, shape: $0.shape) }
        let vocabulary = try GGUFVocabulary(folder: folder, size: architecture.vocabularySize)
        var metadata = architecture.metadata(name: FilePaths.name(of: folder))
        metadata.append(("general.file_type", .uint32(fileType)))
        metadata.append(("general.quantization_version", .uint32(2)))
        metadata += vocabulary.metadata
        let extra = try architecture.rotaryDivisors()
        let rotary = extra.map { GGUFWriter.Tensor("rope_freqs.weight", .f32, shape: [$0.count]) }
        let writer = try GGUFWriter(
            path: path, metadata: metadata, tensors: (rotary.map { [$0] } ?? []) + tensors)
        if let extra {
            try extra.withUnsafeBufferPointer { try writer.write("rope_freqs.weight", $0) }
        }
        for place in places {
            progress(place.name, place.element)
            try copy(place, to: writer)
        }
        try writer.finish()
    }

    /// ggml's number for a file of mostly this format.
    private var fileType: UInt32 {
        switch element {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .q4_K: 14
        case .bf16: 32
        }
    }

    /// A tensor of the folder and what becomes of it.
    private struct Place {
        let source: String
        let name: String
        let element: GGUFElement
        let shape: [Int]
        let change: GGUFArchitecture.Change
    }

    private func placed() throws(FileError) -> [Place] {
        var places: [Place] = []
        var unknown: [String] = []
        for name in source.names where !architecture.ignores(name) {
            guard let entry = source.entry(name), let target = architecture.name(of: name) else {
                unknown.append(name)
                continue
            }
            places.append(
                Place(
                    source: name, name: target.name,
                    element: element(of: target.name, entry.shape), shape: entry.shape,
                    change: target.change))
        }
        guard unknown.isEmpty else {
            let list = unknown.prefix(5).joined(separator: ", ")
            throw FileError(
                folder, "\(unknown.count) tensors have no name in GGUF: \(list)",
                likelyCause: "the model has parts that its config.json does not tell of")
        }
        // The order of llama.cpp's converter: as the model computes.
        return places.sorted { architecture.order($0.name) < architecture.order($1.name) }
    }

    private func element(of name: String, _ shape: [Int]) -> GGUFElement {
        guard shape.count > 1, let row = shape.last else { return .f32 }
        let isFourBit = element == .q4_0 || element == .q4_K
        let isSensitive = name == "token_embd.weight" || name == "output.weight"
        let wanted = isFourBit && isSensitive ? .q8_0 : element
        let fitting = [wanted, .q8_0, .f16].first { row % $0.blockLength == 0 }
        return fitting ?? .f16
    }

    private func copy(_ place: Place, to writer: GGUFWriter) throws(FileError) {
        let row = place.shape.last ?? 1
        let rows = max(1, place.shape.dropLast().reduce(1, *))
        guard row > 0, !place.shape.contains(0) else { return }
        let tile = max(1, (1 << 18) / row)
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(tile, rows) * row)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: rows, by: tile) {
            let count = min(tile, rows - start)
            for local in 0..<count {
                let from = place.change.row(start + local) * row
                let part = UnsafeMutableBufferPointer(
                    rebasing: buffer[(local * row)..<((local + 1) * row)])
                // Whole tiles at once where rows keep their places.
                if place.change.keepsRows {
                    try read(place, (start * row)..<((start + count) * row), into: buffer)
                    break
                }
                try read(place, from..<(from + row), into: part)
            }
            let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(count * row)])
            if place.change.addsOne { for index in part.indices { part[index] += 1 } }
            try writer.write(place.name, UnsafeBufferPointer(part))
        }
    }

    private func read(
        _ place: Place, _ elements: Range<Int>, into buffer: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        let bytes = UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: buffer[..<elements.count]))
        try source.read(place.source, elements: elements, as: .float32, into: bytes)
    }
}
