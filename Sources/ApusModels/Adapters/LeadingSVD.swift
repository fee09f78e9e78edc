internal import ApusBase
internal import ApusTensor

extension Tensor {
    /// The leading singular values of `[n, m]` and their vectors, about: as many as there are
    /// `directions` `[m, count]` to begin with.
    ///
    /// Source: Halko, Martinsson, Tropp: "Finding structure with randomness" (2011), algorithms 4.4
    /// and 5.1.
    func leadingSVD(
        _ directions: Tensor, iterations: Int
    ) -> (u: Tensor, s: Tensor, vt: Tensor) {
        var basis = to(.float32).leadingBasis(directions.to(.float32), iterations: iterations)
        // The basis may be rough; what is seen through it is as exact as the matrix.
        if dtype != .float32 { basis = basis.to(dtype).qr().q }
        let (u, s, vt) = basis.transposed.matmul(self).svd()
        return (basis.matmul(u), s, vt)
    }

    private func leadingBasis(_ directions: Tensor, iterations: Int) -> Tensor {
        var basis = matmul(directions).qr().q
        for _ in 0..<iterations {
            let other = transposed.matmul(basis).qr().q
            basis = matmul(other).qr().q
        }
        return basis
    }

    /// The same of the `count` leading ones, from random directions on the shorter side.
    ///
    /// - draw: random directions of a shape
    func leadingSVD(
        count: Int, iterations: Int, draw: ([Int]) -> Tensor
    ) -> (u: Tensor, s: Tensor, vt: Tensor) {
        let (rows, columns) = (size(0), size(1))
        let directions = draw([Swift.min(rows, columns), count])
        guard rows < columns else { return leadingSVD(directions, iterations: iterations) }
        let (u, s, vt) = transposed.leadingSVD(directions, iterations: iterations)
        return (vt.transposed, s, u.transposed)
    }
}
