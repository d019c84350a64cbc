# The proofs at their full length: hundreds of seeds and runs, 5,000 generated bodies a route (an hour and a half), and a
# plan for each deliberate mistake in Terraform's files.
.PHONY: prove
prove: $(VENV)/.test ## Run the proofs at full length: all seeds, 5,000 generated bodies a route, each mistake in Terraform alone
	@PROVE=1 $(MAKE) dynamodb-local
	@PROVE=1 $(MAKE) terraform-check
