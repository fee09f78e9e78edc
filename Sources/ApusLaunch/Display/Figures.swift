import ApusBase

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Numbers as people read them at a glance.
enum Figures {
    /// `1.2345`, `12.34`, `123.4`: four or five digits, whatever the size.
    static func loss(_ value: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        if abs(value) >= 100 { return value.fixed(1) }
        return value.fixed(abs(value) >= 10 ? 2 : 4)
    }

    /// `2.0e-05`, `0`.
    static func learningRate(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return value == 0 ? "0" : "\(value)" }
        var exponent = Int(log10(abs(value)).rounded(.down))
        var mantissa = (value / pow(10, Double(exponent))).fixed(2)
        if mantissa == "10.00" {
            mantissa = "1.00"
            exponent += 1
        }
        let digits = String(abs(exponent))
        let padded = digits.count < 2 ? "0" + digits : digits
        return "\(mantissa)e\(exponent < 0 ? "-" : "+")\(padded)"
    }

    /// `1,234,567`.
    static func count(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `134.5 M` for numbers of parameters.
    static func short(_ value: Int) -> String {
        let units: [(Double, String)] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")]
        for (size, unit) in units where Double(value) >= size {
            return (Double(value) / size).fixed(1) + " " + unit
        }
        return String(value)
    }

    /// `45 s`, `2:05`, `1:02:05`, `3 d 4 h`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole >= 172_800 { return "\(whole / 86_400) d \(whole % 86_400 / 3600) h" }
        let minutes = whole / 60 % 60
        let start = whole >= 3600 ? "\(whole / 3600):\(twoDigits(minutes))" : "\(minutes)"
        return "\(start):\(twoDigits(whole % 60))"
    }

    /// `1.2 GiB per rank`, `1.2 + 1.4 GiB` for a few ranks that differ, else the range.
    static func memory(_ bytes: [Int]) -> String? {
        guard let least = bytes.min(), let most = bytes.max() else { return nil }
        let texts = bytes.map { ByteCount($0).binary }
        if bytes.count == 1 { return texts[0] }
        if Set(texts).count == 1 { return "\(bytes.count) x \(texts[0])" }
        if bytes.count <= 4 { return texts.joined(separator: " + ") }
        return "\(ByteCount(least).binary) to \(ByteCount(most).binary) per rank"
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
