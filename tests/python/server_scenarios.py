"""What the official Python SDK does with a server: each scenario prints `ok NAME` or `FAILED NAME` and why.

    server_scenarios.py connect ADDRESS [NAME ...]      against a server that listens
    server_scenarios.py local BINARY [NAME ...]         `WorkflowEnvironment.start_local` with BINARY as its dev server
    server_scenarios.py skipping BINARY [NAME ...]      `WorkflowEnvironment.start_time_skipping` with BINARY as its test server

The same scenarios run against a real dev server: `connect` is how they are kept honest.
"""

import asyncio
import logging
import os
import sys
import time
import traceback
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import (
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

COLOR = SearchAttributeKey.for_keyword("ScenarioColor")
SCENARIOS = {}


def scenario(skipping: bool = False):
    """Marks a scenario; `skipping` ones need a server that skips time."""

    def add(function):
        SCENARIOS[function.__name__] = (function, skipping)
        return function

    return add


@dataclass
class World:
    """What a scenario works with."""

    client: Client
    env: WorkflowEnvironment | None
    queue: str

    def id(self) -> str:
        return f"scenario-{uuid.uuid4()}"

    async def start(self, run, *args, **options):
        return await self.client.start_workflow(run, args=args, id=self.id(), task_queue=self.queue, **options)

    async def run(self, run, *args, **options):
        return await self.client.execute_workflow(run, args=args, id=self.id(), task_queue=self.queue, **options)


async def events(handle) -> list[str]:
    return [event.event_type for event in (await handle.fetch_history()).events]


async def until(condition, what: str):
    """Asks again until `condition` holds; the server tells nobody when what it lists has changed."""
    deadline = time.monotonic() + 10
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.05)


# Hello and its failures.


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def fail_twice() -> int:
    attempt = activity.info().attempt
    if attempt < 3:
        raise ApplicationError(f"attempt {attempt}")
    return attempt


@activity.defn
async def fail_for_good() -> None:
    raise ApplicationError("declined", "card", type="Declined", non_retryable=True)


@activity.defn
async def count_up() -> list[int]:
    """Fails at each step; the next attempt takes up where the heartbeat said."""
    done = list(activity.info().heartbeat_details)
    done.append(activity.info().attempt)
    activity.heartbeat(*done)
    if len(done) < 3:
        raise ApplicationError("not yet")
    return done


@activity.defn
async def wait_for_cancel() -> str:
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return "cleaned up"


@activity.defn
async def never_beats() -> None:
    if activity.info().attempt == 1:
        await asyncio.sleep(30)


@activity.defn
async def complete_later() -> str:
    activity.raise_complete_async()


ACTIVITIES = [greet, fail_twice, fail_for_good, count_up, wait_for_cancel, never_beats, complete_later]
FIVE = timedelta(seconds=5)


@workflow.defn
class Hello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=FIVE)


@scenario()
async def hello(world: World):
    handle = await world.start(Hello.run, "Rust")
    assert await handle.result() == "Hello, Rust!"
    assert len(await events(handle)) == 11, await events(handle)
    description = await handle.describe()
    assert description.status == WorkflowExecutionStatus.COMPLETED
    assert description.history_length == 11, description.history_length


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, how: str) -> None:
        if how == "activity":
            await workflow.execute_activity(fail_for_good, start_to_close_timeout=FIVE)
        elif how == "retry":
            raise ApplicationError("again")
        raise ApplicationError("no", 1, "two", type="Refused")


@scenario()
async def failures(world: World):
    try:
        await world.run(Fails.run, "workflow")
        raise AssertionError("it did not fail")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, ApplicationError)
        assert (error.cause.message, error.cause.type, list(error.cause.details)) == ("no", "Refused", [1, "two"])
    try:
        await world.run(Fails.run, "activity")
        raise AssertionError("it did not fail")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, ActivityError)
        assert isinstance(error.cause.cause, ApplicationError)
        assert error.cause.cause.type == "Declined"
    handle = await world.start(
        Fails.run, "retry", retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)
    )
    try:
        await handle.result()
        raise AssertionError("it did not fail")
    except WorkflowFailureError as error:
        assert error.cause.message == "again"
    runs = [run async for run in world.client.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) == 2, runs


# Signals, queries, updates.


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.total = 0
        self.finished = False
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.finished)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.total

    @workflow.signal
    def add(self, number: int) -> None:
        self.total += number

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def now(self) -> int:
        return self.total

    @workflow.query
    def broken(self) -> int:
        raise RuntimeError("the query is broken")

    @workflow.update
    def add_and_get(self, number: int) -> int:
        self.total += number
        return self.total

    @add_and_get.validator
    def check(self, number: int) -> None:
        if number < 0:
            raise ApplicationError("negative", type="Negative")

    @workflow.update
    async def add_slowly(self, number: int) -> str:
        await workflow.sleep(0.05)
        greeting = await workflow.execute_activity(greet, str(number), start_to_close_timeout=FIVE)
        self.total += number
        return greeting

    @workflow.update
    async def fail_update(self) -> None:
        await workflow.sleep(0.01)
        raise ApplicationError("accepted, then failed")


@scenario()
async def signals_and_queries(world: World):
    handle = await world.start(Counter.run)
    assert await handle.query(Counter.now) == 0
    for number in range(1, 11):
        await handle.signal(Counter.add, number)
    assert await handle.query(Counter.now) == 55, "a query sees the signals sent before it"
    try:
        await handle.query(Counter.broken)
        raise AssertionError("it did not fail")
    except WorkflowQueryFailedError as error:
        assert "the query is broken" in str(error)
    await handle.signal(Counter.finish)
    assert await handle.result() == 55
    assert await handle.query(Counter.now) == 55, "a closed run answers too"


@scenario()
async def signal_with_start(world: World):
    handle = await world.start(Counter.run, start_signal="add", start_signal_args=[5])
    same = await world.client.start_workflow(
        Counter.run,
        id=handle.id,
        task_queue=world.queue,
        start_signal="add",
        start_signal_args=[6],
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    assert same.first_execution_run_id in (None, handle.first_execution_run_id)
    await handle.signal(Counter.finish)
    assert await handle.result() == 11


@scenario()
async def updates(world: World):
    handle = await world.start(Counter.run)
    assert await handle.execute_update(Counter.add_and_get, 5) == 5
    before = await events(handle)
    try:
        await handle.execute_update(Counter.add_and_get, -1)
        raise AssertionError("it was not rejected")
    except WorkflowUpdateFailedError as error:
        assert error.cause.type == "Negative"
    assert await events(handle) == before, "a rejected update leaves no events"
    slow = [asyncio.create_task(handle.execute_update(Counter.add_slowly, number)) for number in range(3)]
    assert await asyncio.gather(*slow) == [f"Hello, {number}!" for number in range(3)]
    try:
        await handle.execute_update(Counter.fail_update)
        raise AssertionError("it did not fail")
    except WorkflowUpdateFailedError as error:
        assert error.cause.message == "accepted, then failed"
    once = await handle.execute_update(Counter.add_and_get, 100, id="once")
    assert await handle.execute_update(Counter.add_and_get, 100, id="once") == once == 108
    await handle.signal(Counter.finish)
    assert await handle.result() == 108
    try:
        await handle.execute_update(Counter.add_and_get, 1)
        raise AssertionError("the run is closed")
    except RPCError as error:
        assert error.status == RPCStatusCode.NOT_FOUND, error


@scenario()
async def update_with_start(world: World):
    def start(policy):
        return WithStartWorkflowOperation(Counter.run, id=id, task_queue=world.queue, id_conflict_policy=policy)

    id = world.id()
    first = start(WorkflowIDConflictPolicy.FAIL)
    assert await world.client.execute_update_with_start_workflow(Counter.add_and_get, 2, start_workflow_operation=first) == 2
    second = start(WorkflowIDConflictPolicy.USE_EXISTING)
    assert await world.client.execute_update_with_start_workflow(Counter.add_and_get, 3, start_workflow_operation=second) == 5
    try:
        third = start(WorkflowIDConflictPolicy.FAIL)
        await world.client.execute_update_with_start_workflow(Counter.add_and_get, 3, start_workflow_operation=third)
        raise AssertionError("the run exists")
    except WorkflowAlreadyStartedError:
        pass
    await (await first.workflow_handle()).signal(Counter.finish)


# Children and other workflows.


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, queue: str) -> list:
        me = workflow.info().workflow_id
        results = [await workflow.execute_child_workflow(Hello.run, "child", id=f"{me}-hello")]
        try:
            await workflow.execute_child_workflow(Fails.run, "workflow", id=f"{me}-fails")
        except ChildWorkflowError as error:
            results.append(error.cause.type)
        counter = await workflow.start_child_workflow(Counter.run, id=f"{me}-counter")
        await counter.signal(Counter.add, 7)
        await workflow.get_external_workflow_handle(f"{me}-counter").signal("finish")
        results.append(await counter)
        endless = await workflow.start_child_workflow(Counter.run, id=f"{me}-endless")
        endless.cancel()
        try:
            await endless
        except ChildWorkflowError as error:
            results.append(type(error.cause).__name__)
        try:
            await workflow.get_external_workflow_handle("nobody").signal("finish")
        except ApplicationError as error:
            results.append(error.type or error.message)
        return results


@workflow.defn
class LeavesChildren:
    @workflow.run
    async def run(self) -> None:
        me = workflow.info().workflow_id
        await workflow.start_child_workflow(
            Counter.run, id=f"{me}-terminated", parent_close_policy=workflow.ParentClosePolicy.TERMINATE
        )
        await workflow.start_child_workflow(
            Counter.run, id=f"{me}-cancelled", parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL
        )
        await workflow.start_child_workflow(
            Counter.run, id=f"{me}-abandoned", parent_close_policy=workflow.ParentClosePolicy.ABANDON
        )


@scenario()
async def children(world: World):
    results = await world.run(Parent.run, world.queue)
    assert results[:4] == ["Hello, child!", "Refused", 7, "CancelledError"], results
    assert "not found" in results[4].lower() or "External" in results[4], results
    handle = await world.start(LeavesChildren.run)
    await handle.result()

    async def status(name: str):
        return (await world.client.get_workflow_handle(f"{handle.id}-{name}").describe()).status

    async def settled():
        return await status("terminated") == WorkflowExecutionStatus.TERMINATED and (
            await status("cancelled") == WorkflowExecutionStatus.CANCELED
        )

    await until(settled, "children follow their close policy")
    assert await status("abandoned") == WorkflowExecutionStatus.RUNNING
    await world.client.get_workflow_handle(f"{handle.id}-abandoned").terminate()


# Activities.


@workflow.defn
class Activities:
    @workflow.run
    async def run(self, what: str) -> Any:
        quick = RetryPolicy(initial_interval=timedelta(milliseconds=20))
        if what == "retry":
            return await workflow.execute_activity(fail_twice, start_to_close_timeout=FIVE, retry_policy=quick)
        if what == "local":
            return await workflow.execute_local_activity(fail_twice, start_to_close_timeout=FIVE, retry_policy=quick)
        if what == "heartbeat":
            return await workflow.execute_activity(
                count_up, start_to_close_timeout=FIVE, heartbeat_timeout=FIVE, retry_policy=quick
            )
        if what == "heartbeat timeout":
            await workflow.execute_activity(
                never_beats,
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=timedelta(milliseconds=300),
                retry_policy=quick,
            )
            return "second attempt"
        if what == "cancel":
            handle = workflow.start_activity(
                wait_for_cancel,
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=timedelta(seconds=1),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            await workflow.sleep(0.3)
            handle.cancel()
            return await handle
        if what == "schedule to start":
            try:
                await workflow.execute_activity(
                    greet,
                    "nobody",
                    task_queue="nobody polls this queue",
                    schedule_to_start_timeout=timedelta(milliseconds=200),
                    start_to_close_timeout=FIVE,
                )
            except ActivityError as error:
                assert isinstance(error.cause, TimeoutError)
                return error.cause.type.name
        if what == "later":
            return await workflow.execute_activity(complete_later, activity_id="later", start_to_close_timeout=FIVE)
        raise ApplicationError(f"what is {what}?", non_retryable=True)


@scenario()
async def activities(world: World):
    assert await world.run(Activities.run, "retry") == 3
    assert await world.run(Activities.run, "local") == 3
    assert await world.run(Activities.run, "heartbeat") == [1, 2, 3]
    assert await world.run(Activities.run, "heartbeat timeout") == "second attempt"
    assert await world.run(Activities.run, "cancel") == "cleaned up"
    assert await world.run(Activities.run, "schedule to start") == "SCHEDULE_TO_START"


@scenario()
async def activity_completed_by_id(world: World):
    handle = await world.start(Activities.run, "later")

    async def running():
        pending = (await handle.describe()).raw_description.pending_activities
        return pending and pending[0].state == 2

    await until(running, "the activity runs")
    later = world.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="later")
    await later.heartbeat("half")
    await later.complete("at last")
    assert await handle.result() == "at last"


# Ending runs.


@scenario()
async def cancelled_and_terminated(world: World):
    handle = await world.start(Counter.run)
    await handle.cancel()
    try:
        await handle.result()
        raise AssertionError("it was not cancelled")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, CancelledError)
    handle = await world.start(Counter.run)
    await handle.terminate("enough", reason="a reason")
    try:
        await handle.result()
        raise AssertionError("it was not terminated")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, TerminatedError)
        assert error.cause.message == "a reason"
    handle = await world.start(Counter.run, run_timeout=timedelta(milliseconds=300))
    try:
        await handle.result()
        raise AssertionError("it did not time out")
    except WorkflowFailureError as error:
        assert isinstance(error.cause, TimeoutError)


@scenario()
async def ids(world: World):
    handle = await world.start(Counter.run)
    start = dict(id=handle.id, task_queue=world.queue)
    try:
        await world.client.start_workflow(Counter.run, **start)
        raise AssertionError("the id is taken")
    except WorkflowAlreadyStartedError as error:
        assert error.run_id == handle.first_execution_run_id
    existing = await world.client.start_workflow(
        Counter.run, **start, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    assert existing.result_run_id == handle.result_run_id or existing.first_execution_run_id == handle.first_execution_run_id
    await world.client.start_workflow(Counter.run, **start, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    first = world.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    assert (await first.describe()).status == WorkflowExecutionStatus.TERMINATED
    again = world.client.get_workflow_handle(handle.id)
    await again.signal(Counter.finish)
    await again.result()
    try:
        await world.client.start_workflow(Counter.run, **start, id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)
        raise AssertionError("the id was used")
    except WorkflowAlreadyStartedError:
        pass


@workflow.defn
class CountsDown:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return f"memo {workflow.memo_value('note')}"


@scenario()
async def continue_as_new(world: World):
    handle = await world.start(CountsDown.run, 2, memo={"note": "kept"})
    assert await handle.result() == "memo kept"


@scenario()
async def reset(world: World):
    handle = await world.start(Counter.run)
    await handle.signal(Counter.add, 3)
    assert await handle.query(Counter.now) == 3
    await handle.signal(Counter.finish)
    assert await handle.result() == 3
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    answer = await world.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=world.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id),
            workflow_task_finish_event_id=4,
            request_id=str(uuid.uuid4()),
        )
    )
    second = world.client.get_workflow_handle(handle.id, run_id=answer.run_id)
    assert await second.result() == 3, "signals are applied again"


# Visibility.


@workflow.defn
class Colored:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes([COLOR.value_set("blue")])
        workflow.upsert_memo({"color": "blue"})
        await workflow.wait_condition(lambda: False)


@scenario()
async def visibility(world: World):
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest

    operator = world.client.operator_service
    known = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=world.client.namespace))
    if COLOR.name not in known.custom_attributes:
        await operator.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=world.client.namespace,
                search_attributes={COLOR.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
            )
        )
    red = TypedSearchAttributes([SearchAttributePair(COLOR, "red")])

    async def colored():
        try:
            return await world.start(Colored.run, search_attributes=red, memo={"color": "red"})
        except RPCError as error:
            # A new attribute takes a moment to spread on the real server.
            assert error.status == RPCStatusCode.INVALID_ARGUMENT, error
            return None

    handle = await until(colored, "the search attribute can be used")
    query = f"ScenarioColor = 'blue' AND WorkflowId = '{handle.id}' AND ExecutionStatus = 'Running'"

    async def listed():
        return [run async for run in world.client.list_workflows(query)]

    found = await until(listed, "the run is listed under its new color")
    assert found[0].workflow_type == "Colored"
    assert found[0].typed_search_attributes[COLOR] == "blue"
    description = await handle.describe()
    assert await description.memo() == {"color": "blue"}, await description.memo()
    assert description.typed_search_attributes[COLOR] == "blue"
    count = await world.client.count_workflows(query)
    assert count.count == 1
    groups = await world.client.count_workflows(f"WorkflowId = '{handle.id}' GROUP BY ExecutionStatus")
    assert [(group.group_values[0], group.count) for group in groups.groups] == [("Running", 1)]
    try:
        [run async for run in world.client.list_workflows("Foo = 1")]
        raise AssertionError("there is no Foo")
    except RPCError as error:
        assert error.message == "invalid query: invalid search attribute: Foo"
    for _ in range(5):
        await world.run(Hello.run, "list")

    async def paged():
        runs = [run.run_id async for run in world.client.list_workflows(f"TaskQueue = '{world.queue}'", page_size=2)]
        return len(runs) >= 6 and len(set(runs)) == len(runs)

    await until(paged, "pages hold each run once")
    await handle.terminate()


# Time.


@workflow.defn
class Sleeps:
    @workflow.run
    async def run(self, seconds: float) -> float:
        start = workflow.now()
        await workflow.sleep(seconds)
        return (workflow.now() - start).total_seconds()


@workflow.defn
class RetriesForHours:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            fail_twice,
            start_to_close_timeout=FIVE,
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1), backoff_coefficient=2),
        )


@scenario()
async def timers(world: World):
    assert await world.run(Sleeps.run, 0.2) >= 0.2
    before = time.monotonic()
    handle = await world.start(Sleeps.run, 0.01, start_delay=timedelta(milliseconds=500))
    await handle.result()
    if world.env is None:
        assert time.monotonic() - before >= 0.5


@scenario(skipping=True)
async def a_day_passes_at_once(world: World):
    before = time.monotonic()
    start = await world.env.get_current_time()
    assert await world.run(Sleeps.run, 24 * 3600) >= 24 * 3600
    end = await world.env.get_current_time()
    assert end - start >= timedelta(hours=24), (start, end)
    assert await world.run(RetriesForHours.run) == 3
    assert await world.env.get_current_time() - end >= timedelta(hours=3)
    took = time.monotonic() - before
    assert took < 10, f"{took} s"


@scenario(skipping=True)
async def time_is_skipped_by_hand(world: World):
    handle = await world.start(Sleeps.run, 3600)
    start = await world.env.get_current_time()
    await world.env.sleep(timedelta(minutes=30))
    half = await world.env.get_current_time()
    assert timedelta(minutes=30) <= half - start < timedelta(minutes=31), half - start
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await world.env.sleep(timedelta(minutes=31))
    async def completed():
        return (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED

    await until(completed, "the timer fired")


@scenario(skipping=True)
async def time_is_not_skipped_when_disabled(world: World):
    with world.env.auto_time_skipping_disabled():
        before = time.monotonic()
        await world.run(Sleeps.run, 0.5)
        assert time.monotonic() - before >= 0.5


@scenario()
async def system(world: World):
    from temporalio.api.workflowservice.v1 import (
        DescribeNamespaceRequest,
        DescribeTaskQueueRequest,
        GetClusterInfoRequest,
        GetSystemInfoRequest,
    )
    from temporalio.api.taskqueue.v1 import TaskQueue

    service = world.client.workflow_service
    assert (await service.get_system_info(GetSystemInfoRequest())).capabilities.sdk_metadata
    assert (await service.get_cluster_info(GetClusterInfoRequest())).server_version
    namespace = await service.describe_namespace(DescribeNamespaceRequest(namespace=world.client.namespace))
    assert namespace.namespace_info.name == world.client.namespace
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace="nowhere"))
        raise AssertionError("there is no such namespace")
    except RPCError as error:
        assert (error.status, error.message) == (RPCStatusCode.NOT_FOUND, "Namespace nowhere is not found.")
        assert error.grpc_status.details[0].type_url.endswith("NamespaceNotFoundFailure")

    async def polled():
        queue = await service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=world.client.namespace, task_queue=TaskQueue(name=world.queue), task_queue_type=1
            )
        )
        return len(queue.pollers) > 0

    await until(polled, "the worker is seen polling")
    assert await world.client.service_client.check_health()


WORKFLOWS = [
    Hello, Fails, Counter, Parent, LeavesChildren, Activities, CountsDown, Colored, Sleeps, RetriesForHours,
]


@asynccontextmanager
async def connected(mode: str, target: str):
    if mode == "connect":
        yield await Client.connect(target), None
    elif mode == "local":
        async with await WorkflowEnvironment.start_local(dev_server_existing_path=target) as env:
            yield env.client, None
    else:
        async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=target) as env:
            yield env.client, env


async def main(mode: str, target: str, names: list[str]) -> int:
    failed = 0
    # Left over from scenarios that fail on purpose.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with connected(mode, target) as (client, env):
        queue = f"scenarios-{uuid.uuid4()}"
        worker = Worker(
            client,
            task_queue=queue,
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            for name, (function, skipping) in SCENARIOS.items():
                if (skipping and env is None) or (names and name not in names):
                    continue
                start = time.monotonic()
                try:
                    await asyncio.wait_for(function(World(client, env, queue)), 60)
                    print(f"ok {name} {time.monotonic() - start:.3f}s", flush=True)
                except BaseException:
                    failed += 1
                    print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    # Activities that fail on purpose would fill the output.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    code = asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
    # Threads of the SDK may still call into the interpreter, and crash it while it shuts down.
    sys.stdout.flush()
    os._exit(code)
