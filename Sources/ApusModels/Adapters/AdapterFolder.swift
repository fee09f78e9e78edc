public import ApusBase
internal import ApusFormats
public import ApusNN
public import ApusTensor

/// An adapter as PEFT stores it: adapter_config.json and adapter_model.safetensors.
public struct AdapterFolder {
    public static let configurationName = "adapter_config.json"
    public static let weightsName = "adapter_model.safetensors"
    /// What PEFT's wrappers put before a parameter's path.
    static let prefix = "base_model.model."

    public let path: String
    public let configuration: LoRAConfiguration
    private let weights: SafetensorsFile

    public init(path: String) throws(FileError) {
        self.path = path
        let place = FilePaths.join(path, Self.configurationName)
        guard FilePaths.isFile(place) else {
            throw FileError(
                path, "holds no \(Self.configurationName)", likelyCause: "it is no adapter folder")
        }
        configuration = try LoRAConfiguration(json: try readJSONFile(place), path: place)
        weights = try SafetensorsFile(path: FilePaths.join(path, Self.weightsName))
    }

    /// The entry of a parameter, by the model's name for it.
    func entry(_ parameter: String) -> TensorEntry? {
        Self.keys(parameter).lazy.compactMap { weights.entry($0) }.first
    }

    /// What files call a parameter: PEFT hides the own parameters of an adapted layer one level
    /// deeper.
    private static func keys(_ parameter: String) -> [String] {
        let plain = prefix + parameter
        let parts = plain.split(separator: ".")
        let inner = parts.dropLast() + ["base_layer"] + parts.suffix(1)
        return [plain, inner.joined(separator: ".")]
    }

    /// Checks that the file has all of these in their shapes, and nothing that would be lost.
    ///
    /// - copies: what may be there twice
    func check(_ specs: [ParameterSpec], copies: [String]) throws(FileError) {
        var fit = WeightFit(specs) { entry($0).map { WeightLocation(entry: $0) } }
        let twice = copies.map { Self.prefix + $0 }
        // PEFT may store the frozen weight of an adapted embedding beside its factors.
        let extra = weights.names.filter {
            !fit.uses($0) && !twice.contains($0) && !$0.hasSuffix(".base_layer.weight")
        }
        fit.problems += extra.map { "\($0) has no place in the model" }
        if let error = fit.error(
            path, "the adapter does not fit the model",
            likelyCause: "it was trained on another model")
        {
            throw error
        }
    }

    func read(
        _ parameter: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        guard let entry = entry(parameter) else { throw FileError(path, "has no \(parameter)") }
        try weights.read(entry.name, elements: elements, as: dtype, into: destination)
    }
}

/// Writes what an adapted model has learnt: its factors, and what else was trained.
public struct AdapterSaver {
    private let configuration: LoRAConfiguration
    /// Layers that hide their own parameters.
    private let adaptedLayers: Set<String>
    private let copies: [LoRAPlan.TiedCopy]
    /// The weights of the base have lost what the factors began with.
    private let givesBackStart: Bool

    /// - baseModel: where the frozen weights are, for those who load the adapter
    public init(_ plan: LoRAPlan, baseModel: String) {
        givesBackStart = plan.beginsByData && plan.changesWeights
        var configuration =
            givesBackStart ? plan.configuration.givingBackStart(plan) : plan.configuration
        configuration.baseModel = baseModel
        // Told in full, so that every reader adapts the same layers.
        configuration.targets = plan.storedTargets
        self.configuration = configuration
        adaptedLayers = Set(plan.adapted.map(\.path))
        copies = plan.tiedCopies
    }

    /// Throws on a full disk or an unwritable folder.
    public func save(_ store: ParameterStore, to folder: String) throws(FileError) {
        let stored = store.parameters.filter { AdaptedWeights.isStored($0.spec) }
        try begin(stored.map(\.spec), to: folder).writeAll(stored)
    }

    /// Begins a folder whose parameters are written one by one, in any order.
    public func begin(
        _ specs: [ParameterSpec], to folder: String
    ) throws(FileError) -> ParameterWriter {
        guard givesBackStart else { return try open(specs, in: folder) }
        let joined = StartReturn.specs(specs)
        let writer = try open(joined, in: folder)
        let start = StartReturn()
        return ParameterWriter { name, value throws(FileError) in
            guard let (name, value) = start.take(name, value) else { return }
            try writer.write(name, value)
        } complete: { () throws(FileError) in
            try writer.finish()
        }
    }

    private func open(
        _ specs: [ParameterSpec], in folder: String
    ) throws(FileError) -> ParameterWriter {
        try FilePaths.createFolder(folder)
        let twice = copies.flatMap { copy in
            specs.filter { $0.name == copy.source }.map { spec in
                SafetensorsWriter.Tensor(
                    AdapterFolder.prefix + copy.name, .f32,
                    shape: copy.isTransposed ? spec.shape.reversed() : spec.shape)
            }
        }
        let writer = try SafetensorsWriter(
            path: FilePaths.join(folder, AdapterFolder.weightsName),
            tensors: specs.map { .init(key($0.name), .f32, shape: $0.shape) } + twice)
        return ParameterWriter { name, value throws(FileError) in
            try value.withHostElements { bytes, dtype throws(FileError) in
                try writer.write(key(name), bytes, of: dtype)
            }
            for copy in copies where copy.source == name {
                let values = copy.isTransposed ? value.transposed : value
                try values.withHostElements { bytes, dtype throws(FileError) in
                    try writer.write(AdapterFolder.prefix + copy.name, bytes, of: dtype)
                }
            }
        } complete: { () throws(FileError) in
            try writer.finish()
            try OutputFile.write(
                configuration.json.text(.indented),
                to: FilePaths.join(folder, AdapterFolder.configurationName))
        }
    }

    private func key(_ parameter: String) -> String {
        let parts = parameter.split(separator: ".")
        let module = parts.dropLast().joined(separator: ".")
        guard adaptedLayers.contains(module), let last = parts.last, !last.hasPrefix("lora_") else {
            return AdapterFolder.prefix + parameter
        }
        return "\(AdapterFolder.prefix)\(module).base_layer.\(last)"
    }
}
