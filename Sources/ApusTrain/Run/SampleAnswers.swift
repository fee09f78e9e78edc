internal import ApusConfig
internal import ApusModels
internal import ApusZeRO
internal import ApusTokenizer

/// Answers to the recipe's sample prompts, greedy, so that before and after can be compared.
struct SampleAnswers {
    private let prompts: [(text: String, ids: [Int])]
    private let tokenizer: Tokenizer
    private let generator: TokenGenerator
    private let engine: Engine

    /// nil when the recipe has no prompts or the model no tokenizer.
    init?(_ recipe: Recipe, _ trained: TrainedModel, _ source: ModelSource) throws {
        guard let tokenizer = source.tokenizer, !recipe.evaluation.samplePrompts.isEmpty else {
            return nil
        }
        self.tokenizer = tokenizer
        var options = GenerationOptions()
        options.maximumNewTokens = recipe.evaluation.sampleMaxNewTokens
        options.stopIDs = try source.pretrained.generationDefaults().stopIDs
        generator = TokenGenerator(trained.model, options)
        engine = trained.engine
        let template = try recipe.data.chatTemplateJinja.map { try ChatTemplate($0) }
        prompts = try recipe.evaluation.samplePrompts.map { prompt in
            (prompt, try Self.ids(prompt, template, tokenizer))
        }
    }

    /// As a chat where there is a template for it, else as a text to continue.
    private static func ids(
        _ prompt: String, _ template: ChatTemplate?, _ tokenizer: Tokenizer
    ) throws -> [Int] {
        let message = ChatMessage(role: "user", content: prompt)
        let options = ChatOptions(addGenerationPrompt: true)
        if let template {
            let chat = try tokenizer.applyChatTemplate(template, [message], options: options)
            return tokenizer.encode(chat).ids.map(Int.init)
        }
        guard tokenizer.configuration.chatTemplate != nil else {
            return tokenizer.encode(prompt).map(Int.init)
        }
        return try tokenizer.encodeChat([message], options: options).ids.map(Int.init)
    }

    func give(isAfter: Bool, to events: EventStream) throws {
        let rows = try engine.computing { try generator.generate(prompts.map(\.ids)) }
        for (prompt, row) in zip(prompts, rows) {
            let ids = row.tokenIDs.map(Int32.init)
            let text = tokenizer.decode(ids, skipSpecialTokens: true)
            events.send(.sample(isAfter: isAfter, prompt: prompt.text, text: text))
        }
    }
}
