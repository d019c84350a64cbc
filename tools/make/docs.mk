# The documentation: a site of the repository's pages, guides that are run line by line, a linter of all prose.
DOCS = $(LOCAL)/docs

$(DOCS)/.ready: $(VENV)/.tools requirements/docs.txt
	@echo "installing the documentation's tools in their own venv" && rm -rf $(DOCS)
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(DOCS)
	@$(UV) pip install --quiet --python $(DOCS)/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

.PHONY: docs prose guides pictures
docs: $(VENV)/.tools $(DOCS)/.ready ## Build the documentation as a site into .local/docs-site/site; a broken link is an error
	@$(PY) -m tools.docs site

prose: $(VENV)/.tools $(DOCS)/.ready ## Check the prose of documents and code (tools/docs/prose.json has the rules)
	@$(DOCS)/bin/python -m tools.docs.prose

guides: $(VENV)/.test $(EMULATOR)/.ready ## Run the guides of docs/guides line by line in a clean copy
	@$(PY) -m tools.docs guides

pictures: $(VENV)/.test $(EMULATOR)/.ready ## Draw the README's pictures again, from real runs
	@$(PY) -m tools.docs pictures
