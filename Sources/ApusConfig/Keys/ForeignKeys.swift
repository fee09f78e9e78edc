/// Keys of axolotl that Apus does not have, so that they are told from typing errors.
///
/// Many recipes carry them switched off (`load_in_8bit: false`, `adapter:`); that asks for nothing
/// that Apus does not do, and is accepted and shown by `apus config explain`.
struct ForeignKeys: Sendable {
    struct Foreign: Sendable {
        let advice: String
        /// Values, besides nothing and `false`, that switch the key off.
        let offValues: [String]

        func isOff(_ entry: Entry) -> Bool {
            if entry.isNull { return true }
            switch entry.content {
            case .scalar(let scalar):
                let text = scalar.text.lowercased()
                return ["false", "no", "off", "none", ""].contains(text) || offValues.contains(text)
            case .list(let entries): return entries.isEmpty
            case .mapping(let members): return members.isEmpty
            }
        }
    }

    private let foreign: [String: Foreign]

    static let none = ForeignKeys([])

    private init(_ groups: [(advice: String, names: String, off: [String])]) {
        var foreign: [String: Foreign] = [:]
        for group in groups {
            for name in group.names.split(whereSeparator: \.isWhitespace) {
                foreign[String(name)] = Foreign(advice: group.advice, offValues: group.off)
            }
        }
        self.foreign = foreign
    }

    subscript(_ name: String) -> Foreign? { foreign[name] }

    static let topLevel = ForeignKeys([
        (
            "remove the key: the layers are as the model has them, and merging is a command",
            """
            lora_fan_in_fan_out lora_on_cpu
            lora_mlp_kernel lora_qkv_kernel lora_o_kernel merge_method unfrozen_parameters
            """, []
        ),
        (
            "frozen weights under an adapter are quantized by load_in_4bit or load_in_8bit",
            "gptq quantization", []
        ),
        (
            "remove the key: the fused attention of libtorch is always used",
            """
            flash_attention flash_attn_cross_entropy flash_attn_rms_norm sdp_attention
            xformers_attention s2_attention eager_attention flex_attention attn_implementation
            """, ["sdpa"]
        ),
        (
            "use 'bf16' or 'fp16', or leave them out for fp32",
            "float16 bfloat16 tf32 fp8 bf16_full_eval fp16_full_eval", ["auto"]
        ),
        (
            "checkpoints hold the whole state, as 'save_steps' says: remove the key",
            "save_first_step save_only_model save_safetensors early_stopping_patience", ["true"]
        ),
        (
            "use 'sharding' (parameters is FULL_SHARD, gradients SHARD_GRAD_OP) and its group size",
            "fsdp fsdp_config fsdp_version dp_shard_size dp_replicate_size", ["1"]
        ),
        (
            "ranks only share out training state; choose their number with 'ranks'",
            """
            ddp_timeout ddp_find_unused_parameters tensor_parallel_size context_parallel_size
            sequence_parallel_degree heads_k_stride
            """, ["1"]
        ),
        (
            "remove the key: output_dir gets metrics.jsonl and a loss curve",
            """
            wandb_project wandb_entity wandb_watch wandb_name wandb_log_model wandb_mode
            wandb_run_id use_wandb mlflow_experiment_name mlflow_tracking_uri use_mlflow use_comet
            use_tensorboard comet_project_name report_to hub_model_id hub_strategy
            push_dataset_to_hub
            """, []
        ),
        (
            "remove the key: each rank reads and tokenises its data at the beginning",
            """
            dataset_processes dataset_num_proc dataloader_num_workers
            dataloader_prefetch_factor dataloader_pin_memory skip_prepare_dataset
            """, []
        ),
        (
            "give local files under 'datasets'",
            """
            pretraining_dataset streaming dataset_exact_deduplication
            shuffle_before_merging_datasets
            """, []
        ),
        (
            "the model folder or file tells this: remove the key",
            """
            model_type tokenizer_type tokenizer_config tokenizer_use_fast base_model_config
            trust_remote_code is_llama_derived_model is_mistral_derived_model
            is_falcon_derived_model is_qwen_derived_model revision_of_model
            overrides_of_model_config resize_token_embeddings_to_32x special_tokens tokens
            added_tokens_overrides eot_tokens default_system_message
            """, []
        ),
        (
            "only supervised fine-tuning and pretraining exist so far",
            """
            rl rl_beta dpo_loss_type dpo_label_smoothing orpo_alpha simpo_gamma cpo_alpha trl vllm
            reward_model process_reward_model kto_desirable_weight kto_undesirable_weight
            max_prompt_len
            """, []
        ),
        (
            "remove the key; it has no counterpart here",
            """
            strict plugins local_rank torch_compile torch_compile_backend debug xformers
            group_by_length auto_find_batch_size curriculum_sampling gradient_checkpointing_kwargs
            activation_offloading loss_watchdog_threshold
            loss_watchdog_patience optim_args embedding_lr embedding_lr_scale lr_groups
            cosine_constant_lr_ratio eval_table_size eval_max_new_tokens eval_sample_packing
            eval_sequence_len eval_strategy sample_packing_group_size sample_packing_bin_size
            sample_packing_sequentially min_sample_len batch_flattening train_on_inputs
            chat_template_kwargs chunked_cross_entropy tiled_mlp gc_collect_steps profiler_steps
            liger_kernel liger_rope liger_rms_norm liger_glu_activation noisy_embedding_alpha
            """, []
        ),
    ])

    static let dataset = ForeignKeys([
        (
            "give the path of a local file instead",
            """
            name revision data_files data_dir trust_remote_code shards shards_idx
            preprocess_shards
            """, []
        ),
        (
            "the parts that are trained are chosen by 'roles_to_train' alone",
            """
            train_on_eos train_on_eot message_field_training message_field_training_detail
            train_on_inputs drop_system_message split_thinking field_thinking
            """, []
        ),
        (
            "bring the rows into the form of 'type: chat_template'",
            """
            system_prompt system_format field_system field_instruction field_input field_output
            format no_input_format conversation field_human field_model chat_template
            """, []
        ),
    ])
}
