/// A number of bytes that prints itself for people: `3.1 MB` (decimal, as disks and networks count)
/// or `2.9 MiB` (binary, as memory is counted).
public struct ByteCount: Sendable, Hashable, Comparable {
    public var bytes: Int

    public init(_ bytes: Int) { self.bytes = bytes }

    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }

    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// `1.5 GiB`: for memory.
    public var binary: String { text(base: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB"]) }

    /// `1.6 GB`: for files and traffic.
    public var decimal: String { text(base: 1000, units: ["B", "kB", "MB", "GB", "TB"]) }

    private func text(base: Double, units: [String]) -> String {
        var value = Double(bytes)
        var unit = 0
        while abs(value) >= base, unit < units.count - 1 {
            value /= base
            unit += 1
        }
        if unit == 0 { return "\(bytes) B" }
        return value.fixed(value < 10 ? 1 : 0) + " " + units[unit]
    }
}

extension Double {
    /// The number with exactly `digits` decimals, without Foundation.
    public func fixed(_ digits: Int) -> String {
        guard isFinite, abs(self) < 1e15 else { return "\(self)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(self) * scale).rounded()
        guard scaled < 9e15 else { return "\(self)" }
        let whole = Int(scaled)
        let sign = self < 0 && whole != 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let divisor = Int(scale)
        let fraction = String(whole % divisor)
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return "\(sign)\(whole / divisor).\(zeros)\(fraction)"
    }
}
