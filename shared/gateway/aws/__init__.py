"""Signed HTTP to AWS without botocore: start-up and every call cost a fraction (docs/decisions/0003)."""
