internal import CApusTorch

/// Products and decompositions of matrices. `[..., n, m]` stands for a matrix or batches of them.
extension Tensor {
    /// The product over the last two dimensions, batched and broadcast over the others; of two
    /// vectors their dot product.
    public func matmul(_ other: Tensor) -> Tensor {
        made("matmul", [self, other]) { apus_matmul(pointer, other.pointer, $0) }
    }

    /// `[..., in]` times the transpose of `weight` `[out, in]`, plus `bias` `[out]` -> `[...,
    /// out]`.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        made("linear", [self, weight]) {
            apus_linear(pointer, weight.pointer, bias?.pointer, $0)
        }
    }

    /// `beta * self + alpha * a x b`: self `[n, m]` (broadcast), a `[n, k]`, b `[k, m]`, or all
    /// with a batch dimension before.
    public func adding(
        matmul a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1
    ) -> Tensor {
        made("add matmul", [self, a, b]) {
            apus_add_matmul(pointer, a.pointer, b.pointer, beta, alpha, $0)
        }
    }

    /// `self += alpha * a x b`, in place: this `[n, m]`, a `[n, k]`, b `[k, m]`.
    public func addProductInPlace(_ a: Tensor, _ b: Tensor, alpha: Double = 1) {
        done(
            "add product", [self, a, b],
            apus_add_product(pointer, a.pointer, b.pointer, alpha))
    }

    /// All products of an element of this vector with one of another: `[n, m]`.
    public func outer(_ other: Tensor) -> Tensor {
        made("outer", [self, other]) { apus_outer(pointer, other.pointer, $0) }
    }

    /// Sums of products after Einstein's convention: `"bhqd,bhkd->bhqk"`.
    public static func einsum(_ equation: String, _ operands: Tensor...) -> Tensor {
        made("einsum", operands) { out in
            operands.withPointers { apus_einsum(equation, $0, $1, out) }
        }
    }

    // MARK: Decompositions, of float32 and float64

    /// The lower triangle L of symmetric positive definite matrices `[..., n, n]` = L Lᵀ.
    public func cholesky() -> Tensor { matrix(APUS_CHOLESKY, "cholesky") }

    /// Of `[..., n, n]`. To solve equations ``solve(_:)`` is faster and more exact.
    public func inverse() -> Tensor { matrix(APUS_INVERSE, "inverse") }

    /// Moore and Penrose's inverse of `[..., n, m]` -> `[..., m, n]`.
    public func pseudoInverse() -> Tensor { matrix(APUS_PSEUDO_INVERSE, "pseudo inverse") }

    /// Of `[..., n, n]` -> `[...]`.
    public func determinant() -> Tensor { matrix(APUS_DETERMINANT, "determinant") }

    /// The sign of the determinant and the logarithm of its absolute value, both `[...]`.
    public func signedLogDeterminant() -> (sign: Tensor, logarithm: Tensor) {
        let parts = factors(APUS_SIGN_LOG_DETERMINANT, "slogdet")
        return (parts[0], parts[1])
    }

    /// `[..., n, m]` = Q `[..., n, k]` with orthonormal columns times an upper triangle R `[..., k,
    /// m]`, k the smaller of n and m.
    public func qr() -> (q: Tensor, r: Tensor) {
        let parts = factors(APUS_QR, "qr")
        return (parts[0], parts[1])
    }

    /// Of symmetric matrices `[..., n, n]` (the lower triangle is read): values `[..., n]` in
    /// ascending order, vectors in the columns of `[..., n, n]`.
    public func symmetricEigen() -> (values: Tensor, vectors: Tensor) {
        let parts = factors(APUS_SYMMETRIC_EIGEN, "eigh")
        return (parts[0], parts[1])
    }

    /// `[..., n, m]` = U `[..., n, k]` diag(S) Vᵀ `[..., k, m]`, k the smaller of n and m, S in
    /// descending order.
    public func svd() -> (u: Tensor, s: Tensor, vt: Tensor) {
        let parts = made("svd", 3, [self]) { apus_svd(pointer, $0, $0 + 1, $0 + 2) }
        return (parts[0], parts[1], parts[2])
    }

    /// X of A X = `right`, with A this `[..., n, n]` and `right` `[..., n, m]` or `[n]`.
    public func solve(_ right: Tensor) -> Tensor {
        made("solve", [self, right]) { apus_solve(pointer, right.pointer, $0) }
    }

    /// The same for a triangular A; the other triangle is not read.
    public func solveTriangular(_ right: Tensor, upper: Bool) -> Tensor {
        made("solve triangular", [self, right]) {
            apus_solve_triangular(pointer, right.pointer, upper, $0)
        }
    }

    private func matrix(_ kind: apus_matrix_kind, _ name: StaticString) -> Tensor {
        made(name, [self]) { apus_matrix(kind, pointer, $0) }
    }

    private func factors(_ kind: apus_factor_kind, _ name: StaticString) -> [Tensor] {
        made(name, 2, [self]) { apus_factor(kind, pointer, $0, $0 + 1) }
    }
}
