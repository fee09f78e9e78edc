import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

/// What the engine does with storages: flat buffers, swapping data, freeing and restoring.
@Suite struct StorageTests {
    @Test func viewsOfAFlatBuffer() {
        let flat = Tensor.arange(10)
        let part = flat.storageView(offset: 4, shape: [2, 3])
        #expect(part.floats() == [4, 5, 6, 7, 8, 9])
        #expect(part.storageOffset == 4)
        #expect(part.storageByteCount == 40)
        part.zeroInPlace()
        #expect(flat.sum().item() == 6)
        #expect(part.storageView(offset: 0, shape: [2]).floats() == [0, 1])
    }

    @Test(arguments: [(-1, [2]), (9, [2]), (0, [11]), (1, [-1]), (0, [1 << 40, 1 << 40])])
    func viewsOutsideAreRefused(_ offset: Int, _ shape: [Int]) {
        let flat = Tensor.arange(10)
        #expect(tensorError { _ = flat.storageView(offset: offset, shape: shape) } != nil)
    }

    @Test func aViewOfTheStorageIsALeafOfItsOwn() {
        let flat = Tensor.ones([4])
        let a = flat.storageView(offset: 0, shape: [2]).requiringGradient()
        let b = flat.storageView(offset: 2, shape: [2]).requiringGradient()
        #expect(a.isLeaf && b.isLeaf && !flat.requiresGradient)
        (a * b).sum().backward()
        #expect(a.gradient?.floats() == [1, 1])
        // In-place writes through the flat buffer need no permission of autograd.
        flat.addInPlace(1)
        #expect(a.floats() == [2, 2])
    }

    @Test func newDataKeepsTheIdentity() throws {
        let leaf = Tensor.ones([2]).requiringGradient()
        let copy = leaf
        var fired = 0
        leaf.onGradientAccumulated { fired += 1 }
        leaf.setData(Tensor([5, 6] as [Float]))
        #expect(copy.floats() == [5, 6])
        #expect(leaf.requiresGradient)
        (leaf * leaf).sum().backward()
        #expect(leaf.gradient?.floats() == [10, 12])
        #expect(fired == 1)
    }

    @Test func freedStoragesComeBackForBackward() {
        let flat = Tensor([2, 3, 4, 5] as [Float])
        let a = flat.storageView(offset: 0, shape: [2]).requiringGradient()
        let b = flat.storageView(offset: 2, shape: [2]).requiringGradient()
        let loss = (a * b).sum()
        let contents = flat.clone()
        flat.resizeStorage(byteCount: 0)
        #expect(a.isFreed && flat.isFreed && flat.storageByteCount == 0)
        #expect(a.shape == [2] && a.hostMemory == nil)
        flat.resizeStorage(byteCount: 16)
        #expect(!a.isFreed)
        flat.copyInPlace(from: contents)
        loss.backward()
        #expect(a.gradient?.floats() == [4, 5])
        #expect(b.gradient?.floats() == [2, 3])
    }

    @Test func freedOperandsAreNamedInsteadOfCrashing() {
        let x = Tensor.ones([4])
        x.resizeStorage(byteCount: 0)
        #expect("\(x)" == "float32[4] (freed)")
        let uses: [() -> Void] = [
            { _ = x + 1 }, { _ = x.floats() }, { _ = x.reshape(2, 2).sum() }, { x.zeroInPlace() },
            { _ = Tensor.ones([4]).matmul(x) }, { _ = Tensor.concatenate([x, x]) },
            { Tensor.ones([4]).copyInPlace(from: x) }, { _ = x.item() }, { [x].zeroInPlace() },
        ]
        for use in uses {
            let error = tensorError(in: use)
            #expect(error?.summary.contains("was freed") == true)
        }
    }

    @Test func foreignMemoryIsNotResized() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)
        defer { memory.deallocate() }
        let x = Tensor(memory: memory, shape: [4], dtype: .float32, owner: nil)
        #expect(tensorError { x.resizeStorage(byteCount: 0) } != nil)
    }
}
