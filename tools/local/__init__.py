"""The gateway on this machine: an emulator, a deployment made from the same description as Terraform's, demo data."""
