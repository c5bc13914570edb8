"""The rules of the operators: each derives the outputs of a node, or refuses."""
