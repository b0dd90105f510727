"""Metrics for Prometheus. Each app has its own registry, so that several apps in one process do not
collide.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .batching import ModelWorker

_LATENCY = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The content of /metrics."""

    def __init__(self, worker: ModelWorker) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "unislu_requests", "Requests answered", ["route", "method", "status"], registry=registry
        )
        self.latency = Histogram(
            "unislu_request_seconds",
            "Seconds until the answer",
            ["route"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.active = Gauge(
            "unislu_active_requests", "Requests with audio, running or waiting", registry=registry
        )
        self.refused = Counter(
            "unislu_refused", "Requests refused because the queue was full", registry=registry
        )
        self.uploaded = Counter("unislu_uploaded_bytes", "Bytes of audio received", registry=registry)
        self.listeners = Gauge("unislu_listeners", "Live connections", registry=registry)
        counters = worker.counters
        for name, help_, read in (
            ("unislu_model_ready", "1 when the model is loaded", lambda: float(worker.ready)),
            ("unislu_queue", "Files waiting for the model", lambda: float(worker.waiting)),
            ("unislu_batches", "Batches transcribed so far", lambda: float(counters.batches)),
            ("unislu_files", "Files transcribed so far", lambda: float(counters.files)),
            (
                "unislu_audio_seconds",
                "Seconds of audio transcribed so far",
                lambda: counters.seconds_of_audio,
            ),
            ("unislu_model_busy_seconds", "Seconds the model was busy", lambda: counters.busy_seconds),
            ("unislu_largest_batch", "Files in the largest batch", lambda: float(counters.largest_batch)),
        ):
            Gauge(name, help_, registry=registry).set_function(read)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)
