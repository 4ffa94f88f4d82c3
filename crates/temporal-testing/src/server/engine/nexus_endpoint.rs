//! Nexus endpoints: names that workflows call, and where they lead to.

use std::collections::BTreeMap;

use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::nexus::v1::{self as nexus, endpoint_target::Variant};
use temporal_protos::api::operatorservice::v1 as op;
use temporal_protos::prost::Message;
use uuid::Uuid;

use super::core::Engine;
use super::namespace::{NamespaceId, Namespaces};
use super::start::check_queue;
use super::status::{Code, Status};
use super::time::Time;

/// The longest name of an endpoint, in bytes.
const NAME_LENGTH: usize = 200;
/// The longest address of an external endpoint, in bytes.
const URL_LENGTH: usize = 4_096;
/// The endpoints of one page of a list that does not say.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// Where the operations of an endpoint go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the pollers of a task queue.
    Worker { namespace: NamespaceId, queue: String },
    /// To an HTTP server, which this one does not call.
    External { url: String },
}

#[derive(Clone, Debug)]
struct Endpoint {
    id: Uuid,
    version: i64,
    name: String,
    description: Option<Payload>,
    target: Target,
    created_at: Time,
    modified_at: Option<Time>,
}

/// All endpoints; they belong to no namespace.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    by_id: BTreeMap<Uuid, Endpoint>,
    ids: BTreeMap<String, Uuid>,
}

impl Endpoints {
    /// The id of the endpoint of this name.
    pub(super) fn id(&self, name: &str) -> Option<Uuid> {
        self.ids.get(name).copied()
    }

    /// Where an endpoint leads, by its id or, if that is gone, by its name.
    pub(super) fn target(&self, id: &str, name: &str) -> Option<&Target> {
        let by_id = Uuid::try_parse(id).ok().and_then(|id| self.by_id.get(&id));
        by_id
            .or_else(|| self.by_id.get(&self.id(name)?))
            .map(|endpoint| &endpoint.target)
    }
}

impl Endpoint {
    fn to_proto(&self, namespaces: &Namespaces) -> nexus::Endpoint {
        let variant = match &self.target {
            Target::Worker { namespace, queue } => Variant::Worker(nexus::endpoint_target::Worker {
                namespace: namespaces.name(*namespace),
                task_queue: queue.clone(),
            }),
            Target::External { url } => Variant::External(nexus::endpoint_target::External { url: url.clone() }),
        };
        nexus::Endpoint {
            version: self.version,
            id: self.id.to_string(),
            spec: Some(nexus::EndpointSpec {
                name: self.name.clone(),
                description: self.description.clone(),
                target: Some(nexus::EndpointTarget { variant: Some(variant) }),
            }),
            created_time: Some(self.created_at.to_proto()),
            last_modified_time: self.modified_at.map(Time::to_proto),
            url_prefix: format!("/nexus/endpoints/{}/services", self.id),
        }
    }
}

/// What a request wants an endpoint to be, once it is checked.
struct Spec {
    name: String,
    description: Option<Payload>,
    target: Target,
}

/// `^[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9]$`
fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match name.as_bytes() {
        [first, middle @ .., last] => {
            first.is_ascii_alphabetic() && middle.iter().all(|byte| inner(*byte)) && last.is_ascii_alphanumeric()
        }
        _ => false,
    }
}

fn url_issue(url: &str) -> Option<String> {
    if url.is_empty() {
        return Some("empty target URL".to_owned());
    }
    if url.len() > URL_LENGTH {
        return Some(format!("target URL length exceeds limit of {URL_LENGTH}"));
    }
    match url.split_once(':') {
        Some(("http" | "https", _)) => None,
        Some(("", _)) => Some(format!("invalid target URL: parse {url:?}: missing protocol scheme")),
        scheme => {
            let scheme = scheme.map_or("", |(scheme, _)| scheme);
            Some(format!("invalid target URL scheme: {scheme:?}, expected http or https"))
        }
    }
}

fn issues_of(issues: &[String]) -> Result<(), Status> {
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid_argument(issues.join(", ")))
    }
}

fn id_issue(id: &str) -> Option<String> {
    if id.is_empty() {
        Some("endpoint ID not set".to_owned())
    } else if Uuid::try_parse(id).is_err() {
        let length = id.len();
        Some(format!("malformed endpoint ID: \"invalid UUID length: {length}\""))
    } else {
        None
    }
}

impl Engine {
    fn check_endpoint(&self, spec: Option<nexus::EndpointSpec>) -> Result<Spec, Status> {
        let spec = spec.unwrap_or_default();
        let limits = &self.shared.config.limits;
        let mut issues = Vec::new();
        if spec.name.is_empty() {
            issues.push("endpoint name not set".to_owned());
        } else if spec.name.len() > NAME_LENGTH {
            issues.push(format!("endpoint name exceeds length limit of {NAME_LENGTH}"));
        } else if !is_name(&spec.name) {
            let regex = r#""^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$""#;
            issues.push(format!("endpoint name must match the regex: {regex}"));
        }
        let Some(variant) = spec.target.and_then(|target| target.variant) else {
            issues.push("empty target variant".to_owned());
            return Err(Status::invalid_argument(issues.join(", ")));
        };
        let target = match variant {
            Variant::Worker(worker) => {
                let namespace = if worker.namespace.is_empty() {
                    issues.push("target namespace not set".to_owned());
                    NamespaceId::default()
                } else {
                    let found = self.shared.namespaces.find(&worker.namespace).map_err(|status| {
                        let text = "could not verify namespace referenced by target exists";
                        Status::new(Code::FailedPrecondition, format!("{text}: {}", status.message))
                    })?;
                    found.id
                };
                if let Err(status) = check_queue(limits, Some(&worker.task_queue)) {
                    issues.push(format!("invalid target task queue: {:?}", status.message));
                }
                Target::Worker {
                    namespace,
                    queue: worker.task_queue,
                }
            }
            Variant::External(external) => {
                issues.extend(url_issue(&external.url));
                Target::External { url: external.url }
            }
        };
        let largest = limits.description_bytes;
        if spec.description.as_ref().map_or(0, Payload::encoded_len) > largest {
            issues.push(format!("description size exceeds limit of {largest}"));
        }
        issues_of(&issues)?;
        Ok(Spec {
            name: spec.name,
            description: spec.description,
            target,
        })
    }

    pub(super) fn create_nexus_endpoint(
        &mut self,
        request: op::CreateNexusEndpointRequest,
    ) -> Result<op::CreateNexusEndpointResponse, Status> {
        let spec = self.check_endpoint(request.spec)?;
        if self.shared.endpoints.id(&spec.name).is_some() {
            let text = "error creating Nexus endpoint. Endpoint with name";
            let text = format!("{text} {} already registered", spec.name);
            return Err(Status::new(Code::AlreadyExists, text));
        }
        let endpoint = Endpoint {
            id: self.shared.random.uuid4(),
            version: 1,
            name: spec.name,
            description: spec.description,
            target: spec.target,
            created_at: self.shared.now,
            modified_at: None,
        };
        let proto = endpoint.to_proto(&self.shared.namespaces);
        let endpoints = &mut self.shared.endpoints;
        endpoints.ids.insert(endpoint.name.clone(), endpoint.id);
        endpoints.by_id.insert(endpoint.id, endpoint);
        Ok(op::CreateNexusEndpointResponse { endpoint: Some(proto) })
    }

    pub(super) fn update_nexus_endpoint(
        &mut self,
        request: op::UpdateNexusEndpointRequest,
    ) -> Result<op::UpdateNexusEndpointResponse, Status> {
        let spec = self.check_endpoint(request.spec)?;
        let now = self.shared.now;
        let endpoints = &mut self.shared.endpoints;
        let named = endpoints.id(&spec.name);
        let found = Uuid::try_parse(&request.id).ok();
        let Some(endpoint) = found.and_then(|id| endpoints.by_id.get_mut(&id)) else {
            let text = format!("error updating Nexus endpoint. endpoint ID {} not found", request.id);
            return Err(Status::not_found(text));
        };
        if endpoint.version != request.version {
            let text = format!(
                "nexus endpoint version mismatch. received: {} expected {}",
                request.version, endpoint.version
            );
            return Err(Status::new(Code::FailedPrecondition, text));
        }
        // The real server lets two endpoints have one name then.
        if named.is_some_and(|id| id != endpoint.id) {
            let text = format!(
                "error updating Nexus endpoint. Endpoint with name {} already registered",
                spec.name
            );
            return Err(Status::new(Code::AlreadyExists, text));
        }
        endpoints.ids.remove(&endpoint.name);
        endpoints.ids.insert(spec.name.clone(), endpoint.id);
        endpoint.version += 1;
        endpoint.name = spec.name;
        endpoint.description = spec.description;
        endpoint.target = spec.target;
        endpoint.modified_at = Some(now);
        let proto = endpoint.to_proto(&self.shared.namespaces);
        Ok(op::UpdateNexusEndpointResponse { endpoint: Some(proto) })
    }

    pub(super) fn delete_nexus_endpoint(
        &mut self,
        request: op::DeleteNexusEndpointRequest,
    ) -> Result<op::DeleteNexusEndpointResponse, Status> {
        let mut issues: Vec<String> = id_issue(&request.id).into_iter().collect();
        if request.version <= 0 {
            issues.push("endpoint version is non-positive".to_owned());
        }
        issues_of(&issues)?;
        let endpoints = &mut self.shared.endpoints;
        // As on the real server, any version does.
        let found = Uuid::try_parse(&request.id).ok();
        let Some(endpoint) = found.and_then(|id| endpoints.by_id.remove(&id)) else {
            let text = format!("error deleting nexus endpoint with ID: {}", request.id);
            return Err(Status::not_found(text));
        };
        endpoints.ids.remove(&endpoint.name);
        Ok(op::DeleteNexusEndpointResponse {})
    }

    pub(super) fn get_nexus_endpoint(
        &mut self,
        request: op::GetNexusEndpointRequest,
    ) -> Result<op::GetNexusEndpointResponse, Status> {
        issues_of(&id_issue(&request.id).into_iter().collect::<Vec<_>>())?;
        let found = Uuid::try_parse(&request.id).ok();
        let Some(endpoint) = found.and_then(|id| self.shared.endpoints.by_id.get(&id)) else {
            let text = format!("Nexus endpoint with ID `{}` not found", request.id);
            return Err(Status::not_found(text));
        };
        Ok(op::GetNexusEndpointResponse {
            endpoint: Some(endpoint.to_proto(&self.shared.namespaces)),
        })
    }

    pub(super) fn list_nexus_endpoints(
        &mut self,
        request: op::ListNexusEndpointsRequest,
    ) -> Result<op::ListNexusEndpointsResponse, Status> {
        let endpoints = &self.shared.endpoints;
        let namespaces = &self.shared.namespaces;
        if !request.name.is_empty() {
            let named = endpoints.id(&request.name).and_then(|id| endpoints.by_id.get(&id));
            return Ok(op::ListNexusEndpointsResponse {
                endpoints: named.map(|it| it.to_proto(namespaces)).into_iter().collect(),
                ..op::ListNexusEndpointsResponse::default()
            });
        }
        let size = usize::try_from(request.page_size).map_err(|_| Status::invalid_argument("page_size is negative"))?;
        if size > LARGEST_PAGE {
            let text = format!("page_size exceeds limit of {LARGEST_PAGE}");
            return Err(Status::invalid_argument(text));
        }
        let size = if size == 0 { PAGE } else { size };
        let first = if request.next_page_token.is_empty() {
            Uuid::default()
        } else {
            Uuid::from_slice(&request.next_page_token)
                .map_err(|_| Status::invalid_argument("Invalid NextPageToken."))?
        };
        let mut rest = endpoints.by_id.range(first..);
        let page = rest
            .by_ref()
            .take(size)
            .map(|(_, it)| it.to_proto(namespaces))
            .collect();
        let next = rest.next().map(|(id, _)| id.as_bytes().to_vec().into());
        Ok(op::ListNexusEndpointsResponse {
            next_page_token: next.unwrap_or_default(),
            endpoints: page,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_a_letter_and_end_with_a_letter_or_digit() {
        for name in ["ab", "a1", "a-b", "A--9"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a", "1a", "a-", "a_b", "ä1", "a b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
