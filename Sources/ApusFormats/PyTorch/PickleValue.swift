internal import ApusBase

/// A value out of a pickle, with nothing of Python left in it.
///
/// Objects of classes that are not known here are kept as what they are made of, so that what
/// stands beside them can be read. Parts that the pickle shares are shared.
public enum PickleValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    /// An integer beyond 64 bits: two's complement, little-endian.
    case largeInteger([UInt8])
    case number(Double)
    case string(String)
    case bytes([UInt8])
    case list([PickleValue])
    case tuple([PickleValue])
    case set([PickleValue])
    case dictionary(PickledDictionary)
    /// A tensor of PyTorch, or an array of numpy.
    case tensor(PickledTensor)
    /// A class or function, by its full name: `torch.float32`.
    case global(String)
    case object(PickledObject)
    /// A place where the value contains itself.
    case recursion
}

/// The members of a Python dictionary (also of its subclasses in `collections`), in its order.
public struct PickledDictionary: Sendable {
    private enum Key: Hashable {
        case string(ByteKey)
        case integer(Int)
    }

    public let members: [(key: PickleValue, value: PickleValue)]
    private let index: [Key: Int]

    /// Of members with the same key, the last one counts, in the place of the first.
    init(_ pairs: [(key: PickleValue, value: PickleValue)]) {
        var members: [(key: PickleValue, value: PickleValue)] = []
        var index: [Key: Int] = [:]
        members.reserveCapacity(pairs.count)
        for pair in pairs {
            let key: Key? =
                switch pair.key {
                case .string(let text): .string(ByteKey(text))
                case .integer(let number): .integer(number)
                default: nil
                }
            if let key, let old = index[key] {
                members[old].value = pair.value
            } else {
                if let key { index[key] = members.count }
                members.append(pair)
            }
        }
        self.members = members
        self.index = index
    }

    public subscript(key: String) -> PickleValue? {
        index[.string(ByteKey(key))].map { members[$0].value }
    }

    public subscript(key: Int) -> PickleValue? { index[.integer(key)].map { members[$0].value } }

    public var count: Int { members.count }
}

/// An object of a class that is not known here. Nothing of it was executed.
public final class PickledObject: Sendable {
    /// `deepspeed.runtime.fp16.loss_scaler.LossScaler`.
    public let type: String
    /// What its class or maker would be called with.
    public let arguments: [PickleValue]
    /// What it would be filled with, mostly a dictionary of its attributes.
    public let state: PickleValue?
    /// What would be appended or inserted, of subclasses of lists and dictionaries.
    public let elements: [PickleValue]
    public let entries: PickledDictionary
    /// Where in the file it is made (in the pickle, if that is compressed).
    public let offset: Int

    init(
        type: String, arguments: [PickleValue], state: PickleValue?, elements: [PickleValue],
        entries: PickledDictionary, offset: Int
    ) {
        self.type = type
        self.arguments = arguments
        self.state = state
        self.elements = elements
        self.entries = entries
        self.offset = offset
    }

    /// An attribute, or an entry of a subclass of a dictionary.
    public subscript(name: String) -> PickleValue? { state?.dictionary?[name] ?? entries[name] }
}

extension PickleValue {
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var bytesValue: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    public var tensor: PickledTensor? { if case .tensor(let value) = self { value } else { nil } }
    public var object: PickledObject? { if case .object(let value) = self { value } else { nil } }

    public var intValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The elements of a list or tuple.
    public var elements: [PickleValue]? {
        switch self {
        case .list(let values), .tuple(let values): values
        default: nil
        }
    }

    public var dictionary: PickledDictionary? {
        if case .dictionary(let value) = self { value } else { nil }
    }

    /// The member of a dictionary, or the attribute of an object.
    public subscript(key: String) -> PickleValue? { dictionary?[key] ?? object?[key] }

    /// What this is, for messages.
    public var kind: String {
        switch self {
        case .null: "None"
        case .bool: "a boolean"
        case .integer, .largeInteger: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .bytes: "bytes"
        case .list: "a list"
        case .tuple: "a tuple"
        case .set: "a set"
        case .dictionary: "a dictionary"
        case .tensor: "a tensor"
        case .global(let name): "the name \(name)"
        case .object(let object): "an object of \(object.type) (made at offset \(object.offset))"
        case .recursion: "the value that contains it"
        }
    }
}
