# The only entry point: people, CI and the README call these targets.
export PKG_CONFIG_PATH := $(CURDIR)/.torch:$(PKG_CONFIG_PATH)
RPATH := -Xlinker -rpath -Xlinker $(CURDIR)/.torch/lib
SWIFT_FLAGS := $(RPATH)

.PHONY: setup debug release test

setup:
	Scripts/setup

debug: setup
	swift build $(SWIFT_FLAGS)

release: setup
	swift build -c release --static-swift-stdlib $(SWIFT_FLAGS)

test: setup
	swift test $(SWIFT_FLAGS)
