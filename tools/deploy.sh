#!/usr/bin/env bash
# deploy.sh plan|apply|destroy ENV: checks what is needed, builds, selects the workspace, and hands over to Terraform.
#   plan     shows what would change, and keeps that plan
#   apply    shows the plan that was kept and asks; it applies that plan and no other, and refuses it where anything that it was
#            made of is another by now (code, descriptions, variables; Terraform itself compares the state). Where no plan
#            was kept it makes one
#   destroy  shows what would go, and asks
# The environment may hold
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
configuration=terraform architecture=arm64
unprepared="Terraform could not be prepared: see its error above. If it can't download its AWS provider, connect this machine to Terraform's registry, or name a mirror in Terraform's CLI configuration. Nothing was done."
umask 077
if [[ -n ${ENDPOINT:-} ]]; then
    TF_DATA_DIR+=-emulator
    case $(uname -m) in x86_64 | amd64) architecture=x86_64 ;; esac # an emulator runs functions on this machine
    arguments+=(-var "emulator_endpoint=$ENDPOINT" -var region=us-east-1 -var "architecture=$architecture")
    export AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test
    # A copy of the configuration: a killed run leaves nothing next to Terraform's files that a plan for AWS would read.
    copy=$TF_DATA_DIR/copy configuration=$TF_DATA_DIR/copy/terraform
    rm -rf "$copy" && mkdir -p "$copy"
    cp -R terraform "$copy" && rm -rf "$configuration/.terraform"
    ln -s "$PWD/functions" "$PWD/shared" "$PWD/build" "$copy"
    printf 'terraform {\n  backend "local" {\n    workspace_dir = "%s"\n  }\n}\n' "$TF_DATA_DIR/state" >"$configuration/backend_override.tf"
    terraform -chdir="$configuration" init -input=false -reconfigure >/dev/null || fail "$unprepared"
else
    for file in terraform/*override.tf terraform/*override.tf.json; do
        [[ ! -e $file ]] || fail "$file would change what is deployed, or where its state lies, and git ignores it: remove it. Nothing was done."
    done
    settings=$TF_DATA_DIR/backend.tfbackend
    .local/venv/bin/python -m tools.aws backend --env "$environment" --file "$settings"
    terraform -chdir=terraform init -input=false -reconfigure -backend-config="$settings" >/dev/null || fail "$unprepared"
fi
terraform -chdir="$configuration" workspace select -or-create "$environment" >/dev/null
[[ -n ${ENDPOINT:-} ]] || terraform -chdir=terraform state pull | .local/venv/bin/python -m tools.aws state --env "$environment"

kept=$TF_DATA_DIR/kept.tfplan
approved() {
    [[ ${APPROVE:-} != yes ]] || return 0
    printf '\nApply this plan to %s? Only "yes" will do: ' "$environment"
    read -r answer && [[ $answer == yes ]] || fail "Nothing was done; the plan is kept."
}
inputs() { # one line that says what a plan was made of
    {
        find terraform functions shared -type f \( -name '*.tf' -o -name '*.json' -o -name "$environment.tfvars" \) \
            -not -path '*/.terraform/*' -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 sha256sum
        sha256sum "build/aws-$architecture-py313"/*.zip
        printf '%s\n' "${arguments[@]}"
    } | sha256sum
}
planned() { # a plan is there as a whole, with what it was made of, or not at all
    rm -f "$kept" "$kept.inputs"
    terraform -chdir="$configuration" plan "${arguments[@]}" -out="$kept.new"
    mv "$kept.new" "$kept"
    inputs >"$kept.inputs"
}

if [[ $command == destroy ]]; then
    rm -f "$kept" "$kept.inputs"
    [[ ${APPROVE:-} != yes ]] || arguments+=(-auto-approve)
    terraform -chdir="$configuration" destroy "${arguments[@]}"
    exit 0
fi
.local/venv/bin/python -m tools.build --target aws --architecture "$architecture"
if [[ $command == plan ]]; then
    planned
    printf '\nThis plan is kept: make apply ENV=%s applies it.\n' "$environment${ENDPOINT:+ ENDPOINT=$ENDPOINT}"
    exit 0
fi
if [[ -f $kept && -f $kept.inputs ]]; then
    [[ $(inputs) == "$(<"$kept.inputs")" ]] || fail "The plan that was kept is stale: code, descriptions or variables changed since it was made. make plan ENV=$environment, read it, and apply again. Nothing was done."
    terraform -chdir="$configuration" show "$kept"
else
    planned
fi
approved
# From here on this plan is used up, whatever becomes of it.
mv "$kept" "$kept.applied" && rm -f "$kept.inputs"
terraform -chdir="$configuration" apply "$kept.applied"
rm -f "$kept.applied"
printf '\nNext: make secret PROVIDER=openai ENV=%s, make bootstrap-key ENV=%s, make smoke ENV=%s\n' "$environment" "$environment" "$environment"
