internal import ApusBase

/// What numpy writes: dtypes, scalars, arrays. Its modules were renamed in version 2.
extension PickleMachine {
    /// Nil for a function that is not numpy's, or not understood.
    mutating func numpy(_ call: Call) throws(FileError) -> PickleOperand? {
        switch call.name {
        case "numpy.dtype":
            guard let code = value(call.items.first)?.stringValue else { throw misfit(call) }
            return add(.numpyType(NumpyType(code: code)), at: call.position)
        case "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar":
            return try scalar(call)
        case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct":
            guard call.items.count == 3, callee(call.items[0]) == "numpy.ndarray" else {
                return nil
            }
            return add(.numpyArray(nil), at: call.position)
        case "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer":
            guard call.items.count == 4, let bytes = value(call.items[0])?.bytesValue,
                let shape = integers(call.items[2]),
                let order = value(call.items[3])?.stringValue
            else { throw misfit(call) }
            return try array(
                call.items[1], shape: shape, isFortran: order == "F", bytes, at: call.position)
        default: return nil
        }
    }

    private func numpyType(_ operand: PickleOperand) -> NumpyType? {
        if case .numpyType(let type) = node(operand)?.kind { type } else { nil }
    }

    private mutating func scalar(_ call: Call) throws(FileError) -> PickleOperand? {
        guard call.items.count == 2, let type = numpyType(call.items[0]) else { throw misfit(call) }
        guard let dtype = type.dtype, let bytes = value(call.items[1])?.bytesValue else {
            return nil
        }
        guard bytes.count == dtype.bitCount / 8 else { throw misfit(call) }
        return Self.number(dtype, bytes).map { .value($0) }
    }

    private static func number(_ dtype: SafetensorsDType, _ bytes: [UInt8]) -> PickleValue? {
        bytes.withUnsafeBytes { raw in
            switch dtype {
            case .f64: .number(Double(bitPattern: raw.loadUnaligned(as: UInt64.self)))
            case .f32: .number(Double(Float(bitPattern: raw.loadUnaligned(as: UInt32.self))))
            case .i64: .integer(Int(raw.loadUnaligned(as: Int64.self)))
            case .i32: .integer(Int(raw.loadUnaligned(as: Int32.self)))
            case .i16: .integer(Int(raw.loadUnaligned(as: Int16.self)))
            case .i8: .integer(Int(raw.loadUnaligned(as: Int8.self)))
            case .u64:
                Int(exactly: raw.loadUnaligned(as: UInt64.self)).map { .integer($0) }
                    ?? .largeInteger(bytes + [0])
            case .u32: .integer(Int(raw.loadUnaligned(as: UInt32.self)))
            case .u16: .integer(Int(raw.loadUnaligned(as: UInt16.self)))
            case .u8: .integer(Int(raw[0]))
            case .bool: .bool(raw[0] != 0)
            default: nil
            }
        }
    }

    /// The state of an array: version, shape, dtype, whether columns stand together, bytes.
    mutating func fillArray(
        _ number: Int, with state: PickleOperand, at start: Int
    ) throws(FileError) {
        guard let items = elements(state), items.count == 5, let shape = integers(items[1]),
            let isFortran = value(items[3])?.boolValue, numpyType(items[2]) != nil
        else { throw reader.fault("the state of a numpy array does not fit it", at: start) }
        guard let bytes = value(items[4])?.bytesValue else {
            // Objects or text instead of numbers.
            nodes[number].kind = .object("numpy.ndarray")
            nodes[number].state = state
            return
        }
        let position = nodes[number].position
        let filled = try array(items[2], shape: shape, isFortran: isFortran, bytes, at: position)
        if case .node(let other) = filled { nodes[number] = nodes[other] }
    }

    private mutating func array(
        _ type: PickleOperand, shape: [Int], isFortran: Bool, _ bytes: [UInt8], at start: Int
    ) throws(FileError) -> PickleOperand {
        guard let dtype = numpyType(type)?.dtype else {
            let items = [type, .value(.bytes(bytes))]
            return try add(.object("numpy.ndarray"), copying: items, at: start)
        }
        let array = PickleNode.NumpyArray(
            dtype: dtype, shape: shape, isFortran: isFortran, bytes: bytes)
        return add(.numpyArray(array), at: start)
    }
}
