import ApusBase

/// One thing that the doctor looked at.
struct Finding {
    enum Verdict: String {
        case good
        /// Not there, and runs go without it.
        case absent
        /// Runs would fail.
        case bad
    }

    let name: String
    let verdict: Verdict
    let text: String
    /// What to do about it.
    var advice: String?
}

/// Everything that the doctor found.
struct Checkup {
    let findings: [Finding]

    var isHealthy: Bool { !findings.contains { $0.verdict == .bad } }

    var json: JSON {
        var object = JSONObject()
        for finding in findings {
            var entry: JSONObject = [
                "verdict": .string(finding.verdict.rawValue), "text": .string(finding.text),
            ]
            entry["advice"] = finding.advice.map { .string($0) }
            object[finding.name] = .object(entry)
        }
        return .object(object)
    }

    func text(hasColour: Bool) -> String {
        let width = findings.map(\.name.count).max() ?? 0
        return findings.map { finding in
            let gap = String(repeating: " ", count: width - finding.name.count)
            let line =
                "\(mark(finding.verdict, hasColour)) \(finding.name)\(gap)  \(finding.text)\n"
            let indent = String(repeating: " ", count: width + 6)
            return line + (finding.advice.map { "\(indent)\($0)\n" } ?? "")
        }.joined()
    }

    private func mark(_ verdict: Finding.Verdict, _ hasColour: Bool) -> String {
        let (sign, colour) =
            switch verdict {
            case .good: ("ok", "32")
            case .absent: ("--", "2")
            case .bad: ("!!", "31")
            }
        return hasColour ? "\u{1B}[\(colour)m\(sign)\u{1B}[0m" : sign
    }
}
