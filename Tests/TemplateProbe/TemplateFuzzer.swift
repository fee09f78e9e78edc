import ApusBase
import ApusTokenizer

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Changes templates at random and renders what is left of them. Nothing may crash; the longest
/// times that one took, of the processor's and not by the clock, tell whether anything hung.
struct TemplateFuzzer {
    private let sources: [[UInt8]]
    private let renderer: Renderer
    private var random: SplitMix64

    private var parsed = 0
    private var rendered = 0
    /// The slowest few, the slowest first.
    private var slowest: [(milliseconds: Double, source: String)] = []

    /// What templates are made of, so that many changes leave one.
    private static let parts = [
        "{% for m in messages %}", "{% endfor %}", "{% if x is defined %}", "{% else %}",
        "{% endif %}", "{{ messages }}", "{{ m.content }}", "{% set x = messages[::-1] %}",
        "{% macro f(a, b=2) %}",
        "{% endmacro %}", "{{ f(f(1)) }}", "| tojson", "| trim", "| length", "| join(', ')",
        "| selectattr('role')", "| map('upper')", "| list", "| sort", "| batch(3)", "loop.index0",
        "loop.previtem", "loop(m)", "namespace(a=1)", "range(99999)", "raise_exception('x')",
        "strftime_now('%d')", ".split('a')[0]", ".items()", "~", "**", "//", "%}", "{{", "}}", "{#",
        "'", "\"", "\\", "[", "]", "(", ")", "{", "}", "-", "+", "*", "9999999999", "1.5e300",
        "-1",
        "not ", " in ", " is ", " if ", " else ", " and ", "none", "true", "recursive", "\n",
        "\u{0}", "ü", "👍", "{% generation %}", "{% endgeneration %}", "{% break %}", "{% raw %}",
    ].map { Array($0.utf8) }

    init(sources: [String], seed: UInt64) throws {
        self.sources = sources.map { Array($0.utf8) }
        renderer = try Renderer()
        random = SplitMix64(seed: seed)
    }

    mutating func run(_ count: Int) -> JSON {
        let begin = ContinuousClock.now
        for _ in 0..<count { tryOne() }
        return [
            "templates": .integer(count), "parsed": .integer(parsed),
            "rendered": .integer(rendered),
            "seconds": .number(begin.duration(to: .now) / .seconds(1)),
            "longest_ms": .number(slowest.first?.milliseconds ?? 0),
            "slowest": .array(
                slowest.map {
                    ["milliseconds": .number($0.milliseconds), "source": .string($0.source)]
                }),
        ]
    }

    private mutating func tryOne() {
        let source = mutated()
        let begin = clock()
        if let template = try? ChatTemplate(source) {
            parsed += 1
            let chat = Self.chats[Int.random(in: 0..<Self.chats.count, using: &random)]
            var options = ChatOptions(addGenerationPrompt: Bool.random(using: &random))
            if Bool.random(using: &random) {
                options.tools = [["name": "f", "parameters": ["a": 1]]]
            }
            options.clock = Renderer.clock
            options.limits.work = 20_000
            if (try? renderer.render(template, chat, options)) != nil { rendered += 1 }
        }
        let milliseconds = Double(clock() - begin) / Double(CLOCKS_PER_SEC) * 1000
        guard slowest.count < 5 || milliseconds > slowest[4].milliseconds else { return }
        slowest.append((milliseconds, source))
        slowest.sort { $0.milliseconds > $1.milliseconds }
        slowest = Array(slowest.prefix(5))
    }

    private mutating func mutated() -> String {
        var bytes = sources[Int.random(in: 0..<sources.count, using: &random)]
        for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let start = Int.random(in: 0...bytes.count, using: &random)
        let end = min(start + Int.random(in: 0...30, using: &random), bytes.count)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeSubrange(start..<end)
        case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
        case 2:
            let target = Int.random(in: 0...bytes.count, using: &random)
            bytes.insert(contentsOf: bytes[start..<end], at: target)
        case 3:
            if start < end { bytes[start] = UInt8.random(in: 0...255, using: &random) }
        case 4:
            let other = sources[Int.random(in: 0..<sources.count, using: &random)]
            let from = Int.random(in: 0...other.count, using: &random)
            bytes.insert(contentsOf: other[from..<min(from + 60, other.count)], at: start)
        default:
            let part = Self.parts[Int.random(in: 0..<Self.parts.count, using: &random)]
            bytes.replaceSubrange(start..<(Bool.random(using: &random) ? end : start), with: part)
        }
    }

    private static let chats: [[ChatMessage]] = [
        [],
        [ChatMessage(role: "user", content: "Hi")],
        [
            ChatMessage(role: "system", content: "Be\nbrief."),
            ChatMessage(role: "user", content: "  Straße 👍  "),
            ChatMessage(role: "assistant", content: "<think>\nhm\n</think>\n\nyes"),
            ChatMessage(role: "user", content: ""),
            ChatMessage(role: "assistant", content: "done"),
        ],
    ]
}
