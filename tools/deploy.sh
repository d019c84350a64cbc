#!/usr/bin/env bash
# deploy.sh plan|apply|destroy ENV: checks what is needed, builds, selects the workspace, and hands over to Terraform, which
# shows what it will do and asks. The environment may hold
#   STATE_BUCKET  the S3 bucket of the state, needed once for each environment and checkout without a file
#                 terraform/environments/ENV.s3.tfbackend
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
export TF_DATA_DIR=$PWD/.local/terraform-data/$environment # each environment its own, so that no setting is another's
arguments=("-var-file=$variables")
if [[ -n ${ENDPOINT:-} ]]; then
    TF_DATA_DIR+=-emulator
    arguments+=(-var "emulator_endpoint=$ENDPOINT" -var region=us-east-1)
    export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test
    override=terraform/backend_override.tf
    trap 'rm -f "$override"' EXIT
    printf 'terraform {\n  backend "local" {\n    workspace_dir = "%s"\n  }\n}\n' "$TF_DATA_DIR/state" >"$override"
    terraform -chdir=terraform init -input=false -reconfigure >/dev/null
else
    settings=$TF_DATA_DIR/backend.tfbackend
    .local/venv/bin/python -m tools.aws backend --env "$environment" --file "$settings"
    terraform -chdir=terraform init -input=false -reconfigure -backend-config="$settings" >/dev/null
fi
terraform -chdir=terraform workspace select -or-create "$environment" >/dev/null
[[ -n ${ENDPOINT:-} ]] || terraform -chdir=terraform state pull | .local/venv/bin/python -m tools.aws state --env "$environment"

[[ $command == destroy ]] || .local/venv/bin/python -m tools.build --target aws
[[ $command == plan || ${APPROVE:-} != yes ]] || arguments+=(-auto-approve)
terraform -chdir=terraform "$command" "${arguments[@]}"
[[ $command != apply ]] || printf '\nNext: make secret PROVIDER=openai ENV=%s, make bootstrap-key ENV=%s, make smoke ENV=%s\n' "$environment" "$environment" "$environment"
