import ApusBase
import CApusHost
import Testing

@Suite("Root-mean-square normalisation") struct NormalizationTests {
    private static let rows = 3, epsilon: Float = 1e-5

    /// One forward and backward over memory of a format; the columns decide about tiles and tails.
    private struct Run {
        let input, residual, weight, outputGradient, extraGradient: KernelMemory
        let sum, output, inputGradient: KernelMemory
        let inverse, weightGradient: KernelMemory

        init(_ format: apus_float_format, columns: Int, withResidual: Bool) {
            var random = SplitMix64(seed: UInt64(columns))
            let rows = NormalizationTests.rows, count = rows * columns
            input = random.memory(count, format)
            residual = random.memory(count, format)
            weight = random.memory(columns, format)
            outputGradient = random.memory(count, format)
            extraGradient = random.memory(count, format)
            sum = KernelMemory(zeros: count, format)
            output = KernelMemory(zeros: count, format)
            inputGradient = KernelMemory(zeros: count, format)
            inverse = KernelMemory(zeros: rows)
            weightGradient = KernelMemory(zeros: columns)
            let norm = apus_norm_task(
                rows: rows, columns: columns, epsilon: NormalizationTests.epsilon)
            let none = apus_floats(data: nil, format: format)
            apus_rms_norm_forward(
                norm, output.mutable, inverse.pointer, input.floats,
                withResidual ? residual.floats : none, sum.mutable, weight.floats)
            apus_rms_norm_backward(
                norm, inputGradient.mutable, weightGradient.pointer, outputGradient.floats,
                withResidual ? extraGradient.floats : none,
                withResidual ? sum.floats : input.floats, inverse.pointer, weight.floats)
        }

        var results: [[Float]] {
            [sum.values, output.values, inputGradient.values, weightGradient.values]
        }
    }

    @Test("Agrees with double precision", arguments: 0..<3, [false, true])
    func reference(format index: Int, withResidual: Bool) {
        let (format, tolerance) = formats[index]
        for columns in [5, 48, 1500] {
            let run = Run(format, columns: columns, withResidual: withResidual)
            var weightGradient = [Double](repeating: 0, count: columns)
            for row in 0..<NormalizationTests.rows {
                let range = row * columns..<(row + 1) * columns
                let x = Array((withResidual ? run.sum : run.input).doubles[range])
                let w = run.weight.doubles, dy = Array(run.outputGradient.doubles[range])
                if withResidual {
                    let exact = zip(run.input.doubles[range], run.residual.doubles[range])
                    #expect(deviation(x, exact.map { $0 + $1 }) <= tolerance)
                }
                let mean = x.reduce(0) { $0 + $1 * $1 } / Double(columns)
                let inverse = 1 / (mean + Double(NormalizationTests.epsilon)).squareRoot()
                let output = zip(x, w).map { $0 * inverse * $1 }
                // The normalised value is rounded once more before the weight.
                let forward = deviation(Array(run.output.doubles[range]), output)
                #expect(forward <= 2 * tolerance)
                let product = (0..<columns).reduce(0) { $0 + dy[$1] * w[$1] * x[$1] }
                let pull = product * inverse * inverse * inverse / Double(columns)
                let extra = Array(run.extraGradient.doubles[range])
                let gradient = (0..<columns).map {
                    dy[$0] * w[$0] * inverse - x[$0] * pull + (withResidual ? extra[$0] : 0)
                }
                let backward = deviation(Array(run.inputGradient.doubles[range]), gradient)
                #expect(backward <= tolerance)
                for i in 0..<columns { weightGradient[i] += dy[i] * x[i] * inverse }
            }
            #expect(deviation(run.weightGradient.doubles, weightGradient) <= 2e-6)
        }
    }

    @Test("The same bits with every instruction set", arguments: 0..<3)
    func instructionSets(format index: Int) {
        let results = outcomes {
            Run(formats[index].format, columns: 1037, withResidual: true).results
        }
        #expect(allEqual(results))
    }
}
