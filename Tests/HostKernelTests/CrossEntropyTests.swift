import ApusBase
import CApusHost
import Glibc
import Testing

@Suite("Cross-entropy") struct CrossEntropyTests {
    private struct Result: Equatable {
        let losses, gradient: [Double]
    }

    private func run(
        _ logits: [Float], labels: [Int64], smoothing: Float = 0,
        format: apus_float_format = APUS_FLOAT32
    ) -> Result {
        let memory = KernelMemory(logits, format)
        let losses = KernelMemory(zeros: labels.count)
        let logSumExps = KernelMemory(zeros: labels.count)
        labels.withUnsafeBufferPointer { labels in
            let task = apus_loss_task(
                rows: labels.count, classes: logits.count / labels.count,
                labels: labels.baseAddress, ignored_label: -100, smoothing: smoothing)
            apus_cross_entropy_forward(task, losses.pointer, logSumExps.pointer, memory.floats)
            // In place, as models do it.
            apus_cross_entropy_backward(
                task, memory.mutable, memory.floats, logSumExps.pointer, 0.5, nil)
        }
        return Result(losses: losses.doubles, gradient: memory.doubles)
    }

    @Test("Agrees with double precision", arguments: 0..<3, [Float(0), 0.1])
    func reference(format index: Int, smoothing: Float) {
        let (format, tolerance) = formats[index]
        for classes in [3, 64, 2500] {
            var random = SplitMix64(seed: UInt64(classes))
            let logits = random.memory(3 * classes, format, in: -9...9)
            let labels: [Int64] = [Int64(classes - 1), 0, 1]
            let found = run(logits.values, labels: labels, smoothing: smoothing, format: format)
            for row in 0..<3 {
                let x = Array(logits.doubles[row * classes..<(row + 1) * classes])
                let logSumExp = log(x.reduce(0) { $0 + exp($1) })
                let spread = logSumExp - x.reduce(0, +) / Double(classes)
                let hit = logSumExp - x[Int(labels[row])]
                let loss = hit + Double(smoothing) * (spread - hit)
                #expect(abs(found.losses[row] - loss) <= 2e-6 * max(1, loss))
                let gradient = x.enumerated().map { column, value in
                    let target = column == Int(labels[row]) ? 1 - Double(smoothing) : 0
                    let share = Double(smoothing) / Double(classes)
                    return 0.5 * (exp(value - logSumExp) - target - share)
                }
                let rows = Array(found.gradient[row * classes..<(row + 1) * classes])
                #expect(deviation(rows, gradient) <= tolerance)
            }
        }
    }

    @Test("Ignored rows have neither loss nor gradient")
    func ignored() {
        let result = run([1, 2, 3, 4], labels: [-100, 1])
        #expect(result.losses[0] == 0)
        #expect(Array(result.gradient.prefix(2)) == [0, 0])
        #expect(result.losses[1] > 0)
    }

    @Test("Large and infinite logits neither overflow nor lose the answer")
    func extremes() {
        let result = run([1e30, -.infinity, 0, 900, 899, -.infinity], labels: [0, 1])
        #expect(result.losses[0] == 0)
        #expect(abs(result.losses[1] - log(1 + exp(1))) < 1e-6)
        #expect(result.gradient.allSatisfy { $0.isFinite })
        #expect(run([.nan, 0], labels: [0]).losses[0].isNaN)
    }

    @Test("The same bits with every instruction set", arguments: 0..<3)
    func instructionSets(format index: Int) {
        var random = SplitMix64(seed: 4)
        let logits = random.floats(2 * 1333, in: -20...20)
        let results = outcomes {
            run(logits, labels: [7, 1332], smoothing: 0.1, format: formats[index].format)
        }
        #expect(allEqual(results))
    }

    @Test("A label outside the classes is found")
    func labels() {
        for (labels, broken) in [([0, 5, 1], 1), ([-1], 0), ([0, -100, 2], nil as Int?)] {
            labels.map { Int64($0) }.withUnsafeBufferPointer { labels in
                let task = apus_loss_task(
                    rows: labels.count, classes: 3, labels: labels.baseAddress,
                    ignored_label: -100, smoothing: 0)
                var row = 0
                let isValid = apus_labels_valid(task, &row) == 1
                #expect(isValid == (broken == nil))
                if let broken { #expect(row == broken) }
            }
        }
    }
}
