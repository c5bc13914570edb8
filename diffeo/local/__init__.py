"""A model computed in this process, straight from its bundle."""
