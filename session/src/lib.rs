//! The contract between control and packet path: rules, plans, tables, usage, reports.
