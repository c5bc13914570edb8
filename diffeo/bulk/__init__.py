"""Bulk jobs: compute the rows of files, or a sample of any size, block by block, and write one file per block."""
