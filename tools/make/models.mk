REGION ?= us-east-1
PROVIDERS ?= openai,bedrock
MODELS ?=
.PHONY: models
models: $(VENV)/.test ## Print the catalogue of models (REGION=, PROVIDERS=a,b, MODELS="--all --residency eu")
	@$(PY) -m tools.models show --region $(REGION) --providers $(PROVIDERS) $(MODELS)
