#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Seconds since some fixed moment, the same for all processes of a host.
func monotonicSeconds() -> Double { seconds(CLOCK_MONOTONIC) }

/// Seconds for which the calling thread has had a core.
func processorSeconds() -> Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

private func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
