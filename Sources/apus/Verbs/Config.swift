import ApusConfig
import ApusLaunch
import ArgumentParser

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write, check, explain and convert recipes.",
        subcommands: [Init.self, Check.self, Explain.self, Convert.self, Keys.self])

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a recipe to begin with, every line explained.")

        func run() { print(starterRecipe, terminator: "") }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Report everything that is wrong with a recipe.",
            discussion: foreignFiles)

        @OptionGroup var recipe: RecipeOptions

        func run() throws {
            try reporting {
                if let foreign = try recipe.loadForeign() {
                    return print("\(foreign.path): a \(foreign.tool) configuration, in order")
                }
                let resolved = try recipe.load()
                print("\(resolved.path): in order")
            }
        }
    }

    struct Explain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every effective value, where it comes from, and what it means.",
            discussion: foreignFiles)

        @OptionGroup var recipe: RecipeOptions

        func run() throws {
            try reporting {
                let foreign = try recipe.loadForeign()
                print(try foreign?.explanation ?? recipe.load().explanation, terminator: "")
            }
        }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a configuration as a recipe, with the origin of every value.",
            discussion: foreignFiles)

        @OptionGroup var recipe: RecipeOptions

        func run() throws {
            try reporting {
                if let foreign = try recipe.loadForeign() {
                    print(RecipeText.text(of: foreign), terminator: "")
                } else {
                    print(RecipeText.text(of: try recipe.load()), terminator: "")
                }
            }
        }
    }

    private static let foreignFiles = "Also takes a DeepSpeed JSON or an Accelerate YAML."

    struct Keys: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the table of all keys, as Markdown.")

        enum Owner: String, CaseIterable, ExpressibleByArgument {
            case recipe, deepspeed, accelerate
        }

        @Option(help: "Whose keys; those of other tools stand with what becomes of them.")
        var of = Owner.recipe

        func run() {
            let table =
                switch of {
                case .recipe: RecipeReference.markdown
                case .deepspeed: RecipeReference.deepSpeedMarkdown
                case .accelerate: RecipeReference.accelerateMarkdown
                }
            print(table, terminator: "")
        }
    }
}
