"""Reproducible zips without Docker: one for each function, one layer of shared dependencies, one of gateway code."""

from tools.build.artifacts import Artifact, BuildResult, build
from tools.build.target import BuildError, Target, aws_target, local_target

__all__ = ["Artifact", "BuildError", "BuildResult", "Target", "aws_target", "build", "local_target"]
