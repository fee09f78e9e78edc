internal import ApusBase

/// The physical types of Parquet's columns.
enum ParquetType: Int {
    case boolean = 0
    case int32 = 1
    case int64 = 2
    case int96 = 3
    case float = 4
    case double = 5
    case byteArray = 6
    case fixedByteArray = 7
}

/// One field of the schema. The tree of them tells how to put rows together again from columns
/// (Melnik et al., "Dremel", 2010): a value's definition level says how many optional and repeated
/// fields above it are there, its repetition level at which repeated field it goes on.
struct ParquetNode {
    enum Kind {
        /// A column, with its number.
        case leaf(column: Int)
        case structure([ParquetNode])
        /// A list whose elements are the only child.
        case list
        case map
    }

    enum Repetition: Int {
        case required = 0
        case optional = 1
        case repeated = 2
    }

    let name: String
    var kind: Kind
    let repetition: Repetition
    /// The levels of a value that is there at this field.
    let definition: Int
    let repetitionLevel: Int
    var children: [ParquetNode] = []
    /// The columns below, which are consecutive.
    var columns: Range<Int>
}

/// What is needed to decode a column.
struct ParquetColumn {
    let path: String
    let type: ParquetType
    let typeLength: Int
    let isText: Bool
    let isUnsigned: Bool
    let maxDefinition: Int
    let maxRepetition: Int
}

struct ParquetSchema {
    let root: ParquetNode
    let columns: [ParquetColumn]

    init(_ list: [ThriftValue]) throws(ParquetFault) {
        var builder = SchemaBuilder(elements: list)
        root = try builder.node(path: [], definition: 0, repetition: 0)
        columns = builder.columns
        guard builder.isComplete, case .structure = root.kind else {
            throw SchemaBuilder.fault("is no tree of fields")
        }
    }
}

/// Builds the tree from the list in which the file writes it, depth first.
private struct SchemaBuilder {
    let elements: [ThriftValue]
    private(set) var columns: [ParquetColumn] = []
    private var next = 0

    init(elements: [ThriftValue]) { self.elements = elements }

    var isComplete: Bool { next == elements.count }

    static func fault(_ problem: String) -> ParquetFault {
        .init(offset: 0, problem: "the schema \(problem)")
    }

    mutating func node(
        path: [String], definition: Int, repetition: Int
    ) throws(ParquetFault) -> ParquetNode {
        guard next < elements.count else { throw Self.fault("ends early") }
        guard path.count < ThriftReader.depthLimit else { throw Self.fault("is nested too deep") }
        let element = elements[next]
        next += 1
        let isRoot = path.isEmpty
        guard let name = element[4]?.string else { throw Self.fault("has a field without a name") }
        let rule = isRoot ? .required : ParquetNode.Repetition(rawValue: element[3]?.int ?? -1)
        guard let rule else { throw Self.fault("has no repetition for \"\(name)\"") }
        var node = ParquetNode(
            name: name, kind: .structure([]), repetition: rule,
            definition: definition + (rule == .required ? 0 : 1),
            repetitionLevel: repetition + (rule == .repeated ? 1 : 0),
            columns: columns.count..<columns.count)
        let path = path + [name]
        if let count = element[5]?.int, count > 0 {
            for _ in 0..<count {
                node.children.append(
                    try self.node(
                        path: path, definition: node.definition, repetition: node.repetitionLevel))
            }
            node.kind = Self.kind(of: element, node)
        } else {
            node.kind = .leaf(column: columns.count)
            columns.append(try column(element, node, path.dropFirst().joined(separator: ".")))
        }
        node.columns = node.columns.lowerBound..<columns.count
        return node
    }

    private func column(
        _ element: ThriftValue, _ node: ParquetNode, _ path: String
    ) throws(ParquetFault) -> ParquetColumn {
        guard let type = element[1]?.int.flatMap({ ParquetType(rawValue: $0) }) else {
            throw Self.fault("has no known type for \"\(path)\"")
        }
        let length = element[2]?.int ?? 0
        guard type != .fixedByteArray || (1...(1 << 20)).contains(length) else {
            throw Self.fault("has no length for \"\(path)\"")
        }
        // Converted types: 0 UTF8, 4 enumeration, 19 JSON; 11 to 14 unsigned. Logical: 1, 4, 11.
        let converted = element[6]?.int ?? -1
        let logical = element[10]
        let isText =
            [0, 4, 19].contains(converted)
            || logical?[1] != nil || logical?[4] != nil || logical?[11] != nil
        let isSigned = logical?[10]?[2]?.bool ?? true
        return ParquetColumn(
            path: path, type: type, typeLength: length, isText: isText,
            isUnsigned: (11...14).contains(converted) || !isSigned,
            maxDefinition: node.definition, maxRepetition: node.repetitionLevel)
    }

    /// Lists and maps are groups around a repeated group (parquet-format, LogicalTypes.md).
    private static func kind(of element: ThriftValue, _ node: ParquetNode) -> ParquetNode.Kind {
        let converted = element[6]?.int ?? -1
        let inner = node.children[0]
        guard node.children.count == 1, inner.repetition == .repeated else {
            return .structure(node.children)
        }
        if converted == 3 || element[10]?[3] != nil { return .list }
        let isMap = converted == 1 || converted == 2 || element[10]?[2] != nil
        if isMap, inner.children.count == 2 { return .map }
        return .structure(node.children)
    }
}

extension ParquetNode {
    /// The element of a list: mostly the only child of the repeated group, in files of some old
    /// writers the repeated group itself.
    var listElement: (repeated: ParquetNode, element: ParquetNode) {
        let repeated = children[0]
        let isBare =
            repeated.children.count != 1
            || repeated.name == "array" || repeated.name == name + "_tuple"
        return (repeated, isBare ? repeated : repeated.children[0])
    }
}
