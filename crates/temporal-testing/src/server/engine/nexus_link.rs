//! Links between histories, as they travel in Nexus requests and responses.

use temporal_protos::api::common::v1::{Link, link, link::workflow_event::Reference};
use temporal_protos::api::enums::v1::EventType;
use temporal_protos::api::nexus::v1 as nexus;

use super::commands::pascal;

/// The type of a link to an event of a workflow.
const WORKFLOW_EVENT: &str = "temporal.api.common.v1.Link.WorkflowEvent";

/// `NexusOperationScheduled` and so on.
fn event_name(kind: i32) -> String {
    EventType::try_from(kind).map_or_else(
        |_| kind.to_string(),
        |kind| pascal(kind.as_str_name().trim_start_matches("EVENT_TYPE_")),
    )
}

/// The event type of either of its names.
fn event_type(name: &str) -> Option<EventType> {
    if let Some(kind) = EventType::from_str_name(name) {
        return Some(kind);
    }
    let mut screaming = String::from("EVENT_TYPE");
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            screaming.push('_');
        }
        screaming.push(letter.to_ascii_uppercase());
    }
    EventType::from_str_name(&screaming)
}

/// The link as a Nexus request carries it.
pub(super) fn to_nexus(event: &link::WorkflowEvent) -> nexus::Link {
    let reference = match &event.reference {
        Some(Reference::EventRef(it)) => format!(
            "eventID={}&eventType={}&referenceType=EventReference",
            it.event_id,
            event_name(it.event_type)
        ),
        Some(Reference::RequestIdRef(it)) => format!(
            "eventType={}&referenceType=RequestIdReference&requestID={}",
            event_name(it.event_type),
            escape(&it.request_id)
        ),
        None => String::new(),
    };
    nexus::Link {
        url: format!(
            "temporal:///namespaces/{}/workflows/{}/{}/history?{reference}",
            escape(&event.namespace),
            escape(&event.workflow_id),
            escape(&event.run_id)
        ),
        r#type: WORKFLOW_EVENT.to_owned(),
    }
}

/// The link out of a Nexus response; `None` for what is no link to an event of a workflow.
pub(super) fn from_nexus(link: &nexus::Link) -> Option<Link> {
    if link.r#type != WORKFLOW_EVENT {
        return None;
    }
    let (path, query) = link
        .url
        .strip_prefix("temporal:///namespaces/")?
        .split_once("/history?")?;
    let mut parts = path.split('/');
    let (namespace, workflows, workflow_id, run_id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if workflows != "workflows" || parts.next().is_some() {
        return None;
    }
    let member = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| unescape(value))
    };
    let kind = event_type(&member("eventType")?)?;
    let reference = match member("referenceType")?.as_str() {
        "EventReference" => Reference::EventRef(link::workflow_event::EventReference {
            event_id: member("eventID").map_or(Some(0), |id| id.parse().ok())?,
            event_type: kind as i32,
        }),
        "RequestIdReference" => Reference::RequestIdRef(link::workflow_event::RequestIdReference {
            request_id: member("requestID").unwrap_or_default(),
            event_type: kind as i32,
        }),
        _ => return None,
    };
    Some(Link {
        variant: Some(link::Variant::WorkflowEvent(link::WorkflowEvent {
            namespace: unescape(namespace)?,
            workflow_id: unescape(workflow_id)?,
            run_id: unescape(run_id)?,
            reference: Some(reference),
        })),
    })
}

/// All links out of a Nexus response that lead to events of workflows.
pub(super) fn all_from_nexus(links: &[nexus::Link]) -> Vec<Link> {
    links.iter().filter_map(from_nexus).collect()
}

/// Percent-encodes what may not stand in a part of a path.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$+:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_from_their_urls() {
        let event = EventType::WorkflowExecutionStarted as i32;
        let by_event = Reference::EventRef(link::workflow_event::EventReference {
            event_id: 5,
            event_type: event,
        });
        let by_request = Reference::RequestIdRef(link::workflow_event::RequestIdReference {
            request_id: "r&=/é".to_owned(),
            event_type: event,
        });
        for reference in [by_event, by_request] {
            let event = link::WorkflowEvent {
                namespace: "ns".to_owned(),
                workflow_id: "w x/ü?&%".to_owned(),
                run_id: "run".to_owned(),
                reference: Some(reference),
            };
            let back = from_nexus(&to_nexus(&event)).unwrap();
            assert_eq!(back.variant, Some(link::Variant::WorkflowEvent(event)));
        }
    }

    #[test]
    fn what_is_no_link_to_an_event_is_passed_over() {
        let base = "temporal:///namespaces/ns/workflows/w/r/history?";
        let url = |query: &str| nexus::Link {
            url: format!("{base}{query}"),
            r#type: WORKFLOW_EVENT.to_owned(),
        };
        let full = "eventID=1&eventType=EVENT_TYPE_TIMER_FIRED&referenceType=EventReference";
        assert!(from_nexus(&url(full)).is_some());
        let other = nexus::Link {
            r#type: "other".to_owned(),
            ..url(full)
        };
        for bad in [
            other,
            url("eventType=Nope&referenceType=EventReference"),
            url("eventID=x&referenceType=EventReference"),
            url("referenceType=Weird"),
            url(""),
        ] {
            assert_eq!(from_nexus(&bad), None, "{bad:?}");
        }
    }
}
