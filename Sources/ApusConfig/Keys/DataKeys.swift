/// The keys about samples.
extension RecipeKeys {
    static let data: [Key<Recipe>] = [
        Key(
            "datasets", \.data.datasets, .list(of: dataset), required: true,
            "The files with the samples to train on."),
        Key(
            "test_datasets", \.data.testDatasets, .list(of: dataset),
            "Files with held-out samples, described like datasets; excludes val_set_size."),
        Key(
            "val_set_size", \.data.validationSetSize, .notNegative,
            "Samples held out of datasets: a share below 1, or a number from 1."),
        Key(
            "sequence_len", \.data.sequenceLength, .integer(2...(1 << 24)),
            "The longest sequence, in tokens."),
        Key(
            "excess_length_strategy", \.data.excessLengthStrategy,
            .choice(notYet: ["raise": "longer samples are dropped or truncated, and counted"]),
            "What happens to longer samples."),
        Key(
            "sample_packing", \.data.samplePacking, .boolean,
            "Put several samples into one sequence; each attends only to itself."),
        Key(
            "pad_to_sequence_len", \.data.padToSequenceLength, .optional(.boolean),
            "Pad every batch to sequence_len instead of to its longest sequence."),
        Key(
            "shuffle_merged_datasets", \.data.shuffleMergedDatasets, .boolean,
            "Mix the samples of all files, by the seed; false keeps the order of the files."),
        Key(
            "dataset_prepared_path", \.data.preparedPath, .optional(.text("a path")),
            "A folder that keeps tokenised samples; found again by what they were made of."),
        Key(
            "chat_template", \.data.chatTemplate, .choice(),
            "Which chat template: the tokenizer's own, or the one in chat_template_jinja."),
        Key(
            "chat_template_jinja", \.data.chatTemplateJinja,
            .optional(.text("a Jinja template or a path")),
            "A chat template, or the path of a file with one."),
    ]

    private static let dataset = ValueKind.table(
        datasetKeys, standard: DatasetSettings(), foreign: .dataset)

    private static let datasetKeys: [Key<DatasetSettings>] = [
        Key(
            "path", \.path, .text("a path"), required: true,
            "A file, a folder, or a pattern such as data/*.jsonl."),
        Key(
            "ds_type", \.fileType,
            .optional(.choice(notYet: ["arrow": convert])),
            "How files store samples: JSON Lines, a text per line, CSV or Parquet."),
        Key(
            "type", \.sampleType,
            .optional(.choice()),
            "What a sample is: text, messages, question and answer, or tokens."),
        Key(
            "weight", \.weight, .notNegative,
            "How often an epoch shows each sample: 2 is twice, 0.5 every other one."),
        Key("split", \.split, .text("a name"), "A local file is one split, 'train'."),
        Key("field", \.field, .text("a name"), "The member with the text of a completion."),
        Key(
            "field_messages", \.fieldMessages, .text("a name"), "The member with a chat's messages."
        ),
        Key(
            "message_property_mappings", \.messagePropertyMappings,
            .table(messageKeys, standard: MessagePropertyMappings()),
            "What the file calls a message's role and content."),
        Key(
            "field_weight", \.fieldWeight, .optional(.text("a name")),
            "The member with what the sample's loss counts; without it all count one."),
        Key("field_tools", \.fieldTools, .text("a name"), "The member with a chat's tools."),
        Key(
            "roles", \.roles, .map(of: .list(of: .text("a role"))),
            "What the file calls the template's roles."),
        Key(
            "roles_to_train", \.rolesToTrain, .list(of: .text("a role")),
            "The template's roles whose words are trained; the others are context."),
    ]

    private static let convert = "convert the file to JSON Lines"

    private static let messageKeys: [Key<MessagePropertyMappings>] = [
        Key("role", \.role, .text("a name"), "The member with the role."),
        Key("content", \.content, .text("a name"), "The member with the words."),
    ]
}
