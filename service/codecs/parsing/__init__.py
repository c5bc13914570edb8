"""Parsers and writers that several formats share."""
