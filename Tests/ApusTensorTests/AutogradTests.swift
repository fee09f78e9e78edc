import ApusTensor
import ApusTestSupport
import Testing

@Suite struct AutogradTests {
    @Test func backwardAccumulates() {
        let x = Tensor([1, 2, 3] as [Float]).requiringGradient()
        #expect(x.requiresGradient && x.isLeaf && x.gradient == nil)
        let y = x * x
        #expect(!y.isLeaf && y.requiresGradient)
        y.sum().backward()
        #expect(x.gradient?.floats() == [2, 4, 6])
        (x * 3).backward(gradient: Tensor([1, 0, 1] as [Float]))
        #expect(x.gradient?.floats() == [5, 4, 9])
        x.gradient = nil
        #expect(x.gradient == nil)
    }

    @Test func gradientsCanBeGiven() {
        let x = Tensor.ones([2]).requiringGradient()
        x.gradient = Tensor([5, 5] as [Float])
        x.sum().backward()
        #expect(x.gradient?.floats() == [6, 6])
        #expect(tensorError { x.gradient = Tensor.ones([3]) } != nil)
        #expect(x.gradient?.floats() == [6, 6])
    }

    @Test func gradientsLeaveLeavesAlone() {
        let x = Tensor([3] as [Float]).requiringGradient()
        let unused = Tensor([1] as [Float]).requiringGradient()
        let y = x * x * x
        let first = gradients(of: [y], withRespectTo: [x, unused], createGraph: true)
        #expect(first[0]?.item() == 27)
        #expect(first[1] == nil)
        #expect(x.gradient == nil)
        let second = gradients(of: [first[0]!], withRespectTo: [x])
        #expect(second[0]?.item() == 18)
        let weighted = gradients(
            of: [x * 2], weightedBy: [Tensor([10] as [Float])], withRespectTo: [x])
        #expect(weighted[0]?.item() == 20)
    }

    @Test func aSecondBackwardNeedsTheGraph() {
        let x = Tensor([3] as [Float]).requiringGradient()
        let y = (x * x).sum()
        y.backward(retainGraph: true)
        y.backward()
        #expect(x.gradient?.item() == 12)
        let error = tensorError { y.backward() }
        #expect(error?.summary.contains("second time") == true)
    }

    @Test func recordingCanBeSwitchedOff() {
        let x = Tensor.ones([2]).requiringGradient()
        #expect(isGradientEnabled)
        withoutGradient {
            #expect(!isGradientEnabled)
            #expect(!(x * 2).requiresGradient)
            withGradient(enabled: true) { #expect((x * 2).requiresGradient) }
            #expect(!isGradientEnabled)
        }
        #expect(isGradientEnabled)
        #expect(!x.detached().requiresGradient)
        x.requiringGradient(false)
        #expect(!x.requiresGradient)
    }

    struct Stop: Error {}

    @Test func recordingReturnsAfterAnError() {
        #expect(throws: Stop.self) { try withoutGradient { throw Stop() } }
        #expect(isGradientEnabled)
    }

    @Test func onlyFloatsHaveGradients() {
        #expect(tensorError { Tensor([1]).requiringGradient() } != nil)
    }
}

@Suite struct GradientHookTests {
    @Test func firesOnceAfterAccumulation() {
        let x = Tensor([2] as [Float]).requiringGradient()
        var seen: [Double] = []
        x.onGradientAccumulated { seen.append(x.gradient!.item()) }
        // A tied parameter: used twice, accumulated once.
        ((x * 3) + (x * 4)).sum().backward()
        #expect(seen == [7])
        (x * 1).sum().backward()
        #expect(seen == [7, 8])
    }

    @Test func mayTakeTheGradientAway() {
        let x = Tensor([2] as [Float]).requiringGradient()
        var taken: [Double] = []
        x.onGradientAccumulated {
            taken.append(x.gradient!.item())
            x.gradient = nil
        }
        (x * 3).sum().backward()
        (x * 4).sum().backward()
        #expect(taken == [3, 4])
    }

    struct Trouble: Error, CustomStringConvertible {
        var description: String { "rank 3 is gone" }
    }

    @Test func anErrorMakesBackwardFail() {
        let x = Tensor([2] as [Float]).requiringGradient()
        x.onGradientAccumulated { throw Trouble() }
        let error = tensorError { (x * 3).sum().backward() }
        #expect(error?.code == .callbackFailed)
        #expect(error?.summary.contains("gradient hook: rank 3 is gone") == true)
        x.onGradientAccumulated {}
        #expect(tensorError { (x * 3).sum().backward() } == nil)
    }

    @Test func aTensorFailureInAHookIsToldOutside() {
        let x = Tensor([2] as [Float]).requiringGradient()
        x.onGradientAccumulated { _ = Tensor.empty([1 << 50]) }
        let error = tensorError { (x * 3).sum().backward() }
        #expect(error?.code == .outOfMemory)
    }

    final class Witness {}

    @Test func isReleasedWithTheLeafOrItsSuccessor() {
        weak var first: Witness?
        weak var second: Witness?
        do {
            let x = Tensor([2] as [Float]).requiringGradient()
            do {
                let witness = Witness()
                first = witness
                x.onGradientAccumulated { _ = witness }
            }
            #expect(first != nil)
            do {
                let witness = Witness()
                second = witness
                x.onGradientAccumulated { _ = witness }
            }
            #expect(first == nil && second != nil)
        }
        #expect(second == nil)
    }

    @Test func belongsToLeaves() {
        let x = Tensor([2] as [Float]).requiringGradient()
        #expect(tensorError { (x * 2).onGradientAccumulated {} } != nil)
    }
}
