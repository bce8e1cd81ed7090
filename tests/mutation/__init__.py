"""Mutants of the layer's conditions and of the decisions beside them: each must make a test fail."""
