import ApusConfig
import ApusLaunch
import ArgumentParser

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write, check and explain recipes.",
        subcommands: [Init.self, Check.self, Explain.self, Keys.self])

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a recipe to begin with, every line explained.")

        func run() { print(starterRecipe, terminator: "") }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Report everything that is wrong with a recipe.")

        @OptionGroup var recipe: RecipeOptions

        func run() throws {
            try reporting {
                let resolved = try recipe.load()
                print("\(resolved.path): in order")
            }
        }
    }

    struct Explain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every effective value, where it comes from, and what it means.")

        @OptionGroup var recipe: RecipeOptions

        func run() throws {
            try reporting { print(try recipe.load().explanation, terminator: "") }
        }
    }

    struct Keys: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the table of all keys, as Markdown.")

        func run() { print(RecipeReference.markdown, terminator: "") }
    }
}
