#!/usr/bin/env bash
# terraform-check.sh         format, validity, tests, golden plan, lint, parity and rights of the Terraform configuration
# terraform-check.sh golden  write the golden plan again, for a review of the change
# Works on a copy: neither lock files nor state stay behind. If ../shared/terraform/offline-aws exists, no registry and no
# AWS is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

terraform() { # a user's own settings for Terraform are none of a check's business
    TF_CLI_CONFIG_FILE="$config" command terraform "$@"
}

terraform_kept() { # the same with one stand-in for the whole command, where Terraform would start it again and again
    TF_CLI_CONFIG_FILE="$config" PYTHONPATH=$root "$root/.local/venv/bin/python" -m tools.golden.provider terraform "$@"
}

offline=${OFFLINE_AWS:-../shared/terraform/offline-aws}
config=/dev/null
if [[ -x $offline/install.sh ]] && command -v go >/dev/null; then
    "$offline/install.sh" .local/offline-aws
    config=$root/.local/offline-aws/terraformrc
fi
terraform -chdir=terraform fmt -check -recursive -diff

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/shared" "$copy/shared/gateway" "$copy/docs"
cp -R terraform functions build "$copy"
cp -R docs/runbooks "$copy/docs"
cp shared/*.json "$copy/shared"
cp -R shared/gateway/data "$copy/shared/gateway"
cd "$copy/terraform"
[[ $config == /dev/null ]] || rm -f .terraform.lock.hcl # checksums of the real provider, which the stand-in can't have
printf 'terraform {\n  backend "local" {}\n}\n' >backend_override.tf
export TF_IN_AUTOMATION=1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
unresolved=()
if [[ $config == /dev/null ]]; then
    # The real provider asks AWS whose account it is in; the plan needs any number.
    unresolved=(--unresolved)
    cat >account_override.tf <<'END'
provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  max_retries                 = 1
}

data "aws_caller_identity" "current" {
  count = 0
}

locals {
  account = "210987654321"
}
END
fi
golden() { # golden check|write: the plans of every environment and the committed ones
    (cd "$root" && TF_CLI_CONFIG_FILE=$config .local/venv/bin/python -m tools.golden "$1" "$copy" "$copy/plans" "${unresolved[@]}")
}
terraform init -input=false -no-color >/dev/null || {
    echo "Terraform could not be prepared (above). It needs its registry, or OFFLINE_AWS with the folder of the provider's stand-in, and Go." >&2
    exit 1
}
for environment in dev staging prod; do
    terraform workspace new "$environment" >/dev/null
done
if [[ ${1:-} == golden ]]; then
    [[ $config != /dev/null ]] || { echo "The golden plan is written by the stand-in, which knows every value." >&2 && exit 1; }
    golden write
    exit 0
fi
terraform validate -no-color
echo "-- golden plans"
golden check
if [[ $config == /dev/null ]]; then
    # The real provider plans only with an account's credentials, and a check must not need an account: Terraform mocks it.
    for file in tests/*.tftest.hcl; do
        cat tests/mock-aws.hcl >>"$file"
    done
fi
# The values of an environment's own file are tested in each; a run that sets its values itself, in the largest.
of_each=(-filter=tests/gateway.tftest.hcl -filter=tests/observability.tftest.hcl)
for environment in dev staging prod; do
    echo "-- $environment"
    [[ $environment != prod ]] || of_each=()
    TF_WORKSPACE=$environment terraform_kept test -no-color "${of_each[@]}" -var-file="environments/$environment.tfvars"
done
if [[ $config == /dev/null ]]; then
    echo "NOT CHECKED: lint, parity and rights; no offline stand-in of the provider lies beside this repository"
    exit 0
fi

echo "-- lint of prod: checkov, parliament"
# The strictest environment; what dev leaves out (recovery, a year of logs) it leaves out on purpose. checkov must not
# see a value that the stand-in made up, such as a key's; parliament must see each policy whole, as the golden plan does.
TF_WORKSPACE=prod terraform_kept plan -no-color -input=false -var-file=environments/prod.tfvars -out=prod.plan >/dev/null
terraform show -json prod.plan >"$copy/plan.json"
lint=$root/.local/terraform/bin
"$lint/checkov" --file "$copy/plan.json" --repo-root-for-plan-enrichment . --framework terraform_plan --skip-download --quiet --compact
"$lint/python" -W ignore "$root/tools/iam_lint.py" <"$copy/plans/prod.json"

echo "-- parity with the local deployer, rights, deliberate mistakes"
# Where the emulator is: its account and region.
export OFFLINE_AWS_ACCOUNT_ID=000000000000
variables=(-var-file=environments/dev.tfvars -var region=us-east-1 -var profile=full)
export TF_WORKSPACE=dev
log=$copy/apply.log
terraform_kept apply -no-color -input=false -auto-approve "${variables[@]}" >"$log" || { cat "$log" && exit 1; }
terraform show -json >"$copy/dev.json"
terraform_kept plan -no-color -input=false "${variables[@]}" -out="$copy/again.plan" >/dev/null
terraform show -json "$copy/again.plan" >"$copy/again.json"
(cd "$root" && TF_CLI_CONFIG_FILE=$config TERRAFORM_STATE="$copy/dev.json" TERRAFORM_PLAN="$copy/again.json" \
    TERRAFORM_COPY="$copy" .local/venv/bin/pytest -q -m terraform tests/terraform)
terraform_kept destroy -no-color -input=false "${variables[@]}" -auto-approve >"$copy/destroy.log" || { cat "$copy/destroy.log" && exit 1; }
left=$(terraform state list)
[[ -z $left ]] || { echo "destroy leaves: $left" && exit 1; }
