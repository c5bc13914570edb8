"""Downloads of files: verified against their SHA-256 and sent block after block, never held as a whole."""
