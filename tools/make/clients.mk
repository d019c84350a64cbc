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
	@echo "installing Claude Code, Codex, opencode, Cline and Continue: 1.5 GB" && $(call packages,tests/clients/agents,$(CLIENTS)/agents,install --no-save)
	@touch $@

$(CLIENTS)/llamaindex/.ready: $(VENV)/.test requirements/llamaindex.txt
	@echo "installing LlamaIndex in a venv of its own: it wants an older SDK than the others" && rm -rf $(CLIENTS)/llamaindex
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(CLIENTS)/llamaindex
	@$(UV) pip install --quiet --python $(CLIENTS)/llamaindex/bin/python --require-hashes -r requirements/llamaindex.txt
	@touch $@

# Neither runs on Python 3.13. Open WebUI's lock leaves some of its dependencies out (requirements/webui.overrides), and so none is resolved.
$(CLIENTS)/webui/.ready $(CLIENTS)/aider/.ready: $(CLIENTS)/%/.ready: $(VENV)/.test requirements/%.txt
	@echo "installing $*: 1.2 GB for webui, 0.6 GB for aider" && rm -rf $(CLIENTS)/$*
	@$(UV) venv --quiet --no-python-downloads --python ">=3.11,<3.13" $(CLIENTS)/$*
	@$(UV) pip install --quiet --compile-bytecode --python $(CLIENTS)/$*/bin/python --no-deps --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: clients agents
clients: $(CLIENTS)/sdk/.ready $(CLIENTS)/frameworks/.ready $(CLIENTS)/llamaindex/.ready $(EMULATOR)/.ready ## Run the SDKs of OpenAI and Anthropic, Vercel's, LangChain's and further frameworks against a deployment
	@$(BIN)/pytest -m clients tests/clients

agents: $(CLIENTS)/agents/.ready $(CLIENTS)/aider/.ready $(CLIENTS)/webui/.ready $(EMULATOR)/.ready ## Run Claude Code, Codex, opencode, Cline, Continue, aider and Open WebUI themselves against a deployment
	@$(BIN)/pytest -m agents tests/clients
