public import ApusBase
public import ApusFormats
public import ApusNN
internal import ApusTensor

/// A model folder or GGUF file, opened: its configuration, and its weights where it has them.
public struct PretrainedModel: WeightSource {
    public let path: String
    /// config.json as it was read, or as it would be for a GGUF file; keys Apus does not know are
    /// kept.
    public private(set) var configuration: JSONObject
    public private(set) var family: ModelFamily
    /// generation_config.json, where there is one.
    public let generation: JSONObject?
    private var names: any WeightNames
    private let source: (any TensorSource)?

    /// - needsWeights: false for a folder with only a config.json
    public init(path: String, needsWeights: Bool = true) throws(FileError) {
        self.path = path
        if path.hasSuffix(".gguf") {
            let file = try GGUFFile(path: path)
            configuration = try GGUFConfiguration.json(file)
            source = file
            names = GGUFNames(naming: try GGUFConfiguration.naming(configuration, path: path))
            generation = nil
        } else {
            configuration = try Self.object(FilePaths.join(path, "config.json"), folder: path)
            source = needsWeights ? try openTensors(at: path) : nil
            names = HuggingFaceNames()
            let file = FilePaths.join(path, "generation_config.json")
            generation = FilePaths.isFile(file) ? try Self.object(file, folder: path) : nil
        }
        let place = path.hasSuffix(".gguf") ? path : FilePaths.join(path, "config.json")
        family = try ModelFamily(configuration: .object(configuration), path: place)
    }

    private static func object(_ path: String, folder: String) throws(FileError) -> JSONObject {
        guard FilePaths.isFolder(folder) else {
            throw FileError(
                folder, "there is no such model",
                likelyCause: "a misspelt path; names on a hub are not looked up",
                remedy: "give a model folder or a .gguf file")
        }
        guard FilePaths.isFile(path) else {
            throw FileError(
                folder, "holds no \(FilePaths.name(of: path))",
                likelyCause: "it is not a model folder")
        }
        switch try readJSONFile(path) {
        case .object(let object): return object
        case let other: throw FileError(path, "holds \(other.kind) instead of an object")
        }
    }

    /// The same model with a head of its own, which begins as a copy of the embedding: for adapters
    /// that train one of both.
    public func untied() throws(FileError) -> PretrainedModel {
        var copy = self
        copy.configuration["tie_word_embeddings"] = false
        copy.family = try ModelFamily(configuration: .object(copy.configuration), path: path)
        return copy
    }

    /// Whether the head is the embedding.
    var isTied: Bool {
        let store = family.makeModel().store
        return !LoRAPlan.heads.contains { store["\($0).weight"] != nil }
    }

    /// The model with its layers in another order and number: those of the first range, then those
    /// of the next. Without ranges it is as it was.
    public func replicated(_ ranges: [Range<Int>]) throws -> PretrainedModel {
        guard !ranges.isEmpty else { return self }
        let alike = ["llama", "mistral", "qwen2", "qwen3", "olmo2", "phi3"]
        guard let type = configuration["model_type"]?.stringValue, alike.contains(type),
            let count = configuration["num_hidden_layers"]?.intValue
        else {
            throw AdapterError(
                summary: "layer_replication needs a model whose layers are alike",
                likelyCause: "a family other than \(alike.joined(separator: ", "))")
        }
        guard let last = ranges.map(\.upperBound).max(), last <= count else {
            throw AdapterError(
                summary: "layer_replication names layers that the model has not: it has \(count)")
        }
        let layers = ranges.flatMap(Array.init)
        var copy = self
        copy.configuration["num_hidden_layers"] = .integer(layers.count)
        if let types = configuration["layer_types"]?.arrayValue, types.count == count {
            copy.configuration["layer_types"] = .array(layers.map { types[$0] })
        }
        copy.names = ReplicatedLayers(names: names, layers: layers)
        copy.family = try ModelFamily(configuration: .object(copy.configuration), path: path)
        return copy
    }
}

func readJSONFile(_ path: String) throws(FileError) -> JSON {
    let file = try MappedFile(path: path)
    let parsed: Result<JSON, JSONSyntaxError> = file.withBytes { bytes in
        do throws(JSONSyntaxError) {
            return .success(try JSON.parse(bytes))
        } catch {
            return .failure(error)
        }
    }
    switch parsed {
    case .success(let json): return json
    case .failure(let fault): throw FileError(path, at: .offset(fault.offset), fault.problem)
    }
}

// MARK: - Weights

extension PretrainedModel {
    /// Checks that the file has every parameter in its shape; returns what else it holds.
    ///
    /// All that is missing or of another shape is listed at once.
    public func check(_ specs: [ParameterSpec]) throws(FileError) -> [String] {
        guard let source else { throw noWeights }
        let names = places
        let fit = WeightFit(specs) { names.location(of: $0, in: source) }
        if let error = fit.error(
            path, "the weights do not fit the configuration",
            likelyCause: "weights of another model, or an incomplete download")
        {
            throw error
        }
        return source.names.filter { !fit.uses($0) && !names.isExpectedExtra($0) }
    }

    public func read(
        _ spec: ParameterSpec, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let source else { throw noWeights }
        guard let location = places.location(of: spec.name, in: source) else {
            throw FileError(path, "has no \(spec.name)")
        }
        try location.read(
            elements, as: dtype, from: source, into: destination, through: pipeline)
    }

    /// Fills a model whose parameters already have host memory; returns tensors that nothing used.
    public func load(into store: ParameterStore) throws(FileError) -> [String] {
        let unused = try check(store.parameters.map(\.spec))
        try ReadPipeline.run { pipeline throws(FileError) in
            for parameter in store.parameters {
                guard let memory = parameter.value.hostMemory else {
                    preconditionFailure("load: \(parameter.name) is not contiguous host memory")
                }
                try read(
                    parameter.spec, elements: 0..<parameter.spec.elementCount,
                    as: parameter.value.dtype, into: memory, through: pipeline)
            }
        }
        return unused
    }

    /// The model with its weights in host memory, for inference and tests.
    ///
    /// The files are checked before any memory is taken, so that a configuration that promises more
    /// than they hold costs nothing.
    public func makeModel(dtype: DType) throws(FileError) -> any LanguageModel {
        let model = family.makeModel()
        _ = try check(model.store.parameters.map(\.spec))
        model.store.allocate(dtype: dtype)
        _ = try load(into: model.store)
        return model
    }

    /// A head that the file lacks is its embedding.
    private var places: any WeightNames { FallbackHead(names: names) }

    private var noWeights: FileError {
        FileError(path, "was opened without its weights")
    }
}
