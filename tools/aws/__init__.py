"""The operator's commands for a deployed gateway, on AWS or on an emulator: `python -m tools.aws`."""
