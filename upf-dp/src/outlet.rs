//! Where packets leave the path.

use session::WorkerId;

/// What takes packets from the path. It counts what it sends and what it has to drop.
pub trait Outlet<P> {
    /// Sends a frame by a port, or at the latest with [`flush`](Self::flush).
    fn send(&mut self, port: u16, packet: P);
    /// Gives a packet that was received on `port` to the worker that owns its session.
    ///
    /// # Errors
    /// Gives it back when that worker is not to be reached, or has too much to do.
    fn hand_over(&mut self, to: WorkerId, port: u16, packet: P) -> Result<(), P>;
    /// An empty buffer, for a packet of our own.
    fn buffer(&mut self) -> Option<P>;
    /// Whether so few buffers are left that packets which only wait should give theirs back. May cost
    /// more than a packet.
    fn is_short(&self) -> bool;
    /// Sends what has gathered.
    fn flush(&mut self);
}
