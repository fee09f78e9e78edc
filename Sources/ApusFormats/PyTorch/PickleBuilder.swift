internal import ApusBase

/// Makes the value out of the parts that ``PickleMachine`` has read. Shared parts stay shared, so
/// that the value is no larger than the pickle explains.
struct PickleBuilder {
    /// Deeper values are nobody's data, and would overflow the stack when they are released.
    private static let depthLimit = 200

    private let nodes: [PickleNode]
    private let reader: PickleReader
    private let locate: (PickleNode.Storage, Int) throws(FileError) -> PickledStorage
    private var values: [PickleValue?]
    /// How deep each finished value is.
    private var heights: [Int]
    private var isOpen: [Bool]
    private var storages: [String: PickledStorage] = [:]

    /// - Parameter locate: finds a storage's bytes; the number is where the pickle first names it
    init(
        _ machine: PickleMachine,
        locate: @escaping (PickleNode.Storage, Int) throws(FileError) -> PickledStorage
    ) {
        nodes = machine.nodes
        reader = machine.reader
        self.locate = locate
        values = Array(repeating: nil, count: nodes.count)
        heights = Array(repeating: 0, count: nodes.count)
        isOpen = Array(repeating: false, count: nodes.count)
    }

    mutating func value(_ operand: PickleOperand) throws(FileError) -> PickleValue {
        try build(operand, depth: 0).value
    }

    private mutating func build(
        _ operand: PickleOperand, depth: Int
    ) throws(FileError) -> (value: PickleValue, height: Int) {
        guard case .node(let number) = operand else {
            guard case .value(let value) = operand else { return (.null, 0) }
            return (value, 0)
        }
        if let value = values[number] { return (value, heights[number]) }
        if isOpen[number] { return (.recursion, 0) }
        let node = nodes[number]
        guard depth < Self.depthLimit else { throw tooDeep(node) }
        isOpen[number] = true
        var parts = Parts(depth: depth + 1)
        let value = try content(of: node, &parts)
        guard parts.height < Self.depthLimit else { throw tooDeep(node) }
        isOpen[number] = false
        values[number] = value
        heights[number] = parts.height + 1
        return (value, parts.height + 1)
    }

    private func tooDeep(_ node: PickleNode) -> FileError {
        reader.fault("values are nested deeper than \(Self.depthLimit)", at: node.position)
    }

    /// The depth of the parts that are being built, and the largest height among them.
    private struct Parts {
        let depth: Int
        var height = 0
    }

    private mutating func list(
        _ operands: [PickleOperand], _ parts: inout Parts
    ) throws(FileError) -> [PickleValue] {
        var values: [PickleValue] = []
        values.reserveCapacity(operands.count)
        for operand in operands {
            let (value, height) = try build(operand, depth: parts.depth)
            values.append(value)
            parts.height = max(parts.height, height)
        }
        return values
    }

    private mutating func dictionary(
        _ operands: [PickleOperand], _ parts: inout Parts
    ) throws(FileError) -> PickledDictionary {
        let values = try list(operands, &parts)
        return PickledDictionary(
            stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) })
    }

    private mutating func content(
        of node: PickleNode, _ parts: inout Parts
    ) throws(FileError) -> PickleValue {
        switch node.kind {
        case .list: .list(try list(node.items, &parts))
        case .tuple: .tuple(try list(node.items, &parts))
        case .set: .set(try list(node.items, &parts))
        case .dictionary: .dictionary(try dictionary(node.items, &parts))
        case .global(let name): .global(name)
        case .object(let type): try object(type, node, &parts)
        case .storage: opaque("a storage of PyTorch", node)
        case .numpyType(let type): opaque("numpy.dtype", node, [.string(type.order + type.code)])
        case .tensor(let tensor): try self.tensor(tensor, node)
        case .numpyArray(let array): try self.array(array, node)
        }
    }

    private mutating func object(
        _ type: String, _ node: PickleNode, _ parts: inout Parts
    ) throws(FileError) -> PickleValue {
        let arguments = try list(node.items, &parts)
        let state = try list(node.state.map { [$0] } ?? [], &parts).first
        return .object(
            PickledObject(
                type: type, arguments: arguments, state: state,
                elements: try list(node.elements, &parts),
                entries: try dictionary(node.entries, &parts), offset: reader.base + node.position))
    }

    private func opaque(
        _ type: String, _ node: PickleNode, _ arguments: [PickleValue] = []
    ) -> PickleValue {
        .object(
            PickledObject(
                type: type, arguments: arguments, state: nil, elements: [],
                entries: PickledDictionary([]), offset: reader.base + node.position))
    }

    // MARK: Tensors

    private mutating func tensor(
        _ tensor: PickleNode.Tensor, _ node: PickleNode
    ) throws(FileError) -> PickleValue {
        let size = tensor.dtype.bitCount / 8
        let storage = try storage(tensor.storage, node)
        guard tensor.storage.viewOffset % size == 0 else {
            throw reader.fault("a tensor's view begins inside an element", at: node.position)
        }
        let (offset, overflow) = tensor.offset.addingReportingOverflow(
            tensor.storage.viewOffset / size)
        let available = storage.byteCount / size
        guard !overflow,
            let extent = Self.extent(tensor.shape, tensor.strides, from: offset)
        else { throw reader.fault("a tensor is larger than any memory", at: node.position) }
        guard extent.end <= available else {
            throw reader.fault(
                "a tensor of shape \(tensor.shape) ends at element \(extent.end) of storage "
                    + "\"\(tensor.storage.key)\", which has \(available)", at: node.position)
        }
        // A few bytes could otherwise describe a tensor larger than any memory.
        guard extent.count <= available else {
            return opaque("an expanded tensor of shape \(tensor.shape), which repeats itself", node)
        }
        return .tensor(
            PickledTensor(
                dtype: tensor.dtype, shape: tensor.shape, strides: tensor.strides, offset: offset,
                storage: storage))
    }

    /// The number of elements, and the first one of the storage behind them all; nil when either
    /// overflows.
    private static func extent(
        _ shape: [Int], _ strides: [Int], from offset: Int
    ) -> (count: Int, end: Int)? {
        if shape.contains(0) { return (0, 0) }
        var (count, last) = (1, offset)
        for (size, stride) in zip(shape, strides) {
            let product = count.multipliedReportingOverflow(by: size)
            let step = (size - 1).multipliedReportingOverflow(by: stride)
            let sum = last.addingReportingOverflow(step.partialValue)
            if product.overflow || step.overflow || sum.overflow { return nil }
            (count, last) = (product.partialValue, sum.partialValue)
        }
        return last == .max ? nil : (count, last + 1)
    }

    private mutating func storage(
        _ storage: PickleNode.Storage, _ node: PickleNode
    ) throws(FileError) -> PickledStorage {
        if let known = storages[storage.key] { return known }
        let located = try locate(storage, node.position)
        storages[storage.key] = located
        return located
    }

    private func array(
        _ array: PickleNode.NumpyArray?, _ node: PickleNode
    ) throws(FileError) -> PickleValue {
        guard let array else { return opaque("numpy.ndarray", node) }
        let shape = array.isFortran ? array.shape.reversed() : array.shape
        var strides: [Int] = []
        var count = array.shape.contains(0) ? 0 : 1
        for size in shape.reversed() {
            strides.append(count)
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            if overflow {
                throw reader.fault("a numpy array is larger than any memory", at: node.position)
            }
            count = product
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: array.dtype.bitCount / 8)
        guard !overflow, bytes == array.bytes.count else {
            throw reader.fault(
                "a numpy array of shape \(array.shape) has \(array.bytes.count) bytes",
                at: node.position)
        }
        return .tensor(
            PickledTensor(
                dtype: array.dtype, shape: array.shape,
                strides: array.isFortran ? strides : strides.reversed(), offset: 0,
                storage: PickledStorage(key: "", byteCount: bytes, place: .memory(array.bytes))))
    }
}
