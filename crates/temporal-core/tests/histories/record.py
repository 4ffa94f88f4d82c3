"""Records the histories in this folder with the official Python SDK on a real dev server.

usage: python record.py ADDRESS     (needs `temporalio`; the server needs --search-attribute Colour=Keyword)

The scripts in ../it/python.rs issue the same commands as the workflows here.
"""
import asyncio, json, pathlib, sys, uuid
from datetime import timedelta
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import RetryPolicy, SearchAttributeKey, TypedSearchAttributes, SearchAttributePair
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker, UnsandboxedWorkflowRunner

SECOND = timedelta(seconds=1)
COLOUR = SearchAttributeKey.for_keyword("Colour")


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def fail(name: str) -> str:
    raise ApplicationError("no", type="Refused", non_retryable=True)


@activity.defn
async def hang(name: str) -> str:
    while True:
        await asyncio.sleep(0.2)
        activity.heartbeat()


@activity.defn
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slow"


attempts = {}


@activity.defn
async def flaky(key: str) -> str:
    attempts[key] = attempts.get(key, 0) + 1
    if attempts[key] == 1:
        raise ApplicationError("not yet")
    return "at last"


@workflow.defn
class Activities:
    @workflow.run
    async def run(self) -> str:
        one = workflow.start_activity(greet, "a", start_to_close_timeout=5 * SECOND)
        two = workflow.start_activity(greet, "b", start_to_close_timeout=5 * SECOND)
        await one
        await two
        try:
            await workflow.execute_activity(fail, "x", start_to_close_timeout=5 * SECOND)
        except Exception:
            pass
        hanging = workflow.start_activity(
            hang, "h", start_to_close_timeout=60 * SECOND, heartbeat_timeout=5 * SECOND,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        tried = workflow.start_activity(
            hang, "t", start_to_close_timeout=60 * SECOND, heartbeat_timeout=5 * SECOND,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )
        await asyncio.sleep(1)
        hanging.cancel()
        try:
            await hanging
        except BaseException:
            pass
        tried.cancel()
        try:
            await tried
        except BaseException:
            pass
        return "done"


@workflow.defn
class Handlers:
    def __init__(self) -> None:
        self.signals = []
        self.done = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.done)
        timer = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0.1)
        timer.cancel()
        await workflow.execute_activity(greet, "end", start_to_close_timeout=5 * SECOND)
        return len(self.signals)

    @workflow.signal
    def add(self, value: str) -> None:
        self.signals.append(value)

    @workflow.signal
    async def end(self) -> None:
        await workflow.execute_activity(greet, "signal", start_to_close_timeout=5 * SECOND)
        self.done = True

    @workflow.update
    def quick(self, value: str) -> str:
        self.signals.append(value)
        return value

    @workflow.update
    async def long(self, value: str) -> str:
        await asyncio.sleep(0.3)
        return await workflow.execute_activity(greet, value, start_to_close_timeout=5 * SECOND)

    @workflow.update
    def checked(self, value: str) -> str:
        return value

    @checked.validator
    def check(self, value: str) -> None:
        if value == "bad":
            raise ValueError("bad")

    @workflow.query
    def count(self) -> int:
        return len(self.signals)


@workflow.defn
class Patched:
    @workflow.run
    async def run(self) -> str:
        if workflow.patched("one"):
            await workflow.execute_activity(greet, "new", start_to_close_timeout=5 * SECOND)
        await asyncio.sleep(0.1)
        workflow.deprecate_patch("two")
        workflow.patched("one")
        if workflow.patched("three"):
            await asyncio.sleep(0.1)
        return "patched"


@workflow.defn
class LocalActivities:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_local_activity(greet, "a", start_to_close_timeout=5 * SECOND)
        late = workflow.start_local_activity(slow, 0.5, start_to_close_timeout=5 * SECOND)
        quick = workflow.start_local_activity(slow, 0.1, start_to_close_timeout=5 * SECOND)
        await quick
        await late
        try:
            await workflow.execute_local_activity(fail, "x", start_to_close_timeout=5 * SECOND)
        except Exception:
            pass
        await workflow.execute_activity(greet, "b", start_to_close_timeout=5 * SECOND)
        # Longer than a workflow task: heartbeats.
        await workflow.execute_local_activity(slow, 3.0, start_to_close_timeout=30 * SECOND)
        # Back-off longer than the threshold: a timer.
        await workflow.execute_local_activity(
            flaky, workflow.info().run_id, start_to_close_timeout=5 * SECOND,
            retry_policy=RetryPolicy(initial_interval=2 * SECOND), local_retry_threshold=SECOND,
        )
        # Cancelled while it runs.
        hanging = workflow.start_local_activity(
            hang, "h", start_to_close_timeout=60 * SECOND,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        )
        await asyncio.sleep(0.2)
        hanging.cancel()
        try:
            await hanging
        except BaseException:
            pass
        return "local"


@workflow.defn
class Kid:
    def __init__(self) -> None:
        self.going = True

    @workflow.run
    async def run(self, how: str) -> str:
        if how == "fail":
            raise ApplicationError("child failed")
        if how == "wait":
            await workflow.wait_condition(lambda: not self.going)
        return how

    @workflow.signal
    def stop(self) -> None:
        self.going = False


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, prefix: str) -> str:
        await workflow.execute_child_workflow(Kid.run, "ok", id=f"{prefix}-ok")
        try:
            await workflow.execute_child_workflow(Kid.run, "fail", id=f"{prefix}-fail")
        except Exception:
            pass
        waiting = await workflow.start_child_workflow(Kid.run, "wait", id=f"{prefix}-wait")
        await waiting.signal(Kid.stop)
        await waiting
        cancelled = await workflow.start_child_workflow(Kid.run, "wait", id=f"{prefix}-cancel")
        cancelled.cancel()
        try:
            await cancelled
        except BaseException:
            pass
        external = workflow.get_external_workflow_handle(f"{prefix}-external")
        await external.signal("add", "from the parent")
        await external.cancel()
        try:
            await workflow.get_external_workflow_handle(f"{prefix}-nobody").signal("add", "x")
        except Exception:
            pass
        return "parent"


@workflow.defn
class Properties:
    @workflow.run
    async def run(self, again: bool) -> str:
        workflow.upsert_memo({"state": "running"})
        workflow.upsert_search_attributes([COLOUR.value_set("blue")])
        await asyncio.sleep(0.1)
        workflow.upsert_memo({"state": None})
        if again:
            workflow.continue_as_new(False)
        return "end"


@workflow.defn
class Cancelled:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.shield(workflow.execute_activity(greet, "tidy", start_to_close_timeout=5 * SECOND))
        return "never"


async def main() -> None:
    here = pathlib.Path(__file__).parent
    client = await Client.connect(sys.argv[1])
    queue = "record"

    async def save(handle, name):
        history = await handle.fetch_history()
        (here / f"python_{name}.json").write_text(history.to_json())
        print(name, len(history.events))

    worker = Worker(
        client, task_queue=queue, workflow_runner=UnsandboxedWorkflowRunner(),
        workflows=[Activities, Handlers, Patched, LocalActivities, Kid, Parent, Properties, Cancelled],
        activities=[greet, fail, hang, slow, flaky],
    )
    tag = uuid.uuid4().hex[:8]
    start = lambda run, *args, id, **kw: client.start_workflow(run, *args, id=f"{id}-{tag}", task_queue=queue, **kw)
    async with worker:
        handle = await start(Activities.run, id="activities")
        await handle.result()
        await save(handle, "activities")

        handle = await start(Handlers.run, id="handlers")
        await handle.signal(Handlers.add, "one")
        await handle.execute_update(Handlers.quick, "two")
        await handle.query(Handlers.count)
        try:
            await handle.execute_update(Handlers.checked, "bad")
        except WorkflowUpdateFailedError:
            pass
        await handle.execute_update(Handlers.checked, "good")
        results = [asyncio.create_task(handle.execute_update(Handlers.long, f"x{i}")) for i in range(2)]
        await handle.signal(Handlers.add, "three")
        await asyncio.gather(*results)
        await handle.signal(Handlers.end)
        await handle.result()
        await save(handle, "handlers")

        handle = await start(Patched.run, id="patched")
        await handle.result()
        await save(handle, "patched")

        handle = await start(LocalActivities.run, id="local", task_timeout=2 * SECOND)
        await handle.result()
        await save(handle, "local_activities")

        external = await start(Handlers.run, id="external")
        parent = f"parent-{tag}"
        other = await client.start_workflow(Handlers.run, id=f"{parent}-external", task_queue=queue)
        handle = await client.start_workflow(Parent.run, parent, id=parent, task_queue=queue)
        await handle.result()
        await save(handle, "children")
        await external.terminate()

        handle = await start(
            Properties.run, True, id="properties", memo={"note": 1},
            search_attributes=TypedSearchAttributes([SearchAttributePair(COLOUR, "red")]),
        )
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        await handle.result()
        await save(first, "continued_as_new")
        await save(client.get_workflow_handle(handle.id), "properties")

        handle = await start(Cancelled.run, id="cancelled")
        await asyncio.sleep(0.5)
        await handle.cancel()
        try:
            await handle.result()
        except Exception:
            pass
        await save(handle, "cancelled")


asyncio.run(main())
