// Reads damaged files without end: apus-file-fuzz GOLDENS [COUNT [SEED]]
//
// Spreads COUNT copies (1,000,000) over all formats. A crash, a copy that takes longer than ten
// seconds and one that needs more than 512 MiB of address space end the program; the copy is left
// where the first line says.

import ApusBase
import FileFuzz

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let arguments = CommandLine.arguments.dropFirst()
guard let goldens = arguments.first else {
    print("usage: apus-file-fuzz Tests/ApusFormatsTests/Goldens [COUNT [SEED]]")
    exit(2)
}
let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000_000
let seed = arguments.dropFirst(2).first.flatMap { UInt64($0) } ?? 1
let scratch = "/dev/shm/apus-file-fuzz.\(getpid())"

/// Prints at once, so that what was reached is known after a crash.
func report(_ line: String) {
    print(line)
    fflush(nil)
}

/// Peak resident memory in MiB.
func peak() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
}

var limit = rlimit(rlim_cur: 512 << 20, rlim_max: 512 << 20)
setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
report("copies stand in \(scratch)")
var (total, refused) = (0, 0)
for (number, subject) in Subject.all.enumerated() {
    let share = count / Subject.all.count + (number < count % Subject.all.count ? 1 : 0)
    let outcome = try fuzz(
        subject, goldens: goldens, count: share, seed: seed &+ UInt64(number), scratch: scratch,
        before: { alarm(10) })
    alarm(0)
    total += share
    refused += outcome.refused
    report(
        "\(subject.name): \(share) copies, \(outcome.refused) refused, \(outcome.read) read, "
            + "peak \(peak()) MiB")
}
report("\(total) copies: \(refused) refused, \(total - refused) read; peak \(peak()) MiB")
