//! From the configuration to the applications and predefined rules that SMFs name.

use config::schema::{Config, FarAction};
use config::{FlowText, Label, Loaded, Mistake, NetworkName, Problem, RuleNumber};
use session::sdf::{FlowDescription, FlowDescriptionError};
use upf_cp::{
    Application, PredefinedAction, PredefinedFar, PredefinedQer, PredefinedRule, PredefinedRules,
    PredefinedUrr,
};

/// The flow descriptions in a configuration that cannot be read, each with its place.
pub(crate) fn mistakes(loaded: &Loaded) -> Vec<Mistake> {
    let config = &loaded.config;
    let applications = config.applications.iter().map(|known| &known.flows);
    let applications = applications.enumerate();
    let rules = config.predefined.rules.iter().map(|rule| &rule.flows);
    let rules = rules.enumerate();
    let lists = applications
        .map(|(index, flows)| (format!("applications.{index}.flows"), flows))
        .chain(rules.map(|(index, flows)| (format!("predefined.rules.{index}.flows"), flows)));
    let mut mistakes = Vec::new();
    for (key, flows) in lists {
        for (index, text) in flows.iter().enumerate() {
            if let Err(error) = FlowDescription::parse(text.as_str()) {
                let problem = Problem::Invalid {
                    found: text.as_str().to_owned(),
                    expected: format!("a flow description: {error}"),
                    similar: None,
                };
                mistakes.push(loaded.mistake(&format!("{key}.{index}"), problem));
            }
        }
    }
    mistakes
}

/// The applications that are known without PFDs.
///
/// # Errors
/// When a flow description cannot be read.
pub(crate) fn applications(config: &Config) -> Result<Vec<Application>, FlowDescriptionError> {
    let applications = config.applications.iter();
    let applications = applications.map(|application| {
        Ok(Application {
            id: application.id.as_str().to_owned(),
            flows: flows(&application.flows)?,
        })
    });
    applications.collect()
}

/// The rules that SMFs activate by name.
///
/// # Errors
/// When a flow description cannot be read.
pub(crate) fn predefined(config: &Config) -> Result<PredefinedRules, FlowDescriptionError> {
    let predefined = &config.predefined;
    let text = |label: &Label| label.as_str().to_owned();
    let numbers = |numbers: &[RuleNumber]| numbers.iter().map(|number| number.get()).collect();
    let rules = predefined.rules.iter().map(|rule| {
        Ok(PredefinedRule {
            name: text(&rule.name),
            group: rule.group.as_ref().map(text),
            precedence: rule.precedence,
            flows: flows(&rule.flows)?,
            application: rule.application.as_ref().map(text),
            far: rule.far.map(RuleNumber::get),
            qers: numbers(&rule.qers),
            urrs: numbers(&rule.urrs),
        })
    });
    let fars = predefined.fars.iter().map(|far| PredefinedFar {
        number: far.id.get(),
        does: match far.action {
            FarAction::Drop => PredefinedAction::Drop,
            FarAction::Forward => PredefinedAction::Forward {
                network: far.network.as_ref().map(NetworkName::to_string),
            },
        },
    });
    // Zero is none.
    let some = |number: u64| (number > 0).then_some(number);
    let qers = predefined.qers.iter().map(|qer| PredefinedQer {
        number: qer.id.get(),
        uplink_open: qer.uplink_open,
        downlink_open: qer.downlink_open,
        uplink_kbps: some(qer.mbr_uplink_kbps),
        downlink_kbps: some(qer.mbr_downlink_kbps),
        qfi: (qer.qfi > 0).then_some(qer.qfi),
    });
    let urrs = predefined.urrs.iter().map(|urr| PredefinedUrr {
        number: urr.id.get(),
        volume_threshold_octets: some(urr.volume_threshold_octets),
        period_s: (urr.period_s > 0).then_some(urr.period_s),
    });
    Ok(PredefinedRules {
        rules: rules.collect::<Result<_, _>>()?,
        fars: fars.collect(),
        qers: qers.collect(),
        urrs: urrs.collect(),
    })
}

/// [`mistakes`] has told of those that cannot be read.
fn flows(texts: &[FlowText]) -> Result<Vec<FlowDescription>, FlowDescriptionError> {
    let flows = texts.iter();
    let flows = flows.map(|text| FlowDescription::parse(text.as_str()));
    flows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_rules_become_what_they_say() {
        let loaded = config::load(config::EXAMPLE, &config::Overrides::default()).unwrap();
        assert_eq!(mistakes(&loaded), []);
        let applications = applications(&loaded.config).unwrap();
        assert_eq!(applications[0].id, "video");
        assert_eq!(applications[0].flows.len(), 2);
        let predefined = predefined(&loaded.config).unwrap();
        let [video, mail] = predefined.rules.as_slice() else {
            panic!("{predefined:?}")
        };
        assert_eq!(video.application.as_deref(), Some("video"));
        assert_eq!((video.far, video.urrs.as_slice()), (Some(1), &[1][..]));
        assert_eq!((mail.precedence, mail.flows.len()), (50, 1));
        let drop = &predefined.fars[1];
        assert_eq!((drop.number, &drop.does), (2, &PredefinedAction::Drop));
        let qer = &predefined.qers[0];
        assert_eq!(
            (qer.downlink_open, qer.downlink_kbps, qer.qfi),
            (false, None, None)
        );
        let urr = &predefined.urrs[0];
        assert_eq!(
            (urr.volume_threshold_octets, urr.period_s),
            (None, Some(3600))
        );
    }

    #[test]
    fn a_flow_description_that_cannot_be_read_is_named_with_its_place() {
        let text = config::EXAMPLE.replace("from 192.0.2.0/24 443 to assigned", "to assigned");
        let loaded = config::load(&text, &config::Overrides::default()).unwrap();
        let found = mistakes(&loaded);
        assert_eq!(found.len(), 2);
        let message = found[0].to_string();
        assert_eq!(found[0].key, "applications.0.flows.0");
        assert!(found[0].line_and_column().is_some(), "{message}");
        assert!(
            message.contains("`from ADDRESS` and `to ADDRESS` are needed"),
            "{message}"
        );
    }
}
