import ApusBase

/// How values of one type are read, checked and written.
struct ValueKind<Value: Sendable>: Sendable {
    /// What may stand there, to follow "must be": `an integer of at least 1`.
    let allowed: String
    var nested: [KeyDescription] = []
    var isList = false
    /// Reports and returns nil when the entry is not allowed; also nil, without report, for
    /// nothing.
    let parse: @Sendable (Entry, inout ReadingState) -> Value?
    let json: @Sendable (Value) -> JSON

    init(
        _ allowed: String, parse: @escaping @Sendable (Entry, inout ReadingState) -> Value?,
        json: @escaping @Sendable (Value) -> JSON
    ) {
        self.allowed = allowed
        self.parse = parse
        self.json = json
    }

    /// A kind that is one scalar: `value` returns nil for what is not allowed.
    static func scalar(
        _ allowed: String, _ value: @escaping @Sendable (Entry.Scalar) -> Value?,
        json: @escaping @Sendable (Value) -> JSON
    ) -> ValueKind {
        ValueKind(allowed) { entry, state in
            if entry.isNull { return nil }
            guard case .scalar(let scalar) = entry.content, let result = value(scalar) else {
                state.reject(entry, allowed: allowed)
                return nil
            }
            state.note(entry.origin)
            return result
        } json: {
            json($0)
        }
    }
}

extension ValueKind where Value == String {
    /// Any scalar, as written: `field: 7` names the field "7".
    static func text(_ allowed: String = "text") -> ValueKind {
        .scalar(allowed) {
            $0.text.isEmpty ? nil : $0.text
        } json: {
            .string($0)
        }
    }
}

extension ValueKind where Value == Bool {
    static var boolean: ValueKind {
        .scalar("true or false") { scalar in
            switch scalar.isQuoted ? "" : scalar.text.lowercased() {
            case "true", "yes", "on": true
            case "false", "no", "off": false
            default: nil
            }
        } json: {
            .bool($0)
        }
    }
}

extension ValueKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> ValueKind {
        let isOpen = range.upperBound == .max
        let bound =
            isOpen
            ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
        return .scalar("an integer \(bound)") { scalar in
            integerValue(scalar).flatMap { range.contains($0) ? $0 : nil }
        } json: {
            .integer($0)
        }
    }

    static func atLeast(_ least: Int) -> ValueKind { .integer(least...Int.max) }
}

/// An integer as people write it: also `1_000` and `1e3`.
private func integerValue(_ scalar: Entry.Scalar) -> Int? {
    if scalar.isQuoted { return nil }
    if let value = Int(scalar.text.filter { $0 != "_" }) { return value }
    return numberValue(scalar).flatMap { Int(exactly: $0) }
}

/// A decimal number as people write it: `0.1`, `.1`, `1e-4`, also in quotes as tools write it.
///
/// YAML 1.1 takes `1e-4` for a string because it has no dot; a recipe means the number.
private func numberValue(_ scalar: Entry.Scalar) -> Double? {
    let text = scalar.text.filter { $0 != "_" }
    let isDecimal = text.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte)
    }
    guard isDecimal, let value = Double(text), value.isFinite else { return nil }
    return value
}

extension ValueKind where Value == Double {
    static func number(
        _ bound: String, _ isAllowed: @escaping @Sendable (Double) -> Bool
    ) -> ValueKind {
        .scalar("a number \(bound)") { scalar in
            numberValue(scalar).flatMap { isAllowed($0) ? $0 : nil }
        } json: {
            .number($0)
        }
    }

    static var positive: ValueKind { .number("above 0") { $0 > 0 } }
    static var notNegative: ValueKind { .number("of at least 0") { $0 >= 0 } }
    /// At least 0 and below 1.
    static var fraction: ValueKind { .number("from 0 to below 1") { $0 >= 0 && $0 < 1 } }
    static var ratio: ValueKind { .number("from 0 to 1") { $0 >= 0 && $0 <= 1 } }
}

extension ValueKind where Value: RawRepresentable, Value: CaseIterable, Value.RawValue == String {
    /// One of the names of an enumeration. `notYet` are names that people know from other tools,
    /// with what to say about them.
    static func choice(notYet: [String: String] = [:]) -> ValueKind {
        let names = Value.allCases.map(\.rawValue)
        let allowed = names.count == 1 ? "'\(names[0])'" : "one of \(names.joined(separator: ", "))"
        return ValueKind(allowed) { entry, state in
            if entry.isNull { return nil }
            let text = entry.scalarText
            // A choice may be called 'no', which without quotes is one of YAML's words for false.
            let word = text == "false" ? Value(rawValue: "no") : nil
            if let text, let value = Value(rawValue: text) ?? word {
                state.note(entry.origin)
                return value
            }
            if let text, let reason = notYet[text] {
                let message =
                    "'\(state.dottedPath): \(text)' is not supported by Apus yet: \(reason)"
                state.report(entry.origin, message, hint: "allowed: \(allowed)")
                return nil
            }
            let near = text.flatMap { nearestName(to: $0, among: names) }
            let message = "'\(state.dottedPath)' must be \(allowed), not \(entry.shown)"
            state.report(entry.origin, message, hint: near.map { "did you mean '\($0)'?" })
            return nil
        } json: {
            .string($0.rawValue)
        }
    }
}

extension Entry {
    /// The characters of a scalar, with the spellings of booleans made one; nil for anything else.
    fileprivate var scalarText: String? {
        guard case .scalar(let scalar) = content else { return nil }
        if scalar.isQuoted { return scalar.text }
        return switch scalar.text.lowercased() {
        case "true", "yes", "on": "true"
        case "false", "no", "off": "false"
        default: scalar.text
        }
    }
}
