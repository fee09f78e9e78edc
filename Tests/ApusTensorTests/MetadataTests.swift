import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite struct MetadataTests {
    @Test func describesItself() {
        let x = Tensor.zeros([2, 3], dtype: .bfloat16)
        #expect(x.shape == [2, 3])
        #expect(x.rank == 2)
        #expect(x.strides == [3, 1])
        #expect(x.size(-1) == 3)
        #expect(x.elementCount == 6)
        #expect(x.byteCount == 12)
        #expect(x.dtype == .bfloat16)
        #expect(x.device == .cpu)
        #expect(x.isContiguous)
        #expect(!x.transposed.isContiguous)
        #expect(!x.isPinned)
        #expect(x.isDefined)
    }

    @Test func scalarsHaveNoDimensions() {
        let x = Tensor.scalar(2.5)
        #expect(x.shape == [])
        #expect(x.elementCount == 1)
        #expect(x.item() == 2.5)
    }

    @Test(arguments: DType.allCases) func knowsEveryElementType(_ dtype: DType) {
        let x = Tensor.ones([3], dtype: dtype)
        #expect(x.dtype == dtype)
        #expect(x.byteCount == 3 * dtype.byteCount)
        #expect(x.ints() == [1, 1, 1])
    }

    @Test func memoryIsThatOfTheElements() throws {
        let x = Tensor([1, 2, 3] as [Float])
        let memory = try #require(x.hostMemory)
        #expect(Array(memory.bindMemory(to: Float.self)) == [1, 2, 3])
        memory.storeBytes(of: 7, toByteOffset: 4, as: Float.self)
        #expect(x.floats() == [1, 7, 3])
        #expect(Tensor.zeros([2, 3]).transposed.hostMemory == nil)
    }

    @Test func printsWhatItHolds() {
        #expect("\(Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]))"
            == "float32[2, 2] [[1.0, 2.0], [3.0, 4.0]]")
        #expect("\(Tensor([true, false]))" == "bool[2] [true, false]")
        #expect("\(Tensor.scalar(3, dtype: .int64))" == "int64[] 3")
        #expect("\(Tensor.arange(0, 10, dtype: .int32))" == "int32[10] [0, 1, 2, ..., 7, 8, 9]")
        #expect("\(Tensor.zeros([100, 100]))" == "float32[100, 100]")
        #expect("\(Tensor.zeros([0, 2]))" == "float32[0, 2] []")
        #expect("\(Tensor.full([2], 0.1, dtype: .float64))" == "float64[2] [0.1, 0.1]")
    }

    @Test func undefinedTensorsAreHarmless() throws {
        var broken: Tensor?
        #expect(tensorError { broken = Tensor.zeros([2]).matmul(Tensor.zeros([3])) } != nil)
        let x = try #require(broken)
        #expect(!x.isDefined)
        #expect(x.shape == [] && x.strides == [] && x.rank == 0 && x.elementCount == 0)
        #expect(x.dtype == .float32 && x.device == .cpu && x.hostMemory == nil)
        #expect(!x.isContiguous && !x.isPinned && !x.requiresGradient && x.isLeaf)
        #expect(x.storageOffset == 0 && x.storageByteCount == 0 && !x.isFreed)
        #expect(!x.sharesStorage(with: x))
        #expect("\(x)" == "undefined tensor")
    }
}
