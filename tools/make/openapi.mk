.PHONY: openapi
openapi: $(VENV)/.test ## Write the OpenAPI document again from the functions' routes
	@$(PY) -m tools.openapi write
