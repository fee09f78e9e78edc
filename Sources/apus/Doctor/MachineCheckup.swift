import ApusBase
import ApusLaunch

extension Checkup {
    static func run(environment: [String: String]) -> Checkup {
        let machine = Machine.current()
        var findings = [processor(machine), bfloat16(machine), memory(machine)]
        findings += [disk(), port()]
        findings += WorkerCheckup.run(environment: environment)
        return Checkup(findings: findings)
    }

    private static func processor(_ machine: Machine) -> Finding {
        let vectors = machine.vectors.map { ", \($0)" } ?? ""
        let text =
            "\(machine.cores) core\(machine.cores == 1 ? "" : "s"), \(machine.processor)\(vectors)"
        return Finding(name: "processor", verdict: .good, text: text)
    }

    private static func bfloat16(_ machine: Machine) -> Finding {
        if let name = machine.bfloat16 {
            return Finding(name: "bf16", verdict: .good, text: "\(name): 'bf16: auto' means true")
        }
        return Finding(
            name: "bf16", verdict: .absent, text: "no such instructions: 'bf16: auto' means false")
    }

    private static func memory(_ machine: Machine) -> Finding {
        guard let total = machine.memoryBytes, let free = machine.availableMemoryBytes else {
            return Finding(name: "memory", verdict: .absent, text: "cannot be told")
        }
        var text = "\(ByteCount(free).binary) free of \(ByteCount(total).binary)"
        if let limit = machine.memoryLimitBytes {
            text += ", limited to \(ByteCount(limit).binary)"
        }
        let usable = min(free, machine.memoryLimitBytes ?? free)
        guard usable < 2 << 30 else { return Finding(name: "memory", verdict: .good, text: text) }
        return Finding(
            name: "memory", verdict: .bad, text: text,
            advice: "a small model needs about 2 GiB per rank: end other programs")
    }

    private static func disk() -> Finding {
        guard let disk = Machine.disk(at: ".") else {
            return Finding(name: "disk", verdict: .absent, text: "cannot be told")
        }
        let text = "\(ByteCount(disk.free).decimal) free of \(ByteCount(disk.total).decimal) here"
        guard disk.free < 2_000_000_000 else {
            return Finding(name: "disk", verdict: .good, text: text)
        }
        return Finding(
            name: "disk", verdict: .bad, text: text,
            advice: "make room, or run where there is some: a run writes the whole model")
    }

    private static func port() -> Finding {
        do {
            let port = try LaunchChecks.port(wanted: nil)
            return Finding(
                name: "ports", verdict: .good, text: "ranks can listen (tried with port \(port))")
        } catch {
            return Finding(
                name: "ports", verdict: .bad, text: error.summary,
                advice: "ranks meet on a TCP port of this host; look at its sandbox or firewall")
        }
    }
}
