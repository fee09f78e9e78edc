public import ApusBase
public import ApusComm
internal import ApusModels
internal import ApusNN
internal import ApusOptim
public import ApusShard
internal import ApusTensor
internal import ApusZeRO

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Training steps of a Llama of any size on made-up tokens: the workload of `Benchmarks/README.md`,
/// which other systems run too.
public struct TrainingBenchmark {
    public struct Options: Sendable {
        public var hidden = 384
        public var layers = 10
        public var heads = 6
        public var intermediate = 1024
        public var vocabulary = 8192
        public var sequence = 256
        public var steps = 20
        /// `fp32`, `bf16` or `fp16`.
        public var dtype = "fp32"
        /// Micro-batches of each rank in a step.
        public var accumulation = 1
        public var sharding = ShardingPolicy()
        /// A model folder with initial weights; nil: random ones.
        public var weights: String?

        public init() {}
    }

    private let options: Options
    private let group: any ProcessGroup

    public init(_ options: Options, group: any ProcessGroup) {
        self.options = options
        self.group = group
    }

    /// Runs all steps; the figures are rank 0's, memory every rank's.
    public func run() throws -> JSON {
        let trained = try makeModel()
        let clock = ContinuousClock()
        var seconds: [Double] = []
        var losses: [Double] = []
        var firstStepAt = 0.0
        for step in 0..<options.steps {
            let began = clock.now
            let loss = try self.step(step, trained)
            seconds.append((clock.now - began).seconds)
            if step == 0 { firstStepAt = secondsSince1970() }
            losses.append(try mean(loss))
        }
        let peak = HostMemoryFigures.current?.peakResidentBytes ?? 0
        let memory = try group.gathered([Double(peak)], label: "peak memory").map { $0[0] }
        let steady = seconds.count > 3 ? Array(seconds.dropFirst(3)) : seconds
        let median = steady.sorted()[steady.count / 2]
        return [
            "system": .string("apus-\(options.sharding.strategy.rawValue)"),
            "dtype": .string(options.dtype),
            "world": .integer(group.worldSize), "threads": .integer(Runtime.threadCount),
            "steps": .integer(options.steps),
            "parameters": .integer(trained.model.store.elementCount),
            "tokens_per_s": .number(Double(tokensPerStep) / median),
            "step_s_median": .number(median), "step_s_min": .number(steady.min() ?? median),
            "step_s_first": .number(seconds[0]),
            "hwm_mb": .array(memory.map { .number($0 / 1_048_576) }),
            "first_step_at": .number(firstStepAt), "losses": .array(losses.map { .number($0) }),
            "backend": .string(group.backend), "state_mb": trained.engine.stateBytes.json,
            "mb_moved_per_step": .number(
                Double(trained.engine.movedBytes) / Double(options.steps) / 1_048_576),
        ]
    }

    private var tokensPerStep: Int {
        options.sequence * group.worldSize * options.accumulation
    }

    private func mean(_ loss: Double) throws -> Double {
        let all = try group.gathered([loss], label: "loss")
        return all.reduce(0) { $0 + $1[0] } / Double(all.count)
    }

    private func makeModel() throws -> TrainedModel {
        let source = try options.weights.map { try PretrainedModel(path: $0) }
        let family = try source?.family ?? ModelFamily(configuration: configuration, path: "bench")
        var engine = EngineOptions()
        engine.precision = precision
        engine.rule = AdamW(beta1: 0.9, beta2: 0.95)
        engine.weightDecay = 0.1
        engine.decaysEverything = true
        engine.sharding = options.sharding
        engine.maximumGradientNorm = 1
        let place = try ComputeDevice.current(beside: group)
        let trained = try TrainedModel(
            family.makeModel(), options: engine, group: group, on: place)
        if let source {
            _ = try trained.load(from: source)
        } else {
            try trained.initialize(seed: 1234)
        }
        return trained
    }

    private var precision: PrecisionPolicy {
        switch options.dtype {
        case "bf16": .bfloat16
        case "fp16": .float16
        default: .float32
        }
    }

    private var configuration: JSON {
        [
            "model_type": "llama", "vocab_size": .integer(options.vocabulary),
            "hidden_size": .integer(options.hidden), "num_hidden_layers": .integer(options.layers),
            "num_attention_heads": .integer(options.heads), "rms_norm_eps": 1e-5,
            "intermediate_size": .integer(options.intermediate),
        ]
    }

    /// One optimizer step; this rank's mean loss.
    private func step(_ step: Int, _ trained: TrainedModel) throws -> Double {
        let predicted = (options.sequence - 1) * options.accumulation
        try trained.engine.beginWindow(
            gradientScale: 1 / Double(predicted * group.worldSize))
        var total = 0.0
        for microStep in 0..<options.accumulation {
            let tokens = tokens(
                step * options.accumulation + microStep, on: trained.engine.options.device)
            let loss = try Trace.shared.span("micro-batch", .forward) {
                try trained.engine.computing {
                    trained.model.lossSum(
                        tokens: tokens, labels: tokens, SequenceContext(isTraining: true))
                }
            }
            try trained.engine.backward(loss, isLast: microStep == options.accumulation - 1)
            total += loss.detached().item()
        }
        _ = try trained.engine.step(learningRate: 3e-4)
        return total / Double(predicted)
    }

    /// This rank's sequence of a micro-step, counted over all steps.
    private func tokens(_ microStep: Int, on device: Device) -> Tensor {
        let ids = MadeUpTokens.sequence(
            microStep * group.worldSize + group.rank, length: options.sequence,
            vocabulary: options.vocabulary)
        return Tensor(ids, shape: [1, options.sequence]).to(device: device)
    }

    private func secondsSince1970() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

extension StateBytes {
    /// In MiB.
    fileprivate var json: JSON {
        func mebibytes(_ bytes: Int) -> JSON { .number(Double(bytes) / 1_048_576) }
        return [
            "parameters": mebibytes(parameters), "masters": mebibytes(masters),
            "gradients": mebibytes(gradients), "moments": mebibytes(moments),
            "gradient_buffers": mebibytes(gradientBuffers),
        ]
    }
}

/// Tokens that every system can make with integer arithmetic alone, with something to learn in
/// them.
enum MadeUpTokens {
    static func sequence(_ number: Int, length: Int, vocabulary: Int) -> [Int] {
        var tokens: [Int] = []
        for position in 0..<length {
            let state = UInt64(1234) << 40 &+ UInt64(number * 256 + position)
            var generator = SplitMix64(seed: state)
            let word = generator.next()
            let x = word & 8191
            let isFresh = position == 0 || (word >> 20) & 3 == 0
            let token = isFresh ? Int((x * x * x) >> 26) : 5 * tokens[position - 1] + 17
            tokens.append(token % vocabulary)
        }
        return tokens
    }
}
