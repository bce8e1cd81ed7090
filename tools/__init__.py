"""What builds and checks the project: generated files, packages, deployments into the local engine."""
