# Terraform: checked offline if a stand-in of the provider is next to the repository; deployed by the commands below.

$(LOCAL)/terraform/.ready: $(VENV)/.tools requirements/terraform.txt
	@echo "installing Terraform's linters in a venv of their own" && rm -rf $(LOCAL)/terraform
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(LOCAL)/terraform
	@$(UV) pip install --quiet --python $(LOCAL)/terraform/bin/python --require-hashes -r requirements/terraform.txt
	@touch $@

.PHONY: terraform-check
terraform-check: $(VENV)/.test $(EMULATOR)/.ready $(LOCAL)/terraform/.ready ## Check the Terraform configuration: format, tests, golden plan, lint, parity, rights
	@$(PY) -m tools.build --target aws >/dev/null
	@tools/terraform-check.sh

.PHONY: golden
golden: $(VENV)/.test ## Write the golden plan again (terraform/golden) after an intended change; review the difference
	@$(PY) -m tools.build --target aws >/dev/null
	@tools/terraform-check.sh golden

.PHONY: costs dashboard-picture provider-lock
costs: $(VENV)/.test ## Count what a deployment costs, from the golden plans and list prices, into the documents
	@$(PY) -m tools.costs write

dashboard-picture: $(VENV)/.test ## Draw the dashboard of a plan (PLAN=, as `terraform show -json` prints it) with calls at `make run`
	@$(PY) -m tools.dashboard "$(PLAN)" --seconds 150

provider-lock: ## Write Terraform's provider lock for all platforms that deploy (asks the registry); commit it
	@terraform -chdir=terraform providers lock -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_arm64 -platform=darwin_amd64

# --- a deployment: ENV=dev|staging|prod, on AWS or, with ENDPOINT=http://..., on an emulator --------------------------

ENV ?= dev
PROVIDER ?= openai
MODEL ?=
FROM ?=
TO ?=
APPLY ?=
export STATE_BUCKET ENDPOINT APPROVE
OPERATE = $(PY) -m tools.aws $@ --env $(ENV) --endpoint "$(ENDPOINT)"

.PHONY: plan apply destroy bootstrap-key secret seed smoke verify-aws redrive rebuild
plan: $(VENV)/.test ## Show what a deployment would change, and keep that plan (ENV=dev, STATE_BUCKET= the first time)
	@tools/deploy.sh $@ $(ENV)

apply: $(VENV)/.test ## Deploy the plan that was kept; shows it and asks (ENV=dev)
	@tools/deploy.sh $@ $(ENV)

destroy: $(VENV)/.test ## Take a deployment down; asks before it does (ENV=dev)
	@tools/deploy.sh $@ $(ENV)

bootstrap-key: $(VENV)/.test ## Make the first admin key and print it, once (ENV=dev)
	@$(OPERATE)

secret: $(VENV)/.test ## Set a provider's key, read from standard input (PROVIDER=openai, or providers/NAME; ENV=dev)
	@$(OPERATE) --provider $(PROVIDER)

seed: $(VENV)/.test ## Load the demo products (ENV=dev)
	@$(OPERATE)

smoke: $(VENV)/.test ## Check a deployment; with GATEWAY_KEY set also as its user, with MODEL= a paid call (ENV=dev)
	@$(OPERATE) --model "$(MODEL)"

verify-aws: $(VENV)/.test ## Check what only AWS can show, for less than a dollar; GATEWAY_KEY is an admin's (ENV=dev, MODEL=)
	@$(OPERATE) --model "$(MODEL)"

redrive: $(VENV)/.test ## Count records that the stream consumer had put aside (ENV=dev)
	@$(OPERATE)

rebuild: $(VENV)/.test ## Compare the bill's sums with the rows; APPLY=yes repairs (ENV=dev, FROM= TO= days)
	@$(OPERATE) --from "$(FROM)" --to "$(TO)" --apply "$(APPLY)"
