"""What a deployment sells: the catalogue of products, their versions and their prices."""
