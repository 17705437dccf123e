//! C18 and C19: SDF filters.

use pfcp::SdfFilter;

use crate::support::*;
use crate::*;

#[test]
fn c18_flow_descriptions_are_understood_whole_or_refused() {
    let long = format!("permit out ip from any{} to any", " x".repeat(500));
    let texts = [
        " ",
        "xxx",
        "permit",
        "permit out",
        "permit out ip from any to",
        "deny out ip from any to any",
        "permit out ip from any to any established",
        &long,
        "permit out ip from 1.2.3.4/99 to any",
        "permit out 999 from any to any",
        "permit out 17 from any 99999-1 to any",
        "permit out ip from 2001:db8::/200 to any",
        "%s%n",
        "permit out ip from 1.2.3 to any",
        "permit out ip from 10.0.0.1 to 2001:db8::1",
        "permit in ip from any to any",
        "",
        "PERMIT OUT IP FROM ANY TO ANY",
        "permit  out ip from any",
        "permit out ip from any to any to any",
        "permit out ip any from any to",
        "permit out ip from to any",
        "permit out -1 from any to any",
        "permit out 256 from any to any",
        "permit out 0x11 from any to any",
        "permit out udp from any to any",
        "permit out ip from 10.0.0.1/ to any",
        "permit out ip from 10.0.0.1/33 to any",
        "permit out ip from 10.0.0.1/-1 to any",
        "permit out ip from 10.0.0.1/+8 to any",
        "permit out ip from 10.0.0.256 to any",
        "permit out ip from 010.0.0.1.1 to any",
        "permit out ip from ::1::2 to any",
        "permit out ip from 2001:db8::/129 to any",
        "permit out ip from [2001:db8::1] to any",
        "permit out ip from fe80::1%eth0 to any",
        "permit out ip from !10.0.0.1 to any",
        "permit out ip from any to !assigned",
        "permit out 17 from any 65536 to any",
        "permit out 17 from any 1-2-3 to any",
        "permit out 17 from any 5-4 to any",
        "permit out 17 from any 1, to any",
        "permit out 17 from any ,1 to any",
        "permit out 17 from any 1,,2 to any",
        "permit out 17 from any - to any",
        "permit out 17 from any 1- to any",
        "permit out 17 from any -1 to any",
        "permit out 17 from any 53 to any 53 frag",
        "permit out 17 from any 53 to any 53 tcpflags syn",
        "permit out ip from any to any ipoptions ssrr",
        "permit out ip from any to any\u{0}",
        "permit out ip from any to any;permit out ip from any to any",
        "permit out ip from any to any\npermit out ip from any to any",
        "permit out ip from \u{661}.2.3.4 to any",
        "permit out 41 from any to 10.0.0.1 x",
    ];
    let mut world = World::associated();
    for text in texts {
        let mut request = open5gs(9);
        let pdi = &mut request.create_pdrs[1].pdi;
        match SdfFilter::flow(text) {
            Some(filter) => pdi.sdf_filters = vec![filter],
            // What a filter cannot be made of can be sent all the same.
            None => pdi.unknown.push(raw_filter(text)),
        }
        let answer = world.ask_from(smf(), Some(0), &request);
        let (cause, offending) = cause_of(&answer);
        assert!(
            [69, 73].contains(&cause) && offending == Some(23),
            "{text}: {cause} {offending:?}"
        );
    }
    for value in [
        "0100ffff",
        "0100003061",
        "01000005616263",
        "0200",
        "0400ff",
        "080001",
        "1000",
        "1000000000",
        "0000",
    ] {
        let octets = with_pdi(&[source(0), f_teid(), ie(23, &hex(value))]);
        let answers = world.octets(smf(), &octets);
        let (cause, offending) = cause_of(&answers[0]);
        assert!(
            [68, 69, 73].contains(&cause) && offending == Some(23),
            "{value}: {cause} {offending:?}"
        );
    }
    assert_eq!(world.node.publisher().sessions(), 0);
}

/// C18: whatever is accepted is not wider than it says, and says it again when asked.
#[test]
fn c18_accepted_flow_descriptions_keep_their_meaning() {
    let sound = [
        "permit out ip from any to any",
        "permit out ip from any to assigned",
        "permit out ip from 10.1.2.3 to assigned",
        "permit out ip from 10.1.0.0/16 to assigned",
        "permit out 17 from 2001:db8::/32 53 to assigned",
        "permit out 6 from any 80,443,8000-8080 to assigned 1024-65535",
        "permit out 58 from ff02::2/128 to assigned",
        "permit out 0 from any to any",
        "permit out 255 from any to any",
    ];
    for text in sound {
        let (mut world, _) = with_victim();
        let mut request = open5gs(10);
        request.create_pdrs[1].pdi.sdf_filters = vec![SdfFilter::flow(text).unwrap()];
        let (seid, _) = world.establish(&request);
        let rules = world.rules(seid);
        let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == 2).unwrap();
        let [filter] = &pdr.pdi.sdf_filters[..] else {
            panic!("{text}: {:?}", pdr.pdi.sdf_filters)
        };
        let flow = session::sdf::FlowDescription::parse(text).unwrap();
        assert_eq!(filter.flow.as_ref(), Some(&flow), "{text}");
    }
}

/// A filter of this flow description, as octets.
fn raw_filter(text: &str) -> pfcp::Unknown {
    let [high, low] = u16::try_from(text.len()).unwrap().to_be_bytes();
    let value = [&[1, 0, high, low], text.as_bytes()].concat();
    pfcp::Unknown {
        r#type: 23,
        value: value.as_slice().into(),
    }
}
