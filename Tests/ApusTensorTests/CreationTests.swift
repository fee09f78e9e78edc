import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite struct CreationTests {
    @Test func fills() {
        #expect(Tensor.full([2, 2], 1.5).floats() == [1.5, 1.5, 1.5, 1.5])
        #expect(Tensor.ones([2], dtype: .int32).ints() == [1, 1])
        #expect(Tensor.zeros([]).floats() == [0])
        #expect(Tensor.empty([3, 4]).shape == [3, 4])
        #expect(Tensor.zeros([0]).floats() == [])
    }

    @Test func takesAfterAnother() {
        let x = Tensor.full([2, 3], 4, dtype: .float64)
        #expect(x.zerosLike().doubles() == Array(repeating: 0, count: 6))
        #expect(x.onesLike().dtype == .float64)
        #expect(x.filledLike(-1).sum().item() == -6)
        #expect(x.emptyLike().shape == [2, 3])
    }

    @Test func counts() {
        #expect(Tensor.arange(4).floats() == [0, 1, 2, 3])
        #expect(Tensor.arange(1, 2, step: 0.25).floats() == [1, 1.25, 1.5, 1.75])
        #expect(Tensor.arange(5, 0, step: -2, dtype: .int64).ints() == [5, 3, 1])
        #expect(Tensor.linspace(0, 1, count: 5).floats() == [0, 0.25, 0.5, 0.75, 1])
        #expect(Tensor.eye(2).floats() == [1, 0, 0, 1])
        #expect(Tensor.eye(2, 3, dtype: .int64).ints() == [1, 0, 0, 0, 1, 0])
    }

    @Test func copiesElements() {
        #expect(Tensor([1, 2] as [Int32]).dtype == .int32)
        #expect(Tensor([1, 2, 3] as [Int], shape: [3, 1]).shape == [3, 1])
        #expect(Tensor([] as [Float]).shape == [0])
        let bytes: [UInt8] = [0, 60, 0, 64]  // 1 and 2 in float16
        let x = bytes.withUnsafeBytes { Tensor(copying: $0, shape: [2], dtype: .float16) }
        #expect(x.floats() == [1, 2])
    }

    @Test func refusesTheWrongNumberOfElements() {
        let error = tensorError { _ = Tensor([1, 2, 3] as [Float], shape: [2, 2]) }
        #expect(error?.summary.contains("16 bytes, 12 were given") == true)
    }

    final class Owner {
        let memory: UnsafeMutableRawPointer
        init() { memory = .allocate(byteCount: 16, alignment: 16) }
        deinit { memory.deallocate() }
    }

    @Test func usesMemoryInPlaceWhileItLives() {
        weak var watched: Owner?
        var view: Tensor?
        do {
            let owner = Owner()
            watched = owner
            owner.memory.initializeMemory(as: Float.self, repeating: 2, count: 4)
            let x = Tensor(memory: owner.memory, shape: [4], dtype: .float32, owner: owner)
            owner.memory.storeBytes(of: 9, as: Float.self)
            #expect(x.floats() == [9, 2, 2, 2])
            view = x[1..<3]
        }
        #expect(watched != nil)
        #expect(view?.floats() == [2, 2])
        view = nil
        #expect(watched == nil)
    }

    @Test func releasesTheOwnerWhenItFails() {
        weak var watched: Owner?
        do {
            let owner = Owner()
            watched = owner
            let error = tensorError {
                _ = Tensor(memory: owner.memory, shape: [-4], dtype: .float32, owner: owner)
            }
            #expect(error != nil)
        }
        #expect(watched == nil)
    }

    @Test func readsElements() {
        let x = Tensor([1.5, -2.5] as [Float])
        #expect(x.doubles() == [1.5, -2.5])
        #expect(x.ints() == [1, -2])
        #expect(x[1].item() == -2.5)
        let large = Int(1) << 60 + 1
        #expect(Tensor([large]).intItem() == large)
        #expect(Tensor([large]).ints() == [large])
    }

    @Test func converts() {
        let x = Tensor([1.25, 3] as [Float])
        #expect(x.to(.bfloat16).dtype == .bfloat16)
        #expect(x.to(.float32).sharesStorage(with: x))
        #expect(!x.to(.float32, copy: true).sharesStorage(with: x))
        #expect(x.to(.int64).ints() == [1, 3])
        #expect(!x.clone().sharesStorage(with: x))
        #expect(x.contiguous().sharesStorage(with: x))
    }

    @Test func copiesInPlace() {
        let x = Tensor.zeros([2, 2])
        x.copyInPlace(from: Tensor([1, 2], shape: [2]))
        #expect(x.floats() == [1, 2, 1, 2])
        x[0].fillInPlace(7)
        #expect(x.floats() == [7, 7, 1, 2])
        x.zeroInPlace()
        #expect(x.floats() == [0, 0, 0, 0])
    }

    @Test(.enabled(if: Runtime.cudaDeviceCount == 0)) func saysWhyThereIsNoPinnedMemory() {
        #expect(tensorError { _ = Tensor.empty([2], pinned: true) } != nil)
    }
}
