"""The commands of `pluct`: a module is named after its command."""
