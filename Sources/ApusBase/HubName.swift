/// The name of a model on a hub: `HuggingFaceTB/SmolLM2-135M`.
public struct HubName: Sendable, Hashable, CustomStringConvertible {
    public let organization: String
    public let name: String

    /// Nil for anything but two parts of letters, digits, `-`, `_` and `.`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ Self.isPart($0) }) else { return nil }
        organization = String(parts[0])
        name = String(parts[1])
    }

    private static func isPart(_ text: Substring) -> Bool {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isPlain && !text.isEmpty && !text.hasPrefix(".") && text.utf8.count <= 96
    }

    public var description: String { organization + "/" + name }
}
