"""Text files: finds encoding, delimiter and decimal sign, translates to the strict CSV text, and reads it in blocks."""
