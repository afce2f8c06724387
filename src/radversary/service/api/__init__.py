"""The HTTP API, version 1: endpoints of a few lines over :mod:`radversary.service.catalogue`."""
