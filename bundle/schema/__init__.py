"""The parts of manifest.json: what they are made of, the kinds of columns, and the quality of the model."""
