//! What the UPF reports that sessions used, beside what came out of it.

use std::collections::{BTreeMap, BTreeSet};

use pfcp::UsageReport;

/// The accounts of sessions with one volume URR.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<u32, Account>);

#[derive(Debug, Default)]
struct Account {
    octets: u64,
    /// All reports before this one came.
    next: u32,
    /// And these behind it.
    ahead: BTreeSet<u32>,
}

impl Usage {
    /// Enters reports of a session, each once, however often it comes.
    pub(super) fn enter(&mut self, session: u32, reports: &[UsageReport]) {
        let account = self.0.entry(session).or_default();
        for report in reports {
            let number = report.ur_seqn.0;
            if number < account.next || !account.ahead.insert(number) {
                continue;
            }
            while account.ahead.remove(&account.next) {
                account.next += 1;
            }
            let volume = report.volume_measurement.as_ref();
            account.octets += volume.and_then(|volume| volume.total).unwrap_or(0);
        }
    }

    /// The session has ended: what is wrong with its account, given the octets of user packets that
    /// came out.
    pub(super) fn close(&mut self, session: u32, came_out: u64) -> Option<String> {
        let account = self.0.remove(&session).unwrap_or_default();
        if !account.ahead.is_empty() {
            let next = account.next;
            return Some(format!(
                "usage report {next} of session {session} never came"
            ));
        }
        (account.octets != came_out).then(|| {
            let octets = account.octets;
            format!("session {session}: {octets} octets reported, {came_out} came out")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: u32, octets: u64) -> UsageReport {
        UsageReport {
            ur_seqn: pfcp::UrSeqn(number),
            volume_measurement: Some(pfcp::VolumeMeasurement::of_all([octets, 0, octets], [1; 3])),
            ..Default::default()
        }
    }

    #[test]
    fn reports_count_once_and_none_may_be_missing() {
        let mut usage = Usage::default();
        usage.enter(1, &[report(0, 100), report(2, 30)]);
        usage.enter(1, &[report(0, 100), report(1, 20), report(2, 30)]);
        assert_eq!(usage.close(1, 150), None);
        usage.enter(1, &[report(0, 100), report(2, 30)]);
        assert!(
            usage
                .close(1, 130)
                .is_some_and(|fault| fault.contains("report 1 of"))
        );
        usage.enter(1, &[report(0, 100)]);
        assert!(
            usage
                .close(1, 99)
                .is_some_and(|fault| fault.contains("99 came out"))
        );
        assert_eq!(usage.close(2, 0), None);
    }
}
