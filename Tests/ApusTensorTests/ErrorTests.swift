import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite struct ErrorTests {
    @Test func aMismatchNamesOperationAndShapes() {
        let error = tensorError { _ = Tensor.zeros([8, 512]).matmul(Tensor.zeros([511, 64])) }
        #expect(error?.code == .invalidArgument)
        let summary = error?.summary ?? ""
        #expect(summary.hasPrefix("matmul: "))
        #expect(summary.contains("float32[8, 512], float32[511, 64]"))
        #expect(!summary.contains("Exception raised from"), "no C++ backtrace")
    }

    @Test func exhaustedMemoryIsItsOwnCode() {
        let error = tensorError { _ = Tensor.empty([1 << 50]) }
        #expect(error?.code == .outOfMemory)
        #expect(error?.remedy?.contains("micro_batch_size") == true)
        #expect(error?.summary.hasPrefix("empty: DefaultCPUAllocator: can't allocate") == true)
    }

    @Test func theFirstFailureIsTold() {
        let x = Tensor.zeros([2])
        let error = tensorError {
            let broken = x.reshape(3)
            let worse = (broken + x).matmul(broken)
            worse.addInPlace(1)
            #expect(worse.item().isNaN)
            #expect(worse.intItem() == 0)
            #expect(worse.floats() == [])
            worse.backward()
            worse.gradient = worse
            #expect(worse.split([1, 1]).count == 2)
            #expect(worse.size(3) == 0)
        }
        #expect(error?.summary.hasPrefix("reshape: ") == true)
    }

    @Test func scopesNest() {
        let x = Tensor.zeros([2])
        let outer = tensorError {
            _ = x.reshape(3)
            let inner = tensorError { _ = x.matmul(Tensor.zeros([3])) }
            #expect(inner?.summary.hasPrefix("matmul: ") == true)
            #expect(tensorError { _ = x + 1 } == nil)
        }
        #expect(outer?.summary.hasPrefix("reshape: ") == true)
    }

    @Test func aFailureThatWasCaughtLeavesTheScopeAroundUnharmed() {
        let x = Tensor.zeros([2])
        let outer = tensorError {
            #expect(tensorError { _ = x.reshape(3) } != nil)
            #expect((x + 1).sum().item() == 2)
        }
        #expect(outer == nil)
    }

    struct OwnError: Error {}

    @Test func otherErrorsPass() {
        #expect(throws: OwnError.self) { try catchingTensorErrors { throw OwnError() } }
        // What failed first is the cause of what came after it.
        #expect(throws: TensorError.self) {
            try catchingTensorErrors {
                _ = Tensor.zeros([2]).reshape(3)
                throw OwnError()
            }
        }
    }

    @Test func misuseStopsTheProgramWithASentence() async {
        let result = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            _ = Tensor.zeros([8, 512]).matmul(Tensor.zeros([511, 64]))
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("matmul: "))
        #expect(message.contains("float32[8, 512], float32[511, 64]"))
    }

    @Test func afterAScopeMisuseStopsTheProgramAgain() async {
        await #expect(processExitsWith: .failure) {
            _ = try? catchingTensorErrors { Tensor.zeros([2]).reshape(3) }
            _ = Tensor.zeros([2]).reshape(3)
        }
    }
}
