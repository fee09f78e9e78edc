/// The keys about precision, and about what ranks share out among them.
extension RecipeKeys {
    static let precision: [Key<Recipe>] = [
        Key(
            "bf16", \.model.bf16,
            .choice(notYet: ["full": "weights and moments stay in fp32; 'true' computes in bf16"]),
            "Compute in bf16, with weights and moments kept in fp32; auto: where the machine can."),
        Key(
            "fp16", \.model.fp16, .boolean,
            "Compute in fp16 with a scaled loss, with weights and moments kept in fp32."),
        Key("fp32", \.model.fp32, .boolean, "Compute in fp32; says so, excludes bf16 and fp16."),
        Key(
            "reduction_dtype", \.model.reductionDType, .choice(),
            "The dtype in which ranks sum their gradients."),
        Key(
            "loss_scaling", \.model.lossScaling,
            .table(lossScalingKeys, standard: LossScaling()), "How fp16 scales the loss."),
    ]

    static let sharding: [Key<Recipe>] = [
        Key(
            "sharding", \.sharding.stage, .choice(),
            "What ranks share out: ZeRO's stage 0 (none) to 3, each with those before it."),
        Key(
            "sharding_group_size", \.sharding.groupSize, .optional(.integer(1...4096)),
            "Ranks that share one copy; several groups hold copies (hybrid sharding)."),
        Key(
            "gather_prefetch_bytes", \.sharding.gatherPrefetchBytes, .atLeast(0),
            "Bytes of sharded parameters that may be gathered ahead of their use."),
        Key(
            "keep_gathered_across_micro_batches", \.sharding.keepsGatheredAcrossMicroBatches,
            .boolean, "Gather sharded parameters once per optimizer step: faster, more memory."),
        Key(
            "deepspeed", \.sharding.deepSpeedFile, .optional(.text("a path")),
            "A DeepSpeed JSON, whose settings then need not stand in the recipe."),
    ]

    private static let lossScalingKeys: [Key<LossScaling>] = [
        Key("loss_scale", \.fixedScale, .notNegative, "A fixed scale; 0 makes it dynamic."),
        Key(
            "initial_scale_power", \.initialScalePower, .integer(0...126),
            "A dynamic scale begins at two to this power."),
        Key(
            "loss_scale_window", \.window, .atLeast(1),
            "Steps without overflow after which the scale doubles."),
        Key(
            "hysteresis", \.hysteresis, .atLeast(1),
            "Overflows until the scale is halved; each skips its step."),
        Key(
            "consecutive_hysteresis", \.hysteresisIsConsecutive, .boolean,
            "Whether every step without overflow restores the hysteresis."),
        Key("min_loss_scale", \.minimumScale, .positive, "The scale is never halved below this."),
    ]
}
