internal import ApusBase

/// What stands on the machine's stack: a finished value, or a part that may still be filled.
enum PickleOperand {
    case value(PickleValue)
    /// The number of a ``PickleNode``.
    case node(Int)
}

/// A part of the value while the pickle is read. Parts refer to each other by number, since a
/// pickle may mention a list before it has filled it.
struct PickleNode {
    enum Kind {
        case list
        case tuple
        case set
        /// ``PickleNode/items`` are keys and values in turn.
        case dictionary
        case global(String)
        /// An object of this class; ``PickleNode/items`` are its arguments.
        case object(String)
        case storage(Storage)
        case tensor(Tensor)
        case numpyType(NumpyType)
        case numpyArray(NumpyArray?)
    }

    /// A storage as the pickle names it.
    struct Storage {
        let key: String
        let dtype: SafetensorsDType
        /// Of elements.
        let count: Int
        /// Where in the storage this view of it begins, in bytes (old files only).
        var viewOffset = 0
    }

    struct Tensor {
        let storage: Storage
        let dtype: SafetensorsDType
        let shape: [Int]
        let strides: [Int]
        let offset: Int
    }

    struct NumpyArray {
        let dtype: SafetensorsDType
        let shape: [Int]
        let isFortran: Bool
        let bytes: [UInt8]
    }

    var kind: Kind
    /// Where in the pickle it is made.
    let position: Int
    var items: [PickleOperand] = []
    var state: PickleOperand?
    /// What is appended to an object, and keys and values in turn that are set in it.
    var elements: [PickleOperand] = []
    var entries: [PickleOperand] = []

    init(kind: Kind, position: Int, items: [PickleOperand] = []) {
        self.kind = kind
        self.position = position
        self.items = items
    }
}

/// A numpy dtype: the letter and size of its description, and its byte order.
struct NumpyType {
    let code: String
    var order = "|"

    /// Nil for what is no plain number, and for numbers with their bytes the other way round.
    var dtype: SafetensorsDType? {
        guard order != ">" else { return nil }
        return switch code {
        case "f8": .f64
        case "f4": .f32
        case "f2": .f16
        case "i8": .i64
        case "i4": .i32
        case "i2": .i16
        case "i1": .i8
        case "u8": .u64
        case "u4": .u32
        case "u2": .u16
        case "u1": .u8
        case "b1": .bool
        case "c8": .c64
        default: nil
        }
    }
}
