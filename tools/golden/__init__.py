"""The golden plan: what this configuration makes of an environment, committed as text, so that a review sees a change.

- `plan` reads a plan, `unseen` reads the parts of Terraform's files that no plan shows;
- `plans` makes the plans, `provider` keeps their provider running, `text` writes and compares.
"""
