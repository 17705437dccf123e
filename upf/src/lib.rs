//! The UPF, wired.
