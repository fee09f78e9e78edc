internal import ApusBase

/// Puts the rows of a row group together from its columns.
struct RowAssembler {
    private let columns: [ParquetColumnData]
    /// For each column the next level and the next value.
    private var levels: [Int]
    private var values: [Int]

    init(_ columns: [ParquetColumnData]) {
        self.columns = columns
        levels = [Int](repeating: 0, count: columns.count)
        values = levels
    }

    private static func fault() -> ParquetFault {
        .init(offset: 0, problem: "the columns of a row group do not fit together")
    }

    private func definition(_ column: Int) throws(ParquetFault) -> Int {
        guard levels[column] < columns[column].definition.count else { throw Self.fault() }
        return Int(columns[column].definition[levels[column]])
    }

    /// The repetition level of the next entry; 0, as of a new row, at the end.
    private func repetition(_ column: Int) -> Int {
        guard levels[column] < columns[column].repetition.count else { return 0 }
        return Int(columns[column].repetition[levels[column]])
    }

    mutating func row(_ root: ParquetNode) throws(ParquetFault) -> JSON { try content(root) }

    /// The value of a field: null, an array, or what stands in it.
    private mutating func value(_ node: ParquetNode) throws(ParquetFault) -> JSON {
        guard try definition(node.columns.lowerBound) >= node.definition else {
            try skip(node)
            return node.repetition == .repeated ? .array([]) : .null
        }
        guard node.repetition == .repeated else { return try content(node) }
        return .array(
            try repeated(node) { assembler throws(ParquetFault) in
                try assembler.content(node)
            })
    }

    /// Entries of a repeated field until the next begins at a level above it.
    private mutating func repeated(
        _ node: ParquetNode, one: (inout RowAssembler) throws(ParquetFault) -> JSON
    ) throws(ParquetFault) -> [JSON] {
        var elements: [JSON] = []
        repeat {
            elements.append(try one(&self))
        } while repetition(node.columns.lowerBound) >= node.repetitionLevel
        return elements
    }

    /// Passes over the one entry that every column below has for a value that is not there.
    private mutating func skip(_ node: ParquetNode) throws(ParquetFault) {
        for column in node.columns {
            guard try definition(column) < node.definition else { throw Self.fault() }
            levels[column] += 1
        }
    }

    private mutating func content(_ node: ParquetNode) throws(ParquetFault) -> JSON {
        switch node.kind {
        case .leaf(let column): return try leaf(column)
        case .structure(let children):
            var object = JSONObject()
            for child in children { object[child.name] = try value(child) }
            return .object(object)
        case .list: return try list(node)
        case .map: return try map(node)
        }
    }

    private mutating func leaf(_ column: Int) throws(ParquetFault) -> JSON {
        guard values[column] < columns[column].values.count else { throw Self.fault() }
        defer {
            levels[column] += 1
            values[column] += 1
        }
        return columns[column].values[values[column]]
    }

    private mutating func list(_ node: ParquetNode) throws(ParquetFault) -> JSON {
        let (group, element) = node.listElement
        guard try definition(node.columns.lowerBound) >= group.definition else {
            try skip(group)
            return .array([])
        }
        let isBare = group.name == element.name && group.definition == element.definition
        return .array(
            try repeated(group) { assembler throws(ParquetFault) in
                isBare ? try assembler.content(group) : try assembler.value(element)
            })
    }

    /// An object when the keys are texts, else an array of pairs.
    private mutating func map(_ node: ParquetNode) throws(ParquetFault) -> JSON {
        let group = node.children[0]
        guard try definition(node.columns.lowerBound) >= group.definition else {
            try skip(group)
            return .object(JSONObject())
        }
        let pairs = try repeated(group) { assembler throws(ParquetFault) in
            let key = try assembler.value(group.children[0])
            return .array([key, try assembler.value(group.children[1])])
        }
        var object = JSONObject()
        for pair in pairs {
            guard let pair = pair.arrayValue, let key = pair[0].stringValue else {
                return .array(pairs)
            }
            object[key] = pair[1]
        }
        return .object(object)
    }
}
