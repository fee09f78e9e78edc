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

    /// What the file's programs will compute in another way, for the user to know.
    public var remarks: [String] { architecture.remarks }

    /// Opens and checks the model. Throws for a kind of model that llama.cpp names in a way that is
    /// not known here.
    ///
    /// - weights: taken instead of the folder's, which then gives configuration and tokenizer alone
    public init(
        folder: String, element: GGUFElement, weights: (any TensorSource)? = nil
    ) throws(FileError) {
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
        source = if let weights { weights } else { try openTensors(at: folder) }
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
        let divisors = architecture.divisors
        let rotary = divisors.map { GGUFWriter.Tensor($0.name, .f32, shape: [$0.values.count]) }
        let writer = try GGUFWriter(path: path, metadata: metadata, tensors: rotary + tensors)
        for tensor in divisors {
            try tensor.values.withUnsafeBufferPointer { try writer.write(tensor.name, $0) }
        }
        for place in places {
            progress(place.name, place.element)
            for name in place.sources { try copy(name, place, to: writer) }
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

    /// A tensor of the file and what it is made of.
    private struct Place {
        let name: String
        let element: GGUFElement
        let shape: [Int]
        /// One tensor of the folder, or the experts that are stacked.
        let sources: [String]
        let change: GGUFNaming.Place
    }

    private func placed() throws(FileError) -> [Place] {
        var parts: [String: [(source: String, change: GGUFNaming.Place)]] = [:]
        var unknown: [String] = []
        for name in source.names where !architecture.ignores(name) {
            guard let change = architecture.naming.place(of: name) else {
                unknown.append(name)
                continue
            }
            parts[change.tensor, default: []].append((name, change))
        }
        guard unknown.isEmpty else {
            let list = unknown.prefix(5).joined(separator: ", ")
            throw FileError(
                folder, "\(unknown.count) tensors have no name in GGUF: \(list)",
                likelyCause: "the model has parts that its config.json does not tell of")
        }
        if architecture.copiesHead, let embedding = parts["token_embd.weight"] {
            parts["output.weight"] = embedding
        }
        var places: [Place] = []
        for (name, sources) in parts { places.append(try place(name, sources)) }
        // The order of llama.cpp's converter: as the model computes.
        return places.sorted {
            (architecture.order($0.name), $0.name) < (architecture.order($1.name), $1.name)
        }
    }

    private func place(
        _ name: String, _ parts: [(source: String, change: GGUFNaming.Place)]
    ) throws(FileError) -> Place {
        let sorted = parts.sorted { ($0.change.expert ?? 0) < ($1.change.expert ?? 0) }
        let shapes = Set(sorted.map { source.entry($0.source)?.shape ?? [] })
        let isStack = sorted[0].change.expert != nil
        let numbers = sorted.map { $0.change.expert ?? 0 }
        guard shapes.count == 1, var shape = shapes.first, numbers == Array(0..<numbers.count)
        else {
            throw FileError(
                folder, "\(sorted.count) tensors do not make the stack \(name): "
                    + sorted.prefix(3).map(\.source).joined(separator: ", "),
                likelyCause: "an expert is missing, or has another shape than the others")
        }
        let change = sorted[0].change
        if change.isTransposed { shape.reverse() }
        let rows = shape.first ?? 0
        if let group = change.rows.groupRows, group == 0 || !rows.isMultiple(of: group) {
            throw FileError(
                folder, "\(sorted[0].source) has \(rows) rows, which are no heads of \(group)",
                likelyCause: "weights of another model than config.json's")
        }
        let element = element(of: name, shape)
        if isStack { shape.insert(sorted.count, at: 0) }
        return Place(
            name: name, element: element, shape: shape, sources: sorted.map(\.source),
            change: change)
    }

    /// Small tables that decide much stay in full precision, as llama.cpp's converter leaves them.
    private func element(of name: String, _ shape: [Int]) -> GGUFElement {
        guard shape.count > 1, let row = shape.last, name != "position_embd.weight",
            !name.hasSuffix("ffn_gate_inp.weight")
        else { return .f32 }
        let isFourBit = element == .q4_0 || element == .q4_K
        let isSensitive = name == "token_embd.weight" || name == "output.weight"
        let wanted = isFourBit && isSensitive ? .q8_0 : element
        let fitting = [wanted, .q8_0, .f16].first { row % $0.blockLength == 0 }
        return fitting ?? .f16
    }

    // MARK: Elements

    private func copy(_ name: String, _ place: Place, to writer: GGUFWriter) throws(FileError) {
        let shape = source.entry(name)?.shape ?? []
        let count = shape.reduce(1, *)
        if count == 0 { return }
        if place.change.isTransposed {
            let all = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
            defer { all.deallocate() }
            try source.readTransposed(
                name, elements: 0..<count, as: .float32, into: UnsafeMutableRawBufferPointer(all))
            try writer.write(place.name, UnsafeBufferPointer(all))
        } else if let rows = place.change.rows.groupRows {
            try copyGroups(of: rows, name, shape, place, to: writer)
        } else {
            let row = shape.last ?? 1
            let tile = max(1, (1 << 18) / row) * row
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(tile, count))
            defer { buffer.deallocate() }
            for start in stride(from: 0, to: count, by: tile) {
                let end = min(start + tile, count)
                let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(end - start)])
                try read(name, start..<end, into: part)
                if place.change.addsOne { for index in part.indices { part[index] += 1 } }
                try writer.write(place.name, UnsafeBufferPointer(part))
            }
        }
    }

    /// Group by group of rows, as they change places within it.
    private func copyGroups(
        of rows: Int, _ name: String, _ shape: [Int], _ place: Place, to writer: GGUFWriter
    ) throws(FileError) {
        let row = shape.dropFirst().reduce(1, *)
        let size = rows * row
        let buffers = (0..<2).map { _ in
            UnsafeMutableBufferPointer<Float>.allocate(capacity: size)
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        let order = place.change.rows
        for group in 0..<(shape[0] / rows) {
            let from = order.parameterGroup(group) * size
            try read(name, from..<(from + size), into: buffers[0])
            for inner in 0..<rows {
                let source = UnsafeMutableBufferPointer(
                    rebasing: buffers[0][(inner * row)..<((inner + 1) * row)])
                let to = order.fileRow(inner) * row
                _ = buffers[1][to..<(to + row)].update(fromContentsOf: source)
            }
            try writer.write(place.name, UnsafeBufferPointer(buffers[1]))
        }
    }

    private func read(
        _ name: String, _ elements: Range<Int>, into buffer: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        try source.read(
            name, elements: elements, as: .float32, into: UnsafeMutableRawBufferPointer(buffer))
    }
}
