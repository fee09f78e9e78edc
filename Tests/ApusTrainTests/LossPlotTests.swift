import Testing

@testable import ApusTrain

@Suite struct LossPlotTests {
    private func plot(_ losses: [Double], _ evaluation: [LossPlot.Point] = []) -> String {
        let points = losses.enumerated().map { LossPlot.Point(step: $0 + 1, loss: $1) }
        return LossPlot(training: points, evaluation: evaluation).svg
    }

    @Test func drawsOnePointAStep() throws {
        let svg = plot([4, 3, 2.5], [.init(step: 0, loss: 4.2), .init(step: 3, loss: 2.4)])
        let line = try #require(
            svg.split(separator: "\n").first { $0.contains("#1f6fb2\" stroke-width") })
        #expect(line.filter { $0 == "," }.count == 3)
        #expect(svg.components(separatedBy: "<circle").count == 3)
        #expect(svg.contains("held-out loss"))
        #expect(svg.hasSuffix("</svg>\n"))
    }

    /// Nothing to draw, one point, a flat line, numbers that are none: a picture all the same.
    @Test(arguments: [[], [1], [2, 2, 2], [.nan, 1, .infinity], [1e-9, 2e-9], [1e9, 2e9]])
    func drawsAnything(_ losses: [Double]) {
        let svg = plot(losses)
        #expect(svg.contains("</svg>"))
        #expect(!svg.contains("nan") && !svg.contains("inf"))
    }
}

extension String {
    fileprivate func components(separatedBy mark: String) -> [Substring] {
        split(separator: mark, omittingEmptySubsequences: false)
    }
}
