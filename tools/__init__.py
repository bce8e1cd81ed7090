"""Programs that build and check the project: generated files, packages, deployments into the local engine."""
