//! Metric names, the Prometheus endpoint and logging.
