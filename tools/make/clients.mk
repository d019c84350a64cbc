# Clients as they are published, pinned, each in a folder of its own below .local/clients; nothing of theirs is kept here.
CLIENTS = $(LOCAL)/clients

$(CLIENTS)/sdk/.ready: $(LOCAL)/node/.ready tests/clients/sdk/package.json tests/clients/sdk/package-lock.json
	@echo "installing the SDKs for Node" && $(call packages,tests/clients/sdk,$(CLIENTS)/sdk,ci)
	@touch $@

$(CLIENTS)/langchain/.ready: $(VENV)/.test requirements/langchain.txt
	@echo "installing LangChain in a venv of its own" && rm -rf $(CLIENTS)/langchain
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(CLIENTS)/langchain
	@$(UV) pip install --quiet --python $(CLIENTS)/langchain/bin/python --require-hashes -r requirements/langchain.txt
	@touch $@

# Not by `ci`: it asks for a lock of every machine's build, and a registry may have only some of opencode's.
$(CLIENTS)/agents/.ready: $(LOCAL)/node/.ready tests/clients/agents/package.json tests/clients/agents/package-lock.json
	@echo "installing Claude Code and opencode: 400 MB" && $(call packages,tests/clients/agents,$(CLIENTS)/agents,install --no-save)
	@touch $@

.PHONY: clients agents
clients: $(CLIENTS)/sdk/.ready $(CLIENTS)/langchain/.ready $(EMULATOR)/.ready ## Run the SDKs of OpenAI and Anthropic, Vercel's and LangChain's against a deployment
	@$(BIN)/pytest -m clients

agents: $(CLIENTS)/agents/.ready $(EMULATOR)/.ready ## Run Claude Code and opencode themselves against a deployment
	@$(BIN)/pytest -m agents
