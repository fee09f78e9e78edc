extension RecipeKeys {
    static let loss: [Key<Recipe>] = [
        Key(
            "label_smoothing_factor", \.loss.labelSmoothing, .fraction,
            "The share of each target that is spread evenly over the vocabulary."),
        Key(
            "z_loss_weight", \.loss.zLossWeight, .notNegative,
            "Keeps logits small: what the squared log of their softmax's sum counts."),
        Key(
            "neftune_noise_alpha", \.loss.neftuneNoiseAlpha, .optional(.notNegative),
            "Uniform noise on embeddings in training, of this over the root of their number."),
    ]
}
