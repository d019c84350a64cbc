"""Runs the gateway on this machine: an emulator, a deployment from the description that Terraform reads, demo data."""
