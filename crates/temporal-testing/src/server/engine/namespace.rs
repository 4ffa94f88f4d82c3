//! Namespaces: register, describe, update, list; their search attributes; what the system says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::enums::v1::{ArchivalState, NamespaceState};
use temporal_protos::api::errordetails::v1::{NamespaceAlreadyExistsFailure, NamespaceNotFoundFailure};
use temporal_protos::api::namespace::v1 as ns;
use temporal_protos::api::operatorservice::v1 as op;
use temporal_protos::api::replication::v1::{ClusterReplicationConfig, NamespaceReplicationConfig};
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost_types::Duration as ProtoDuration;
use uuid::Uuid;

use super::super::visibility::{AttributeType, system_attributes as system};
use super::core::Engine;
use super::limits::{self, Limits};
use super::search_attributes;
use super::status::{Code, Status};
use super::time::{duration, to_proto};

/// Names a namespace; shown as the namespace id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NamespaceId(Uuid);

impl NamespaceId {
    /// Reads an id; anything else names no namespace.
    pub(super) fn parse(text: &str) -> Self {
        NamespaceId(Uuid::try_parse(text).unwrap_or_default())
    }

    pub(super) fn text(self) -> String {
        self.0.to_string()
    }
}

/// What is known of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    pub(super) id: NamespaceId,
    pub(super) name: String,
    state: NamespaceState,
    description: String,
    owner_email: String,
    data: BTreeMap<String, String>,
    pub(super) retention: Duration,
    pub(super) search_attributes: BTreeMap<String, AttributeType>,
}

/// All namespaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    by_id: BTreeMap<NamespaceId, Namespace>,
    ids: BTreeMap<String, NamespaceId>,
}

impl Namespaces {
    pub(super) fn add(
        &mut self,
        id: Uuid,
        name: &str,
        retention: Duration,
        search_attributes: BTreeMap<String, AttributeType>,
    ) -> &mut Namespace {
        let id = NamespaceId(id);
        self.ids.insert(name.to_owned(), id);
        self.by_id.entry(id).or_insert_with(|| Namespace {
            id,
            name: name.to_owned(),
            state: NamespaceState::Registered,
            description: String::new(),
            owner_email: String::new(),
            data: BTreeMap::new(),
            retention,
            search_attributes,
        })
    }

    pub(super) fn id(&self, name: &str) -> Option<NamespaceId> {
        self.ids.get(name).copied()
    }

    pub(super) fn get(&self, id: NamespaceId) -> Option<&Namespace> {
        self.by_id.get(&id)
    }

    pub(super) fn name(&self, id: NamespaceId) -> String {
        self.get(id).map(|namespace| namespace.name.clone()).unwrap_or_default()
    }

    /// The namespace a request is about.
    pub(super) fn find(&self, name: &str) -> Result<&Namespace, Status> {
        if name.is_empty() {
            return Err(Status::invalid_argument("Namespace is empty."));
        }
        self.id(name).and_then(|id| self.get(id)).ok_or_else(|| not_found(name))
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Namespace, Status> {
        let id = self.find(name)?.id;
        self.by_id.get_mut(&id).ok_or_else(|| not_found(name))
    }
}

fn not_found(name: &str) -> Status {
    Status::new(Code::NotFound, format!("Namespace {name} is not found.")).with_detail(
        "temporal.api.errordetails.v1.NamespaceNotFoundFailure",
        &NamespaceNotFoundFailure {
            namespace: name.to_owned(),
        },
    )
}

impl Namespace {
    fn info(&self, limits: &Limits) -> ns::NamespaceInfo {
        ns::NamespaceInfo {
            name: self.name.clone(),
            state: self.state as i32,
            description: self.description.clone(),
            owner_email: self.owner_email.clone(),
            data: self.data.clone(),
            id: self.id.text(),
            capabilities: Some(ns::namespace_info::Capabilities {
                eager_workflow_start: true,
                sync_update: true,
                async_update: true,
                worker_poll_complete_on_shutdown: true,
                ..ns::namespace_info::Capabilities::default()
            }),
            limits: Some(ns::namespace_info::Limits {
                blob_size_limit_error: whole(limits.blob_bytes),
                memo_size_limit_error: whole(limits.memo_bytes),
                workflow_task_completion_size_limit_error: 40 * 1024 * 1024,
            }),
            supports_schedules: false,
        }
    }

    fn config(&self) -> ns::NamespaceConfig {
        ns::NamespaceConfig {
            workflow_execution_retention_ttl: Some(to_proto(self.retention)),
            bad_binaries: Some(ns::BadBinaries::default()),
            history_archival_state: ArchivalState::Disabled as i32,
            visibility_archival_state: ArchivalState::Disabled as i32,
            ..ns::NamespaceConfig::default()
        }
    }

    fn describe(&self, limits: &Limits) -> wf::DescribeNamespaceResponse {
        wf::DescribeNamespaceResponse {
            namespace_info: Some(self.info(limits)),
            config: Some(self.config()),
            replication_config: Some(replication()),
            ..wf::DescribeNamespaceResponse::default()
        }
    }
}

fn replication() -> NamespaceReplicationConfig {
    let cluster = ClusterReplicationConfig {
        cluster_name: "active".to_owned(),
        ..ClusterReplicationConfig::default()
    };
    NamespaceReplicationConfig {
        active_cluster_name: cluster.cluster_name.clone(),
        clusters: vec![cluster],
        ..NamespaceReplicationConfig::default()
    }
}

impl Engine {
    pub(super) fn register_namespace(
        &mut self,
        request: wf::RegisterNamespaceRequest,
    ) -> Result<wf::RegisterNamespaceResponse, Status> {
        let name = request.namespace.as_str();
        if name.is_empty() {
            return Err(Status::invalid_argument("Namespace not set on request."));
        }
        self.shared
            .config
            .limits
            .check_id(name, || "Namespace length exceeds limit.".to_owned())?;
        if self.shared.namespaces.id(name).is_some() {
            let status = Status::new(Code::AlreadyExists, format!("Namespace \"{name}\" already exists"));
            let detail = "temporal.api.errordetails.v1.NamespaceAlreadyExistsFailure";
            return Err(status.with_detail(detail, &NamespaceAlreadyExistsFailure {}));
        }
        let retention = check_retention(request.workflow_execution_retention_period.as_ref())?;
        let id = self.shared.random.uuid4();
        let search_attributes = self.shared.config.custom_search_attributes();
        let namespace = self.shared.namespaces.add(id, name, retention, search_attributes);
        namespace.description = request.description;
        namespace.owner_email = request.owner_email;
        namespace.data = request.data;
        Ok(wf::RegisterNamespaceResponse {})
    }

    pub(super) fn describe_namespace(
        &mut self,
        request: wf::DescribeNamespaceRequest,
    ) -> Result<wf::DescribeNamespaceResponse, Status> {
        let namespaces = &self.shared.namespaces;
        if request.namespace.is_empty() && !request.id.is_empty() {
            let namespace = namespaces
                .get(NamespaceId::parse(&request.id))
                .ok_or_else(|| not_found(&request.id))?;
            return Ok(namespace.describe(&self.shared.config.limits));
        }
        if request.namespace.is_empty() {
            return Err(Status::invalid_argument("Namespace not set on request."));
        }
        Ok(namespaces
            .find(&request.namespace)?
            .describe(&self.shared.config.limits))
    }

    pub(super) fn list_namespaces(
        &mut self,
        request: wf::ListNamespacesRequest,
    ) -> Result<wf::ListNamespacesResponse, Status> {
        let size = usize::try_from(request.page_size)
            .ok()
            .filter(|size| *size > 0)
            .unwrap_or(100);
        let after = if request.next_page_token.is_empty() {
            String::new()
        } else {
            String::from_utf8(request.next_page_token.to_vec())
                .map_err(|_| Status::invalid_argument("Invalid NextPageToken."))?
        };
        let namespaces = &self.shared.namespaces;
        let mut rest = namespaces.ids.range(after..);
        let page: Vec<_> = rest
            .by_ref()
            .take(size)
            .filter_map(|(_, id)| namespaces.get(*id))
            .collect();
        let next = rest
            .next()
            .map(|(name, _)| name.clone().into_bytes().into())
            .unwrap_or_default();
        let namespaces = page
            .into_iter()
            .map(|namespace| namespace.describe(&self.shared.config.limits))
            .collect();
        Ok(wf::ListNamespacesResponse {
            namespaces,
            next_page_token: next,
        })
    }

    pub(super) fn update_namespace(
        &mut self,
        request: wf::UpdateNamespaceRequest,
    ) -> Result<wf::UpdateNamespaceResponse, Status> {
        let retention = match request
            .config
            .as_ref()
            .and_then(|it| it.workflow_execution_retention_ttl.as_ref())
        {
            Some(retention) => Some(check_retention(Some(retention))?),
            None => None,
        };
        let namespace = self.shared.namespaces.find_mut(&request.namespace)?;
        if let Some(retention) = retention {
            namespace.retention = retention;
        }
        if let Some(update) = request.update_info {
            if !update.description.is_empty() {
                namespace.description = update.description;
            }
            if !update.owner_email.is_empty() {
                namespace.owner_email = update.owner_email;
            }
            namespace.data.extend(update.data);
            match NamespaceState::try_from(update.state) {
                Ok(state) if state != NamespaceState::Unspecified => namespace.state = state,
                Ok(_) | Err(_) => {}
            }
        }
        Ok(wf::UpdateNamespaceResponse {
            namespace_info: Some(namespace.info(&self.shared.config.limits)),
            config: Some(namespace.config()),
            replication_config: Some(replication()),
            ..wf::UpdateNamespaceResponse::default()
        })
    }

    pub(super) fn deprecate_namespace(
        &mut self,
        request: wf::DeprecateNamespaceRequest,
    ) -> Result<wf::DeprecateNamespaceResponse, Status> {
        self.shared.namespaces.find_mut(&request.namespace)?.state = NamespaceState::Deprecated;
        Ok(wf::DeprecateNamespaceResponse {})
    }

    pub(super) fn get_system_info(&mut self, _: wf::GetSystemInfoRequest) -> Result<wf::GetSystemInfoResponse, Status> {
        Ok(wf::GetSystemInfoResponse {
            server_version: SERVER_VERSION.to_owned(),
            capabilities: Some(wf::get_system_info_response::Capabilities {
                signal_and_query_header: true,
                internal_error_differentiation: true,
                activity_failure_include_heartbeat: true,
                encoded_failure_attributes: true,
                upsert_memo: true,
                eager_workflow_start: true,
                sdk_metadata: true,
                count_group_by_execution_status: true,
                nexus: true,
                ..wf::get_system_info_response::Capabilities::default()
            }),
        })
    }

    pub(super) fn get_cluster_info(
        &mut self,
        _: wf::GetClusterInfoRequest,
    ) -> Result<wf::GetClusterInfoResponse, Status> {
        let clients = [
            "temporal-cli",
            "temporal-go",
            "temporal-java",
            "temporal-php",
            "temporal-server",
            "temporal-typescript",
        ];
        Ok(wf::GetClusterInfoResponse {
            supported_clients: clients
                .into_iter()
                .map(|name| (name.to_owned(), "<2.0.0".to_owned()))
                .collect(),
            server_version: SERVER_VERSION.to_owned(),
            cluster_id: self.shared.cluster_id.to_string(),
            cluster_name: "active".to_owned(),
            history_shard_count: 1,
            persistence_store: "memory".to_owned(),
            visibility_store: "memory".to_owned(),
            initial_failover_version: 1,
            failover_version_increment: 10,
            ..wf::GetClusterInfoResponse::default()
        })
    }

    pub(super) fn get_search_attributes(
        &mut self,
        _: wf::GetSearchAttributesRequest,
    ) -> Result<wf::GetSearchAttributesResponse, Status> {
        let mut keys: BTreeMap<String, i32> = system_attributes();
        for (name, kind) in &self.shared.config.search_attributes {
            keys.insert(name.clone(), *kind as i32);
        }
        Ok(wf::GetSearchAttributesResponse { keys })
    }

    pub(super) fn add_search_attributes(
        &mut self,
        request: op::AddSearchAttributesRequest,
    ) -> Result<op::AddSearchAttributesResponse, Status> {
        if request.search_attributes.is_empty() {
            return Err(Status::invalid_argument("SearchAttributes are not set on request."));
        }
        if let Some(name) = request
            .search_attributes
            .keys()
            .find(|name| search_attributes::is_system(name))
        {
            return Err(Status::invalid_argument(format!(
                "Search attribute {name} is reserved by system."
            )));
        }
        let namespace = self.shared.namespaces.find_mut(&request.namespace)?;
        let mut all = namespace.search_attributes.clone();
        for (name, kind) in request.search_attributes {
            let limit = |limit: usize, kind: &str| {
                Status::invalid_argument(format!(
                    "Unable to create search attributes: cannot have more than {limit} search attribute of type {kind}."
                ))
            };
            let kind = AttributeType::from_proto(kind).ok_or_else(|| limit(0, "Unspecified"))?;
            // An attribute that exists keeps its type, without an error.
            let kind = *all.entry(name).or_insert(kind);
            let most = limits::search_attributes(kind);
            if all.values().filter(|other| **other == kind).count() > most {
                return Err(limit(most, kind.name()));
            }
        }
        namespace.search_attributes = all;
        Ok(op::AddSearchAttributesResponse {})
    }

    pub(super) fn remove_search_attributes(
        &mut self,
        request: op::RemoveSearchAttributesRequest,
    ) -> Result<op::RemoveSearchAttributesResponse, Status> {
        if request.search_attributes.is_empty() {
            return Err(Status::invalid_argument("SearchAttributes are not set on request."));
        }
        if let Some(name) = request
            .search_attributes
            .iter()
            .find(|name| search_attributes::is_system(name))
        {
            return Err(Status::invalid_argument(format!(
                "Unable to remove non-custom search attributes: {name}."
            )));
        }
        let namespace = self.shared.namespaces.find_mut(&request.namespace)?;
        for name in &request.search_attributes {
            namespace.search_attributes.remove(name);
        }
        Ok(op::RemoveSearchAttributesResponse {})
    }

    pub(super) fn list_search_attributes(
        &mut self,
        request: op::ListSearchAttributesRequest,
    ) -> Result<op::ListSearchAttributesResponse, Status> {
        let namespace = self.shared.namespaces.find(&request.namespace)?;
        Ok(op::ListSearchAttributesResponse {
            custom_attributes: namespace
                .search_attributes
                .iter()
                .map(|(name, kind)| (name.clone(), kind.to_proto() as i32))
                .collect(),
            system_attributes: system_attributes(),
            storage_schema: BTreeMap::new(),
        })
    }

    pub(super) fn delete_namespace(
        &mut self,
        request: op::DeleteNamespaceRequest,
    ) -> Result<op::DeleteNamespaceResponse, Status> {
        let by_id = self.shared.namespaces.get(NamespaceId::parse(&request.namespace_id));
        let name = by_id.map_or(request.namespace, |namespace| namespace.name.clone());
        let Some(id) = self.shared.namespaces.id(&name) else {
            return Err(Status::invalid_argument(format!("namespace {name} is not found")));
        };
        self.delete_runs_of(id);
        self.shared.namespaces.ids.remove(&name);
        self.shared.namespaces.by_id.remove(&id);
        let start: String = id.text().chars().take(5).collect();
        Ok(op::DeleteNamespaceResponse {
            deleted_namespace: format!("{name}-deleted-{start}"),
        })
    }
}

/// The version of the real server whose behaviour is reproduced.
const SERVER_VERSION: &str = "1.32.0";

fn system_attributes() -> BTreeMap<String, i32> {
    system()
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), kind.to_proto() as i32))
        .collect()
}

fn whole(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn check_retention(proto: Option<&ProtoDuration>) -> Result<Duration, Status> {
    let retention = duration(proto);
    if retention < Duration::from_secs(3_600) {
        return Err(Status::invalid_argument(
            "A valid retention period is not set on request.",
        ));
    }
    Ok(retention)
}
