# Terraform: checked offline where a stand-in of the provider lies beside the repository, else with the real one.

.PHONY: terraform-check
terraform-check: $(VENV)/.test ## Check the Terraform configuration: format, validity, tests and plans of each environment
	@$(PY) -m tools.build --target aws >/dev/null
	@tools/terraform-check.sh
