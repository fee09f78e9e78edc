import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite struct ArithmeticTests {
    let tokens = Tensor([7, 8, 9])

    @Test func wholeNumbersLeaveIntegersIntegers() {
        #expect((tokens + 1).dtype == .int64)
        #expect((tokens + 1).ints() == [8, 9, 10])
        #expect((1 - tokens).ints() == [-6, -7, -8])
        #expect((tokens * 2).dtype == .int64)
        #expect(tokens.maximum(8).dtype == .int64)
        #expect(tokens.remainder(dividingBy: 4).ints() == [3, 0, 1])
        #expect(tokens.clamp(min: 8).dtype == .int64)
        #expect(tokens.maskedFill(tokens.isGreater(than: 8), -100).ints() == [7, 8, -100])
    }

    @Test func fractionsMakeFloats() {
        #expect((tokens + 0.5).dtype == .float32)
        #expect((tokens + 0.5).floats() == [7.5, 8.5, 9.5])
        #expect(tokens.maximum(8.5).floats() == [8.5, 8.5, 9])
        #expect((tokens / 2).floats() == [3.5, 4, 4.5])
        #expect((2 / Tensor([4, 8])).floats() == [0.5, 0.25])
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, 9.3e18])
    func numbersBeyondIntegersDoNoHarm(_ value: Double) {
        let sum = tokens + value
        #expect(sum.dtype == .float32)
    }

    @Test func numbersKeepTheTypeOfFloats() {
        for dtype in [DType.bfloat16, .float16, .float32, .float64] {
            let x = Tensor.ones([2], dtype: dtype)
            #expect((x * 0.5).dtype == dtype && (1 - x).dtype == dtype && (2 / x).dtype == dtype)
        }
    }

    @Test func typesArePromoted() {
        #expect((Tensor.ones([1], dtype: .bfloat16) + Tensor.ones([1])).dtype == .float32)
        #expect((tokens + Tensor.ones([3])).dtype == .float32)
        #expect((Tensor([true]) + Tensor([1])).dtype == .int64)
    }

    @Test func assignmentMakesANewTensor() {
        let a = Tensor.ones([2])
        var b = a
        b += a
        b *= b
        b -= a
        b /= b
        #expect(a.floats() == [1, 1] && b.floats() == [1, 1])
        #expect(!b.sharesStorage(with: a))
    }

    @Test func inPlaceIsSeenByAll() {
        let a = Tensor([1, 2] as [Float])
        let b = a
        a.addInPlace(Tensor([10, 10] as [Float]), alpha: 2)
        a.subtractInPlace(Tensor([1, 1] as [Float]), alpha: 3)
        a.multiplyInPlace(Tensor([1, 2] as [Float]))
        a.multiplyInPlace(0.5)
        a.divideInPlace(Tensor([9, 19] as [Float]))
        a.addInPlace(1)
        #expect(b.floats() == [2, 2])
        let counts = Tensor([5])
        counts.addInPlace(Tensor([2]), alpha: 3)
        #expect(counts.intItem() == 11)
    }

    @Test func wholeTensorsCompare() {
        let a = Tensor([1, 2] as [Float])
        #expect(a.isSame(as: a.clone()))
        #expect(!a.isSame(as: a.reshape(1, 2)))
        #expect(a.isClose(to: a + 1e-6))
        #expect(!a.isClose(to: a + 1e-3))
        #expect(a.isClose(to: a + 1e-3, absolute: 1e-2))
        let broken = Tensor.full([2], .nan)
        #expect(!broken.isSame(as: broken) && !broken.isClose(to: broken))
    }

    @Test func listsInOneCall() {
        let list = [Tensor([1, 2] as [Float]), Tensor.full([2, 2], 3)]
        list.addInPlace([Tensor.ones([2]), Tensor.ones([2, 2])], alpha: 2)
        #expect(list[0].floats() == [3, 4])
        list.multiplyInPlace([Tensor.full([2], 2), Tensor.full([2, 2], 2)])
        list.divideInPlace([Tensor.full([2], 4), Tensor.full([2, 2], 5)])
        #expect(list[0].floats() == [1.5, 2] && list[1].floats() == [2, 2, 2, 2])
        #expect(list.norms().map { $0.item() } == [2.5, 4])
        list.interpolateInPlace(to: [Tensor.zeros([2]), Tensor.zeros([2, 2])], weight: 0.5)
        list.multiplyInPlace(4)
        list.addInPlace(-4)
        #expect(list[0].floats() == [-1, 0] && list[1].sum().item() == 0)
        list.copyInPlace(from: [Tensor.ones([2], dtype: .int64), Tensor.eye(2)])
        #expect(list[0].floats() == [1, 1] && list[1].floats() == [1, 0, 0, 1])
        list.zeroInPlace()
        #expect(list[1].sum().item() == 0)
        let none: [Tensor] = []
        none.zeroInPlace()
        none.addInPlace(none)
        #expect(none.norms().isEmpty)
    }

    @Test func listFailuresNameTheShapes() {
        let error = tensorError { [Tensor.ones([2])].addInPlace([Tensor.ones([3])]) }
        #expect(error?.summary.contains("float32[2], float32[3]") == true)
    }
}
