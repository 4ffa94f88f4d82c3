//! Task queues and workers, as operators and workers speak of them.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::enums::v1::{BuildIdTaskReachability, DescribeTaskQueueMode, RateLimitSource, TaskQueueType};
use temporal_protos::api::taskqueue::v1 as tq;
use temporal_protos::api::workflowservice::v1 as wf;

use super::core::Engine;
use super::matching::{QueueId, QueueType, Work, worker_key};
use super::namespace::NamespaceId;
use super::signal::already_completed;
use super::start::check_queue;
use super::state::Record;
use super::status::Status;
use super::time::to_proto;

/// The dispatch rate of a queue whose workers set none, as the real server reports it.
const UNLIMITED: f64 = 100_000.0;
const SYSTEM_RATE: f32 = 4_000.0;

/// The type of queue that a request asks for; by default that of workflow tasks.
fn queue_type(kind: i32) -> QueueType {
    match TaskQueueType::try_from(kind) {
        Ok(TaskQueueType::Activity) => QueueType::Activity,
        Ok(TaskQueueType::Nexus) => QueueType::Nexus,
        Ok(TaskQueueType::Workflow | TaskQueueType::Unspecified) | Err(_) => QueueType::Workflow,
    }
}

impl Engine {
    pub(super) fn reset_sticky_task_queue(
        &mut self,
        request: wf::ResetStickyTaskQueueRequest,
    ) -> Result<wf::ResetStickyTaskQueueResponse, Status> {
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        self.turn(key, |turn| {
            if !turn.is_open() {
                return Err(already_completed());
            }
            if turn.sticky.is_some() {
                turn.record(Record::Sticky(None));
                turn.leave_sticky_queue();
            }
            Ok(wf::ResetStickyTaskQueueResponse {})
        })
        .ok_or_else(|| Status::not_found("workflow not found"))?
    }

    pub(super) fn shutdown_worker(
        &mut self,
        request: wf::ShutdownWorkerRequest,
    ) -> Result<wf::ShutdownWorkerResponse, Status> {
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        if !request.worker_instance_key.is_empty() {
            let worker = worker_key(&request.worker_instance_key, &request.identity);
            self.shared.matching.worker_ends(worker.clone());
            for kind in [QueueType::Workflow, QueueType::Activity, QueueType::Nexus] {
                if let Some(queue) = self.shared.matching.find(namespace, kind, &request.task_queue) {
                    let polls = self.shared.matching.pollers_of(queue, &worker);
                    self.end_polls(queue, polls);
                }
            }
        }
        let queue = self
            .shared
            .matching
            .find(namespace, QueueType::Workflow, &request.sticky_task_queue);
        let Some(queue) = queue.filter(|_| !request.sticky_task_queue.is_empty()) else {
            return Ok(wf::ShutdownWorkerResponse {});
        };
        let polls = self.shared.matching.pollers(queue).collect();
        self.end_polls(queue, polls);
        self.shared.matching.forget_pollers(queue);
        for work in self.shared.matching.works(queue) {
            match work {
                Work::Workflow(key) => {
                    self.turn(key, |turn| {
                        turn.leave_dead_sticky_queue();
                    });
                }
                Work::Query(key, number) => {
                    self.turn(key, |turn| turn.query_due(number));
                }
                Work::Activity(..) | Work::Nexus(..) => {}
            }
        }
        Ok(wf::ShutdownWorkerResponse {})
    }

    pub(super) fn describe_task_queue(
        &mut self,
        request: wf::DescribeTaskQueueRequest,
    ) -> Result<wf::DescribeTaskQueueResponse, Status> {
        let namespace = self.shared.namespaces.find(&request.namespace)?.id;
        let name = request
            .task_queue
            .as_ref()
            .map(|queue| queue.name.clone())
            .unwrap_or_default();
        check_queue(&self.shared.config.limits, Some(&name))?;
        if request.api_mode == DescribeTaskQueueMode::Enhanced as i32 {
            return Ok(self.describe_enhanced(namespace, &name, &request));
        }
        let kind = queue_type(request.task_queue_type);
        let queue = self.shared.matching.find(namespace, kind, &name);
        let mut response = wf::DescribeTaskQueueResponse {
            pollers: self.poller_infos(queue),
            versioning_info: Some(tq::TaskQueueVersioningInfo {
                current_version: "__unversioned__".to_owned(),
                ..tq::TaskQueueVersioningInfo::default()
            }),
            effective_rate_limit: Some(self.rate_limit(queue)),
            ..wf::DescribeTaskQueueResponse::default()
        };
        if request.report_stats {
            response.stats = Some(self.queue_stats(queue));
            response.stats_by_priority_key = self.stats_by_priority(queue);
        }
        if request.include_task_queue_status {
            response.task_queue_status = Some(tq::TaskQueueStatus {
                backlog_count_hint: self.backlog(queue),
                rate_per_second: f64::from(SYSTEM_RATE),
                task_id_block: Some(tq::TaskIdBlock {
                    start_id: 1,
                    end_id: 100_000,
                }),
                ..tq::TaskQueueStatus::default()
            });
        }
        if request.report_config {
            response.config = Some(tq::TaskQueueConfig::default());
        }
        Ok(response)
    }

    fn describe_enhanced(
        &self,
        namespace: NamespaceId,
        name: &str,
        request: &wf::DescribeTaskQueueRequest,
    ) -> wf::DescribeTaskQueueResponse {
        let all = [TaskQueueType::Workflow as i32, TaskQueueType::Activity as i32];
        let kinds = if request.task_queue_types.is_empty() {
            &all[..]
        } else {
            &request.task_queue_types[..]
        };
        let mut types_info = BTreeMap::new();
        for kind in kinds {
            let queue = self.shared.matching.find(namespace, queue_type(*kind), name);
            let info = tq::TaskQueueTypeInfo {
                pollers: if request.report_pollers {
                    self.poller_infos(queue)
                } else {
                    Vec::new()
                },
                stats: request.report_stats.then(|| self.queue_stats(queue)),
            };
            types_info.insert(*kind, info);
        }
        let task_reachability = if request.report_task_reachability {
            BuildIdTaskReachability::Reachable as i32
        } else {
            BuildIdTaskReachability::Unspecified as i32
        };
        let info = tq::TaskQueueVersionInfo {
            types_info,
            task_reachability,
        };
        wf::DescribeTaskQueueResponse {
            versions_info: [(String::new(), info)].into(),
            ..wf::DescribeTaskQueueResponse::default()
        }
    }

    fn backlog(&self, queue: Option<QueueId>) -> i64 {
        let queue = queue.and_then(|id| self.shared.matching.get(id));
        queue.map_or(0, |queue| i64::try_from(queue.backlog()).unwrap_or(i64::MAX))
    }

    fn queue_stats(&self, queue: Option<QueueId>) -> tq::TaskQueueStats {
        tq::TaskQueueStats {
            approximate_backlog_count: self.backlog(queue),
            approximate_backlog_age: Some(to_proto(Duration::ZERO)),
            ..tq::TaskQueueStats::default()
        }
    }

    fn stats_by_priority(&self, queue: Option<QueueId>) -> BTreeMap<i32, tq::TaskQueueStats> {
        let queue = queue.and_then(|id| self.shared.matching.get(id));
        let counts = queue
            .map(super::matching::Queue::backlog_by_priority)
            .unwrap_or_default();
        let stats = |count: i64| tq::TaskQueueStats {
            approximate_backlog_count: count,
            approximate_backlog_age: Some(to_proto(Duration::ZERO)),
            ..tq::TaskQueueStats::default()
        };
        counts
            .into_iter()
            .map(|(priority, count)| (priority, stats(count)))
            .collect()
    }

    fn rate_limit(&self, queue: Option<QueueId>) -> wf::describe_task_queue_response::EffectiveRateLimit {
        let queue = queue.and_then(|id| self.shared.matching.get(id));
        #[expect(clippy::cast_possible_truncation, reason = "a rate to show")]
        let rate = queue.and_then(super::matching::Queue::rate).map(|rate| rate as f32);
        let source = if rate.is_some() {
            RateLimitSource::Worker
        } else {
            RateLimitSource::System
        };
        wf::describe_task_queue_response::EffectiveRateLimit {
            requests_per_second: rate.unwrap_or(SYSTEM_RATE),
            rate_limit_source: source as i32,
        }
    }

    fn poller_infos(&self, queue: Option<QueueId>) -> Vec<tq::PollerInfo> {
        let queue = queue.and_then(|id| self.shared.matching.get(id));
        let seen = queue.into_iter().flat_map(|queue| &queue.seen);
        let recent = seen.filter(|(_, seen)| self.shared.real_now.since(seen.at) < super::matching::REPORTED);
        recent
            .map(|(identity, seen)| tq::PollerInfo {
                last_access_time: Some(seen.at.to_proto()),
                identity: identity.clone(),
                rate_per_second: seen.rate.unwrap_or(UNLIMITED),
                ..tq::PollerInfo::default()
            })
            .collect()
    }
}
