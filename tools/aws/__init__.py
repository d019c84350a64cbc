"""What an operator does with a deployed gateway, on AWS or on an emulator: `python -m tools.aws`."""
