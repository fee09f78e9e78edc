internal import ApusBase
internal import ApusFormats

/// Elements in the flat tensors of several files, as if they lay end to end.
struct FlatTensors {
    struct Part {
        let file: PyTorchFile
        let tensor: PickledTensor
    }

    private(set) var parts: [Part] = []
    private(set) var count = 0

    mutating func append(_ file: PyTorchFile, _ tensor: PickledTensor) {
        parts.append(Part(file: file, tensor: tensor))
        count += tensor.elementCount
    }

    /// The pieces of these elements; fewer where the tensors end before.
    func pieces(_ range: Range<Int>) -> [Piece] {
        var start = 0
        return parts.compactMap { part in
            let place = start..<start + part.tensor.elementCount
            start = place.upperBound
            let own = place.clamped(to: range)
            guard !own.isEmpty else { return nil }
            return Piece(
                part: part, elements: own.lowerBound - place.lowerBound..<own.upperBound
                    - place.lowerBound)
        }
    }

    /// Elements of one file's tensor.
    struct Piece {
        let part: Part
        let elements: Range<Int>
    }
}

/// A training state whose tensors lie in pieces in PyTorch files.
struct PickledState {
    private var index: [StateKey: Int] = [:]
    private(set) var tensors: [(tensor: StateTensor, pieces: [FlatTensors.Piece])] = []

    /// - Throws: when the pieces are not as many elements as the shape has
    mutating func add(
        _ key: StateKey, shape: [Int], dtype: DType = .float32, _ pieces: [FlatTensors.Piece],
        path: String
    ) throws(FileError) {
        let count = pieces.reduce(0) { $0 + $1.elements.count }
        guard count == shape.reduce(1, *) else {
            throw FileError(
                path, "\(key) with shape \(shape) has \(count) elements in the files",
                likelyCause: "a file of some rank is missing or of another checkpoint")
        }
        guard index[key] == nil else { return }
        index[key] = tensors.count
        tensors.append((StateTensor(key, shape: shape, dtype: dtype), pieces))
    }

    /// A tensor that one file holds whole.
    mutating func add(
        _ key: StateKey, _ file: PyTorchFile, _ tensor: PickledTensor
    ) throws(FileError) {
        guard let dtype = tensor.dtype.dtype, dtype.isFloatingPoint else { return }
        let part = FlatTensors.Part(file: file, tensor: tensor)
        try add(
            key, shape: tensor.shape, dtype: dtype,
            [.init(part: part, elements: 0..<tensor.elementCount)], path: file.path)
    }

    func contains(_ key: StateKey) -> Bool { index[key] != nil }

    func read(
        _ tensor: StateTensor, _ elements: Range<Int>,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        guard let position = index[tensor.key] else {
            preconditionFailure("read: \(tensor.key) is not in the checkpoint")
        }
        try tensors[position].pieces.read(
            tensor.key.parameter, elements, as: tensor.dtype, into: destination)
    }
}

extension [FlatTensors.Piece] {
    /// Reads elements of the pieces, as if these lay end to end.
    ///
    /// - name: for messages
    func read(
        _ name: String, _ elements: Range<Int>, as dtype: DType,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let size = dtype.byteCount
        var start = 0
        for piece in self {
            let place = start..<start + piece.elements.count
            start = place.upperBound
            let own = place.clamped(to: elements)
            guard !own.isEmpty else { continue }
            let from = piece.elements.lowerBound + own.lowerBound - place.lowerBound
            let target = (own.lowerBound - elements.lowerBound) * size
            try piece.part.file.read(
                piece.part.tensor, name, elements: from..<from + own.count, as: dtype,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: destination[target..<target + own.count * size]))
        }
    }
}
