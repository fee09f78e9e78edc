import ApusBase
import ApusConfig

/// `/dev/null` stands for every model and data file: it exists everywhere.
let minimal = """
    base_model: /dev/null
    datasets:
      - path: /dev/null
        ds_type: json
        type: chat_template
    learning_rate: 1e-4

    """

let machine = MachineFacts(cores: 8, bfloat16: nil)

func load(_ text: String, set: [String] = [], on machine: MachineFacts = machine) throws
    -> ResolvedRecipe
{
    let overrides = try set.map { try Override(set: $0) }
    return try ResolvedRecipe.parse(
        text, path: "r.yaml", overrides: overrides, machine: machine)
}

/// The message with which a recipe is refused; empty when it is not.
func refusal(_ text: String, set: [String] = []) -> String {
    do {
        _ = try load(text, set: set)
        return ""
    } catch let error as ConfigError {
        return error.description
    } catch {
        return "an error of another type: \(error)"
    }
}
