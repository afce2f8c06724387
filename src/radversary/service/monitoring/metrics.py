"""Figures of this process for Prometheus: one registry a tenant, so that a key sees its own alone; nothing global.

No label holds a name, a path or anything of a film.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from radversary.service.jobs.states import State
from radversary.service.store.database import Database
from radversary.service.store.monitoring_tables import Alert, Delivery
from radversary.service.store.tables import Job, Model, Worker

BUCKETS: Final = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes of latency, in seconds."""


class TenantMetrics:
    """Figures of one tenant.

    Args:
        database: The store.
        tenant: Whose.
    """

    def __init__(self, database: Database, tenant: str) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("screen_requests", "Films sent for screening", ["verdict"], registry=self.registry)
        self.latency = Histogram("screen_latency_seconds", "Seconds that a screening took", buckets=BUCKETS,
                                 registry=self.registry)
        self.success = Gauge("last_success_timestamp", "When a film was last judged, in seconds since 1970",
                             registry=self.registry)
        self.registry.register(StoreCollector(database, tenant))

    def screened(self, verdict: str, seconds: float) -> None:
        """Count a film.

        Args:
            verdict: ``pass``, ``review`` or ``refused``.
            seconds: How long it took.
        """
        self.requests.labels(verdict).inc()
        self.latency.observe(seconds)
        if verdict != "refused":
            self.success.set(time.time())


class StoreCollector(Collector):
    """Reads figures from the store whenever they are asked for.

    Args:
        database: The store.
        tenant: Whose.
    """

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def describe(self) -> list[GaugeMetricFamily]:
        """Say nothing beforehand, so that registering asks the store nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield jobs by state, models, open alerts, alerts on their way, and workers."""
        with self.database.session() as session:
            jobs = counts(session.execute(select(Job.state, func.count()).where(Job.tenant == self.tenant)
                                          .group_by(Job.state)))
            hashes = session.scalars(select(Model.sha256).where(Model.tenant == self.tenant).distinct()).all()
            alerts = counts(session.execute(select(Alert.kind, func.count()).where(
                Alert.tenant == self.tenant, Alert.state == "open").group_by(Alert.kind)))
            waiting = session.scalar(select(func.count()).where(Delivery.tenant == self.tenant,
                                                                Delivery.state == "waiting")) or 0
            workers = session.scalar(select(func.count()).select_from(Worker)) or 0
        yield gauge("jobs", "Jobs by state", "state", {str(state): jobs.get(state, 0) for state in State})
        yield gauge("model_info", "Registered models", "hash", dict.fromkeys(hashes, 1))
        yield gauge("alerts_open", "Alerts that nobody has looked at", "kind", alerts)
        yield GaugeMetricFamily("alert_deliveries_waiting", "Alerts on their way", value=waiting)
        yield GaugeMetricFamily("workers", "Workers that give signs of life", value=workers)


def counts(rows: Iterable[Any]) -> dict[str, int]:
    """Return rows of a name and a number as a mapping."""
    return {name: number for name, number in rows}  # noqa: C416 - a row is no tuple for the type checker


def gauge(name: str, says: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    """Return a gauge with one label."""
    family = GaugeMetricFamily(name, says, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family


class Metrics:
    """Figures of every tenant that this process has served.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self.database, self._lock, self._tenants = database, threading.Lock(), dict[str, TenantMetrics]()

    def of(self, tenant: str) -> TenantMetrics:
        """Return the figures of a tenant."""
        with self._lock:
            if tenant not in self._tenants:
                self._tenants[tenant] = TenantMetrics(self.database, tenant)
            return self._tenants[tenant]

    def text(self, tenant: str) -> bytes:
        """Return a tenant's figures in Prometheus' text format."""
        return generate_latest(self.of(tenant).registry)
