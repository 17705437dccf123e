//! N4: associations, sessions, reports. A core without I/O and a thin tokio shell.
