"""A client of the platform's HTTP API: typed, over httpx, without PyTorch.

Example:
    >>> from radversary.client import Client
    >>> Client("http://localhost:8000", key="rv_example").url
    'http://localhost:8000'
"""

from radversary.client.client import Client

__all__ = ["Client"]
