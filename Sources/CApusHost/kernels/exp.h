// The exponential of 16 floats. Included by each variant after vector.h.

/// Fused, also where the baseline has to call a library for it: the variants round alike.
APUS_INLINE floats fused(floats a, floats b, floats c) {
    return __builtin_elementwise_fma(a, b, c);
}

/// exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; r is exact to more than fp32
/// because ln 2 is subtracted in two parts, the first short enough for n times it to be exact
/// (Cody and Waite 1980).
///
/// exp(r) = 1 + r + r^2 q(r); q is the minimax polynomial of relative error 3.2e-9 that
/// Tools/exponential.py computes. Within 1.02 units in the last place of the exact
/// value, for all fp32 arguments (each was tried). Results below the smallest normal number
/// become 0, those above the largest infinity; NaN stays.
APUS_INLINE floats exponential(floats x) {
    // Adding 1.5 * 2^23 leaves no room for a fraction: the sum is rounded to an integer, which
    // then stands in its low bits.
    const float shifter = 0x1.8p23f;
    floats shifted = fused(x, (floats)0x1.715476p0f, (floats)shifter);
    floats n = shifted - shifter;
    floats r = fused(n, (floats)-0x1.62e4p-1f, x);
    r = fused(n, (floats)-0x1.7f7d1cp-20f, r);
    floats q = fused((floats)0x1.6a5228p-10f, r, (floats)0x1.12396cp-7f);
    q = fused(q, r, (floats)0x1.5558aap-5f);
    q = fused(q, r, (floats)0x1.555492p-3f);
    q = fused(q, r, (floats)0x1.fffffcp-2f);
    floats power = fused(r * r, q, r) + 1.0f;
    floats result = (floats)((words)power + ((words)shifted << 23)); // n joins the exponent
    result = select_floats((words)(x > 0x1.62e42ep6f), (floats)__builtin_inff(), result);
    result = select_floats((words)(x < -0x1.5d589ep6f), (floats)0, result);
    return select_floats((words)(x != x), x, result);
}
