/// Beginnings of adapters by data, in PEFT's words.
extension RecipeKeys {
    static let eva: [Key<EVASettings>] = [
        Key(
            "rho", \.rho, .number("of at least 1") { $0 >= 1 },
            "A layer gets at most this times lora_r; 1 leaves the ranks as they are."),
        Key(
            "tau", \.tau, .ratio,
            "A direction has settled when its cosine with the one before is as much."),
        Key("use_label_mask", \.usesLabelMask, .boolean, "Look at trained tokens only."),
        Key(
            "label_mask_value", \.labelMaskValue, .integer(-100 ... -100),
            "What stands for labels that are not trained: here always -100."),
        Key("whiten", \.whitens, .boolean, "Divide directions by the roots of their sizes."),
        Key(
            "adjust_scaling_factors", \.adjustsScale, .boolean,
            "Alphas follow the ranks, so that no layer's scale changes."),
    ]

    static let corda: [Key<CorDASettings>] = [
        Key(
            "corda_method", \.method, .choice(),
            "ipm trains what the data uses most of the weights, kpm what it uses least."),
        Key(
            "use_float16_for_covariance", \.isNarrow, .boolean,
            "Add covariances up in the model's precision instead of fp32."),
    ]

    static let loraGA: [Key<LoRAGASettings>] = [
        Key(
            "direction", \.direction, .choice(),
            "Which singular vectors of the gradient the matrices get: A the largest in ArB2r."),
        Key("scale", \.scale, .choice(), "How large the matrices are."),
        Key(
            "stable_gamma", \.stableGamma, .positive,
            "Larger is smaller, where the scale is stable."),
    ]
}
