/// The keys of a DeepSpeed JSON about what is printed and measured, and those that DeepSpeed itself
/// has dropped.
extension DeepSpeedKeys {
    static let reporting = [
        ImportKey("steps_per_print", .atLeast(1), "not set", .becomes("logging_steps")),
        ImportKey("wall_clock_breakdown", .boolean, "false", .inert(profile)),
        ImportKey("memory_breakdown", .boolean, "false", .inert("'apus plan' shows it")),
        ImportKey("dump_state", .boolean, "false", .inert("'apus config explain' shows it")),
        ImportKey("log_level", .text(), "not set", .inert("each rank has one log")),
        ImportKey("disable_python_gc", .boolean, "false", .inert("there is no Python")),
        ImportKey("vocabulary_size", .atLeast(1), "not set", .inert("the model tells")),
        ImportKey(
            "timers",
            [
                ImportKey(
                    "throughput",
                    [
                        ImportKey("enabled", .boolean, "true", .inert("always measured")),
                        ImportKey("synchronized", .boolean, "true", .inert("always measured")),
                    ])
            ]),
        ImportKey(absent: "flops_profiler", remedy: "remove the block, and train with --profile"),
        ImportKey(absent: "comms_logger", remedy: "remove the block, and train with --profile"),
        ImportKey(absent: "autotuning", remedy: "remove the block: 'apus plan' needs no trials"),
        ImportKey(absent: "tensorboard", remedy: monitors),
        ImportKey(absent: "wandb", remedy: monitors),
        ImportKey(absent: "csv_monitor", remedy: monitors),
        ImportKey(absent: "comet", remedy: monitors),
    ]

    private static let profile = "'apus train --profile' shows where the time goes"
    private static let monitors = "remove the block: output_dir gets metrics.jsonl"

    /// Removed from DeepSpeed 0.19.8, which refuses them; files still carry them switched off.
    static let retired = [
        "amp", "sparse_gradients", "sparse_attention", "progressive_layer_drop", "eigenvalue",
        "elasticity", "curriculum_learning", "compression_training", "nebula",
        "graph_harvesting", "quantize_training",
    ].map { ImportKey(absent: $0, remedy: "DeepSpeed has dropped it too: remove it") }
}
