/// `apus config init`: a recipe to begin with, every line explained.
public let starterRecipe: String = """
    # A recipe for 'apus train'. Paths are relative to the current directory, or to this file.
    # 'apus config explain FILE' shows every effective value; Docs/recipe.md lists every key.

    # The model: a HuggingFace folder (config.json, *.safetensors, tokenizer.json) or a GGUF file.
    base_model: models/my-model

    # What to learn: JSON Lines, with {"messages": [{"role": "user", "content": "..."}]} on each.
    # Other types: completion (text), input_ids (tokens).
    datasets:
      - path: data/train.jsonl
        type: chat_template

    # Held out to measure progress: a share of the samples.
    val_set_size: 0.05

    # Longer samples are dropped (or truncated) and counted.
    sequence_len: 512
    excess_length_strategy: drop

    # Sequences per step = micro_batch_size x gradient_accumulation_steps x ranks.
    micro_batch_size: 2
    gradient_accumulation_steps: 4
    ranks: 1
    num_epochs: 1

    optimizer: adamw_torch_fused
    learning_rate: 2e-5
    lr_scheduler: cosine
    warmup_ratio: 0.05
    weight_decay: 0.0
    max_grad_norm: 1.0

    # true computes in bf16 with fp32 master weights; auto does so where the machine can.
    bf16: auto
    # true needs less memory and more time.
    gradient_checkpointing: false

    seed: 42
    output_dir: model-out

    # Answered before and after training.
    sample_prompts:
      - Who are you?

    """
