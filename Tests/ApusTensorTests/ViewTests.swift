import ApusTensor
import ApusTestSupport
import Testing

@Suite struct ViewTests {
    let x = Tensor.arange(6).reshape(2, 3)

    @Test func viewsShareMemory() {
        let views = [
            x.reshape(3, 2), x.flatten(), x.transposed, x.permute(1, 0), x.moveDim(0, to: 1),
            x.unsqueeze(0), x.unsqueeze(0).squeeze(0), x.select(0, 1), x.slice(1, 1..<3), x[0],
            x[0..<1], x.unsqueeze(0).expand([4, 2, 3]), x.unfold(1, size: 2, step: 1),
            x.diagonal(), x.detached(),
        ]
        for view in views { #expect(view.sharesStorage(with: x)) }
        x.fillInPlace(5)
        for view in views { #expect(view.min().item() == 5) }
    }

    @Test func copiesDoNot() {
        let copies = [
            x.transposed.reshape(6), x.tile([1, 1]), x.flip(0), x.roll(1, dim: 0),
            x.pad([(1, 1)]), Tensor.concatenate([x]), Tensor.stack([x]),
            x.repeatInterleave(2, dim: 0),
        ]
        for copy in copies { #expect(!copy.sharesStorage(with: x)) }
    }

    @Test func piecesAddUp() {
        let pieces = x.split([1, 2])
        #expect(pieces.map(\.shape) == [[2, 1], [2, 2]])
        #expect(pieces[1].sharesStorage(with: x))
        #expect(Tensor.concatenate(pieces, dim: 1).isSame(as: x))
        #expect(Tensor.arange(7).chunk(3).map { $0.size(0) } == [3, 3, 1])
        #expect(Tensor.arange(4).chunk(3).map { $0.size(0) } == [2, 2])
        #expect(x.chunk(2, dim: 0)[1].floats() == [3, 4, 5])
    }

    @Test func nothingIsClampedSilently() {
        for range in [0..<4, -1..<2, 5..<6] {
            let error = tensorError { _ = x.slice(1, range) }
            #expect(error?.summary.contains("of size 3") == true)
        }
        #expect(tensorError { _ = x.split([1, 1]) } != nil)
        #expect(tensorError { _ = x[2] } != nil)
        #expect(x[-1].floats() == [3, 4, 5])
        #expect(x.slice(1, 3..<3).shape == [2, 0])
    }
}
