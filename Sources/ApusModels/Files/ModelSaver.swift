public import ApusBase
internal import ApusFormats
public import ApusNN
public import ApusTensor

/// Writes a model as a HuggingFace folder: config.json, generation_config.json, weights.
public struct ModelSaver {
    public let configuration: JSONObject
    public let generation: JSONObject?
    public var dtype: DType
    public var maximumShardBytes = ModelWriter.defaultShardBytes

    /// - dtype: what the weights are stored as; a floating-point type
    public init(_ model: PretrainedModel, dtype: DType) {
        configuration = model.configuration
        generation = model.generation
        self.dtype = dtype
    }

    /// Throws on a full disk or an unwritable folder; whole older files stay until new ones are
    /// complete.
    public func save(_ store: ParameterStore, to folder: String) throws(FileError) {
        try begin(store.parameters.map(\.spec), to: folder).writeAll(store.parameters)
    }

    /// The same for values that are made one after another.
    func save(
        _ specs: [ParameterSpec], to folder: String,
        value: (ParameterSpec) throws(FileError) -> Tensor
    ) throws(FileError) {
        let writer = try begin(specs, to: folder)
        for spec in specs { try writer.write(spec.name, try value(spec)) }
        try writer.finish()
    }

    /// Begins a folder whose parameters are written one by one, in any order.
    public func begin(
        _ specs: [ParameterSpec], to folder: String
    ) throws(FileError) -> ParameterWriter {
        try FilePaths.createFolder(folder)
        let tensors = specs.map {
            SafetensorsWriter.Tensor($0.name, SafetensorsDType(dtype), shape: $0.shape)
        }
        let writer = try ModelWriter(
            folder: folder, tensors: tensors, maximumShardBytes: maximumShardBytes)
        return ParameterWriter { name, value throws(FileError) in
            try value.withHostElements { bytes, dtype throws(FileError) in
                try writer.write(name, bytes, of: dtype)
            }
        } complete: { () throws(FileError) in
            try writer.finish()
            try writeConfiguration(to: folder)
        }
    }

    private func writeConfiguration(to folder: String) throws(FileError) {
        var json = configuration
        json["torch_dtype"] = nil
        json["dtype"] = .string(dtype.rawValue)
        try write(json, to: FilePaths.join(folder, "config.json"))
        if let generation {
            try write(generation, to: FilePaths.join(folder, "generation_config.json"))
        }
    }

    private func write(_ json: JSONObject, to path: String) throws(FileError) {
        try OutputFile.write(JSON.object(json).text(.indented) + "\n", to: path)
    }
}
