//! The packet path: pure stages over bursts, and the worker that moves them.
