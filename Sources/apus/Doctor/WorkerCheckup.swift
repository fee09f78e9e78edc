import ApusBase
import ApusLaunch

/// What only the tensor side can tell: it is asked by `apus-worker doctor --json`, which prints
///
///     {"libtorch": {"version": "2.13.0", "path": "..."},
///      "gloo": {"available": true}, "nccl": {"available": false, "reason": "..."},
///      "cuda": {"available": false, "reason": "..."}}
enum WorkerCheckup {
    static func run(environment: [String: String]) -> [Finding] {
        do {
            let worker = try ProgramSearch.worker(environment: environment)
            let found = Finding(name: "apus-worker", verdict: .good, text: worker)
            return [found] + ask(worker, environment)
        } catch {
            return [
                Finding(
                    name: "apus-worker", verdict: .bad, text: error.summary, advice: error.remedy)
            ]
        }
    }

    private static func ask(_ worker: String, _ environment: [String: String]) -> [Finding] {
        let listener = Listener()
        var plan = LaunchPlan(program: worker, localRanks: 1, masterPort: 1, cores: 1)
        plan.arguments = ["doctor", "--json"]
        let report: RunReport
        do {
            report = try Launcher(plan: plan, observer: listener).run(inherited: environment)
        } catch {
            return [broken(error.summary)]
        }
        guard report.exitCode == 0 else {
            return [
                broken(listener.errors.last ?? "apus-worker ended with code \(report.exitCode)")
            ]
        }
        guard let line = listener.output.last, let json = try? JSON.parse(line) else {
            return [broken("apus-worker doctor printed no JSON object")]
        }
        return read(json)
    }

    /// The findings in an answer.
    static func read(_ json: JSON) -> [Finding] {
        guard let version = json["libtorch"]?["version"]?.stringValue else {
            return [broken("apus-worker found no libtorch")]
        }
        let path = json["libtorch"]?["path"]?.stringValue.map { " in \($0)" } ?? ""
        let libtorch = Finding(name: "libtorch", verdict: .good, text: version + path)
        let gloo = capability("gloo", json["gloo"], ifAbsent: .bad)
        let others = [("cuda", "GPU"), ("nccl", "NCCL")].map { key, name in
            capability(name, json[key], ifAbsent: .absent)
        }
        return [libtorch, gloo] + others
    }

    private static func capability(
        _ name: String, _ json: JSON?, ifAbsent verdict: Finding.Verdict
    ) -> Finding {
        let isThere = json?["available"]?.boolValue ?? json?.boolValue ?? false
        let reason = json?["reason"]?.stringValue
        if isThere {
            let detail = json?["version"]?.stringValue ?? json?["name"]?.stringValue ?? reason
            return Finding(name: name, verdict: .good, text: detail ?? "available")
        }
        var finding = Finding(
            name: name, verdict: verdict, text: "none: " + (reason ?? "not built in"))
        if verdict == .bad { finding.advice = setup }
        return finding
    }

    private static func broken(_ problem: String) -> Finding {
        Finding(name: "libtorch", verdict: .bad, text: problem, advice: setup)
    }

    private static let setup = "run 'make setup' and then 'make release' in Apus's folder"
}

/// Collects what the worker prints.
private final class Listener: LaunchObserver {
    var output: [String] = []
    var errors: [String] = []

    func printed(_ line: String, byRank rank: Int, to stream: OutputStream) {
        switch stream {
        case .standardOutput: output.append(line)
        case .standardError: errors.append(line)
        }
    }
}
