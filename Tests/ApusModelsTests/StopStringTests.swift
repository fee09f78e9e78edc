import ApusModels
import Testing

@Suite struct StopStringTests {
    /// What is shown, and whether the text ended at a stop string.
    private func shown(_ stops: [String], _ pieces: [String]) -> (String, Bool) {
        var scanner = StopStrings(stops)
        var text = ""
        for piece in pieces { text += scanner.append(piece) }
        return (text + scanner.finish(), scanner.isFound)
    }

    @Test func textEndsBeforeTheFirstStopString() {
        #expect(shown(["END"], ["abc", "END", "def"]) == ("abc", true))
        #expect(shown(["b", "ab"], ["xxaby"]) == ("xx", true))
        #expect(shown(["END"], ["abc"]) == ("abc", false))
        #expect(shown([], ["abc"]) == ("abc", false))
        #expect(shown([""], ["abc"]) == ("abc", false))
    }

    @Test func stopStringsMayComeInPieces() {
        #expect(shown(["\n\nUser"], ["Hi\n", "\nUs", "er: x"]) == ("Hi", true))
        #expect(shown(["aab"], ["a", "a", "a", "b"]) == ("a", true))
        #expect(shown(["né"], ["an", "é!"]) == ("a", true))
    }

    @Test func beginningsAreHeldBackAndGivenOutLater() {
        var scanner = StopStrings(["STOP"])
        #expect(scanner.append("one ST") == "one ")
        #expect(scanner.append("AR") == "STAR")
        #expect(scanner.append("S") == "")
        #expect(scanner.finish() == "S")
        #expect(!scanner.isFound)
    }
}
