# The only entry point: people, CI and the README call these targets.
export PKG_CONFIG_PATH := $(CURDIR)/.torch:$(PKG_CONFIG_PATH)
SWIFT_FLAGS := -Xlinker -rpath -Xlinker $(CURDIR)/.torch/lib
RECIPE := Examples/smollm2-sft.yaml

.PHONY: demo release debug test check fuzz fuzz-templates setup demo-files clean

# Fine-tunes a small language model on two ranks and asks it something.
demo: release demo-files
	.build/release/apus train $(RECIPE)
	.build/release/apus generate --model Runs/smollm2-sft --chat --max-new-tokens 40 \
	    --prompt "Which planet is known as the red planet?"

# .build/release/apus and .build/release/apus-worker
release: setup
	swift build -c release --static-swift-stdlib $(SWIFT_FLAGS) --product apus-worker
	swift build -c release --static-swift-stdlib $(SWIFT_FLAGS) --product apus

debug: setup
	swift build $(SWIFT_FLAGS)

# Everything: the Swift tests, among them the comparisons with PyTorch's and transformers' numbers.
test: setup demo-files
	swift test --disable-xctest $(SWIFT_FLAGS)

# With a Python that has transformers (PYTHON=...): loads what `make demo` wrote, what Apus writes of
# every family, and the GGUF files of every family (with llama.cpp where llama_cpp is installed).
PYTHON := python3
check: release
	swift build $(SWIFT_FLAGS) --product apus-model-probe
	$(PYTHON) Tools/checks/transformers_loads.py Runs/smollm2-sft
	$(PYTHON) Tools/checks/families_load.py
	$(PYTHON) Tools/checks/llama_cpp_agrees.py

# A million damaged files, in a minute or two: none may crash or hang a reader.
fuzz: setup
	swift build -c release $(SWIFT_FLAGS) --product apus-file-fuzz
	.build/release/apus-file-fuzz Tests/ApusFormatsTests/Goldens 1000000

# A million changed chat templates (TEMPLATES: folder of *.jinja files): none may crash or hang.
TEMPLATES = $(error name a folder of *.jinja files: make fuzz-templates TEMPLATES=DIR)
fuzz-templates: setup
	swift build -c release $(SWIFT_FLAGS) --product apus-template-probe
	.build/release/apus-template-probe fuzz 1000000 1 $(TEMPLATES)/*.jinja

# libtorch, into .torch
setup:
	Scripts/setup

# A model and a data set, into .models and .data
demo-files:
	Scripts/fetch-demo

clean:
	rm -rf .build
