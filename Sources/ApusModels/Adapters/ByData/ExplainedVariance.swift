/// How layers share out ranks by what their inputs' directions explain, and whose directions have
/// settled.
///
/// Every rank keeps one and tells it the same, so that all agree. The rules are those of PEFT
/// 0.21.2. Source: Paischer et al.: "EVA" (2024), algorithm 1.
package struct ExplainedVariance {
    /// What a layer's inputs were last found to be.
    package struct Finding {
        package var explained: [Double]
        package var steadiness: [Double]

        package init(explained: [Double], steadiness: [Double]) {
            self.explained = explained
            self.steadiness = steadiness
        }
    }

    /// For each layer, in the model's order: the first layer with the same input.
    private let layers: [(path: String, leader: String)]
    private let tau: Double
    private let budget: Int
    /// How many directions of each leader's input are looked for.
    package let directionCounts: [String: Int]
    private var steadiness: [String: [Double]] = [:]
    /// The rank of every layer as it stands; 0: none.
    package private(set) var ranks: [String: Int]

    /// - layers: with rank and width of the input
    package init(
        _ layers: [(path: String, leader: String, rank: Int, width: Int)],
        _ settings: LoRAConfiguration.EVA
    ) {
        self.layers = layers.map { ($0.path, $0.leader) }
        tau = settings.tau
        budget = layers.reduce(0) { $0 + $1.rank }
        var counts: [String: Int] = [:]
        for layer in layers {
            let most = min(Double(layer.rank) * settings.rho, Double(layer.width))
            let count = Int(most.rounded(.toNearestOrEven))
            counts[layer.leader] = max(counts[layer.leader] ?? 0, count)
        }
        directionCounts = counts
        ranks = Dictionary(
            uniqueKeysWithValues: layers.map { ($0.path, counts[$0.leader] ?? 0) })
    }

    package var leaders: [String] { layers.filter { $0.path == $0.leader }.map(\.path) }

    /// Leaders of whose directions some that would be used still move.
    package var moving: [String] {
        leaders.filter { leader in
            guard let found = steadiness[leader] else { return true }
            return !found.prefix(ranks[leader] ?? 0).allSatisfy { $0 >= tau }
        }
    }

    /// Takes in what was found of all leaders.
    package mutating func update(_ findings: [String: Finding]) {
        for (leader, finding) in findings {
            let isFirst = finding.steadiness.isEmpty
            steadiness[leader] = isFirst ? nil : finding.steadiness
        }
        guard leaders.allSatisfy({ findings[$0] != nil }) else { return }
        share(findings.mapValues(\.explained))
    }

    /// The directions that explain most get the ranks, wherever they are.
    private mutating func share(_ explained: [String: [Double]]) {
        // Where the same number stands twice, leaders come first.
        let followers = leaders.flatMap { leader in
            layers.filter { $0.leader == leader && $0.path != leader }
        }
        let order = layers.filter { $0.path == $0.leader } + followers
        var entries: [(path: String, value: Double)] = []
        for layer in order {
            entries += (explained[layer.leader] ?? []).map { (layer.path, $0) }
        }
        let sorted = entries.indices.sorted {
            (-entries[$0].value, $0) < (-entries[$1].value, $1)
        }
        for layer in layers { ranks[layer.path] = 0 }
        for index in sorted.prefix(budget) { ranks[entries[index].path, default: 0] += 1 }
        // Nobody has more than the one whose directions are looked at.
        for layer in followers {
            let (own, first) = (ranks[layer.path] ?? 0, ranks[layer.leader] ?? 0)
            guard first < own else { continue }
            (ranks[layer.leader], ranks[layer.path]) = (own, first)
        }
    }
}
