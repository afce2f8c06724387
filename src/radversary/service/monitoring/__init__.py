"""A guard in use: drift, alarm rates, alerts, audits by a schedule, figures for Prometheus."""
