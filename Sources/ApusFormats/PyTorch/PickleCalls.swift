internal import ApusBase

/// The functions and classes that are understood: the list is closed, and each only describes a
/// value. Everything else becomes a ``PickledObject``.
extension PickleMachine {
    /// What calling the function (or class) with the tuple of arguments describes.
    mutating func call(
        _ function: PickleOperand, _ arguments: PickleOperand, at start: Int
    ) throws(FileError) -> PickleOperand {
        var (name, items) = (callee(function), try tuple(arguments, at: start))
        // A tensor of a subclass: the function that makes it stands among the arguments.
        while name == "torch._tensor._rebuild_from_type_v2", items.count == 4 {
            (name, items) = (callee(items[0]), try tuple(items[2], at: start))
        }
        let call = Call(name: name, items: items, position: start)
        switch name {
        case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
            "torch._utils._rebuild_tensor_v3":
            return try tensor(call)
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
            guard let data = items.first else { throw misfit(call) }
            return data
        case "collections.OrderedDict", "collections.defaultdict", "collections.Counter",
            "builtins.dict", "__builtin__.dict":
            return try dictionary(call)
        case "torch.Size", "builtins.tuple", "__builtin__.tuple":
            return try sequence(.tuple, call)
        case "builtins.list", "__builtin__.list": return try sequence(.list, call)
        case "builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset":
            return try sequence(.set, call)
        case "_codecs.encode", "builtins.bytes", "__builtin__.bytes", "builtins.bytearray",
            "__builtin__.bytearray":
            return try bytes(call)
        case "copyreg._reconstructor", "copy_reg._reconstructor":
            guard let type = items.first else { throw misfit(call) }
            return add(.object(callee(type)), at: start)
        default: break
        }
        if let operand = try numpy(call) { return operand }
        return try add(.object(name), copying: items, at: start)
    }

    struct Call {
        let name: String
        let items: [PickleOperand]
        let position: Int
    }

    func misfit(_ call: Call) -> FileError {
        reader.fault("\(call.name) is called with arguments that do not fit it", at: call.position)
    }

    func callee(_ operand: PickleOperand) -> String {
        guard let node = node(operand) else { return "what is no function" }
        return switch node.kind {
        case .global(let name): name
        case .object(let name): "what \(name) gives"
        default: "what is no function"
        }
    }

    func node(_ operand: PickleOperand) -> PickleNode? {
        if case .node(let number) = operand { nodes[number] } else { nil }
    }

    mutating func add(_ kind: PickleNode.Kind, at position: Int) -> PickleOperand {
        nodes.append(PickleNode(kind: kind, position: position))
        return .node(nodes.count - 1)
    }

    /// Adds a part with elements that stand in another one already.
    mutating func add(
        _ kind: PickleNode.Kind, copying items: [PickleOperand], at position: Int
    ) throws(FileError) -> PickleOperand {
        try charge(items.count, at: position)
        nodes.append(PickleNode(kind: kind, position: position, items: items))
        return .node(nodes.count - 1)
    }

    // MARK: Arguments

    /// The elements of a tuple or list that is complete.
    func elements(_ operand: PickleOperand) -> [PickleOperand]? {
        if case .value(.tuple) = operand { return [] }
        guard let node = node(operand) else { return nil }
        switch node.kind {
        case .tuple, .list, .set: return node.items
        default: return nil
        }
    }

    private func tuple(_ operand: PickleOperand, at start: Int) throws(FileError) -> [PickleOperand]
    {
        guard let items = elements(operand) else {
            throw reader.fault("the arguments of a call are no tuple", at: start)
        }
        return items
    }

    func value(_ operand: PickleOperand?) -> PickleValue? {
        if case .value(let value) = operand { value } else { nil }
    }

    /// The most dimensions of PyTorch and numpy.
    private static let rankLimit = 64

    /// A shape or strides.
    func integers(_ operand: PickleOperand) -> [Int]? {
        guard let items = elements(operand) else { return nil }
        guard items.count <= Self.rankLimit else { return nil }
        let integers = items.compactMap { value($0)?.intValue }
        return integers.count == items.count && integers.allSatisfy { $0 >= 0 } ? integers : nil
    }

    // MARK: Containers and bytes

    private mutating func dictionary(_ call: Call) throws(FileError) -> PickleOperand {
        // A defaultdict's first argument makes missing values: of no use here.
        let rest = call.name == "collections.defaultdict" ? call.items.dropFirst() : call.items[...]
        guard let content = rest.first else { return add(.dictionary, at: call.position) }
        if let node = node(content), case .dictionary = node.kind {
            return try add(.dictionary, copying: node.items, at: call.position)
        }
        var items: [PickleOperand] = []
        for pair in elements(content) ?? [] {
            guard let pair = elements(pair), pair.count == 2 else { throw misfit(call) }
            items += pair
        }
        return try add(.dictionary, copying: items, at: call.position)
    }

    private mutating func sequence(
        _ kind: PickleNode.Kind, _ call: Call
    ) throws(FileError) -> PickleOperand {
        guard let content = call.items.first else { return add(kind, at: call.position) }
        guard let items = elements(content) else { throw misfit(call) }
        return try add(kind, copying: items, at: call.position)
    }

    /// Old protocols write bytes as text that is to be encoded in Latin-1.
    private mutating func bytes(_ call: Call) throws(FileError) -> PickleOperand {
        switch value(call.items.first) {
        case nil where call.items.isEmpty: return .value(.bytes([]))
        case .bytes(let bytes): return .value(.bytes(bytes))
        case .string(let text):
            try charge(text.utf8.count, at: call.position)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(text.utf8.count)
            for scalar in text.unicodeScalars {
                guard let byte = UInt8(exactly: scalar.value) else { throw misfit(call) }
                bytes.append(byte)
            }
            return .value(.bytes(bytes))
        default: throw misfit(call)
        }
    }

    // MARK: PyTorch

    /// The storage that a persistent identifier names: `("storage", class, key, device, count)`, in
    /// old files with a view of it behind: `(key, offset, count)`.
    mutating func persistent(
        _ identifier: PickleOperand, at start: Int
    ) throws(FileError) -> PickleOperand {
        guard let items = elements(identifier), items.count >= 5,
            case .string("storage") = value(items[0]), let key = value(items[2])?.stringValue,
            let count = value(items[4])?.intValue, count >= 0
        else { throw reader.fault("an external object is no storage of PyTorch", at: start) }
        let type = callee(items[1])
        guard let dtype = TorchTypes.dtype(ofStorage: type) else {
            return try add(.object(type), copying: items, at: start)
        }
        var storage = PickleNode.Storage(key: key, dtype: dtype, count: count)
        if items.count > 5, let view = elements(items[5]), view.count == 3 {
            guard let offset = value(view[1])?.intValue, offset >= 0 else {
                throw reader.fault("the view of a storage has no offset", at: start)
            }
            let (bytes, overflow) = offset.multipliedReportingOverflow(by: dtype.bitCount / 8)
            if overflow { throw reader.fault("a storage's view begins outside it", at: start) }
            storage.viewOffset = bytes
        }
        return add(.storage(storage), at: start)
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, ...)`; version 3 names the dtype as its
    /// seventh argument, since the storage is of bytes.
    private mutating func tensor(_ call: Call) throws(FileError) -> PickleOperand {
        let items = call.items
        guard items.count >= 4, let node = node(items[0]), let offset = value(items[1])?.intValue,
            let shape = integers(items[2]), let strides = integers(items[3]), offset >= 0,
            shape.count == strides.count
        else { throw misfit(call) }
        guard case .storage(let storage) = node.kind else {
            // A storage of a kind that is not understood makes such a tensor.
            guard case .object(let type) = node.kind else { throw misfit(call) }
            return try add(
                .object("a tensor over \(type)"), copying: items, at: call.position)
        }
        var dtype = storage.dtype
        if call.name.hasSuffix("_v3") {
            guard items.count >= 7 else { throw misfit(call) }
            guard let named = TorchTypes.dtype(named: callee(items[6])) else {
                let type = callee(items[6])
                return try add(
                    .object("a tensor of \(type)"), copying: items, at: call.position)
            }
            dtype = named
        }
        let tensor = PickleNode.Tensor(
            storage: storage, dtype: dtype, shape: shape, strides: strides, offset: offset)
        return add(.tensor(tensor), at: call.position)
    }

    // MARK: Filling

    /// Sets an object's state. What dictionaries and tensors are given beside their content
    /// (`_metadata` of a state dictionary) has no meaning here.
    mutating func fill(
        _ target: PickleOperand, with state: PickleOperand, at start: Int
    ) throws(FileError) {
        guard case .node(let number) = target else {
            throw reader.fault("a plain value is given a state", at: start)
        }
        switch nodes[number].kind {
        case .object: nodes[number].state = state
        case .numpyType(let type):
            guard let items = elements(state), items.count >= 2,
                let order = value(items[1])?.stringValue
            else { throw reader.fault("a numpy dtype has no byte order", at: start) }
            nodes[number].kind = .numpyType(NumpyType(code: type.code, order: order))
        case .numpyArray: try fillArray(number, with: state, at: start)
        default: break
        }
    }
}

/// PyTorch's names of element types.
enum TorchTypes {
    static func dtype(ofStorage name: String) -> SafetensorsDType? {
        switch name {
        case "torch.DoubleStorage", "torch.cuda.DoubleStorage": .f64
        case "torch.FloatStorage", "torch.cuda.FloatStorage": .f32
        case "torch.HalfStorage", "torch.cuda.HalfStorage": .f16
        case "torch.BFloat16Storage", "torch.cuda.BFloat16Storage": .bf16
        case "torch.LongStorage", "torch.cuda.LongStorage": .i64
        case "torch.IntStorage", "torch.cuda.IntStorage": .i32
        case "torch.ShortStorage", "torch.cuda.ShortStorage": .i16
        case "torch.CharStorage", "torch.cuda.CharStorage": .i8
        case "torch.ByteStorage", "torch.cuda.ByteStorage": .u8
        case "torch.BoolStorage", "torch.cuda.BoolStorage": .bool
        case "torch.ComplexFloatStorage", "torch.cuda.ComplexFloatStorage": .c64
        case "torch.UntypedStorage", "torch.storage.UntypedStorage": .u8
        default: nil
        }
    }

    /// `torch.float32` and its like.
    static func dtype(named name: String) -> SafetensorsDType? {
        switch name {
        case "torch.float64": .f64
        case "torch.float32": .f32
        case "torch.float16": .f16
        case "torch.bfloat16": .bf16
        case "torch.int64": .i64
        case "torch.int32": .i32
        case "torch.int16": .i16
        case "torch.int8": .i8
        case "torch.uint64": .u64
        case "torch.uint32": .u32
        case "torch.uint16": .u16
        case "torch.uint8": .u8
        case "torch.bool": .bool
        case "torch.complex64": .c64
        case "torch.float8_e4m3fn": .f8E4M3
        case "torch.float8_e5m2": .f8E5M2
        case "torch.float8_e4m3fnuz": .f8E4M3FNUZ
        case "torch.float8_e5m2fnuz": .f8E5M2FNUZ
        case "torch.float8_e8m0fnu": .f8E8M0
        default: nil
        }
    }
}
