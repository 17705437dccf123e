//! DPDK with its rules written as types.
