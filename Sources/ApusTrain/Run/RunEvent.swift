public import ApusBase

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What a run tells whoever started it: the lines of the event stream.
public enum RunEvent: Sendable {
    case phase(String, detail: String? = nil)
    /// The run goes on from a checkpoint: steps after this one that were reported before count no
    /// more.
    case resumed(step: Int, path: String, restored: String)
    case start(steps: Int, ranks: Int, parameters: Int, trainedTokensPerEpoch: Int)
    case step(StepRecord)
    case evaluation(step: Int, loss: Double)
    case sample(isAfter: Bool, prompt: String, text: String)
    case saved(path: String)
    /// Something worth knowing that lasts on the screen.
    case note(String)
    case warning(String)
    case error(rank: Int, message: String)
    case done(RunSummary)
}

/// How a run ended.
public struct RunSummary: Sendable, Hashable {
    public var steps: Int
    public var seconds: Double
    public var lossBefore: Double?
    public var lossAfter: Double?
    public var path: String
    public var wasInterrupted = false
}

extension RunEvent {
    public var json: JSON {
        switch self {
        case .phase(let name, let detail):
            var object: JSONObject = ["event": "phase", "name": .string(name)]
            object["detail"] = detail.map { .string($0) }
            return .object(object)
        case .resumed(let step, let path, let restored):
            return [
                "event": "resumed", "step": .integer(step), "path": .string(path),
                "restored": .string(restored),
            ]
        case .start(let steps, let ranks, let parameters, let tokens):
            return [
                "event": "start", "steps": .integer(steps), "ranks": .integer(ranks),
                "parameters": .integer(parameters), "trainable_tokens_per_epoch": .integer(tokens),
            ]
        case .step(let record): return record.event
        case .evaluation(let step, let loss):
            return ["event": "eval", "step": .integer(step), "eval_loss": .number(loss)]
        case .sample(let isAfter, let prompt, let text):
            return [
                "event": "sample", "when": isAfter ? "after" : "before", "prompt": .string(prompt),
                "text": .string(text),
            ]
        case .saved(let path): return ["event": "saved", "path": .string(path)]
        case .note(let text): return ["event": "note", "text": .string(text)]
        case .warning(let message): return ["event": "warning", "message": .string(message)]
        case .error(let rank, let message):
            return ["event": "error", "rank": .integer(rank), "message": .string(message)]
        case .done(let summary): return summary.event
        }
    }
}

extension RunSummary {
    fileprivate var event: JSON {
        [
            "event": "done", "steps": .integer(steps), "seconds": .number(seconds),
            "eval_loss_before": lossBefore.map { .number($0) } ?? .null,
            "eval_loss_after": lossAfter.map { .number($0) } ?? .null, "path": .string(path),
            "interrupted": .bool(wasInterrupted),
        ]
    }
}

extension StepRecord {
    /// One line of metrics.jsonl.
    public var metrics: JSONObject {
        [
            "step": .integer(step), "epoch": .number(epoch), "loss": .number(loss),
            "learning_rate": .number(learningRate),
            "grad_norm": gradientNorm.map { .number($0) } ?? .null,
            "tokens": .integer(trainedTokens), "tokens_per_second": .number(tokensPerSecond),
            "step_seconds": .number(seconds),
            "peak_memory_bytes": .integer(peakMemory.max() ?? 0),
        ]
    }

    fileprivate var event: JSON {
        var object: JSONObject = ["event": "step"]
        for (key, value) in metrics.members { object[key] = value }
        object["memory_bytes_per_rank"] = .array(peakMemory.map { .integer($0) })
        return .object(object)
    }
}

/// Where events go: one JSON object a line, into the descriptor that the launcher opened, and in
/// words into the rank's log.
public final class EventStream {
    private let descriptor: Int32?
    private let log: RankLog?

    /// - descriptor: nil on ranks but the first, and in runs without a launcher
    public init(descriptor: Int32?, log: RankLog? = nil) {
        self.descriptor = descriptor
        self.log = log
    }

    public func send(_ event: RunEvent) {
        if let log, let line = event.logLine { log.write(line) }
        guard let descriptor else { return }
        var line = event.json.text() + "\n"
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = write(descriptor, rest.baseAddress, rest.count)
                // A launcher that is gone reads no events; the ranks die with it by other means.
                guard count > 0 || errno == EINTR else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(max(count, 0)))
            }
        }
    }
}
