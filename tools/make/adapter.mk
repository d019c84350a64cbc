# The Lambda Web Adapter is a crate: built once, by its own lock. AWS's layer holds a later build of the same. Only its
# speed is left out here: the optimizers and the linking of the whole program take as long as all the rest.
ADAPTER_VERSION := 1.0.0-rc1

$(LOCAL)/adapter/.ready-$(ADAPTER_VERSION):
	@echo "building the Lambda Web Adapter $(ADAPTER_VERSION): less than a minute on two cores"
	@CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo install lambda_web_adapter --version $(ADAPTER_VERSION) --locked --quiet --root $(LOCAL)/adapter
	@touch $@

.PHONY: adapter
adapter: $(VENV)/.test $(EMULATOR)/.ready $(LOCAL)/adapter/.ready-$(ADAPTER_VERSION) ## Test the streaming door behind the real Lambda Web Adapter (Rust)
	@$(BIN)/pytest -n 0 -m adapter tests/adapter
