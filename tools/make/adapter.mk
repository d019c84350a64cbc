# The Lambda Web Adapter is a crate: built once, by its own lock. AWS's layer holds a later build of the same.
ADAPTER_VERSION := 1.0.0-rc1

$(LOCAL)/adapter/.ready-$(ADAPTER_VERSION):
	@echo "building the Lambda Web Adapter $(ADAPTER_VERSION): about a minute and a half on two cores"
	@cargo install lambda_web_adapter --version $(ADAPTER_VERSION) --locked --quiet --root $(LOCAL)/adapter
	@touch $@

.PHONY: adapter
adapter: $(VENV)/.test $(EMULATOR)/.ready $(LOCAL)/adapter/.ready-$(ADAPTER_VERSION) ## Test the streaming door behind the real Lambda Web Adapter (Rust)
	@$(BIN)/pytest -n 0 -m adapter tests/adapter
