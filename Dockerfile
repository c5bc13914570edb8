# One file, three images: `serve` (no torch), the same for a GPU with EXTRA=cuda, and `train` (torch, offline).
ARG BASE=python:3.11-slim-bookworm

# What pip needs stays behind in the build stages. Dependencies come first: they change less often than the sources.
FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/diffeo
COPY pyproject.toml constraints.txt README.md ./

FROM build AS build-serve
ARG EXTRA=serve
RUN /opt/diffeo/bin/pip install --constraint constraints.txt ".[${EXTRA}]"
# Both wheels fill the same folder, so the one for the processor must not stand beside the one for the GPU.
RUN if [ "${EXTRA}" = cuda ]; then \
      /opt/diffeo/bin/pip uninstall --yes onnxruntime && \
      /opt/diffeo/bin/pip install --force-reinstall --no-deps onnxruntime-gpu; \
    fi
COPY bundle bundle
COPY runtime runtime
COPY diffeo diffeo
COPY service service
COPY training training
COPY deploy/slim.sh deploy/slim.sh
RUN /opt/diffeo/bin/pip install --no-deps --force-reinstall . && sh deploy/slim.sh /opt/diffeo

FROM ${BASE} AS base
# The same user in every image: volumes belong to a number, not to a name.
RUN groupadd --gid 10001 diffeo && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp diffeo
# The root may be read-only: what wants a home, or a folder for its caches, has /tmp.
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
