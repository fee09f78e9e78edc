/// The samples: where they come from and how they become sequences.
public struct DataSettings: Sendable, Hashable {
    public var datasets: [DatasetSettings] = []
    /// Held-out samples from files of their own.
    public var testDatasets: [DatasetSettings] = []
    /// Held out from `datasets`: a share below 1, or a number of samples from 1; 0 holds out none.
    public var validationSetSize = 0.0
    /// Tokens per sequence, at most.
    public var sequenceLength = 512
    public var excessLengthStrategy = ExcessLengthStrategy.drop
    /// Put several samples into one sequence, each attending only to itself.
    public var samplePacking = false
    /// Filled in (`samplePacking`).
    public var padToSequenceLength: Bool?
    /// Mix the samples of all data sets, by the seed; false keeps the order of the files.
    public var shuffleMergedDatasets = true
    /// A folder that keeps tokenised samples from one run to the next.
    public var preparedPath: String?
    public var chatTemplate = ChatTemplateChoice.tokenizerDefault
    /// A template's text, for `chatTemplate == .jinja`.
    public var chatTemplateJinja: String?

    public init() {}
}

/// What happens to a sample with more than `sequence_len` tokens; either way they are counted.
public enum ExcessLengthStrategy: String, Sendable, Hashable, CaseIterable {
    case drop, truncate
    /// It becomes several samples, for long plain texts.
    case split
}

public enum ChatTemplateChoice: String, Sendable, Hashable, CaseIterable {
    /// The template that comes with the tokenizer.
    case tokenizerDefault = "tokenizer_default"
    /// The template in `chat_template_jinja`.
    case jinja
}

/// One file, folder or pattern of samples.
public struct DatasetSettings: Sendable, Hashable {
    public var path = ""
    /// Filled in from a file's name; nil for folders and patterns, where each file's name tells.
    public var fileType: DatasetFileType?
    /// Filled in for text files (`completion`); for others it must be given.
    public var sampleType: SampleType?
    public var split = "train"
    /// How often an epoch shows each sample; a fraction shows a part of them.
    public var weight = 1.0
    /// The member of a row that holds the text of a `completion`.
    public var field = "text"
    /// The member of a row that holds the messages of a chat.
    public var fieldMessages = "messages"
    public var messagePropertyMappings = MessagePropertyMappings()
    /// The member of a row that tells what its loss counts; nil: one.
    public var fieldWeight: String?
    /// The member of a row that holds the tools of a chat.
    public var fieldTools = "tools"
    /// What the file calls the template's roles, such as `user: [human]`.
    public var roles = ["user": ["human"], "assistant": ["gpt"]]
    /// The roles, by the template's names, whose words are trained; all others are context.
    public var rolesToTrain = ["assistant"]

    public init() {}

    /// `roles` the other way round: the template's role for each of the file's.
    public var roleNames: [String: String] {
        var names: [String: String] = [:]
        for (role, sources) in roles {
            for source in sources { names[source] = role }
        }
        return names
    }
}

/// How samples are stored.
public enum DatasetFileType: String, Sendable, Hashable, CaseIterable {
    /// One object per line, or one array of objects.
    case json
    /// One sample per line.
    case text
    /// With a header line.
    case csv
    case parquet
}

/// What a sample is.
public enum SampleType: String, Sendable, Hashable, CaseIterable {
    /// Text; every token is trained.
    case completion
    /// Messages with roles, rendered by the chat template.
    case chatTemplate = "chat_template"
    /// `instruction`, perhaps `input`, and `output`; the output is trained.
    case alpaca
    /// `prompt` and `completion`, as texts or as messages; the completion is trained.
    case promptCompletion = "prompt_completion"
    /// `conversations` of `from` and `value`, else as `chat_template`.
    case shareGPT = "sharegpt"
    /// `segments` of `text` and `label`; those whose label is true are trained, nothing is added.
    case inputOutput = "input_output"
    /// Tokens, made by somebody else: `input_ids` and, if they differ, `labels`.
    case inputIDs = "input_ids"
}

/// The names that a row uses for a message's role and content.
public struct MessagePropertyMappings: Sendable, Hashable {
    public var role = "role"
    public var content = "content"

    public init() {}
}
