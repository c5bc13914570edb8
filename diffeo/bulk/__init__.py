"""Files in, files out: more rows than memory, cut into blocks that are computed in any order and written once each."""
