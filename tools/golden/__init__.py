"""The golden plan: what this configuration makes of an environment, committed as text, so that a review sees a change.

- `plan` reads a plan, `unseen` Terraform's files for what no plan shows;
- `plans` makes the plans, `text` writes and compares.
"""
