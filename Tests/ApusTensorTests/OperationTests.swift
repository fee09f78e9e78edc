import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

/// Every operation against PyTorch, results and gradients.
@Suite struct OperationTests {
    static let cases = Result { try OperationCase.all() }

    @Test func everyCaseHasAnOperationAndTheOtherWayRound() throws {
        let recorded = Set(try Self.cases.get().map(\.name))
        let known = Set(operations.keys)
        #expect(recorded.subtracting(known) == [])
        #expect(known.subtracting(recorded) == [])
    }

    @Test(arguments: (try? cases.get()) ?? [])
    func equalsPyTorch(_ golden: OperationCase) throws {
        let operation = try #require(operations[golden.name])
        let inputs = golden.makeInputs()
        let outputs = operation(inputs)
        let expected = golden.expectedOutputs()
        #expect(outputs.count == expected.count)
        for (output, expected) in zip(outputs, expected) {
            #expect(output.dtype == expected.dtype)
            if expected.dtype.isFloatingPoint {
                expectClose(output, expected, tolerance: 2e-5)
            } else {
                expectIdentical(output, expected)
            }
        }
        let gradients = golden.expectedGradients()
        guard !gradients.isEmpty else { return }
        let weight = Tensor.arange(Double(outputs[0].elementCount)).cos()
        (outputs[0] * weight.reshape(outputs[0].shape)).sum().backward()
        for (input, expected) in zip(inputs, gradients) {
            guard let expected else { continue }
            expectClose(try #require(input.gradient), expected, tolerance: 5e-5, "gradient")
        }
    }
}
