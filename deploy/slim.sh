#!/bin/sh
# Takes out of an environment what a running service never loads: pip, tests, headers, and Arrow's servers and planners.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

rm -rf "$packages"/pip "$packages"/pip-* "$packages"/setuptools "$packages"/setuptools-* "$packages"/pkg_resources
find "$packages" -type d \( -name tests -o -name testing -o -name include \) \
  -not -path '*/numpy/testing' -not -path '*/numpy/*/testing' -prune -exec rm -rf {} +

# Arrow streams need libarrow and its Python binding; the other libraries belong to modules that nobody imports here.
for module in flight substrait dataset acero gandiva orc s3fs gcsfs azurefs parquet; do
  find "$packages"/pyarrow -name "*${module}*" -not -name '*.py' -not -name 'libarrow_python*' -exec rm -rf {} +
done
