# Three images: `serve` (no torch), `serve` with EXTRA=cuda for a GPU, and `train` (torch, no network).
ARG BASE=python:3.11.15-slim-bookworm

# The build stages hold what only pip needs. Dependencies are installed first, because they change less often than the
# sources.
FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/diffeo
COPY pyproject.toml constraints.txt README.md LICENSE ./

FROM build AS build-serve
ARG EXTRA=serve
COPY deploy/requirements deploy/requirements
# pip refuses a file whose hash is not in these lists, and a package that they do not name.
RUN /opt/diffeo/bin/pip install --require-hashes -r deploy/requirements/build.txt -r "deploy/requirements/${EXTRA}.txt"
# The wheels for CPU and GPU install into the same folder, so the one for the CPU is removed.
RUN if [ "${EXTRA}" = cuda ]; then \
      /opt/diffeo/bin/pip uninstall --yes onnxruntime && \
      awk '/^onnxruntime-gpu==/ {found = 1} found; found && !/\\$/ {exit}' deploy/requirements/cuda.txt > /tmp/gpu.txt && \
      /opt/diffeo/bin/pip install --force-reinstall --no-deps --require-hashes -r /tmp/gpu.txt; \
    fi
COPY bundle bundle
COPY runtime runtime
COPY diffeo diffeo
COPY service service
COPY training training
COPY deploy/slim.sh deploy/slim.sh
# Without build isolation, which would fetch a build tool that no list names.
RUN /opt/diffeo/bin/pip install --no-deps --no-build-isolation . && sh deploy/slim.sh /opt/diffeo

FROM ${BASE} AS base
# The same user number in every image, because the files of a volume belong to a number.
RUN groupadd --gid 10001 diffeo && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp diffeo
# The root may be read-only, so the home folder and the caches are in /tmp.
ENV PATH=/opt/diffeo/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["diffeo"]

FROM base AS serve
COPY --from=build-serve /opt/diffeo /opt/diffeo
ENV DIFFEO_HOST=0.0.0.0 DIFFEO_PORT=8000 DIFFEO_MODELS=/models
EXPOSE 8000
CMD ["serve"]

FROM build AS build-train
RUN /opt/diffeo/bin/pip install --constraint constraints.txt '.[train]'
COPY bundle bundle
COPY runtime runtime
COPY diffeo diffeo
COPY service service
COPY training training
RUN /opt/diffeo/bin/pip install --no-deps --force-reinstall .

FROM base AS train
COPY --from=build-train /opt/diffeo /opt/diffeo
CMD ["fit", "--help"]
