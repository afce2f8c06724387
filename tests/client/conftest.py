"""The client is tested against the platform's server."""

from service.conftest import key, live, platform, settings, shelf, worker

__all__ = ["key", "live", "platform", "settings", "shelf", "worker"]
