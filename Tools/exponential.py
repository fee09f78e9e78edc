#!/usr/bin/env python3
"""Computes the coefficients of the exponential in Sources/CApusHost/kernels/exp.h.

    python Tools/exponential.py

exp(r) = 1 + r + r^2 q(r) for |r| <= ln 2 / 2, q of degree 4 with the smallest largest relative
error (Lawson's algorithm: least squares, reweighted by the errors until they are level). The
coefficients are rounded to fp32 one after another, from the lowest on, and the rest fitted again.
"""

import numpy

HALF = numpy.log(2) / 2 * 1.0001
POINTS = HALF * numpy.cos(numpy.pi * (numpy.arange(4001) + 0.5) / 4001)
TARGET = (numpy.expm1(POINTS) - POINTS) / POINTS**2
RELATIVE = POINTS**2 / numpy.exp(POINTS)
DEGREE = 4


def value(coefficients):
    return sum(c * POINTS**power for power, c in coefficients.items())


def fit(rounded):
    """All coefficients; those in `rounded` stay as they are."""
    free = [power for power in range(DEGREE + 1) if power not in rounded]
    columns = numpy.stack([POINTS**power for power in free], axis=1)
    rest = TARGET - value(rounded)
    weights = numpy.ones_like(POINTS)
    for _ in range(400):
        scale = numpy.sqrt(weights) * RELATIVE
        found = numpy.linalg.lstsq(columns * scale[:, None], rest * scale, rcond=None)[0]
        weights *= numpy.abs((columns @ found - rest) * RELATIVE)
        weights /= weights.sum()
    return {**rounded, **dict(zip(free, found))}


def main():
    rounded = {}
    for power in range(DEGREE + 1):
        rounded[power] = float(numpy.float32(fit(rounded)[power]))
        print(power, rounded[power].hex())
    error = numpy.abs((value(rounded) - TARGET) * RELATIVE).max()
    print(f"largest relative error {error:.2g}")


if __name__ == "__main__":
    main()
