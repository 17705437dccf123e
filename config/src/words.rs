//! Values that are one of a few words, declared once each.

use crate::choices::choices;

choices! {
    /// What a 3GPP interface is for (TS 23.501, 4.2.7).
    pub enum Role ("one of n3, n9, n6") {
        /// Towards gNBs.
        N3 = "n3",
        /// Towards other UPFs.
        N9 = "n9",
        /// Towards data networks.
        N6 = "n6",
    }

    /// What a predefined FAR does.
    pub enum FarAction ("forward or drop") {
        /// On to a data network.
        Forward = "forward",
        /// Away.
        Drop = "drop",
    }

    /// The way from one UE to another.
    pub enum UeToUe ("one of n6, local, drop") {
        /// By the data network.
        N6 = "n6",
        /// Inside the UPF.
        Local = "local",
        /// None.
        Drop = "drop",
    }

    /// Whether an associated Node ID may begin anew from another address.
    pub enum Moves ("one of never, when_silent, always") {
        /// It may not.
        Never = "never",
        /// Once heartbeats to the old address are not answered.
        WhenSilent = "when_silent",
        /// It may.
        Always = "always",
    }

    /// What gives way when as many packets are held as may be.
    pub enum WhenFull ("newest or oldest") {
        /// The packet that comes.
        Newest = "newest",
        /// The one that has been held longest.
        Oldest = "oldest",
    }

    /// How packets that are too big for a tunnel are cut.
    pub enum Fragmentation ("one of inner, outer, never") {
        /// The user's packet.
        Inner = "inner",
        /// The tunnel's packet.
        Outer = "outer",
        /// Not at all.
        Never = "never",
    }

    /// The pages that packet buffers lie in.
    pub enum Hugepages ("one of auto, 1g, 2m, none") {
        /// The largest that are free.
        Auto = "auto",
        /// Pages of 1 GB.
        OneGigabyte = "1g",
        /// Pages of 2 MB.
        TwoMegabytes = "2m",
        /// Ordinary memory.
        None = "none",
    }

    /// How important a message must be to be written.
    pub enum Level ("one of error, warn, info, debug, trace") {
        /// What does not work.
        Error = "error",
        /// What may not work.
        Warn = "warn",
        /// What changed.
        Info = "info",
        /// What was decided, and why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }

    /// How messages are written.
    pub enum Format ("text or json") {
        /// Lines for people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }

    /// What the log says of who subscribers are.
    pub enum LoggedIdentities ("one of masked, full, none") {
        /// Enough to tell some from others.
        Masked = "masked",
        /// All.
        Full = "full",
        /// Nothing.
        None = "none",
    }

    /// Who is told by the API who subscribers are.
    pub enum ToldIdentities ("one of admin, all, none") {
        /// Those who may change things.
        Admin = "admin",
        /// All.
        All = "all",
        /// Nobody.
        None = "none",
    }
}
