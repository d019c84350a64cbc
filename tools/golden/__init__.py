"""The golden plan: what this configuration makes of an environment, committed as text, so that a review sees a change.

- `hcl` reads the structure of Terraform's files, `plan` a plan, `unseen` what no plan shows;
- `plans` makes the plans, `text` writes and compares.
"""
