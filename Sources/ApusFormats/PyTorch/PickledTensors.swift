public import ApusBase

/// The tensors of a dictionary in a PyTorch file, by their names: a state dictionary, as
/// `pytorch_model.bin` holds it.
public final class PickledTensors: TensorSource {
    public let file: PyTorchFile
    public let names: [String]
    private let members: [ByteKey: PickleValue]

    /// Keys under which programs put the state dictionary beside other things.
    private static let places = ["state_dict", "model", "module", "model_state_dict"]

    public convenience init(path: String) throws(FileError) {
        let file = try PyTorchFile(path: path)
        let nested = Self.places.lazy.compactMap { file.value[$0]?.dictionary }.first
        let dictionary = try file.require(file.value, "the content") { $0.dictionary }
        try self.init(file, dictionary: nested ?? dictionary)
    }

    /// - Parameter dictionary: members that are no tensors are not among the names; reading one
    ///   that should be a tensor but is of a kind not understood is an error that says so
    public init(_ file: PyTorchFile, dictionary: PickledDictionary) throws(FileError) {
        self.file = file
        var names: [String] = []
        var members: [ByteKey: PickleValue] = [:]
        for (key, value) in dictionary.members {
            guard let name = key.stringValue else { continue }
            members[ByteKey(name)] = value
            if value.tensor != nil { names.append(name) }
        }
        guard !names.isEmpty else {
            throw FileError(
                file.path, "holds no tensors by name",
                likelyCause: "it is no model, but an optimizer's or another state")
        }
        self.names = names
        self.members = members
    }

    public func entry(_ name: String) -> TensorEntry? {
        members[ByteKey(name)]?.tensor.map { file.entry($0, name) }
    }

    public func read(
        _ name: String, elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let member = members[ByteKey(name)] else {
            throw noSuchTensor(name, in: file.path, names: names)
        }
        let tensor = try file.require(member, "\"\(name)\"") { $0.tensor }
        try file.read(
            tensor, name, elements: elements, as: dtype, into: destination, through: pipeline)
    }
}
