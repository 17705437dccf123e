//! What predefined rules are called, and what they refer to.

use super::Check;
use crate::Problem;
use crate::reader::join;
use crate::schema::PredefinedRule;

/// The most flow descriptions that a packet detection rule holds.
const FLOWS_MAX: u64 = 255;

impl Check<'_> {
    /// Applications and predefined rules are told apart by name, FARs, QERs and URRs by number.
    pub(super) fn rules(&mut self) {
        let config = self.config;
        let predefined = &config.predefined;
        let ids = config.applications.iter().map(|known| known.id.to_string());
        self.unique_at("application", "applications", "id", ids.collect());
        for (index, application) in config.applications.iter().enumerate() {
            let key = format!("applications.{index}.flows");
            if application.flows.is_empty() {
                let expected = "flow description";
                self.mistake(&key, Problem::Empty { expected });
            }
            self.flows(&key, application.flows.len());
        }
        let names = predefined.rules.iter().map(|rule| rule.name.to_string());
        self.unique("predefined rule", "predefined.rules", names.collect());
        let fars = predefined.fars.iter().map(|far| far.id.to_string());
        let fars: Vec<_> = fars.collect();
        let qers = predefined.qers.iter().map(|qer| qer.id.to_string());
        let qers: Vec<_> = qers.collect();
        let urrs = predefined.urrs.iter().map(|urr| urr.id.to_string());
        let urrs: Vec<_> = urrs.collect();
        let lists = [
            ("FAR", "fars", &fars),
            ("QER", "qers", &qers),
            ("URR", "urrs", &urrs),
        ];
        for (what, list, numbers) in lists {
            let list = format!("predefined.{list}");
            self.unique_at(what, &list, "id", numbers.clone());
        }
        for (index, far) in predefined.fars.iter().enumerate() {
            if let Some(name) = &far.network
                && config.network(name.as_str()).is_none()
            {
                let key = format!("predefined.fars.{index}.network");
                let known = config.networks.iter().map(|known| known.name.as_str());
                self.no_such(&key, "network", name.as_str(), known.collect());
            }
        }
        for (index, rule) in predefined.rules.iter().enumerate() {
            let key = format!("predefined.rules.{index}");
            self.rule(&key, rule);
            let far = rule.far.iter().map(ToString::to_string);
            self.refers(&join(&key, "far"), "FAR", far.collect(), &fars, false);
            let named = rule.qers.iter().map(ToString::to_string);
            self.refers(&join(&key, "qers"), "QER", named.collect(), &qers, true);
            let named = rule.urrs.iter().map(ToString::to_string);
            self.refers(&join(&key, "urrs"), "URR", named.collect(), &urrs, true);
        }
    }

    fn rule(&mut self, key: &str, rule: &PredefinedRule) {
        self.flows(&join(key, "flows"), rule.flows.len());
        let Some(application) = &rule.application else {
            return;
        };
        let key = join(key, "application");
        let known = self.config.applications.iter();
        let known: Vec<&str> = known.map(|known| known.id.as_str()).collect();
        if !known.contains(&application.as_str()) {
            self.no_such(&key, "application", application.as_str(), known);
        } else if !rule.flows.is_empty() {
            self.mistake(&key, Problem::FlowsAndApplication);
        }
    }

    fn flows(&mut self, key: &str, count: usize) {
        let found = u64::try_from(count).unwrap_or(u64::MAX);
        if found > FLOWS_MAX {
            self.mistake(
                key,
                Problem::TooManyFlows {
                    found,
                    max: FLOWS_MAX,
                },
            );
        }
    }

    /// Each of these numbers is one that is there.
    fn refers(
        &mut self,
        key: &str,
        what: &'static str,
        numbers: Vec<String>,
        known: &[String],
        list: bool,
    ) {
        for (index, number) in numbers.into_iter().enumerate() {
            if known.contains(&number) {
                continue;
            }
            let key = if list {
                join(key, &index.to_string())
            } else {
                key.to_owned()
            };
            let known = known.iter().map(String::as_str).collect();
            self.no_such(&key, what, &number, known);
        }
    }
}
