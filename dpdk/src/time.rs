//! The time stamp counter.

/// The time stamp counter of this core, read in place; not ordered with what surrounds it.
#[inline]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: Every x86-64 has this instruction.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count: u64;
        // SAFETY: Reads the virtual counter, which user space may.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        count
    }
}

/// How often [`cycles`] counts in a second, as the EAL measured it.
pub fn cycles_hz(_: crate::Eal) -> u64 {
    // SAFETY: The EAL is up, which is when it was measured.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}
