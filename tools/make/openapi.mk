.PHONY: openapi
openapi: $(VENV)/.test ## Write the OpenAPI document anew from what the functions say of themselves
	@$(PY) -m tools.openapi write
