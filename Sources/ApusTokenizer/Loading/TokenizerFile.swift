internal import ApusBase

/// Reads `tokenizer.json`, the format of HuggingFace `tokenizers`. What is not understood is
/// refused with its place in the file.
enum TokenizerFile {
    static func pipeline(of root: JSONReader) throws(TokenizerError) -> Pipeline {
        try root.expectKeys([
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor", "decoder", "model",
        ])
        var splitting = try PreTokenizerReader.splitting(root.member("pre_tokenizer"))
        let normalizers = try NormalizerReader.stages(root.member("normalizer"))
        let modelNode = try root.required("model")
        if try !ModelReader.canWorkOnBytes(modelNode) { splitting.spellBytes() }
        let model = try ModelReader.model(modelNode, isByteLevel: splitting.endsInBytes)
        var pipeline = Pipeline(
            model: model.model, spelling: model.spelling,
            decoder: try DecoderReader.decoder(root.member("decoder")))
        pipeline.normalizers = normalizers
        pipeline.splitters = splitting.stages + model.splitters
        pipeline.add(try addedTokens(root.member("added_tokens"), of: pipeline))
        pipeline.postProcessor = try PostProcessorReader.processor(root.member("post_processor"))
        return pipeline
    }

    private static func addedTokens(
        _ node: JSONReader?, of pipeline: Pipeline
    ) throws(TokenizerError) -> [AddedToken] {
        guard let node else { return [] }
        var tokens: [AddedToken] = []
        for element in try node.elements() {
            try element.expectKeys([
                "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
            ])
            let content = try element.string("content")
            var token = AddedToken(id: try element.required("id").tokenID(), content: content)
            // A token that the vocabulary has keeps the id that it has there.
            if let known = pipeline.id(of: content) { token.id = known }
            token.singleWord = try element.bool("single_word", default: false)
            token.stripsLeft = try element.bool("lstrip", default: false)
            token.stripsRight = try element.bool("rstrip", default: false)
            token.special = try element.bool("special", default: false)
            token.normalized = try element.bool("normalized", default: !token.special)
            tokens.append(token)
        }
        return tokens
    }
}
