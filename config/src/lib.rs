//! The configuration file, parsed and validated. The only place that reads it.
