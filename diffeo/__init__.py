"""The door: what a person types or imports."""
