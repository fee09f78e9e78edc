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
    func check(_ specs: [ParameterSpec]) throws(FileError) {
        var problems: [String] = []
        var used: Set<ByteKey> = []
        for spec in specs {
            guard let entry = entry(spec.name) else {
                problems.append("\(spec.name) \(spec.shape) is missing")
                continue
            }
            used.insert(ByteKey(entry.name))
            if entry.shape != spec.shape {
                problems.append("\(spec.name) is \(entry.shape) instead of \(spec.shape)")
            }
        }
        // PEFT may store the frozen weight of an adapted embedding beside its factors.
        let extra = weights.names.filter {
            !used.contains(ByteKey($0)) && !$0.hasSuffix(".base_layer.weight")
        }
        problems += extra.map { "\($0) has no place in the model" }
        guard problems.isEmpty else {
            let list = problems.prefix(8).joined(separator: "; ")
            let more = problems.count > 8 ? "; and \(problems.count - 8) more" : ""
            throw FileError(
                path, "the adapter does not fit the model: \(list)\(more)",
                likelyCause: "it was trained on another model")
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
    fileprivate let configuration: LoRAConfiguration
    /// Layers that hide their own parameters.
    private let adaptedLayers: Set<String>

    /// - baseModel: where the frozen weights are, for those who load the adapter
    public init(_ plan: LoRAPlan, baseModel: String) {
        var configuration = plan.configuration
        configuration.baseModel = baseModel
        // Told in full, so that every reader adapts the same layers.
        configuration.targets = plan.storedTargets
        self.configuration = configuration
        adaptedLayers = Set(plan.adapted.map(\.path))
    }

    /// Throws on a full disk or an unwritable folder.
    public func save(_ store: ParameterStore, to folder: String) throws(FileError) {
        let trained = store.parameters.filter(\.spec.isTrainable)
        let writer = try begin(trained.map(\.spec), to: folder)
        for parameter in trained { try writer.write(parameter.name, parameter.value) }
        try writer.finish()
    }

    /// Begins a folder whose parameters are written one by one, in any order.
    public func begin(_ specs: [ParameterSpec], to folder: String) throws(FileError) -> Writer {
        try FilePaths.createFolder(folder)
        let writer = try SafetensorsWriter(
            path: FilePaths.join(folder, AdapterFolder.weightsName),
            tensors: specs.map { .init(key($0.name), .f32, shape: $0.shape) })
        return Writer(saver: self, folder: folder, writer: writer)
    }

    public struct Writer: ParameterWriter {
        private let saver: AdapterSaver
        private let folder: String
        private let writer: SafetensorsWriter

        fileprivate init(saver: AdapterSaver, folder: String, writer: SafetensorsWriter) {
            self.saver = saver
            self.folder = folder
            self.writer = writer
        }

        public func write(_ name: String, _ value: Tensor) throws(FileError) {
            try value.withHostElements { bytes, dtype throws(FileError) in
                try writer.write(saver.key(name), bytes, of: dtype)
            }
        }

        public func finish() throws(FileError) {
            try writer.finish()
            try OutputFile.write(
                saver.configuration.json.text(.indented),
                to: FilePaths.join(folder, AdapterFolder.configurationName))
        }
    }

    fileprivate func key(_ parameter: String) -> String {
        let parts = parameter.split(separator: ".")
        let module = parts.dropLast().joined(separator: ".")
        guard adaptedLayers.contains(module), let last = parts.last, !last.hasPrefix("lora_") else {
            return AdapterFolder.prefix + parameter
        }
        return "\(AdapterFolder.prefix)\(module).base_layer.\(last)"
    }
}
