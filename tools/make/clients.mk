# Clients as they are published, pinned, each in a folder of its own below .local/clients; nothing of theirs is kept here.
CLIENTS = $(LOCAL)/clients

$(CLIENTS)/sdk/.ready: $(LOCAL)/node/.ready tests/clients/sdk/package.json tests/clients/sdk/package-lock.json
	@echo "installing the SDKs for Node" && $(call packages,tests/clients/sdk,$(CLIENTS)/sdk,ci)
	@touch $@

$(CLIENTS)/frameworks/.ready: $(VENV)/.test requirements/frameworks.txt
	@echo "installing LangChain, the Agents SDK, Pydantic AI and instructor in a venv of their own" && rm -rf $(CLIENTS)/frameworks
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(CLIENTS)/frameworks
	@$(UV) pip install --quiet --python $(CLIENTS)/frameworks/bin/python --require-hashes -r requirements/frameworks.txt
	@touch $@

# Not by `ci`: it asks for a lock of every machine's build, and a registry may have only some of opencode's.
$(CLIENTS)/agents/.ready: $(LOCAL)/node/.ready tests/clients/agents/package.json tests/clients/agents/package-lock.json
	@echo "installing Claude Code, Codex and opencode: 1.2 GB" && $(call packages,tests/clients/agents,$(CLIENTS)/agents,install --no-save)
	@touch $@

.PHONY: clients agents
clients: $(CLIENTS)/sdk/.ready $(CLIENTS)/frameworks/.ready $(EMULATOR)/.ready ## Run the SDKs of OpenAI and Anthropic, Vercel's, LangChain's and further frameworks against a deployment
	@$(BIN)/pytest -m clients

agents: $(CLIENTS)/agents/.ready $(EMULATOR)/.ready ## Run Claude Code, Codex and opencode themselves against a deployment
	@$(BIN)/pytest -m agents
