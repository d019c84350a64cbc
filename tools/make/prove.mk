# The proofs at their full length: hundreds of seeds and runs, and 5,000 generated bodies a route. An hour and a half.
.PHONY: prove
prove: $(VENV)/.test ## Run the DynamoDB Local suite at full length: all seeds, 5,000 generated bodies a route
	@PROVE=1 $(MAKE) dynamodb-local
