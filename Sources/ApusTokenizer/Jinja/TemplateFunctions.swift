#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The time that `strftime_now` shows.
public struct TemplateClock: Sendable {
    /// Seconds since 1970, or nil for the time of the machine.
    public var secondsSince1970: Int?
    /// Shows universal instead of local time.
    public var isUniversal = false

    public init(secondsSince1970: Int? = nil, isUniversal: Bool = false) {
        self.secondsSince1970 = secondsSince1970
        self.isUniversal = isUniversal
    }

    /// The time in the form of C's `strftime`.
    func text(_ format: String) -> String {
        var seconds = secondsSince1970.map { time_t($0) } ?? time(nil)
        var parts = tm()
        if isUniversal { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
        // An empty result and one that does not fit look the same; a space tells them apart.
        var buffer = [CChar](repeating: 0, count: 1024)
        let length = strftime(&buffer, buffer.count, format + " ", &parts)
        guard length > 0 else { return "" }
        return String(
            decoding: buffer[..<(length - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension TemplateInterpreter {
    static let functionNames: Set<String> = [
        "raise_exception", "strftime_now", "namespace", "dict", "range",
    ]

    mutating func call(
        _ callee: TemplateValue, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch callee {
        case .macro(let macro): return .string(try call(macro, arguments, line: line))
        case .method(let owner, let name):
            return try callMethod(name, of: owner, arguments, line: line)
        case .function(let name): return try callFunction(name, arguments, line: line)
        case .loop(let loop): return .string(try call(loop, arguments, line: line))
        case .undefined(let problem): throw fault(line, problem)
        default: throw fault(line, "a \(callee.typeName) cannot be called")
        }
    }

    private mutating func callFunction(
        _ name: String, _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "raise_exception":
            let message = try arguments.positional.first.map {
                value throws(TemplateError) in try printed(value, line: line)
            }
            throw TemplateError(.raised, line: line, message?.string ?? "")
        case "strftime_now":
            guard let format = arguments.positional.first?.text else {
                throw fault(line, "strftime_now needs a format")
            }
            try budget.charge(format.count * 16, line: line)
            return .text(clock.text(format.string))
        case "namespace":
            let namespace = TemplateNamespace()
            namespaces.append(namespace)
            for (key, value) in try members(of: arguments, line: line).pairs {
                namespace.set(try printed(key, line: line).string, value)
            }
            try checkDepth(.namespace(namespace), line: line)
            return .namespace(namespace)
        case "dict":
            return .dict(try members(of: arguments, line: line))
        case "range":
            return try range(arguments, line: line)
        default:
            throw fault(line, "the function \(name) is not supported")
        }
    }

    /// What `dict(...)` takes: a dict or pairs, then named arguments.
    private mutating func members(
        of arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateDict {
        var result = TemplateDict()
        if case .dict(let dict) = arguments.positional.first {
            try budget.charge(dict.keys.count, line: line)
            result = dict
            result.messageIndex = nil
        } else if let first = arguments.positional.first {
            for pair in try items(of: first, line: line) {
                try budget.charge(1, line: line)
                let parts = try items(of: pair, line: line)
                guard parts.count == 2, result.set(parts[1], for: parts[0]) else {
                    throw fault(line, "dict needs pairs of keys and values")
                }
            }
        }
        for (name, value) in arguments.named { result.set(value, for: .text(name)) }
        try checkDepth(.dict(result), line: line)
        return result
    }

    private mutating func range(
        _ arguments: Arguments, line: Int
    ) throws(TemplateError) -> TemplateValue {
        let bounds = arguments.positional.compactMap(\.integer)
        guard bounds.count == arguments.positional.count, (1...3).contains(bounds.count) else {
            throw fault(line, "range needs one to three integers")
        }
        let start = bounds.count > 1 ? bounds[0] : 0
        let stop = bounds.count > 1 ? bounds[1] : bounds[0]
        let step = bounds.count > 2 ? bounds[2] : 1
        guard step != 0 else { throw fault(line, "range cannot have a step of 0") }
        let sequence = stride(from: start, to: stop, by: step)
        // The sandbox of Jinja has the same bound.
        let limit = 100_000
        var values: [TemplateValue] = []
        for value in sequence {
            guard values.count < limit else {
                throw TemplateError(.limit, line: line, "a range of more than \(limit) numbers")
            }
            try budget.charge(1, line: line)
            values.append(.int(value))
        }
        return .items(values)
    }
}
