#!/usr/bin/env bash
# deploy.sh plan|apply|destroy ENV: checks what is needed, builds, selects the workspace, and hands over to Terraform, which
# shows what it will do and asks. The environment may hold
#   STATE_BUCKET  the S3 bucket of the state, needed once for each checkout
#   ENDPOINT      an emulator that stands in for AWS; the state is then a local one
#   APPROVE=yes   do not ask
set -euo pipefail
cd "$(dirname "$0")/.."
command=$1 environment=$2
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

variables=$PWD/terraform/environments/$environment.tfvars
[[ -f $variables ]] || fail "There is no terraform/environments/$environment.tfvars; choose ENV=dev, staging or prod."
command -v terraform >/dev/null || fail "Terraform is not installed: 1.11 or newer is needed (developer.hashicorp.com/terraform/install)."
version=$(terraform version -json | sed -n 's/.*"terraform_version": "\([0-9]*\.[0-9]*\).*/\1/p')
[[ $(printf '%s\n' 1.11 "$version" | sort -V | head -1) == 1.11 ]] || fail "Terraform $version is too old: 1.11 or newer is needed."
.local/venv/bin/python -m tools.aws whoami --env "$environment" --endpoint "${ENDPOINT:-}"
region=$(sed -n 's/^region *= *"\(.*\)"/\1/p' "$variables")

export TF_DATA_DIR=$PWD/.local/terraform-data
arguments=("-var-file=$variables")
if [[ -n ${ENDPOINT:-} ]]; then
    TF_DATA_DIR+=-emulator
    arguments+=(-var "emulator_endpoint=$ENDPOINT" -var region=us-east-1)
    export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test
    override=terraform/backend_override.tf
    trap 'rm -f "$override"' EXIT
    printf 'terraform {\n  backend "local" {\n    workspace_dir = "%s"\n  }\n}\n' "$TF_DATA_DIR/state" >"$override"
    terraform -chdir=terraform init -input=false -reconfigure >/dev/null
elif [[ -n ${STATE_BUCKET:-} ]]; then
    terraform -chdir=terraform init -input=false -reconfigure -backend-config="bucket=$STATE_BUCKET" -backend-config="region=$region"
else
    [[ -d $TF_DATA_DIR ]] || fail "Where is the state? Name its bucket once: make $command ENV=$environment STATE_BUCKET=... (docs/deployment.md)."
    terraform -chdir=terraform init -input=false >/dev/null
fi
terraform -chdir=terraform workspace select -or-create "$environment" >/dev/null

[[ $command == destroy ]] || .local/venv/bin/python -m tools.build --target aws
[[ $command == plan || ${APPROVE:-} != yes ]] || arguments+=(-auto-approve)
terraform -chdir=terraform "$command" "${arguments[@]}"
[[ $command != apply ]] || printf '\nNext: make secret PROVIDER=openai ENV=%s, make bootstrap-key ENV=%s, make smoke ENV=%s\n' "$environment" "$environment" "$environment"
