# The image of `unislu batch --engine ray` on KubeRay: Ray's own image and unislu with its default model.
#   docker build -f deploy/kubernetes/batch.Dockerfile -t REGISTRY/unislu-batch:0.1.0 .
ARG RAY=2.52.0
FROM rayproject/ray:${RAY}-py311-cpu
# Nothing reports on its user, Ray's own processes neither, which start before unislu.
ENV ORT_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_TELEMETRY=1 RAY_USAGE_STATS_ENABLED=0 DO_NOT_TRACK=1
COPY --chown=ray:users . /home/ray/unislu
# The image's Ray stays: a cluster and its driver must be of one version.
RUN pip install --no-cache-dir "/home/ray/unislu[scale]" s3fs && rm -rf /home/ray/unislu
