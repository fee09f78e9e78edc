internal import ApusBase

/// Reads pickles of the protocols 2 to 5 (PEP 307, PEP 3154, PEP 574; `pickletools` lists the
/// opcodes) and executes nothing: functions are names, and the few that are understood
/// (``PickleCalls.swift``) only describe values.
struct PickleMachine {
    var reader: PickleReader
    var nodes: [PickleNode] = []
    private var stack: [PickleOperand] = []
    /// Where in the stack each open mark stands.
    private var marks: [Int] = []
    private var memo: [UInt32: PickleOperand] = [:]
    /// Elements that may still be copied from one part to another. A pickle that copies a long list
    /// again and again would fill any memory from a few bytes.
    private var copies: Int

    init(_ bytes: UnsafeRawBufferPointer, path: String, base: Int) {
        reader = PickleReader(bytes, path: path, base: base)
        copies = 1000 + 4 * bytes.count
    }

    mutating func charge(_ count: Int, at start: Int) throws(FileError) {
        copies -= count
        guard copies >= 0 else {
            throw reader.fault("the pickle copies its parts again and again", at: start)
        }
    }

    /// Reads to the end of the pickle.
    mutating func run() throws(FileError) -> PickleOperand {
        while true {
            let start = reader.position
            let code = try reader.number(UInt8.self)
            guard let opcode = PickleOpcode(rawValue: code) else {
                throw reader.fault(
                    "byte \(code) is no instruction of the pickle protocols 2 to 5", at: start,
                    cause: "the file is damaged, or no pickle")
            }
            if opcode == .stop { return try pop() }
            try step(opcode, at: start)
        }
    }

    private mutating func step(_ opcode: PickleOpcode, at start: Int) throws(FileError) {
        switch opcode.group {
        case .number: try pushNumber(opcode)
        case .text: try pushText(opcode)
        case .container: try collect(opcode, at: start)
        case .memory: try remember(opcode)
        case .stack: try arrange(opcode)
        case .object: try make(opcode, at: start)
        case .framing: try skip(opcode, at: start)
        }
    }

    private mutating func skip(_ opcode: PickleOpcode, at start: Int) throws(FileError) {
        switch opcode {
        case .proto:
            let version = try reader.number(UInt8.self)
            guard (2...5).contains(version) else {
                throw reader.fault("pickle protocol \(version); 2 to 5 are read", at: start)
            }
        case .frame:
            let length = try reader.number(UInt64.self)
            guard length <= UInt64(reader.bytes.count - reader.position) else {
                throw reader.fault("a frame is longer than the pickle", at: start)
            }
        default: break
        }
    }

    // MARK: The stack

    mutating func push(_ value: PickleValue) { stack.append(.value(value)) }

    mutating func push(_ node: PickleNode) {
        nodes.append(node)
        stack.append(.node(nodes.count - 1))
    }

    mutating func pop() throws(FileError) -> PickleOperand {
        guard stack.count > marks.last ?? 0 else {
            throw reader.fault("an instruction wants a value, but there is none")
        }
        return stack.removeLast()
    }

    private mutating func popToMark() throws(FileError) -> [PickleOperand] {
        guard let mark = marks.popLast() else {
            throw reader.fault("an instruction wants a mark, but there is none")
        }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func popArray(_ count: Int) throws(FileError) -> [PickleOperand] {
        var operands: [PickleOperand] = []
        for _ in 0..<count { operands.append(try pop()) }
        return operands.reversed()
    }

    private mutating func top() throws(FileError) -> PickleOperand {
        let operand = try pop()
        stack.append(operand)
        return operand
    }

    private mutating func arrange(_ opcode: PickleOpcode) throws(FileError) {
        switch opcode {
        case .mark: marks.append(stack.count)
        case .pop:
            // Of two things on top, the mark is the one to go.
            if stack.count == marks.last { marks.removeLast() } else { _ = try pop() }
        case .popMark: _ = try popToMark()
        default: stack.append(try top())
        }
    }

    // MARK: Plain values

    private mutating func pushNumber(_ opcode: PickleOpcode) throws(FileError) {
        switch opcode {
        case .none: push(.null)
        case .newTrue: push(.bool(true))
        case .newFalse: push(.bool(false))
        case .binInt: push(.integer(Int(try reader.number(Int32.self))))
        case .binInt1: push(.integer(Int(try reader.number(UInt8.self))))
        case .binInt2: push(.integer(Int(try reader.number(UInt16.self))))
        case .long1: push(Self.integer(try reader.sized(by: UInt8.self)))
        case .long4: push(Self.integer(try reader.sized(by: Int32.self)))
        default:
            // The only number with its high byte first.
            let bits = try reader.number(UInt64.self).byteSwapped
            push(.number(Double(bitPattern: bits)))
        }
    }

    /// Two's complement of any length, little-endian.
    private static func integer(_ bytes: UnsafeRawBufferPointer) -> PickleValue {
        guard bytes.count <= 8 else { return .largeInteger(Array(bytes)) }
        let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
        var value: UInt64 = isNegative ? .max : 0
        for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
        return .integer(Int(truncatingIfNeeded: value))
    }

    private mutating func pushText(_ opcode: PickleOpcode) throws(FileError) {
        switch opcode {
        case .shortBinUnicode: push(.string(try reader.string(by: UInt8.self)))
        case .binUnicode: push(.string(try reader.string(by: UInt32.self)))
        case .binUnicode8: push(.string(try reader.string(by: UInt64.self)))
        case .shortBinString: push(Self.oldString(try reader.sized(by: UInt8.self)))
        case .binString: push(Self.oldString(try reader.sized(by: Int32.self)))
        case .shortBinBytes: push(.bytes(Array(try reader.sized(by: UInt8.self))))
        case .binBytes: push(.bytes(Array(try reader.sized(by: UInt32.self))))
        default: push(.bytes(Array(try reader.sized(by: UInt64.self))))
        }
    }

    /// A `str` of Python 2 is text or bytes: what is valid as text is taken for it.
    private static func oldString(_ raw: UnsafeRawBufferPointer) -> PickleValue {
        String(validating: raw, as: UTF8.self).map { .string($0) } ?? .bytes(Array(raw))
    }

    // MARK: Containers

    private mutating func collect(_ opcode: PickleOpcode, at start: Int) throws(FileError) {
        switch opcode {
        case .emptyList: push(PickleNode(kind: .list, position: start))
        case .emptyTuple: push(.tuple([]))
        case .emptySet: push(PickleNode(kind: .set, position: start))
        case .emptyDict: push(PickleNode(kind: .dictionary, position: start))
        case .tuple: push(PickleNode(kind: .tuple, position: start, items: try popToMark()))
        case .tuple1: push(PickleNode(kind: .tuple, position: start, items: try popArray(1)))
        case .tuple2: push(PickleNode(kind: .tuple, position: start, items: try popArray(2)))
        case .tuple3: push(PickleNode(kind: .tuple, position: start, items: try popArray(3)))
        case .frozenSet: push(PickleNode(kind: .set, position: start, items: try popToMark()))
        case .append: try append([try pop()], at: start)
        case .appends, .addItems: try append(try popToMark(), at: start)
        case .setItem: try set(try popArray(2), at: start)
        default: try set(try popToMark(), at: start)
        }
    }

    private mutating func append(_ items: [PickleOperand], at start: Int) throws(FileError) {
        guard case .node(let number) = try top() else {
            throw reader.fault("elements are appended to what is no container", at: start)
        }
        switch nodes[number].kind {
        case .list, .set: nodes[number].items.append(contentsOf: items)
        case .object: nodes[number].elements.append(contentsOf: items)
        default: throw reader.fault("elements are appended to what is no list", at: start)
        }
    }

    private mutating func set(_ pairs: [PickleOperand], at start: Int) throws(FileError) {
        guard case .node(let number) = try top() else {
            throw reader.fault("members are set in what is no dictionary", at: start)
        }
        guard pairs.count % 2 == 0 else {
            throw reader.fault("a dictionary's last key has no value", at: start)
        }
        switch nodes[number].kind {
        case .dictionary: nodes[number].items.append(contentsOf: pairs)
        case .object: nodes[number].entries.append(contentsOf: pairs)
        default: throw reader.fault("members are set in what is no dictionary", at: start)
        }
    }

    // MARK: The memo

    private mutating func remember(_ opcode: PickleOpcode) throws(FileError) {
        switch opcode {
        case .binPut: memo[UInt32(try reader.number(UInt8.self))] = try top()
        case .longBinPut: memo[try reader.number(UInt32.self)] = try top()
        case .memoize: memo[UInt32(memo.count)] = try top()
        case .binGet: try recall(UInt32(try reader.number(UInt8.self)))
        default: try recall(try reader.number(UInt32.self))
        }
    }

    private mutating func recall(_ key: UInt32) throws(FileError) {
        guard let operand = memo[key] else {
            throw reader.fault("refers to part \(key), which was not remembered")
        }
        stack.append(operand)
    }

    // MARK: Objects

    private mutating func make(_ opcode: PickleOpcode, at start: Int) throws(FileError) {
        switch opcode {
        case .global:
            let module = try reader.line()
            pushGlobal(module, try reader.line(), at: start)
        case .stackGlobal:
            guard case .value(.string(let name)) = try pop(),
                case .value(.string(let module)) = try pop()
            else { throw reader.fault("the name of a class is no string", at: start) }
            pushGlobal(module, name, at: start)
        case .binPersID:
            let identifier = try pop()
            stack.append(try persistent(identifier, at: start))
        case .build:
            let state = try pop()
            try fill(try top(), with: state, at: start)
        case .newObjEx:
            let operands = try popArray(3)
            stack.append(try call(operands[0], operands[1], at: start))
            if case .node(let number) = try top() { nodes[number].state = operands[2] }
        default:
            let operands = try popArray(2)
            stack.append(try call(operands[0], operands[1], at: start))
        }
    }

    private mutating func pushGlobal(_ module: String, _ name: String, at start: Int) {
        push(PickleNode(kind: .global(module + "." + name), position: start))
    }
}

/// The instructions of the protocols 2 to 5, less those that need an extension registry or buffers
/// outside the pickle.
enum PickleOpcode: UInt8 {
    case mark = 0x28, emptyTuple = 0x29, stop = 0x2E, pop = 0x30, popMark = 0x31, dup = 0x32
    case binBytes = 0x42, shortBinBytes = 0x43, binFloat = 0x47
    case binInt = 0x4A, binInt1 = 0x4B, binInt2 = 0x4D, none = 0x4E
    case binPersID = 0x51, reduce = 0x52, binString = 0x54, shortBinString = 0x55
    case binUnicode = 0x58, emptyList = 0x5D, append = 0x61, build = 0x62, global = 0x63
    case appends = 0x65, binGet = 0x68, longBinGet = 0x6A, binPut = 0x71, longBinPut = 0x72
    case setItem = 0x73, tuple = 0x74, setItems = 0x75, emptyDict = 0x7D
    case proto = 0x80, newObj = 0x81, tuple1 = 0x85, tuple2 = 0x86, tuple3 = 0x87
    case newTrue = 0x88, newFalse = 0x89, long1 = 0x8A, long4 = 0x8B
    case shortBinUnicode = 0x8C, binUnicode8 = 0x8D, binBytes8 = 0x8E, emptySet = 0x8F
    case addItems = 0x90, frozenSet = 0x91, newObjEx = 0x92, stackGlobal = 0x93
    case memoize = 0x94, frame = 0x95, byteArray8 = 0x96, readOnlyBuffer = 0x98

    enum Group { case number, text, container, memory, stack, object, framing }

    var group: Group {
        switch self {
        case .none, .newTrue, .newFalse, .binInt, .binInt1, .binInt2, .long1, .long4, .binFloat:
            .number
        case .shortBinUnicode, .binUnicode, .binUnicode8, .shortBinString, .binString,
            .shortBinBytes, .binBytes, .binBytes8, .byteArray8:
            .text
        case .emptyList, .emptyTuple, .emptySet, .emptyDict, .tuple, .tuple1, .tuple2, .tuple3,
            .frozenSet, .append, .appends, .addItems, .setItem, .setItems:
            .container
        case .binPut, .longBinPut, .memoize, .binGet, .longBinGet: .memory
        case .mark, .pop, .popMark, .dup: .stack
        case .global, .stackGlobal, .binPersID, .build, .newObj, .newObjEx, .reduce: .object
        case .proto, .frame, .readOnlyBuffer, .stop: .framing
        }
    }
}
