"""Signed HTTP to AWS without botocore: start-up and each call cost a fraction of its time (docs/decisions/0003)."""
