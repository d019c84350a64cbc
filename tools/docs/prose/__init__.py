"""The prose linter: the habits that make our sentences hard to read, found in documents and in code."""
