import ApusBase
import Testing

@testable import ApusTokenizer

@Suite("The template language against jinja2")
struct JinjaTests {
    @Test("Expressions and statements give the same bytes, or fail alike")
    func snippets() throws {
        let root = try Fixture.json("jinja.json")
        let variables = try required(root["variables"]?.objectValue)
        for item in try required(root["cases"]?.arrayValue) {
            let source = try required(item["source"]?.stringValue)
            let result = Result { try render(source, variables) }
            if let expected = item["text"]?.stringValue {
                let text = try? result.get()
                #expect(text?.hasSameBytes(as: expected) == true, "\(source): \(result)")
            } else {
                #expect(throws: TemplateError.self, "\(source)") { try result.get() }
            }
        }
    }

    private func render(_ source: String, _ variables: JSONObject) throws -> String {
        var options = ChatOptions()
        options.variables = variables
        // Enough for every snippet; a debug build would take seconds to use up the usual limit.
        options.limits.work = 300_000
        options.clock = TemplateClock(secondsSince1970: 1_795_442_706, isUniversal: true)
        return try ChatTemplate(source).render([], options, specialTokens: [:]).string
    }

    @Test(
        "A template that would never end, or grow without end, is stopped",
        arguments: [
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
            "{% set n = namespace(s='x') %}{% for a in l %}{% set n.s = n.s * 9999 %}{% endfor %}",
            "{% set n = namespace(l=1) %}{% for a in range(999) %}{% set n.l=[n.l] %}{% endfor %}",
            "{{ 'x' * 999999999999 }}", "{{ [0] * 9223372036854775807 }}",
            "{{ ('a' * 999999).replace('a', 'b' * 999999) }}", "{{ 'x'.center(99999999999) }}",
            "{% set a = 'x' * 90000 %}{{ a in (a ~ 'y') }}{{ (a ~ 'y').count('x' * 40000 ~ 'z') }}",
            "{% set ns = namespace(x=1) %}{% set ns.y = ns %}{{ ns|tojson }}",
            // Little in memory, and without end when it is written or made a key.
            "{% set n = namespace(x=[]) %}{% for a in range(60) %}{% set n.x = [n.x, n.x] %}"
                + "{% endfor %}{{ n.x | tojson }}",
            "{% set n = namespace(x=(1,)) %}{% for a in range(60) %}{% set n.x = (n.x, n.x) %}"
                + "{% endfor %}{{ {n.x: 1} }}",
            // Each step small in the source, and large in what it does.
            "{% for a in range(9999) %}{% set b = l | slice(99999) %}{% endfor %}",
            "{% for a in range(9999) %}{% set b = l | batch(99999, 0) %}{% endfor %}",
            "{% macro f() %}{% endmacro %}{% set r = range(9999) | list %}"
                + "{% for a in r %}{{ f(*r) }}{% endfor %}",
            "{% set r = range(9999) | list %}{% for a in r %}{% for b in r %}{% break %}"
                + "{% endfor %}{% endfor %}",
            "{% set r = range(9999) | list %}{% for a in r %}{% set s = r | sum %}{% endfor %}",
            "{% set r = range(9999) | list %}{% for a in r %}{% set s = r | list %}{% endfor %}",
            "{% set t = 'x' * 99999 %}{% for a in range(9999) %}{% set s = t | int %}{% endfor %}",
            "{% set t = 'x' * 99999 %}{% for a in range(9999) %}{% set s = {}[t] %}{% endfor %}",
        ])
    func limits(source: String) {
        #expect(throws: TemplateError.self) { try render(source, ["l": [1, 2, 3]]) }
    }

    @Test("Deep nesting in the source is refused, not a crash")
    func deepSource() {
        for (open, close) in [("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("{1:", "}")] {
            let many = 5000
            let nested =
                String(repeating: open, count: many) + "1" + String(repeating: close, count: many)
            #expect(throws: TemplateError.self) { try ChatTemplate("{{ \(nested) }}") }
        }
        let blocks = String(repeating: "{% if 1 %}", count: 5000)
        #expect(throws: TemplateError.self) { try ChatTemplate(blocks) }
    }

    @Test("What the template itself refuses says so, with the line")
    func raised() throws {
        let error = #expect(throws: TemplateError.self) {
            try render("a\nb\n{{ raise_exception('roles must alternate') }}", JSONObject())
        }
        #expect(error?.kind == .raised)
        #expect(error?.line == 3)
        #expect(error?.problem == "roles must alternate")
    }
}
