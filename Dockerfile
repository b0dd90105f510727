# syntax=docker/dockerfile:1
# unislu serve, as a container. Build: docker build -t unislu .   More: docs/how-to/serve.md

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY requirements/server.txt ./requirements/
COPY src ./src
RUN python -m venv /opt/unislu \
    && /opt/unislu/bin/pip install --require-hashes --requirement requirements/server.txt \
    && /opt/unislu/bin/pip install --no-deps .

FROM python:3.12-slim
# /data keeps the jobs; it belongs to the user before a volume is mounted there, and so does the volume.
RUN groupadd --system --gid 10001 unislu \
    && useradd --system --uid 10001 --gid unislu --home-dir /nonexistent --shell /usr/sbin/nologin unislu \
    && install --directory --owner unislu --mode 0700 /data
COPY --from=build /opt/unislu /opt/unislu
# PYTHONDONTWRITEBYTECODE: the container can run read-only. MALLOC_ARENA_MAX: threads share their free memory.
ENV PATH=/opt/unislu/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    ORT_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_TELEMETRY=1 RAY_USAGE_STATS_ENABLED=0 DO_NOT_TRACK=1 \
    UNISLU_HOST=0.0.0.0 UNISLU_PORT=8000 UNISLU_DATA=/data
# By number: Kubernetes cannot tell from a name that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# It does not start without a key file (or UNISLU_KEYS), because it can be reached from outside.
ENTRYPOINT ["unislu", "serve"]
