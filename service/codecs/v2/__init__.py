"""Tensors on the wire of the Open Inference Protocol v2: JSON, or JSON and then bytes; decode beside encode."""
