#!/usr/bin/env bash
# Format, validity, tests and rights of the Terraform configuration, for every environment. Works on a copy: neither lock
# files nor state stay behind. Where ../shared/terraform/offline-aws lies, no registry and no AWS is asked.
set -euo pipefail
cd "$(dirname "$0")/.."

terraform -chdir=terraform fmt -check -recursive

offline=${OFFLINE_AWS:-../shared/terraform/offline-aws}
if [[ -x $offline/install.sh ]] && command -v go >/dev/null; then
    "$offline/install.sh" .local/offline-aws
    TF_CLI_CONFIG_FILE="$PWD/.local/offline-aws/terraformrc"
    export TF_CLI_CONFIG_FILE
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R terraform functions shared build "$copy"
printf 'terraform {\n  backend "local" {}\n}\n' >"$copy/terraform/backend_override.tf"
cd "$copy/terraform"
export TF_IN_AUTOMATION=1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
terraform init -input=false -no-color >/dev/null
terraform validate -no-color
if [[ -z ${TF_CLI_CONFIG_FILE:-} || ! -d $OLDPWD/.local/offline-aws ]]; then
    # The real provider plans with credentials alone; a check must not need an account.
    echo "plans were not tested: no offline stand-in of the provider lies beside this repository"
    exit 0
fi
root=$OLDPWD
for environment in dev staging prod; do
    echo "-- $environment"
    terraform workspace new "$environment" >/dev/null
    TF_WORKSPACE=$environment terraform test -no-color -var-file="environments/$environment.tfvars"
done

# What is applied there is what runs here: an apply with the offline provider against the local deployer's reading.
export TF_WORKSPACE=dev
variables=(-no-color -input=false -var-file=environments/dev.tfvars)
terraform apply "${variables[@]}" -auto-approve >"$copy/apply.log" || { cat "$copy/apply.log" && exit 1; }
terraform plan "${variables[@]}" -out="$copy/again" >"$copy/plan.log"
terraform show -json "$copy/again" >"$copy/again.json"
terraform show -json >"$copy/state.json"
(cd "$root" && TERRAFORM_STATE="$copy/state.json" TERRAFORM_PLAN="$copy/again.json" .local/venv/bin/pytest -m terraform)
terraform destroy "${variables[@]}" -auto-approve >"$copy/destroy.log" || { cat "$copy/destroy.log" && exit 1; }
[[ -z $(terraform state list) ]] || { echo "destroy leaves: $(terraform state list)" && exit 1; }
