//! Queries.

use super::error::is_workflow_not_found;
use super::options::payloads;
use super::{QueryError, QueryRejectCondition, WorkflowHandle};
use crate::client::Client;
use crate::connection::{Call, Code, RpcError};
use crate::data::FromPayload;
use crate::definition::{EncodeParams, IntoInput, QueryRef};
use crate::failure::ApplicationError;
use crate::interceptor::CallError;
use temporal_protos::api::errordetails::v1::QueryFailedFailure;
use temporal_protos::api::query::v1::WorkflowQuery;
use temporal_protos::api::workflowservice::v1::QueryWorkflowRequest;

/// How a query is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryOptions {
    reject_condition: QueryRejectCondition,
}

impl QueryOptions {
    /// No conditions: a workflow that has ended answers too.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The statuses of the workflow in which the query is rejected.
    #[must_use]
    pub fn reject_condition(mut self, condition: QueryRejectCondition) -> Self {
        self.reject_condition = condition;
        self
    }
}

impl<W> WorkflowHandle<W> {
    /// Asks the workflow something, whether it runs or has ended. A worker must be there to answer.
    ///
    /// ```no_run
    /// use temporal_client::definition::query_named;
    ///
    /// # async fn example<W>(handle: temporal_client::WorkflowHandle<W>) -> anyhow::Result<()> {
    /// let status: String = handle.query(query_named("status"), ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::Failed`] when the workflow has no such query or its handler fails.
    pub fn query<Q, I>(&self, query: Q, input: I) -> Call<Q::Output, QueryError>
    where
        Q: QueryRef<W>,
        Q::Params: EncodeParams,
        Q::Output: FromPayload,
        I: IntoInput<Q::Params>,
    {
        self.query_with(query, input, QueryOptions::new())
    }

    /// Asks the workflow something, with options.
    ///
    /// # Errors
    /// As [`query`](Self::query), and [`QueryError::Rejected`] when the workflow's status is not one allowed.
    pub fn query_with<Q, I>(&self, query: Q, input: I, options: QueryOptions) -> Call<Q::Output, QueryError>
    where
        Q: QueryRef<W>,
        Q::Params: EncodeParams,
        Q::Output: FromPayload,
        I: IntoInput<Q::Params>,
    {
        let input = self
            .client
            .data_converter()
            .params_to_payloads::<Q::Params>(&input.into_input());
        let request = input.map(|input| QueryWorkflowRequest {
            namespace: self.client.namespace().to_owned(),
            execution: Some(self.execution()),
            query: Some(WorkflowQuery {
                query_type: query.name().into_owned(),
                query_args: payloads(input),
                header: None,
            }),
            query_reject_condition: options.reject_condition.into(),
        });
        let client = self.client.clone();
        Call::new(move |call| async move {
            let response = match client.invoke(request?, call).await {
                Ok(response) => response,
                Err(CallError::Codec(error)) => return Err(QueryError::Data(error.into())),
                Err(CallError::Rpc(error)) => return Err(rpc_error(&client, error).await),
            };
            if let Some(rejected) = response.query_rejected {
                let status = rejected.status();
                return Err(QueryError::Rejected { status });
            }
            Ok(client.data_converter().result_from_payloads(response.query_result)?)
        })
    }
}

async fn rpc_error(client: &Client, error: RpcError) -> QueryError {
    let failed: Option<QueryFailedFailure> = error.typed_detail();
    let Some(failed) = failed.filter(|_| error.code() == Code::InvalidArgument) else {
        return if is_workflow_not_found(&error) {
            QueryError::NotFound(error)
        } else {
            QueryError::Rpc(error)
        };
    };
    let converter = client.data_converter();
    match failed.failure {
        Some(failure) => match converter.decode_failure(failure).await {
            Ok(failure) => QueryError::Failed(converter.failure_to_error(failure)),
            Err(error) => QueryError::Data(error.into()),
        },
        None => QueryError::Failed(ApplicationError::new(error.message()).into()),
    }
}
