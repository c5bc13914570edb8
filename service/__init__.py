"""Online: bytes to rows to bytes. Never trains, never imports training; torch only in `engines.torchscript`."""
