extension RecipeKeys {
    static let checkpoints: [Key<Recipe>] = [
        Key(
            "save_strategy", \.checkpoints.saveStrategy, .optional(.choice()),
            "When checkpoints are saved; one is always saved when a signal stops the run."),
        Key(
            "save_steps", \.checkpoints.saveSteps, .optional(.atLeast(1)),
            "Optimizer steps between checkpoints."),
        Key(
            "saves_per_epoch", \.checkpoints.savesPerEpoch, .optional(.atLeast(1)),
            "Checkpoints in each epoch, evenly spaced."),
        Key(
            "save_total_limit", \.checkpoints.saveTotalLimit, .optional(.atLeast(1)),
            "Checkpoints that are kept, the newest; older ones go when a new one is complete."),
        Key(
            "save_in_background", \.checkpoints.savesInBackground, .boolean,
            "Go on training while a copy of the state in memory is written."),
        Key(
            "load_best_model_at_end", \.checkpoints.loadBestModelAtEnd, .boolean,
            "End with the weights of the best checkpoint, which is then kept besides the newest."),
        Key(
            "metric_for_best_model", \.checkpoints.metricForBestModel, .choice(),
            "What the best checkpoint is chosen by: the held-out loss, or the training loss."),
        Key(
            "greater_is_better", \.checkpoints.greaterIsBetter, .boolean,
            "Whether a larger metric is a better one; of losses the smaller is."),
        Key(
            "resume", \.checkpoints.resume,
            .optional(.text("auto, must, none or the path of a checkpoint")),
            "Go on from the newest checkpoint where there is one (auto), or only then (must)."),
        Key(
            "resume_from_checkpoint", \.checkpoints.resumeFromCheckpoint,
            .optional(.text("a path")), "The same as 'resume' with a path."),
        Key(
            "auto_resume_from_checkpoints", \.checkpoints.autoResumeFromCheckpoints,
            .optional(.boolean), "The same as 'resume: auto', or where false 'resume: none'."),
        Key(
            "resume_checks", \.checkpoints.resumeChecks, .choice(),
            "Whether what is read is compared with its hashes, or only the files' sizes are."),
    ]
}
