//! The procedures of TS 29.244, clause 6, one file for each kind. All are methods of
//! [`Node`](crate::Node).

mod activation;
mod advertise;
mod draft;
mod establishment;
mod heartbeat;
mod inactivity;
mod modification;
mod node_report;
mod operations;
mod paging;
mod partial;
pub(crate) mod pfd;
mod refuse;
mod release;
mod report;
mod sets;
mod setup;
mod stations;
mod update;
mod usage;
