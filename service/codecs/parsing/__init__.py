"""Parsers and writers that several codecs share."""
