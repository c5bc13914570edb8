#!/bin/sh
# Removes from an environment the files that a running service never loads, then checks that the service still imports.
set -eu
environment=$1
packages=$(echo "$environment"/lib/python3*/site-packages)

"$environment"/bin/python - <<'PYTHON'
import scipy.special  # the service uses only this part of SciPy, for the inverse of the normal distribution function
import sys
open("/tmp/scipy", "w").write(" ".join(sorted({name.split(".")[1] for name in sys.modules if name.startswith("scipy.")})))
PYTHON
for folder in "$packages"/scipy/*/; do
  name=$(basename "$folder")
  case " $(cat /tmp/scipy) " in *" $name "*) ;; *) rm -rf "$folder" ;; esac
done

# Arrow's servers and cloud stores. The Python binding needs its other libraries.
for part in flight gandiva s3 gcs azure; do
  find "$packages"/pyarrow -name "*${part}*.so*" -delete
done
# ONNX Runtime's tools to change models; the service only runs them.
for part in backend datasets quantization tools transformers; do
  rm -rf "$packages"/onnxruntime/$part
done
# The library for C programs; the Python binding contains the whole runtime itself.
rm -f "$packages"/onnxruntime/capi/libonnxruntime.so*
rm -f "$packages"/simdjson/*.cpp "$packages"/simdjson/*.h
rm -rf "$packages"/pip "$packages"/pip-* "$packages"/setuptools "$packages"/setuptools-* "$packages"/pkg_resources
find "$packages" -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +

"$environment"/bin/python -c '
import onnxruntime, pyarrow, pyarrow.ipc, scipy.special
import diffeo.service.app, diffeo.service.repository.preflight
'
